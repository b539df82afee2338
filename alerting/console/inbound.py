"""Doors for other organisations' systems: signed calls in, shared data out.  Pure.

They have no session and no CSRF token: each call proves itself by HMAC over time and body, within
five minutes of the database's clock, with one of at most two keys.  The same message again is
answered as before and does nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from alerting import cases, receipts
from alerting.console.gate import Handler, Route
from alerting.console.records import Records
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.exchange import product, reading, regimes
from alerting.exchange.mail import Mail
from alerting.exchange.reading import Unreadable
from lifeline import signing, wire
from lifeline.config import May

CSV = "text/csv; charset=utf-8"
SIGNED_HEADERS = tuple(
    name.lower() for name in (signing.TIMESTAMP, signing.SIGNATURE, signing.KEY_ID)
)
"""What the shell must hand on of a request, besides what it does anyway."""
REF = "#/components/schemas/{name}"

T = TypeVar("T")
Signed = Callable[[Mail, str, Visit], Answer]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a signed call; ``accepted`` is what our own webhooks look for, too."""

    accepted: bool = True
    duplicate: bool = False
    """It came before, and did then what there was to do."""
    known: int = 0
    """How much of it is about something of ours; the rest is kept to be looked at."""
    step: str = ""
    """Of a case: the step that its state means; '' where nobody has mapped the code."""
    outcome: str = ""
    """Of a case: what was done about the incident."""


def signed(may: May, answer: Signed) -> Handler:
    """The handler of a door that opens to a partner's signature alone."""

    def handler(records: Records, visit: Visit) -> Answer:
        mail = records.mail
        return answer(mail, believed(mail, visit, may), visit)

    return handler


def believed(mail: Mail, visit: Visit, may: May) -> str:
    """The partner who has signed this call; raises Problem when nobody has, or not for this."""
    call = visit.call
    caller = mail.caller(call.headers.get(signing.KEY_ID.lower(), ""))
    if caller is None:
        raise Problem(401, "problem.signature", detail=f"{signing.KEY_ID} is unknown")
    now_s = visit.pulse.now_ms // 1000
    why = signing.problem(caller.secrets, call.headers, call.body, now_s)
    if why:
        raise Problem(401, "problem.signature", detail=why)
    if may not in caller.may:
        raise Problem(403, "problem.partner", detail=may)
    return caller.partner


def take_receipts(mail: Mail, partner: str, visit: Visit) -> Answer:
    """POST /api/v1/exchange/receipts."""
    body = visit.call.body
    found = _read(receipts.read, body)
    if _is_repeated(mail, partner, "receipt", found[0].id, body):
        return as_json(Received(duplicate=True))
    return as_json(Received(known=mail.sign(partner, found, body)))


def take_case(mail: Mail, partner: str, visit: Visit) -> Answer:
    """POST /api/v1/exchange/cases."""
    body = visit.call.body
    found = _read(cases.read, body)
    if _is_repeated(mail, partner, "case", found.id, body):
        return as_json(Received(duplicate=True))
    done = mail.case(partner, found, body)
    return as_json(Received(known=int(done.is_known), step=done.step, outcome=done.outcome))


def take_warning(mail: Mail, partner: str, visit: Visit) -> Answer:
    """POST /api/v1/exchange/warnings."""
    body = visit.call.body
    found = _read(regimes.read, body)
    if _is_repeated(mail, partner, "warning", found.id, body):
        return as_json(Received(duplicate=True))
    return as_json(Received(known=mail.warn(partner, found, body)))


