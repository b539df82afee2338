"""How an action comes through the API: body, revision seen, once per key, its outcome.  Pure."""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from alerting.actions import Act, Action
from alerting.console import refusals
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.desk.rows import Outcome

ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')
KEY_MAX = 128
NOTE_MAX = 2000
UNSEEN: tuple[Action, ...] = ("note", "archive", "support")
"""Actions that are welcome whatever has happened meanwhile: no revision need have been seen."""

Said = Annotated[str, Meta(max_length=NOTE_MAX)]
Name = Annotated[str, Meta(max_length=600)]
T = TypeVar("T")
Q = TypeVar("Q", bound=msgspec.Struct)


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an action that needs nothing but, perhaps, a note."""

    note: Said = ""


class Confirmed(msgspec.Struct, frozen=True):
    """What an action came to; a key of the refusals or reasons, with its sentence."""

    code: str
    said: str
    proposal: str | None = None
    """What a second person must confirm before it is done."""


def read(visit: Visit, kind: type[T]) -> T:
    """The body as that type; raises Problem 422."""
    try:
        body = msgspec.json.decode(visit.call.body or b"{}", type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(422, detail=str(error)) from error
    if b"\\u0000" in visit.call.body or b"\0" in visit.call.body:
        raise Problem(422, detail="holds a NUL")
    return body


def asked(visit: Visit, kind: type[Q]) -> Q:
    """The query as that type; raises Problem 422."""
    known = {field.name for field in msgspec.structs.fields(kind)}
    query = {k: v for k, v in visit.call.query.items() if k != "lang" or k in known}
    try:
        return msgspec.convert(query, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, detail=str(error)) from error


def seen(visit: Visit) -> int | None:
    """The revision in If-Match; None where there is none that can be read."""
    given = ETAG.fullmatch(visit.call.headers.get("if-match", ""))
    return int(given[1]) if given else None


def must_have_seen(visit: Visit) -> int:
    """The revision in If-Match; raises Problem 428."""
    revision = seen(visit)
    if revision is None:
        raise Problem(428)
    return revision


def once(handler: Handler) -> Handler:
    """The same handler, carried out once per Idempotency-Key."""

    def kept(records: Records, visit: Visit) -> Answer:
        key = key_of(visit)
        return _once(records, visit, handler, key) if key else handler(records, visit)

    return kept


def key_of(visit: Visit) -> str:
    """The request's Idempotency-Key, empty where it has none; raises Problem 422."""
    key = visit.call.headers.get("idempotency-key", "")
    if len(key) > KEY_MAX:
        raise Problem(422, detail=f"Idempotency-Key: at most {KEY_MAX} characters")
    return key


def digest_of(visit: Visit) -> bytes:
    """What is the same for the same request, whenever it comes."""
    told = "\n".join((visit.call.path, visit.call.headers.get("if-match", "")))
    return hashlib.sha256(told.encode() + b"\n" + visit.call.body).digest()


def _once(records: Records, visit: Visit, handler: Handler, key: str) -> Answer:
    assert visit.session is not None
    digest = digest_of(visit)
    found = records.recall(visit.session.name, key, digest)
    if found is None:
        # A refusal is not kept: the transaction that claimed the key goes with it.
        try:
            answer = handler(records, visit)
        except Problem as problem:
            if problem.is_written:  # This transaction stays.
                records.release(visit.session.name, key)
            raise
        etag = dict(answer.headers).get("ETag", "")
        records.keep(visit.session.name, key, answer.status, answer.body, etag)
        return answer
    if found.digest != digest:
        raise Problem(422, "problem.key-reused")
    headers = (("ETag", found.etag),) if found.etag else ()
    return Answer(found.status, found.body, "application/json", headers)


def perform(records: Records, visit: Visit, act: Act) -> Outcome:
    """Carries an action out in this transaction; raises Problem with the sentence why not."""
    (outcome,) = records.board.act((act,), visit.pulse.now_ms)
    if not outcome.is_done:
        problem = refusals.problem(visit, outcome)
        if outcome.code == "faster":
            problem.status = 412
        raise problem
    return outcome


def act_of(visit: Visit, body: msgspec.Struct, **more: Any) -> Act:
    """The action that a body asks for: its fields bear the names of ``Act``'s."""
    assert visit.session is not None
    fields: Mapping[str, Any] = msgspec.structs.asdict(body)
    known = {name: fields[name] for name in Act.__struct_fields__ if name in fields}
    known = {name: value for name, value in known.items() if name not in more}
    known["note"] = str(fields.get("note", "")).replace("\r\n", "\n").strip()
    return Act(actor=visit.session.name, channel="api", seat=visit.seat, **known, **more)


def confirmed(visit: Visit, outcome: Outcome, revision: int | None = None) -> Answer:
    """The answer to an action on what is no incident."""
    made = Confirmed(
        outcome.code, refusals.said(outcome.code, visit.language), outcome.proposal or None
    )
    status = 202 if outcome.code == "proposed" else 200
    return as_json(made, status, etag="" if revision is None else f'"{revision}"')


def matching(visit: Visit, revision: int) -> None:
    """Raises Problem 412 where If-Match is given and names another revision."""
    given = seen(visit)
    if given is not None and given != revision:
        raise Problem(412, "problem.409.changed")
