"""Every word of the console's own pages, in Chinese and English.  Pure.

Sentences about findings and incidents come from ``lifeline.words``; here stand the labels around
them.
"""

from alerting.console.labels import LABELS
from lifeline.words import Language, said

WORDS: dict[str, tuple[str, str]] = {
    **LABELS,
    "name": ("城市生命线值守台", "Urban Lifeline Console"),
    "skip": ("跳到正文", "Skip to content"),
    "feeds": ("数据时效", "Age of the data"),
    "feed.fresh": ("{age}前", "{age} ago"),
    "feed.stale": ("已中断 {age}", "stopped {age} ago"),
    "feed.never": ("尚无数据", "no data yet"),
    "banner.feed": (
        "{names} 的数据已停止更新，下面的画面不代表现状。",
        "No fresh data from {names}. What you see below is not the present.",
    ),
    "banner.drill": (
        "【演练】正在进行：{title}。带【演练】标记的都不是真实险情，其余照常处置。",
        "[EXERCISE] {title}: what bears the mark is not real; whatever does not is.",
    ),
    "banner.break-glass": (
        "您正在使用应急账户。每一步操作都会记录并告知所有人；密码已失效，退出后不能再次登录。",
        (
            "This is the sealed emergency account. What you do is recorded and everybody is told;"
            " its password is used up, so there is no way back in after signing out."
        ),
    ),
    "list.break-glass": (
        "应急账户于 {at} 登录过。若您不知情，请立即核实。",
        "The sealed emergency account was used at {at}. If you do not know why, find out now.",
    ),
    "language.zh": ("中文", "中文"),
    "language.en": ("English", "English"),
    "back": ("返回事件列表", "Back to the incidents"),
    "as-of": ("页面时刻 {at}", "As of {at}"),
    "as-of.live": ("每 5 秒自动刷新", "refreshes every 5 s"),
    "reload": ("刷新", "Refresh"),
    "expiring": (
        "{age}无操作后将自动退出。点“刷新”可继续值守。",
        "Signed out in {age} unless you do something. “Refresh” keeps you signed in.",
    ),
    "age.s": ("{n} 秒", "{n} s"),
    "age.min": ("{n} 分 {m} 秒", "{n} min {m} s"),
    "age.h": ("{n} 小时 {m} 分", "{n} h {m} min"),
    "age.d": ("{n} 天 {m} 小时", "{n} d {m} h"),
    "role.operator": ("运行人员", "Operator"),
    "role.officer": ("值班员", "Duty officer"),
    "role.admin": ("管理员", "Administrator"),
    # Signing in and out
    "login.title": ("登录", "Sign in"),
    "login.name": ("用户名", "Name"),
    "login.password": ("密码", "Password"),
    "login.submit": ("登录", "Sign in"),
    "login.code": ("动态验证码（已启用双因素的账户填写）", "Code (if you have a second factor)"),
    "login.wrong": (
        "用户名、密码或动态验证码不正确。",
        "Name, password or code is not right.",
    ),
    "login.wait": (
        "失败次数过多，请等待 {age}后再试。",
        "Too many failed attempts. Wait {age}, then try again.",
    ),
    "login.needed": (
        "请先登录，然后会回到您要打开的页面。",
        "Sign in first; then the page you asked for opens.",
    ),
    "login.over": (
        "登录已过期，刚才的操作没有执行。请重新登录。",
        "Your session had ended, so nothing was changed. Please sign in again.",
    ),
    "login.out": ("您已退出。", "You are signed out."),
    "logout": ("退出登录", "Sign out"),
    "account.title": ("我的账户", "Your account"),
    "account.who": ("用户名", "Name"),
    "account.role": ("角色", "Role"),
    "account.since": ("登录时间", "Signed in since"),
    "account.idle": ("无操作自动退出", "Signed out when idle for"),
    "account.rights.operator": (
        "可以查看事件并添加备注；不能确认或关闭事件。",
        "May look at incidents and add notes; may not acknowledge or close.",
    ),
    "account.rights.officer": (
        "可以查看、备注、确认、研判、派遣和关闭事件，搁置报警，交接班。",
        (
            "May look at incidents, add notes, acknowledge, judge, dispatch and close; shelve"
            " alarms; hand a shift over."
        ),
    ),
    "account.rights.admin": (
        "与值班员相同。用户由命令 lifeline user 管理。",
        "The same as a duty officer. Users are kept with the command `lifeline user`.",
    ),
    # The list
    "list.title": ("事件", "Incidents"),
    "band.open": ("待确认", "To acknowledge"),
    "band.acknowledged": ("处置中", "In hand"),
    "band.watching": ("已恢复待核验", "Back to normal, watching"),
    "band.closed": ("最近关闭", "Recently closed"),
    "band.none": ("无", "None"),
    "list.calm": ("目前没有需要处理的事件。", "Nothing needs you now."),
    "list.unsure": (
        "没有未关闭的事件，但部分数据已停止更新，不能据此认为一切正常。",
        "No open incidents, but some data have stopped: this does not mean that all is well.",
    ),
    "list.more": ("只显示前 {n} 条。", "Only the first {n} are shown."),
    "filter": ("筛选", "Filter"),
    "filter.all": ("全部", "All"),
    "filter.devices": ("设备与数据", "Devices and data"),
    "incident.age": ("已持续 {age}", "for {age}"),
    "incident.closed-at": ("{age}前关闭", "closed {age} ago"),
    "incident.alarms": ("报警 {n}", "alarms: {n}"),
    "incident.episode": ("第 {n} 次", "episode {n}"),
    "incident.by": ("{name} {at} 确认", "acknowledged by {name} at {at}"),
    "incident.drill": ("演练", "DRILL"),
    "incident.late": ("补传", "back-filled"),
    "incident.on": ("发生于 {at}", "on {at}"),
    # One incident
    "detail.what": ("类型", "What"),
    "detail.where": ("位置", "Where"),
    "detail.since": ("起始时间", "Since"),
    "detail.detected": ("发现时刻", "Detected"),
    "detail.zone": ("片区", "Zone"),
    "detail.position": ("坐标", "Position"),
    "detail.revision": ("版本", "Revision"),
    "detail.why": ("判断依据", "Why we believe it"),
    "detail.detector": ("检测器", "Detector"),
    "detail.value": ("数值", "Value"),
    "detail.limit": ("限值", "Limit"),
    "detail.verified": ("条文已核对", "clause verified"),
    "detail.unverified": ("条文未核对", "clause not verified"),
    "detail.no-limit": ("无固定限值", "no fixed limit"),
    "detail.score": ("判定值（达到 1 报警）", "Score (1 is the limit)"),
    "detail.confidence": ("置信度", "Confidence"),
    "detail.quality": ("数据质量", "Data quality"),
    "detail.quality.good": ("正常", "good"),
    "detail.contexts": ("当时该片区的情况", "Known of the zone then"),
    "detail.late": ("迟到数据，按发生时间补记", "late data, entered at the time it happened"),
    "detail.evidence": ("证据", "Evidence"),
    "detail.evidence.none": (
        "没有可画的读数：归档延迟，或该测点没有存储数据。判断依据见上。",
        (
            "No readings to draw: the archive is behind, or nothing is stored for this channel."
            " See the reasons above."
        ),
    ),
    "detail.window": ("时间窗", "Window"),
    "detail.window.900": ("15 分钟", "15 min"),
    "detail.window.3600": ("1 小时", "1 h"),
    "detail.window.86400": ("24 小时", "24 h"),
    "detail.window.now": ("最近一小时", "Last hour"),
    "detail.table": ("数据表", "Data table"),
    "detail.table.last": ("最近 {n} 条读数", "The newest {n} readings"),
    "detail.time": ("时间", "Time"),
    "detail.alarms": ("报警", "Alarms"),
    "detail.channel": ("测点", "Channel"),
    "detail.state": ("状态", "State"),
    "detail.notices": ("通知", "Notices"),
    "detail.notices.none": ("没有发出通知。", "No notices."),
    "detail.target": ("接收方", "Receiver"),
    "detail.reason": ("原因", "Reason"),
    "detail.attempts": ("尝试次数", "Attempts"),
    "detail.delivery": ("送达", "Delivery"),
    "detail.timeline": ("处置过程", "Timeline"),
    "timeline.system": ("系统", "system"),
    "action": ("操作", "Actions"),
    "action.acknowledge": ("确认", "Acknowledge"),
    "action.acknowledge.note": ("备注（可不填）", "Note (may stay empty)"),
    "action.close": ("关闭", "Close"),
    "action.close.note": ("关闭说明（必填）", "Why it is closed (required)"),
    "action.override": (
        "报警尚未恢复，我已核实，仍要关闭",
        "An alarm still stands; I have verified, and close all the same",
    ),
    "action.note": ("添加备注", "Add note"),
    "action.note.note": ("备注", "Note"),
    "action.forbidden": (
        "您的角色可以备注，但不能确认或关闭。",
        "Your role may add notes, but not acknowledge or close.",
    ),
    "action.too-early": (
        "报警仍然有效：通常等传感器恢复正常后再关闭。",
        "An alarm is still active: wait until the sensors are back to normal before closing.",
    ),
    "action.closed": (
        "事件已关闭；备注仍可添加。",
        "This incident is closed; notes can still be added.",
    ),
    # Evidence picture
    "sketch.title": ("可能的漏点管段（概率）", "Where it may be: pipes and their probability"),
    "sketch.words": ("最可能的管段：{pipes}", "Most probable pipes: {pipes}"),
    "sketch.bars": (
        "各测点偏离预期的程度（标准差）",
        "How far each sensor stands from what was expected, in standard deviations",
    ),
    "detail.candidates": ("可能位置", "Where it may be"),
    "detail.begun": ("推定开始", "Believed to have begun"),
    "evidence.title": ("{channel} 的读数（{unit}）", "Readings of {channel} in {unit}"),
    "evidence.span": ("{start} 至 {end} 共 {n} 条读数。", "{n} readings from {start} to {end}."),
    "evidence.range": (
        "最低 {low}，最高 {high} {unit}（{at}），最新 {last} {unit}。",
        "Lowest {low}, highest {high} {unit} at {at}, newest {last} {unit}.",
    ),
    "evidence.limit": ("限值 {id}：{value} {unit}。", "Limit {id}: {value} {unit}."),
    "evidence.moments": ("开始 {onset}，发现 {detected}。", "Onset {onset}, detected {detected}."),
    "evidence.bad": (
        "不可信读数 {bad}，缺测 {gaps} 段。",
        "Untrusted readings: {bad}; gaps: {gaps}.",
    ),
    "evidence.gap": ("缺测", "no data"),
    "evidence.onset": ("开始 {at}", "onset {at}"),
    "evidence.detected": ("发现 {at}", "detected {at}"),
    "evidence.none": ("此时间窗内没有读数", "no readings in this window"),
    "evidence.newest": ("最新读数 {age}前", "newest reading {age} ago"),
    "evidence.legend": (
        "阶梯线为读数，斜线为缺测，× 为不可信数值，虚线为限值。",
        (
            "Steps are readings, hatching is missing data, × is a value not to be trusted,"
            " dashes are limits."
        ),
    ),
    # Quality of a reading
    "quality.fault": ("传感器故障", "sensor fault"),
    "quality.calibration-due": ("待校准", "calibration due"),
    "quality.test-gas": ("通标准气测试", "test gas"),
    "quality.immersed": ("浸水", "immersed"),
    "quality.cover-tilt": ("井盖倾斜", "cover tilted"),
    "quality.battery-low": ("电量低", "battery low"),
    "quality.non-finite": ("非有限数值", "not a finite number"),
    "quality.out-of-range": ("超出物理量程", "out of physical range"),
    "quality.wrong-unit": ("单位错误", "wrong unit"),
    "quality.historical": ("补传", "back-filled"),
    # Delivery of a notice
    "notice.waiting": ("等待发送", "waiting"),
    "notice.leased": ("发送中", "being sent"),
    "notice.delivered": ("已送达", "delivered"),
    "notice.dead": ("未能送达", "not delivered"),
    "notice.held": ("已确认，暂不发送", "held: acknowledged"),
    "notice.ended": ("已确认，不再发送", "not sent: no longer needed"),
    "notice.overtaken": ("已送达（确认时已在途中）", "delivered: on its way when acknowledged"),
    "notice.accepted": ("已签收", "signed for"),
    "notice.refused": ("对方拒收", "refused by the receiver"),
    "notice.seen": ("对方已阅", "seen by an officer there"),
    # A case of the city's management
    "case.title": ("案件 {number}", "case {number}"),
    "case.filed": ("立案", "filed"),
    "case.dispatched": ("派遣", "dispatched"),
    "case.handling": ("处置", "being handled"),
    "case.checking": ("核查", "being checked"),
    "case.closed": ("结案", "closed there"),
    "case.strange": ("未映射的状态码 {code}", "unmapped state {code}"),
    # Problems, as sentences
    "problem.title": ("没有完成", "Not done"),
    "problem.400": (
        "请求无法理解，没有任何更改。",
        "The request could not be understood. Nothing was changed.",
    ),
    "problem.403": (
        "您的角色不能做这个操作。没有任何更改。",
        "Your role may not do this. Nothing was changed.",
    ),
    "problem.csrf": (
        "这个请求不是从本系统的页面发出的，或页面已过期。没有任何更改；请返回并刷新页面后重试。",
        (
            "This request did not come from a page of this console, or the page is too old. Nothing"
            " was changed; go back, refresh and try again."
        ),
    ),
    "problem.404": (
        "没有这个页面或事件。它可能从未存在，链接也可能不完整。",
        "There is no such page or incident. Perhaps the link was cut short.",
    ),
    "problem.405": ("这个地址不支持该操作。", "This address does not take that kind of request."),
    "problem.409.faster": (
        "{name} 已先一步处理（{at}）。您的操作没有执行；请看最新状态。",
        (
            "{name} was faster ({at}). Your action was not carried out; look at the incident"
            " as it is now."
        ),
    ),
    "problem.409.changed": (
        "您查看之后事件已变化。您的操作没有执行；请看最新状态再决定。",
        (
            "The incident has changed since you looked. Your action was not carried out;"
            " look again, then decide."
        ),
    ),
    "problem.409.refused": ("没有执行：{why}", "Not done: {why}"),
    "problem.409.note": ("您写的备注没有保存：", "The note you wrote was not stored:"),
    "problem.413": ("请求太大，没有任何更改。", "The request is too large. Nothing was changed."),
    "problem.428": (
        "请求必须带 If-Match，说明您看到的是哪个版本。",
        "The request must carry If-Match to say which revision you have seen.",
    ),
    "problem.401": ("请先登录。", "Sign in first."),
    "problem.422": ("请求的内容不符合规定：{detail}", "The request does not fit: {detail}"),
    "problem.signature": (
        "签名不成立：{detail}。没有任何更改。",
        "The signature does not hold: {detail}. Nothing was changed.",
    ),
    "problem.partner": (
        "您的系统没有 {detail} 权限。没有任何更改。",
        "Your system may not do this: {detail}. Nothing was changed.",
    ),
    "problem.other-body": (
        "同一编号的消息此前内容不同。没有任何更改。",
        "A message of this name came before with another body. Nothing was changed.",
    ),
    "problem.zones": (
        "各片区状态尚未生成，请稍后再试。",
        "The state of the zones has not been made yet. Try again.",
    ),
    "problem.note-missing": (
        "必须写明原因。没有任何更改。",
        "This needs a note that says why. Nothing was changed.",
    ),
    "problem.note-empty": (
        "备注是空的。没有任何更改。",
        "The note is empty. Nothing was changed.",
    ),
    "problem.note-long": (
        "备注最长 2000 字。没有任何更改。",
        "A note has at most 2000 characters. Nothing was changed.",
    ),
    "problem.key-reused": (
        "这个 Idempotency-Key 已用于另一个请求。",
        "This Idempotency-Key was used for a different request.",
    ),
    "problem.500": (
        "值守台内部出错，没有任何更改。错误已记录。",
        "The console made a mistake. Nothing was changed; it has been logged.",
    ),
    "problem.503": (
        "数据库暂时没有应答。报警仍在检测和推送，但这里暂时看不到，操作也没有确认成功。本页会自动重试。",
        (
            "The database does not answer. Alarms are still detected and pushed, but cannot be"
            " seen here, and an action sent just now may not have been carried out. This page"
            " tries again by itself."
        ),
    ),
    "problem.busy": (
        "登录请求太多，请稍后再试。",
        "Too many people are signing in. Try again in a moment.",
    ),
}
"""Key -> (zh, en).  A key that is asked for anywhere and is not here fails a test."""


def text(key: str, language: Language, **values: object) -> str:
    """The words under a key, with their values in place; an unknown key is our mistake."""
    assert key in WORDS, key
    return said(WORDS[key], language).format(**values)


def age(seconds: float, language: Language) -> str:
    """How long, in the two largest units that matter.

    >>> age(3.4, "en"), age(75, "zh"), age(7_300, "en")
    ('3 s', '1 分 15 秒', '2 h 1 min')
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return text("age.s", language, n=whole)
    if whole < 3600:
        return text("age.min", language, n=whole // 60, m=whole % 60)
    if whole < 86_400:
        return text("age.h", language, n=whole // 3600, m=whole % 3600 // 60)
    return text("age.d", language, n=whole // 86_400, m=whole % 86_400 // 3600)
