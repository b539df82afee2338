"""Versions of rules and limits in PostgreSQL, each step with its line of the audit.  A shell.

Every function works in the transaction of the connection that it is given.  What refuses a step is
a ``Refusal``; ``running`` is what the compiled catalog holds now.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg import Connection

from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.rules import versions
from alerting.rules.versions import SUBJECT, Refusal, Ruleset, State, Step, Version
from alerting.store import now
from lifeline.grades import Grading

LOCK = 0x11FE_2011
"""One step at a time: two who propose at once must see each other."""
ROUTER = "router"

_ruleset = msgspec.json.Decoder(Ruleset)
_COLUMNS = (
    "number, digest, base, author, note, at_ms, is_life_safety, state, approved_by, approved_ms,"
    " effective_ms, scheduled_by, applied_ms"
)
_SELECT = f"select {_COLUMNS} from rules_version"  # noqa: S608 (constants alone)
_INSERT = (
    "insert into rules_version (digest, base, body, author, note, at_ms, is_life_safety, state)"  # noqa: S608 (constants alone)
    f" values (%s, %s, %s, %s, %s, %s, %s, %s) returning {_COLUMNS}"
)
_ONE = _SELECT + " where number = %s"
_LOCKED = _ONE + " for update"
_LISTED = _SELECT + " order by number desc limit %s"
_PENDING = (
    "select number from rules_version where digest = %s and base = %s"
    " and state in ('proposed', 'approved', 'scheduled') limit 1"
)
_APPLIED = _SELECT + " where state = 'applied' for update"
_DUE = (
    _SELECT
    + " where state = 'scheduled' and effective_ms <= %s order by effective_ms, number limit 1"
    + " for update"
)


def listed(connection: Connection, limit: int = 50) -> list[Version]:
    """The versions, the newest first."""
    return [_version(row) for row in connection.execute(_LISTED, (limit,)).fetchall()]


def find(connection: Connection, number: int) -> Version | None:
    """One version."""
    row = connection.execute(_ONE, (number,)).fetchone()
    return None if row is None else _version(row)


def body_of(connection: Connection, number: int) -> Ruleset | None:
    """The rules and limits of a version."""
    row = connection.execute(
        "select body::text from rules_version where number = %s", (number,)
    ).fetchone()
    return None if row is None else _ruleset.decode(row[0])


def _version(row: Sequence[Any]) -> Version:
    return Version(**dict(zip(Version.__struct_fields__, row, strict=True)))


def propose(
    connection: Connection,
    wanted: Ruleset,
    running: Ruleset,
    grades: Grading,
    *,
    author: str,
    note: str,
    channel: str = "command",
    action: str = "propose",
) -> Version | Refusal:
    """Keeps a version; where no life depends on what it changes, it is approved by that."""
    now_ms = _begin(connection)
    if not note.strip():
        return Refusal("needs-note")
    if wanted.digest == running.digest:
        return Refusal("nothing")
    known = connection.execute(_PENDING, (wanted.digest, running.digest)).fetchone()
    if known is not None:
        return Refusal("same", {"number": known[0]})
    changes = versions.differences(running, wanted, grades)
    is_grave = versions.is_grave(changes)
    row = connection.execute(
        _INSERT,
        (
            wanted.digest, running.digest, msgspec.json.encode(wanted).decode(), author,
            note.strip(), now_ms, is_grave, "proposed" if is_grave else "approved",
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    made = _version(row)
    detail = {"digest": made.digest, "base": made.base, "changes": changes}
    _write(connection, made, author, action, now_ms, note=made.note, channel=channel, detail=detail)
    return made


def approve(
    connection: Connection, number: int, running: str, *, actor: str, channel: str = "command"
) -> Version | Refusal:
    """A second person agrees."""
    return _take(
        connection, number, "approve", actor, running, channel,
        lambda now_ms: {"approved_by": actor, "approved_ms": now_ms},
    )  # fmt: skip


def schedule(
    connection: Connection,
    number: int,
    running: str,
    *,
    actor: str,
    effective_ms: int | None = None,
    channel: str = "command",
) -> Version | Refusal:
    """Says from when it holds; without a time, from now on."""
    return _take(
        connection, number, "schedule", actor, running, channel,
        lambda now_ms: {
            "effective_ms": now_ms if effective_ms is None else effective_ms, "scheduled_by": actor
        },
    )  # fmt: skip


def withdraw(
    connection: Connection, number: int, running: str, *, actor: str, channel: str = "command"
) -> Version | Refusal:
    """Takes a version back that does not hold yet."""
    return _take(connection, number, "withdraw", actor, running, channel, lambda _: {})


def roll_back(
    connection: Connection,
    number: int,
    running: Ruleset,
    grades: Grading,
    *,
    author: str,
    channel: str = "command",
) -> Version | Refusal:
    """Proposes an earlier version again: it needs the same people as any other change."""
    wanted = body_of(connection, number)
    if wanted is None:
        return Refusal("unknown", {"number": number})
    note = f"version {number}"
    return propose(
        connection,
        wanted,
        running,
        grades,
        author=author,
        note=note,
        channel=channel,
        action="rollback",
    )


def _take(
    connection: Connection, number: int, step: Step, actor: str, running: str, channel: str,
    changes: Any,
) -> Version | Refusal:  # fmt: skip
    now_ms = _begin(connection)
    row = connection.execute(_LOCKED, (number,)).fetchone()
    if row is None:
        return Refusal("unknown", {"number": number})
    version = _version(row)
    changed: Mapping[str, Any] = changes(now_ms)
    wanted_ms = changed.get("effective_ms", now_ms)
    why = versions.refused(version, step, actor, running, effective_ms=wanted_ms, now_ms=now_ms)
    if why is not None:
        return why
    return _keep(connection, version, step, actor, now_ms, channel=channel, **changed)


def _keep(
    connection: Connection, version: Version, step: Step, actor: str, now_ms: int, *,
    channel: str, note: str = "", **changes: Any,
) -> Version:  # fmt: skip
    state: State | None = versions.after(version, step)
    assert state is not None, (version.state, step)
    made = msgspec.structs.replace(version, state=state, **changes)
    connection.execute(
        "update rules_version set state = %s, approved_by = %s, approved_ms = %s,"
        " effective_ms = %s, scheduled_by = %s, applied_ms = %s where number = %s",
        (
            made.state, made.approved_by, made.approved_ms, made.effective_ms, made.scheduled_by,
            made.applied_ms, made.number,
        ),
    )  # fmt: skip
    _write(connection, made, actor, step, now_ms, note=note, channel=channel)
    return made


def _write(
    connection: Connection, version: Version, actor: str, action: str, now_ms: int, *,
    note: str = "", channel: str, detail: Any = None,
) -> None:  # fmt: skip
    facts = {"digest": version.digest, "effective_ms": version.effective_ms}
    line = Line(
        subject=SUBJECT,
        at_ms=now_ms,
        actor=actor,
        action=f"rules-{action}",
        reason=version.state,
        note=note,
        channel=channel,
        revision=version.number,
        second=version.approved_by if action in ("schedule", "apply") else "",
        detail=msgspec.json.encode(detail or facts).decode(),
    )
    audit.append(connection, [line])


def _begin(connection: Connection) -> int:
    """Waits for its turn; returns PostgreSQL's time after that, unix ms."""
    connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    return now(connection)


def due(connection: Connection) -> tuple[Version, Ruleset] | None:
    """The version whose time has come, for whoever puts it in place; None: nothing is due.

    Another router that is about it keeps it to itself until it is done or dead.
    """
    held = connection.execute("select pg_try_advisory_xact_lock(%s)", (LOCK,)).fetchone()
    if held is None or not held[0]:
        return None
    row = connection.execute(_DUE, (now(connection),)).fetchone()
    if row is None:
        return None
    version = _version(row)
    body = body_of(connection, version.number)
    assert body is not None
    return version, body


def applied(connection: Connection, version: Version) -> Version:
    """Notes that it is in force, and which one is not any more."""
    now_ms = _begin(connection)
    row = connection.execute(_APPLIED).fetchone()
    if row is not None:
        _keep(connection, _version(row), "replace", ROUTER, now_ms, channel=ROUTER)
    return _keep(connection, version, "apply", ROUTER, now_ms, channel=ROUTER, applied_ms=now_ms)


def overtaken(connection: Connection, version: Version, why: str) -> Version:
    """Notes that it was not put in force, and why."""
    return _keep(
        connection, version, "overtake", ROUTER, _begin(connection), channel=ROUTER, note=why
    )
