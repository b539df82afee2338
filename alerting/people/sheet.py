"""The hand-over sheet as it is read: rows of words for the page, the print and the spreadsheet.

Pure.
"""

import datetime as dt
import io
from collections.abc import Callable

import msgspec
import xlsxwriter

from alerting.people import times
from alerting.people.check import Problem
from alerting.people.handover import Handover
from alerting.people.roster import Roster
from lifeline import words
from lifeline.model import GRADES
from lifeline.terms import Table
from lifeline.words import LANGUAGES, Language

LABELS: Table = {
    "title": ("交接班记录", "Hand-over of shift"),
    "desk": ("值班席", "Desk"),
    "at": ("时间", "Time"),
    "shift": ("本班", "Shift"),
    "outgoing": ("交班人", "Outgoing"),
    "incoming": ("接班人", "Incoming"),
    "signature": ("签字", "Signature"),
    "signed": ("{at} 已签", "signed {at}"),
    "unsigned": ("未签", "not signed"),
    "summary": ("本班概要", "This shift"),
    "opened": ("新事件", "Incidents opened"),
    "acknowledged": ("已确认", "Acknowledged"),
    "closed": ("已关闭", "Closed"),
    "open": ("未结", "Open now"),
    "incidents": ("未结事件", "Open incidents"),
    "shelved": ("已搁置的报警", "Shelved alarms"),
    "faulty": ("异常传感器", "Faulty sensors"),
    "gaps": ("排班问题", "Roster problems"),
    "notes": ("备注", "Notes"),
    "grade": ("等级", "Grade"),
    "what": ("事由", "What"),
    "where": ("地点", "Where"),
    "phase": ("状态", "State"),
    "since": ("始于", "Since"),
    "owner": ("负责人", "Owner"),
    "next": ("下一步", "Next"),
    "note": ("最近说明", "Last note"),
    "accepted": ("接收", "Accepted"),
    "point": ("测点", "Point"),
    "by": ("搁置人", "Shelved by"),
    "until": ("到期", "Until"),
    "nobody": ("无", "nobody"),
    "none": ("无", "None"),
    "not-accepted": ("待接收", "to be accepted"),
    "remind": ("提醒", "reminder"),
    "escalate": ("升级呼叫", "escalation"),
    "progress": ("催办", "progress due"),
    "quiet": ("观察期满", "watch ends"),
    "undo": ("撤销期满", "undo ends"),
    "archive": ("归档", "archive"),
    "receipt": ("等待平台签收", "receipt due"),
    "review": ("复核清单", "review list"),
}


class SheetTable(msgspec.Struct, frozen=True):
    """One table of the sheet."""

    code: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class SheetView(msgspec.Struct, frozen=True):
    """The whole sheet in one language."""

    title: str
    language: Language
    facts: tuple[tuple[str, str], ...]
    """Label and value, above the tables."""
    counts: tuple[tuple[str, int], ...]
    tables: tuple[SheetTable, ...]
    notes_title: str
    notes: str
    signatures: tuple[tuple[str, str, str], ...]
    """Role, name, when it was signed."""
    none: str
    is_done: bool


def view(
    handover: Handover,
    roster: Roster,
    problems: list[Problem],
    language: Language,
    place: Callable[[str], str] = str,
) -> SheetView:
    """The sheet in words; ``place`` says what people call an asset."""

    def label(code: str, **fields: str) -> str:
        return LABELS[code][LANGUAGES.index(language)].format(**fields)

    def when(at_ms: int | None) -> str:
        return "–" if at_ms is None else times.clock(at_ms, roster.zone)

    def person(login: str) -> str:
        known = roster.person_of(login)
        return getattr(known.title, language) if known else login

    def signed(at_ms: int | None) -> str:
        return label("unsigned") if at_ms is None else label("signed", at=when(at_ms))

    facts = handover.facts
    desk = roster.desks.get(handover.desk)
    return SheetView(
        title=label("title"),
        language=language,
        facts=(
            (label("desk"), getattr(desk.title, language) if desk else handover.desk),
            (label("at"), when(facts.at_ms)),
            (label("shift"), f"{when(facts.since_ms)} – {when(facts.at_ms)}"),
            (label("outgoing"), person(handover.outgoing)),
            (label("incoming"), person(handover.incoming)),
        ),
        counts=(
            (label("opened"), facts.opened),
            (label("acknowledged"), facts.acknowledged),
            (label("closed"), facts.closed),
            (label("open"), len(facts.incidents)),
        ),
        tables=_tables(handover, problems, language, label, when, person, place),
        notes_title=label("notes"),
        notes=handover.notes,
        signatures=(
            (label("outgoing"), person(handover.outgoing), signed(handover.outgoing_signed_ms)),
            (label("incoming"), person(handover.incoming), signed(handover.incoming_signed_ms)),
        ),
        none=label("none"),
        is_done=handover.is_done,
    )


