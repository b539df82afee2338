"""The hand-over sheet as it is read: rows of words for the page, the print and the spreadsheet.

Pure.
"""

import datetime as dt
import io
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import xlsxwriter

from alerting.people import times
from alerting.people.check import Problem
from alerting.people.handover import Handover, ItemKey, OpenIncident
from alerting.people.roster import Roster
from lifeline import words
from lifeline.grades import Grade
from lifeline.terms import Table
from lifeline.words import Language

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
    grades: tuple[Grade, ...] = ()
    """Of each row, where its first word is its grade."""


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


@dataclass(slots=True)
class Tongue:
    """How things are called in one language."""

    language: Language
    roster: Roster
    place: Callable[[str], str]

    def label(self, code: str, **fields: str) -> str:
        """The words around what is told."""
        return words.said(LABELS[code], self.language).format(**fields)

    def labels(self, *codes: str) -> tuple[str, ...]:
        """The heads of a table."""
        return tuple(self.label(code) for code in codes)

    def when(self, at_ms: int | None) -> str:
        """Date and time, or a dash."""
        return "–" if at_ms is None else times.clock(at_ms, self.roster.zone)

    def person(self, login: str) -> str:
        """What people call him who signs in by that name."""
        known = self.roster.person_of(login)
        return known.title.said(self.language) if known else login

    def grade(self, level: int) -> str:
        """A grade's sign and name."""
        grades = self.roster.grades
        return f"{grades.of(level).shape} {grades.word(level, self.language)}"

    def signed(self, at_ms: int | None) -> str:
        """Whether and when somebody has signed."""
        return (
            self.label("unsigned") if at_ms is None else self.label("signed", at=self.when(at_ms))
        )

    def taken(self, handover: Handover, key: ItemKey) -> str:
        """Whether and when an item was taken over."""
        at_ms = dict(handover.accepted).get(key)
        return self.label("not-accepted") if at_ms is None else self.when(at_ms)


def view(
    handover: Handover,
    roster: Roster,
    problems: list[Problem],
    language: Language,
    place: Callable[[str], str] = str,
) -> SheetView:
    """The sheet in words; ``place`` says what people call an asset."""
    tongue = Tongue(language, roster, place)
    facts = handover.facts
    desk = roster.desks.get(handover.desk)
    out, into = tongue.person(handover.outgoing), tongue.person(handover.incoming)
    return SheetView(
        title=tongue.label("title"),
        language=language,
        facts=(
            (tongue.label("desk"), desk.title.said(language) if desk else handover.desk),
            (tongue.label("at"), tongue.when(facts.at_ms)),
            (tongue.label("shift"), f"{tongue.when(facts.since_ms)} – {tongue.when(facts.at_ms)}"),
            (tongue.label("outgoing"), out),
            (tongue.label("incoming"), into),
        ),
        counts=(
            (tongue.label("opened"), facts.opened),
            (tongue.label("acknowledged"), facts.acknowledged),
            (tongue.label("closed"), facts.closed),
            (tongue.label("open"), len(facts.incidents)),
        ),
        tables=(
            _incidents(tongue, handover),
            _shelved(tongue, handover),
            _faulty(tongue, handover),
            SheetTable(
                "gaps",
                tongue.label("gaps"),
                tongue.labels("gaps"),
                tuple((problem.text.said(language),) for problem in problems),
            ),
        ),
        notes_title=tongue.label("notes"),
        notes=handover.notes,
        signatures=(
            (tongue.label("outgoing"), out, tongue.signed(handover.outgoing_signed_ms)),
            (tongue.label("incoming"), into, tongue.signed(handover.incoming_signed_ms)),
        ),
        none=tongue.label("none"),
        is_done=handover.is_done,
    )


def _incidents(tongue: Tongue, handover: Handover) -> SheetTable:
    rows = tuple(
        (
            tongue.grade(one.grade),
            words.hazard(one.hazard, tongue.language),
            tongue.place(one.asset),
            words.phase(one.phase, tongue.language),
            tongue.when(one.since_ms),
            tongue.person(one.owner) if one.owner else tongue.label("nobody"),
            _next(tongue, one),
            one.note,
            tongue.taken(handover, ("incident", one.id)),
        )
        for one in handover.facts.incidents
    )
    heads = tongue.labels(
        "grade", "what", "where", "phase", "since", "owner", "next", "note", "accepted"
    )
    grades = tuple(tongue.roster.grades.of(one.grade) for one in handover.facts.incidents)
    return SheetTable("incidents", tongue.label("incidents"), heads, rows, grades)


def _next(tongue: Tongue, one: OpenIncident) -> str:
    listed = [tongue.label("review")] if one.review else []
    is_due = one.next_kind in LABELS and one.next_ms is not None
    due = [f"{tongue.when(one.next_ms)} {tongue.label(one.next_kind)}"] if is_due else []
    return words.said(("；", "; "), tongue.language).join(listed + due) or "–"


def _shelved(tongue: Tongue, handover: Handover) -> SheetTable:
    rows = tuple(
        (
            tongue.grade(one.grade),
            one.channel,
            words.hazard(one.hazard, tongue.language),
            tongue.person(one.by),
            tongue.when(one.until_ms),
            tongue.taken(handover, ("shelved", one.key)),
        )
        for one in handover.facts.shelved
    )
    heads = tongue.labels("grade", "point", "what", "by", "until", "accepted")
    grades = tuple(tongue.roster.grades.of(one.grade) for one in handover.facts.shelved)
    return SheetTable("shelved", tongue.label("shelved"), heads, rows, grades)


def _faulty(tongue: Tongue, handover: Handover) -> SheetTable:
    rows = tuple(
        (
            one.channel,
            words.hazard(one.hazard, tongue.language),
            words.alarm_state(one.state, tongue.language),
            tongue.when(one.since_ms),
        )
        for one in handover.facts.faulty
    )
    heads = tongue.labels("point", "what", "phase", "since")
    return SheetTable("faulty", tongue.label("faulty"), heads, rows)


EPOCH = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - the library takes it without a zone
"""When the file says it was made: when the sheet was is on the sheet."""


def workbook(sheet: SheetView) -> bytes:
    """The sheet as XLSX: the same sheet, the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"title": sheet.title, "created": EPOCH})
    bold = book.add_format({"bold": True, "bg_color": "#E5E7EB", "border": 1})
    cell = book.add_format({"text_wrap": True, "valign": "top", "border": 1})
    chips = {
        grade: book.add_format(
            {"border": 1, "bg_color": grade.colour, "font_color": grade.ink, "valign": "top"}
        )
        for table in sheet.tables
        for grade in table.grades
    }
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
        for number, values in enumerate(table.rows):
            for column, value in enumerate(values):
                is_grade = bool(table.grades) and column == 0
                look = chips[table.grades[number]] if is_grade else cell
                page.write_string(row, column, value, look)
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
