"""Notices as CAP 1.2 documents (OASIS, July 2010): alert, update, all clear, cancel.  Pure.

The same notice and the same chain give the same bytes.  An incident's documents are chained: each
but the first names all that the same receiver was sent of it before.  A true event ends with an
update that gives the all clear; only what turned out to be false is cancelled.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

import msgspec
from lxml import etree

from alerting.exchange.tables import EventKind, Place, Tables
from lifeline.grades import Grading
from lifeline.model import Quality
from lifeline.wire import Notice
from lifeline.words import LANGUAGES, Language

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
NAMES: Any = {None: NAMESPACE}
REFERENCES_MAX = 40
"""Of a longer chain the first and the newest are named: what they name is named by them."""
TAGS: dict[Language, str] = {"zh": "zh-CN", "en": "en-US"}
BEGINNING = frozenset(("opened", "worsened", "reopened"))
"""Reasons that may be the first that a receiver hears of an incident."""
FALSE = frozenset(("false", "test"))
CONTROLS = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""
BREAKING = re.compile(r"[\s,<&]+")
"""What CAP forbids in an identifier and a sender."""

MessageType = Literal["Alert", "Update", "Cancel"]


class Names(msgspec.Struct, frozen=True):
    """How a document and its sender are called, and the codes that a profile adds."""

    identifier: str
    sender: str
    codes: tuple[str, ...] = ()
    event_codes: tuple[tuple[str, str], ...] = ()


def cause_of(notice: Notice, target: str) -> str:
    """What a telling is, whatever its bytes: the first part of its idempotency key."""
    cause = notice.explanation.finding if notice.revision == 0 else str(notice.revision)
    return f"{notice.incident}\n{notice.reason}\n{cause}\n{target}"


def names_of(notice: Notice, target: str, tables: Tables) -> Names:
    """Identifier and sender: functions of the telling, so that a re-sent alert keeps its name."""
    digest = hashlib.sha256(cause_of(notice, target).encode()).hexdigest()
    code = tables.kind_of(notice.hazard).code
    codes = (("GB/T 35561", code),) if code else ()
    return Names(f"lifeline-{digest[:32]}", token(notice.sender), event_codes=codes)


def type_of(notice: Notice, chain: Sequence[str]) -> MessageType | None:
    """What kind of message it is to who has heard this chain; None: nothing for him.

    Who was told nothing is told of what begins, and not of what ends.
    """
    if not chain:
        return "Alert" if notice.reason in BEGINNING else None
    return "Cancel" if is_over(notice) and notice.verdict in FALSE else "Update"


def is_over(notice: Notice) -> bool:
    """Whether the event itself has ended: what was merged goes on under another name."""
    return notice.kind == "end" and notice.reason != "merged"


def certainty_of(notice: Notice) -> str:
    """How sure it is: an officer's word before the rule's own confidence."""
    given = {"true": "Observed", "false": "Unlikely", "test": "Unlikely"}.get(notice.verdict)
    if given is not None:
        return given
    confidence = notice.explanation.confidence
    if notice.explanation.quality & Quality.TEST_GAS:
        confidence = min(confidence, 0.5)
    if confidence >= 0.95:
        return "Observed"
    return "Likely" if confidence > 0.5 else "Possible" if confidence > 0.05 else "Unlikely"


def document(
    notice: Notice, names: Names, chain: Sequence[str], tables: Tables, grades: Grading
) -> bytes:
    """The document; ``chain`` holds the references of those that this receiver was sent before."""
    kind = type_of(notice, chain)
    assert kind is not None, "nothing to tell"
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap=NAMES)
    sent = time_of(notice.at_ms, tables)
    _add(alert, "identifier", names.identifier)
    _add(alert, "sender", names.sender)
    _add(alert, "sent", sent)
    _add(alert, "status", notice.status)
    _add(alert, "msgType", kind)
    _add(alert, "source", notice.zone)
    _add(alert, "scope", "Restricted")
    _add(alert, "restriction", tables.issuer.restriction.zh)
    for code in names.codes:
        _add(alert, "code", code)
    if kind == "Cancel":
        _add(alert, "note", f"{notice.reason}: {notice.verdict}")
    if chain:
        _add(alert, "references", " ".join(_named(chain)))
    both = (notice.incident, notice.merged_into) if notice.merged_into else (notice.incident,)
    _add(alert, "incidents", " ".join(map(token, both)))
    for language in LANGUAGES:
        _add_info(alert, notice, names, language, tables, grades)
    made: bytes = etree.tostring(alert, encoding="UTF-8", xml_declaration=True)
    return made


def reference_of(notice: Notice, names: Names, tables: Tables) -> str:
    """How later documents name this one: sender, identifier and time, with commas between."""
    return f"{names.sender},{names.identifier},{time_of(notice.at_ms, tables)}"


def time_of(at_ms: int, tables: Tables) -> str:
    """A time as CAP writes it: to the second, with the issuer's offset and never a Z."""
    zone = timezone(timedelta(minutes=tables.issuer.offset_minutes))
    text = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone).isoformat("T", "seconds")
    # CAP wants -00:00 where nobody says which zone it is; ours is world time then.
    return text.replace("+00:00", "-00:00")


