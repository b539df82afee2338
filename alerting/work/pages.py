"""A watch whose checks are missing, told to its desk in working hours: as a page.  Pure."""

from collections.abc import Sequence

from alerting.notices import Push
from alerting.people import times
from alerting.people.paging import key_of, push_of
from alerting.people.roster import Recipient, Roster
from alerting.windows import Window, unticked
from lifeline.cards import Card
from lifeline.model import Text
from lifeline.words import Language, joined

TITLES = Text(
    "{zone}作业后值守已超时，必做检查未完成",
    "{zone}: the watch after work is over time, checks are missing",
)
LABELS = (
    Text("作业", "Work"),
    Text("值守片区", "Zone"),
    Text("应结束于", "Was to end"),
    Text("未完成的必做检查", "Missing checks"),
)
BUTTON = Text("打开值守台", "Open the desk")


def pages(
    roster: Roster, desk: str, window: Window, title: Text, checks: Sequence[Text], url: str,
    at_ms: int,
) -> list[Push]:  # fmt: skip
    """One a person on duty at the desk and way; nobody is called for it outside working hours.

    ``checks`` are the missing ones in words.
    """
    if not roster.is_working(at_ms) or not unticked(window):
        return []
    level = level_of(roster)
    reach = roster.reach(desk, level, 0, at_ms)
    return [
        _push(roster, window, title, checks, url, at_ms, to, level)
        for to in dict.fromkeys(reach.recipients)
    ]


def level_of(roster: Roster) -> int:
    """The gravest level that does not page at any hour, and somebody is paged for.

    A missing check waits behind whatever is grave.
    """
    grades = roster.grades
    mild = [one.level for one in grades.city if not grades.is_top(one.level)]
    return min((level for level in mild if level in roster.chains), default=grades.top[-1])


def _push(
    roster: Roster, window: Window, title: Text, checks: Sequence[Text], url: str, at_ms: int,
    to: Recipient, level: int,
) -> Push:  # fmt: skip
    language: Language = to.language
    grade = roster.grades.of(level)
    head = TITLES.said(language).format(zone=title.said(language) or window.zone)
    values = (
        window.reason,
        title.said(language) or window.zone,
        times.clock(window.until_ms, roster.zone),
        joined((one.said(language) for one in checks), language),
    )
    lines = tuple(
        (label.said(language), value) for label, value in zip(LABELS, values, strict=True)
    )
    stop = "。" if language == "zh" else ". "
    card = Card(
        title=head,
        grade=level,
        grade_word=roster.grades.word(level, language),
        colour=grade.colour,
        shape=grade.shape,
        lines=lines,
        button=BUTTON.said(language),
        url=url,
        is_drill=False,
        language=language,
        text=f"{head}{stop}{values[3]}{stop}".strip(),
        must_act=False,
    )
    key = key_of("watch", window.id, str(at_ms), to.person, to.target)
    return push_of(card, to, key, "watch")