def _tables(
    handover: Handover,
    problems: list[Problem],
    language: Language,
    label: Callable[..., str],
    when: Callable[[int | None], str],
    person: Callable[[str], str],
    place: Callable[[str], str],
) -> tuple[SheetTable, ...]:
    accepted = dict(handover.accepted)
    facts = handover.facts

    def taken(key: tuple[str, str]) -> str:
        at_ms = next((at for known, at in accepted.items() if known == key), None)
        return label("not-accepted") if at_ms is None else when(at_ms)

    def heads(*codes: str) -> tuple[str, ...]:
        return tuple(label(code) for code in codes)

    def next_step(kind: str, at_ms: int | None, *, review: bool) -> str:
        listed = [label("review")] if review else []
        due = [f"{when(at_ms)} {label(kind)}"] if kind in LABELS and at_ms is not None else []
        return "；".join(listed + due) or "–"

    incidents = tuple(
        (
            _grade(one.grade, language),
            words.hazard(one.hazard, language),
            place(one.asset),
            words.phase(one.phase, language),
            when(one.since_ms),
            person(one.owner) if one.owner else label("nobody"),
            next_step(one.next_kind, one.next_ms, review=one.review),
            one.note,
            taken(("incident", one.id)),
        )
        for one in facts.incidents
    )
    shelved = tuple(
        (
            _grade(one.grade, language),
            one.channel,
            words.hazard(one.hazard, language),
            person(one.by),
            when(one.until_ms),
            taken(("shelved", one.key)),
        )
        for one in facts.shelved
    )
    faulty = tuple(
        (
            one.channel,
            words.hazard(one.hazard, language),
            words.alarm_state(one.state, language),
            when(one.since_ms),
        )
        for one in facts.faulty
    )
    gaps = tuple((getattr(problem.text, language),) for problem in problems)
    incident_heads = heads(
        "grade", "what", "where", "phase", "since", "owner", "next", "note", "accepted"
    )
    shelved_heads = heads("grade", "point", "what", "by", "until", "accepted")
    return (
        SheetTable("incidents", label("incidents"), incident_heads, incidents),
        SheetTable("shelved", label("shelved"), shelved_heads, shelved),
        SheetTable("faulty", label("faulty"), heads("point", "what", "phase", "since"), faulty),
        SheetTable("gaps", label("gaps"), heads("gaps"), gaps),
    )


def _grade(level: int, language: Language) -> str:
    shape = next((grade.shape for grade in GRADES if grade.level == level), "")
    return f"{shape} {words.grade(level, language)}".strip()


EPOCH = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - the library takes it without a zone
"""When the file says it was made: when the sheet was is on the sheet."""


def workbook(sheet: SheetView) -> bytes:
    """The sheet as XLSX: the same sheet, the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"title": sheet.title, "created": EPOCH})
    bold = book.add_format({"bold": True, "bg_color": "#E5E7EB", "border": 1})
    cell = book.add_format({"text_wrap": True, "valign": "top", "border": 1})
    page = book.add_worksheet(sheet.title[:31])
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.set_column(0, 8, 18)
    page.write_string(0, 0, sheet.title, book.add_format({"bold": True, "font_size": 16}))
    row = 1
    for name, value in (*sheet.facts, *((n, str(c)) for n, c in sheet.counts)):
        page.write_string(row, 0, name, bold)
        page.write_string(row, 1, value, cell)
        row += 1
    for table in sheet.tables:
        row += 1
        page.write_string(row, 0, f"{table.title}（{len(table.rows)}）", bold)
        row += 1
        for column, head in enumerate(table.heads):
            page.write_string(row, column, head, bold)
        row += 1
        for values in table.rows:
            for column, value in enumerate(values):
                page.write_string(row, column, value, cell)
            row += 1
    page.write_string(row + 1, 0, sheet.notes_title, bold)
    page.write_string(row + 1, 1, sheet.notes or sheet.none, cell)
    row += 3
    for role, name, at in sheet.signatures:
        for column, value in enumerate((role, name, at)):
            page.write_string(row, column, value, cell)
        row += 1
    book.close()
    return out.getvalue()