def token(text: str) -> str:
    """The text as an identifier or sender of CAP may be."""
    return BREAKING.sub("_", CONTROLS.sub("_", text)) or "_"


def plain(text: str) -> str:
    """The text without what XML cannot hold: a strange title must never stop an alert."""
    return CONTROLS.sub("\ufffd", text)


def _named(chain: Sequence[str]) -> Sequence[str]:
    if len(chain) <= REFERENCES_MAX:
        return chain
    return (chain[0], *chain[-(REFERENCES_MAX - 1) :])


def _add_info(
    alert: etree._Element,
    notice: Notice,
    names: Names,
    language: Language,
    tables: Tables,
    grades: Grading,
) -> None:
    info = etree.SubElement(alert, f"{{{NAMESPACE}}}info")
    kind, has_ended = tables.kind_of(notice.hazard), is_over(notice)
    grade = grades.of(notice.grade.level)
    _add(info, "language", TAGS[language])
    _add(info, "category", kind.category)
    _add(info, "event", notice.hazard_title.said(language))
    for response in ("AllClear",) if has_ended else kind.response:
        _add(info, "responseType", response)
    has_passed = has_ended or notice.reason == "returned"
    _add(info, "urgency", "Past" if has_passed else grade.cap_urgency)
    _add(info, "severity", grade.cap_severity)
    _add(info, "certainty", certainty_of(notice))
    for name, code in names.event_codes:
        _add_pair(info, "eventCode", name, code)
    _add(info, "effective", time_of(notice.at_ms, tables))
    _add(info, "onset", time_of(notice.onset_ms, tables))
    issuer, text = tables.issuer.name, notice.explanation.text
    _add(info, "senderName", issuer.said(language))
    _add(info, "headline", notice.headline.said(language))
    _add(info, "description", text.said(language))
    advice = kind.instruction.said(language)
    if advice and not has_ended:
        _add(info, "instruction", advice)
    _add(info, "web", token(notice.link))
    told = notice.grade.zh if language == "zh" else notice.grade.en
    for name, value in (("gradeName", told), ("gradeColour", grade.colour), *parameters(notice)):
        _add_pair(info, "parameter", name, value)
    _add_area(info, notice, kind, tables.place_of(notice.zone), language)


def parameters(notice: Notice) -> Iterable[tuple[str, str]]:
    """Why we believe it, as names and values: the finding's explanation, and what it belongs to."""
    told = notice.explanation
    yield "incident", notice.incident
    yield "revision", str(notice.revision)
    yield "reason", notice.reason
    yield "grade", str(notice.grade.level)
    yield "lifeline", notice.lifeline
    yield "asset", notice.asset.name
    for name in ("finding", "detector", "version", "rule", "code", "channel", "unit", "trace"):
        yield name, str(getattr(told, name))
    yield "value", _number(told.value)
    yield "limit", _number(told.limit)
    yield "limitId", told.limit_id
    yield "clause", told.clause
    yield "clauseVerified", "true" if told.verified else "false"
    yield "score", _number(told.score)
    yield "confidence", _number(told.confidence)
    yield "sinceMs", str(told.since_ms)
    yield "quality", str(told.quality)
    if notice.merged_into:
        yield "mergedInto", notice.merged_into
    if notice.verdict:
        yield "verdict", notice.verdict
    for at_ms, value, quality in told.evidence:
        yield "evidence", f"{at_ms} {_number(value)} {quality}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _add_area(
    info: etree._Element, notice: Notice, kind: EventKind, place: Place, language: Language
) -> None:
    area = etree.SubElement(info, f"{{{NAMESPACE}}}area")
    _add(area, "areaDesc", notice.asset.title.said(language))
    # CAP has latitude before longitude; a circle where the asset stands, else the zone's outline.
    if notice.asset.position is None and place.outline:
        _add(area, "polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lon, lat in place.outline))
    elif notice.asset.position is not None:
        lon, lat = notice.asset.position
        _add(area, "circle", f"{lat:.6f},{lon:.6f} {kind.radius_m / 1000.0:.3f}")
    _add_pair(area, "geocode", "GB/T 2260", place.geocode)


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = plain(text)


def _add_pair(parent: etree._Element, name: str, key: str, value: str) -> None:
    pair = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    _add(pair, "valueName", key)
    _add(pair, "value", value)