def zones(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/zones: for who is signed in, and for partners that may."""
    return _shared(records, visit, is_sheet=False)


def sheet(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/zones.csv: the same for a spreadsheet."""
    return _shared(records, visit, is_sheet=True)


def _shared(records: Records, visit: Visit, *, is_sheet: bool) -> Answer:
    mail = records.mail
    if visit.session is None:
        believed(mail, visit, "zones")
    found = mail.shared()
    if found is None:
        raise Problem(503, "problem.zones")
    body = found.sheet if is_sheet else found.body
    etag = product.etag_of(body)
    headers = (("ETag", etag), ("Last-Modified", product.http_time(found.made_ms)))
    if visit.call.headers.get("if-none-match", "") == etag:
        return Answer(304, headers=headers)
    return Answer(200, body, CSV if is_sheet else "application/json", headers)


def _read(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except Unreadable as error:
        raise Problem(422, detail=str(error)) from error


def _is_repeated(mail: Mail, partner: str, kind: str, name: str, body: bytes) -> bool:
    once = mail.once(partner, kind, name, body)
    if once == "other":
        raise Problem(409, "problem.other-body")
    return once == "same"


REFUSALS = {
    "401": "The signature does not hold.",
    "403": "This partner may not.",
    "409": "This message came before with another body.",
    "413": "Too long.",
    "422": "Not understood.",
    "503": "The database does not answer, or nothing has been made yet; try again.",
}
PARAMETERS = tuple(
    {
        "name": header,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": {"type": "string"},
    }
    for header, meaning in (
        (signing.TIMESTAMP, "Unix time in seconds, within five minutes."),
        (signing.SIGNATURE, "`v1=` and the HMAC-SHA256 of `timestamp.body`, in hex."),
        (signing.KEY_ID, "Which key."),
        (signing.IDEMPOTENCY_KEY, "The same for every try of one message."),
    )
)
CAP = {"application/cap+xml": {"schema": {"type": "string", "description": "CAP 1.2, no DTD."}}}


def _document(name: str, summary: str, why: str, shown: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
    refused = {
        status: {"description": meaning, "content": problem} for status, meaning in REFUSALS.items()
    }
    return {
        "operationId": name,
        "summary": summary,
        "description": f"{summary}\n\n{why}",
        "security": [{"partner": []}],
        "parameters": list(PARAMETERS),
        "responses": {"200": {"description": "Done.", "content": shown}, **refused},
    }


def _taking(
    name: str, may: May, answer: Signed, body: str, texts: tuple[str, str], *, has_cap: bool
) -> Route:
    made = {"application/json": {"schema": {"$ref": REF.format(name="Received")}}}
    asked = {"application/json": {"schema": {"$ref": REF.format(name=body)}}}
    document = _document(name, *texts, made)
    content = {**asked, **CAP} if has_cap else asked
    return Route(
        method="POST",
        path=f"/api/v1/exchange/{may}",
        handler=signed(may, answer),
        roles=frozenset(),
        is_signed=True,
        body_bytes_max=reading.XML_BYTES_MAX,
        document={**document, "requestBody": {"required": True, "content": content}},
    )


def _sharing(name: str, path: str, handler: Handler, shown: dict[str, Any]) -> Route:
    why = "Drills are never in it. Made every ten minutes; ETag and Last-Modified say which it is."
    document = _document(name, "The state of every zone.", why, shown)
    security: list[dict[str, list[str]]] = [{"session": []}, {"partner": []}]
    document = {**document, "security": security, "parameters": []}
    return Route(method="GET", path=path, handler=handler, is_signed=True, document=document)


ROUTES: tuple[Route, ...] = (
    _taking(
        "receipts",
        "receipts",
        take_receipts,
        "ReceiptBody",
        (
            "Sign for a notice.",
            (
                "CAP Ack or Error, or JSON: accepted, refused, or seen by an officer. A partner"
                " signs for what the target of its own name was sent."
            ),
        ),
        has_cap=True,
    ),
    _taking(
        "cases",
        "cases",
        take_case,
        "CaseBody",
        (
            "Say how far a case is.",
            (
                "States are mapped in `deploy/exchange/cases.toml`; an unknown one is kept and"
                " shown. A case that is closed there never closes the incident."
            ),
        ),
        has_cap=False,
    ),
    _taking(
        "warnings",
        "warnings",
        take_warning,
        "WarningBody",
        (
            "Warn of weather, flood or frost.",
            (
                "What it switches on is in `deploy/exchange/warnings.toml`; it ends by its expiry,"
                " an update, or a cancellation."
            ),
        ),
        has_cap=True,
    ),
    _sharing(
        "zones",
        "/api/v1/zones",
        zones,
        {"application/json": {"schema": {"$ref": REF.format(name="ZoneProduct")}}},
    ),
    _sharing(
        "zones-sheet", "/api/v1/zones.csv", sheet, {"text/csv": {"schema": {"type": "string"}}}
    ),
)
SHOWN = (
    Received,
    receipts.ReceiptBody,
    cases.CaseBody,
    regimes.WarningBody,
    product.ZoneProduct,
    wire.Notice,
)
"""What these doors take and show, and what is pushed: schemas of the OpenAPI document."""
