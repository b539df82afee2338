"""A watch whose checks are missing, told to its desk in working hours: as a page.  Pure."""

import hashlib
from collections.abc import Sequence

import msgspec

from alerting.notices import Push
from alerting.people import times
from alerting.people.roster import Recipient, Roster
from alerting.windows import Window, unticked
from lifeline.cards import Card
from lifeline.model import GRADES, Text
from lifeline.words import Language

GRADE = 3
"""It waits behind whatever is grave, and reaches whoever is paged for moderate incidents."""
TITLES = Text(
    "{zone}作业观察已超时，必查项未完成",
    "{zone}: the watch after work is over time, checks are missing",
)
LABELS = (
    Text("作业", "Work"),
    Text("观察区域", "Zone"),
    Text("应结束于", "Was to end"),
    Text("未完成的必查项", "Missing checks"),
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
    reach = roster.reach(desk, GRADE, 0, at_ms)
    return [
        _push(roster, window, title, checks, url, at_ms, to)
        for to in dict.fromkeys(reach.recipients)
    ]


def _push(
    roster: Roster, window: Window, title: Text, checks: Sequence[Text], url: str, at_ms: int,
    to: Recipient,
) -> Push:  # fmt: skip
    language: Language = to.language
    grade = next(grade for grade in GRADES if grade.level == GRADE)
    head = TITLES.said(language).format(zone=title.said(language) or window.zone)
    values = (
        window.reason,
        title.said(language) or window.zone,
        times.clock(window.until_ms, roster.zone),
        ("、" if language == "zh" else ", ").join(one.said(language) for one in checks),
    )
    lines = tuple(
        (label.said(language), value) for label, value in zip(LABELS, values, strict=True)
    )
    stop = "。" if language == "zh" else ". "
    card = Card(
        title=head,
        grade=GRADE,
        grade_word=grade.zh if language == "zh" else grade.en,
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
    told = "\n".join(("watch", window.id, str(at_ms), to.person, to.target))
    return Push(
        target=to.target,
        key=hashlib.sha256(told.encode()).hexdigest(),
        body=msgspec.json.encode(card),
        incident="",
        kind="page",
        reason="watch",
        grade=GRADE,
        received_ms=0,
        is_page=True,
        person=to.person,
        address=to.address,
        language=language,
    )
