"""What people read about rosters, pages and hand-overs, Chinese and English.  Pure."""

from lifeline.model import Text
from lifeline.terms import Table
from lifeline.words import Language, said

WHOM: Table = {
    "on-duty": ("当班", "on duty"),
    "second": ("副班", "second"),
    "leader": ("带班领导", "leader"),
    "parent-desk": ("上级值班席", "parent desk"),
    "everyone": ("本席全员", "everyone of the desk"),
    "list": ("复核清单", "review list"),
}
LACKS: Table = {
    "nobody": ("无人在岗", "nobody holds that post"),
    "quiet": ("{people} 处于免打扰时段", "{people}: quiet hours"),
    "threshold": ("{people} 不接收该等级", "{people}: not told of this grade"),
    "address": (
        "{people} 没有可用的联系方式",
        "{people}: no address for any target that can be sent by",
    ),
    "exercise": ("{people} 不在演练名单中", "{people}: not on the drill roster"),
}
KINDS: Table = {
    "first": ("新报", "New"),
    "remind": ("提醒", "Reminder"),
    "escalate": ("升级呼叫", "Escalated"),
    "progress": ("处置无进展", "No progress"),
    "unsigned": ("平台未签收", "Not signed for"),
    "support": ("请求支援", "Support needed"),
    "call": ("呼叫支援", "Called in"),
    "watch": ("值守超时", "Watch over time"),
    "test": ("呼叫测试", "Test page"),
}
"""Kinds of pages."""
LINES: Table = {
    "grade": ("等级", "Grade"),
    "what": ("事由", "What"),
    "where": ("地点", "Where"),
    "since": ("始于", "Since"),
    "why": ("依据", "Why"),
    "next": ("下一步", "Next"),
    "desk": ("值班席", "Desk"),
}
"""What begins a line of a page."""
PAGES: Table = {
    "test-mark": ("【测试】", "[TEST] "),
    "drill-mark": ("【演练】", "[EXERCISE] "),
    "test-title": ("{mark}夜间呼叫测试", "{mark}Test page"),
    "test-why": (
        "这是一次例行呼叫测试，没有险情。请点击“我已收到”确认。",
        "This is a routine test, nothing has happened. Please confirm that it reached you.",
    ),
    "acknowledge": ("确认", "Acknowledge"),
    "seen": ("我已收到", "It reached me"),
    "open": ("查看", "Open"),
    "next": ("{time} {whom}：{people}", "{time} {whom}: {people}"),
    "last": ("已是最后一步", "this is the last step"),
    "next-list": ("{time} 列入复核清单", "{time} on the review list"),
    "last-resort": (
        "按预案无人可达，现呼叫所有人",
        "Nobody of the chain can be reached: everyone is called",
    ),
}
PROBLEMS: Table = {
    "hole": (
        "{desk}：{begins} 至 {ends}，{grade}事件无人可达（{why}）。",
        "{desk}: from {begins} to {ends} nobody would be reached for grade {grade} ({why}).",
    ),
    "gap": (
        "{desk}：{begins} 至 {ends} 无人当班。",
        "{desk}: nobody is on duty from {begins} to {ends}.",
    ),
    "overlap": (
        "{desk}：{begins} 至 {ends}，{post}有两份排班（{entries}）。",
        "{desk}: from {begins} to {ends} the post {post} is given twice ({entries}).",
    ),
    "cover-twice": (
        "{person} 在 {begins} 至 {ends} 有两人顶班（{people}）。",
        "{person} is covered for twice from {begins} to {ends} ({people}).",
    ),
    "no-chain": (
        "{grade}没有任何时段都有效的呼叫预案：必须全天有人可达。",
        "Grade {grade} has no chain that holds at any hour: somebody must always be reached.",
    ),
    "slow-chain": (
        "{grade}的呼叫预案过慢：提醒、升级、催办最迟为 {remind}、{escalate}、{progress} 秒。",
        (
            "The chain of grade {grade} is too slow: {remind} s to remind, {escalate} s to call"
            " others, {progress} s to ask for progress are the most."
        ),
    ),
    "no-grade": (
        "呼叫预案写有等级 {grade}，但 [[grades]] 中没有它。",
        "there is a chain of grade {grade}, which [[grades]] lacks.",
    ),
    "no-target": (
        "呼叫预案使用 {target}，但 router.targets 中没有它。",
        "the chains use {target}, which router.targets lacks.",
    ),
    "no-address": (
        "{person} 没有 {target} 的联系方式，但{desk}{grade}预案第 {step} 步需要。",
        "{person} has no address for {target}, which step {step} of grade {grade} needs at {desk}.",
    ),
    "unreachable": (
        "{person} 在{desk}{grade}预案第 {step} 步没有任何可用的联系方式。",
        "{person} has no address at all for step {step} of grade {grade} at {desk}.",
    ),
}
"""What is wrong with a roster."""
ANSWERS: Table = {
    "bad": ("错误", "BAD "),
    "note": ("提示", "note"),
    "fine": (
        "正常 {people} 人、{desks} 个值班席：今后 {days} 天任何时段都有人可达",
        "ok   {people} people, {desks} desks: somebody is reached at any hour of {days} days",
    ),
    "on-duty": ("{desk}：当班 {people}", "{desk}: on duty {people}"),
    "nobody": ("无人", "nobody"),
    "confirmed": ("已回复", "confirmed"),
    "late": ("逾期未回复", "LATE"),
    "waiting": ("等待回复", "waiting"),
    "delivered": ("已送达", "delivered"),
    "in-line": ("排队中", "in line"),
    "pages": ("共 {n} 条，批次 {run}", "{n} pages of {run}"),
    "no-pages": ("没有呼叫测试", "0 pages: nobody was tried"),
}
"""What a terminal is told of a roster and of test pages."""


def say(table: Table, code: str, language: Language, **fields: str) -> str:
    """The words of a code in one language, its fields filled in."""
    return said(table[code], language).format(**fields)


def both(table: Table, code: str, **fields: Text | str) -> Text:
    """The words of a code in both languages."""

    def one(language: Language) -> str:
        own = {
            name: value if isinstance(value, str) else value.said(language)
            for name, value in fields.items()
        }
        return say(table, code, language, **own)

    return Text(one("zh"), one("en"))
