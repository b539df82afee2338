"""The case loop with the city's management: 立案、派遣、处置、核查、结案.  Pure.

Two ways: an incident becomes a case over there, and what is done about the case comes back as an
action here.  Codes that nobody has mapped are values: kept, counted, shown, never refused.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.exchange.reading import Unreadable
from alerting.exchange.tables import CaseAction, CaseClass, CaseState, CaseSystem, Step
from lifeline.model import Text
from lifeline.wire import Notice, NoticeAsset, NoticeGrade

STEPS: tuple[Step, ...] = ("filed", "dispatched", "handling", "checking", "closed")
UNKNOWN_CLASS = CaseClass("unknown", "unknown", Text("未分类", "Not classified"))
ASKED: dict[str, str] = {"alert": "file", "update": "supplement", "end": "check"}
"""What we ask of them: to file a case, to add to it, to check it and close it themselves."""


class CaseNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What the other system is told: the body of a signed push (contract ``case/1``)."""

    schema: str = "case/1"
    incident: str
    """Our name of it, to be given back with every answer."""
    asked: str
    revision: int
    main: str
    sub: str
    kind: Text
    unit: str
    """Which of their units we believe it to be for."""
    asset: NoticeAsset
    zone: str
    grade: NoticeGrade
    headline: Text
    why: Text
    status: str
    onset_ms: int
    at_ms: int
    link: str


class CaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes back: their case's number and the state that it is in now."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    """Their name of this message: the same again is the same."""
    incident: Annotated[str, Meta(min_length=1, max_length=128)]
    state: Annotated[str, Meta(min_length=1, max_length=64)]
    number: Annotated[str, Meta(max_length=128)] = ""
    person: Annotated[str, Meta(max_length=128)] = ""
    note: Annotated[str, Meta(max_length=2000)] = ""
    at_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0


class Case(msgspec.Struct, frozen=True):
    """One incident as a case of the other system, as far as we have heard."""

    incident: str
    system: str
    number: str = ""
    state: str = ""
    """Their code, as it came."""
    step: str = ""
    """What it means; '' while nobody has mapped the code."""
    person: str = ""
    at_ms: int = 0
    messages: int = 0
    strange: int = 0
    """Messages whose code nobody has mapped."""


class Moved(msgspec.Struct, frozen=True):
    """The case after a message, what is to be done about the incident, and the note of it."""

    case: Case
    action: CaseAction
    note: str
    reason: str
    """``mapped``, ``unknown-code``, ``late`` or ``closed-elsewhere``."""


_body = msgspec.json.Decoder(CaseBody)
_encode = msgspec.json.Encoder().encode


def notice_of(notice: Notice, system: CaseSystem, desk: str) -> bytes:
    """The body for the other system; the same notice, the same bytes."""
    kind = system.kind.get(notice.hazard) or system.kind.get("", UNKNOWN_CLASS)
    return _encode(
        CaseNotice(
            incident=notice.incident,
            asked="supplement" if notice.reason == "merged" else ASKED[notice.kind],
            revision=notice.revision,
            main=kind.main,
            sub=kind.sub,
            kind=kind.title,
            unit=system.unit.get(desk) or system.unit.get("", ""),
            asset=notice.asset,
            zone=notice.zone,
            grade=notice.grade,
            headline=notice.headline,
            why=notice.explanation.text,
            status=notice.status,
            onset_ms=notice.onset_ms,
            at_ms=notice.at_ms,
            link=notice.link,
        )
    )


def read(payload: bytes) -> CaseBody:
    """The message; raises Unreadable."""
    try:
        body = _body.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if any("\0" in text for text in (body.id, body.state, body.number, body.person, body.note)):
        raise Unreadable("holds a NUL")
    return body


def move(case: Case, body: CaseBody, system: CaseSystem) -> Moved:
    """What a message does to the case, and asks to be done about the incident.

    A message that is older than the newest, or leads back without saying when, moves nothing: what
    has been done is not undone by the order in which the net delivers.
    """
    state = next((one for one in system.state if one.code == body.state), None)
    heard = msgspec.structs.replace(case, messages=case.messages + 1)
    number = body.number or case.number
    if state is None:
        heard = msgspec.structs.replace(heard, strange=case.strange + 1, number=number)
        if body.at_ms >= case.at_ms:
            heard = msgspec.structs.replace(heard, state=body.state, step="", at_ms=body.at_ms)
        return Moved(heard, "note", note_of(case.system, body, None), "unknown-code")
    if body.at_ms < case.at_ms:
        kept = msgspec.structs.replace(heard, number=number)
        return Moved(kept, "note", note_of(case.system, body, state), "late")
    moved = msgspec.structs.replace(
        heard,
        number=number,
        state=state.code,
        step=state.step,
        person=body.person or case.person,
        at_ms=body.at_ms,
    )
    note = note_of(case.system, body, state)
    if state.step == "closed":
        return Moved(moved, "note", note, "closed-elsewhere")
    is_forward = case.step not in STEPS or STEPS.index(state.step) > STEPS.index(case.step)
    return Moved(moved, state.action if is_forward else "note", note, "mapped")


def note_of(system: str, body: CaseBody, state: CaseState | None) -> str:
    """What the incident's history says of a message."""
    said = (
        f"{state.title.zh} {state.title.en}" if state else f"代码未映射 unmapped code {body.state}"
    )
    parts = (system, body.number, said, body.person, body.note)
    return " · ".join(part for part in parts if part)[:2000]
