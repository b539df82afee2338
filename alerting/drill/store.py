"""Exercises in PostgreSQL: begun, found, asked to end, ended with their report.  A shell.

Every function works in the transaction of the connection that it is given.  A router ends them: it
knows how their incidents are put away and who is told.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Connection

from alerting import plans, store
from alerting.actions import Act
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill, Refusal, Why
from alerting.drill.scenarios import Scenario
from alerting.drill.scoring import Course, StepDone, score
from alerting.incidents import Reason
from alerting.notices import Wording
from alerting.plans import Book
from lifeline.model import CANARY

LOCK = 0x11FE_2018
ACTOR = "drill"
"""Who puts away what an exercise leaves open."""
TOP_GRADE = 1


_SELECT = (
    "select id, body::text, started_by, started_ms, ends_ms, played_ms, stop_by, ended_ms,"
    " ended_why, broken_by from drill"
)
_RUNNING = _SELECT + " where ended_ms is null"
_CLAIMED = _RUNNING + " for update skip locked"
_LISTED = _SELECT + " order by started_ms desc limit %s"
_REAL = (
    "select id from incident where not drill and grade <= %s and lifeline <> %s"
    " and phase not in ('closed', 'archived') limit 1"
)
_scenario = msgspec.json.Decoder(Scenario)
_report = msgspec.json.Decoder(DrillReport)


def _drill(row: Sequence[Any]) -> Drill:
    values = dict(zip(Drill.__struct_fields__, row, strict=True))
    values["scenario"] = _scenario.decode(values["scenario"])
    return Drill(**values)


def current(connection: Connection) -> Drill | None:
    """The exercise that runs now; None also when its time is over and nobody has ended it yet."""
    row = connection.execute(_RUNNING).fetchone()
    if row is None:
        return None
    drill = _drill(row)
    is_over = drill.stop_by or drill.ends_ms <= store.now(connection)
    return None if is_over else drill


def listed(connection: Connection, limit: int = 50) -> list[Drill]:
    """Exercises, the newest first."""
    return [_drill(row) for row in connection.execute(_LISTED, (limit,)).fetchall()]


def report_of(connection: Connection, name: str = "") -> DrillReport | None:
    """The report of an exercise that is over; without a name, of the last one."""
    row = connection.execute(
        "select report::text from drill where report is not null and (%(id)s = '' or id = %(id)s)"
        " order by started_ms desc limit 1",
        {"id": name},
    ).fetchone()
    return None if row is None else _report.decode(row[0])


def start(
    connection: Connection,
    scenario: Scenario,
    name: str,
    *,
    actor: str,
    minutes: int | None = None,
    channel: str = "command",
) -> Drill | Refusal:
    """Begins an exercise; refused beside another, and while a real top-grade incident is open.

    A real one that begins at the same moment is seen by the router, which breaks the exercise off
    within a second: no lock is taken here that could hold up the real one.  ``name`` is a new id.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    other = connection.execute(_RUNNING).fetchone()
    if other is not None:
        return Refusal("running", other[0])
    real = connection.execute(_REAL, (TOP_GRADE, CANARY)).fetchone()
    if real is not None:
        return Refusal("real", real[0])
    now_ms = store.now(connection)
    lasts_ms = (scenario.minutes if minutes is None else minutes) * 60_000
    drill = Drill(
        id=name, scenario=scenario, started_by=actor, started_ms=now_ms, ends_ms=now_ms + lasts_ms
    )
    connection.execute(
        "insert into drill (id, scenario, title, lifeline, body, started_by, started_ms, ends_ms)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            drill.id, scenario.name, _json(scenario.title), scenario.lifeline, _json(scenario),
            actor, drill.started_ms, drill.ends_ms,
        ),
    )  # fmt: skip
    _write(connection, drill, actor, "drill-start", now_ms, channel=channel)
    return drill


def played(connection: Connection, name: str) -> bool:
    """Claims the sending of an exercise's readings; False when somebody else sends them."""
    return (
        connection.execute(
            "update drill set played_ms = (extract(epoch from clock_timestamp()) * 1000)::int8"
            " where id = %s and played_ms is null and ended_ms is null",
            (name,),
        ).rowcount
        == 1
    )


def stop(connection: Connection, *, actor: str, channel: str = "command") -> Drill | None:
    """Asks that the running exercise end now; a router does it.  None: none runs."""
    drill = current(connection)
    if drill is None:
        return None
    connection.execute(
        "update drill set stop_by = %s where id = %s and ended_ms is null", (actor, drill.id)
    )
    _write(connection, drill, actor, "drill-stop", store.now(connection), channel=channel)
    return msgspec.structs.replace(drill, stop_by=actor)


def tick_step(connection: Connection, incident: str, step: int, *, actor: str) -> bool:
    """Notes that a step of an incident's plan is done; the first who says so is kept.

    Steps are counted from 1 as ``plans.what_now`` orders them.  Real incidents too.
    """
    row = connection.execute(
        "select zone, revision from incident where id = %s", (incident,)
    ).fetchone()
    assert row is not None, incident
    zone, revision = row
    now_ms = store.lock_zones(connection, [zone])
    done = connection.execute(
        "insert into step_done (incident, step, by_whom, at_ms) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        (incident, step, actor, now_ms),
    )
    if done.rowcount == 0:
        return False
    line = Line(
        incident=incident, at_ms=now_ms, actor=actor, action="step", reason="step-done",
        note=str(step), channel="console", revision=revision,
    )  # fmt: skip
    audit.append(connection, [line])
    return True


def steps_done(connection: Connection, incident: str) -> dict[int, tuple[str, int]]:
    """Step -> (who, when, unix ms)."""
    rows = connection.execute(
        "select step, by_whom, at_ms from step_done where incident = %s", (incident,)
    ).fetchall()
    return {step: (by, at_ms) for step, by, at_ms in rows}


# Its end.


def due(connection: Connection) -> tuple[Drill, Why, str] | None:
    """The exercise that has to end now, why, and the real incident that breaks it off.

    Of several routers one gets it.
    """
    row = connection.execute(_CLAIMED).fetchone()
    if row is None:
        return None
    drill = _drill(row)
    # None was open when it began: whichever is open now has come, or grown, since.
    real = connection.execute(_REAL, (TOP_GRADE, CANARY)).fetchone()
    if real is not None:
        return drill, "real", real[0]
    if drill.stop_by:
        return drill, "stopped", ""
    return (drill, "time", "") if drill.ends_ms <= store.now(connection) else None


def finish(
    connection: Connection,
    wording: Wording,
    book: Book,
    drill: Drill,
    why: Why,
    broken_by: str = "",
) -> DrillReport:
    """Scores it, puts away what it leaves open, and keeps the report.  Raises Contended."""
    rows = connection.execute(
        "select id, zone from incident where drill and (opened_ms >= %s"
        " or phase not in ('closed', 'archived')) order by id",
        (drill.started_ms,),
    ).fetchall()
    now_ms = store.lock_zones(connection, [zone for _, zone in rows])
    courses = [_course(connection, book, name, drill.started_ms) for name, _ in rows]
    report = DrillReport(
        drill=drill.id,
        scenario=drill.scenario,
        started_by=drill.started_by,
        started_ms=drill.started_ms,
        ended_ms=now_ms,
        ended_why=why,
        score=score(
            drill.scenario,
            [course for course in courses if course is not None],
            wording.policy.clocks,
        ),
    )
    for name, _ in rows:
        _put_away(connection, wording, name, now_ms)
    connection.execute(
        "update drill set ended_ms = %s, ended_why = %s, broken_by = %s, report = %s where id = %s",
        (now_ms, why, broken_by, _json(report), drill.id),
    )
    actor = drill.stop_by or ACTOR
    _write(
        connection, drill, actor, "drill-end", now_ms, channel="router", note=f"{why} {broken_by}"
    )
    return report


def _put_away(connection: Connection, wording: Wording, name: str, now_ms: int) -> None:
    """What nobody closed is closed by the exercise's end: its clocks must call nobody any more."""
    taken = Act(incident=name, action="acknowledge", actor=ACTOR, channel="router")
    row = connection.execute(
        "select phase, verdict from incident where id = %s", (name,)
    ).fetchone()
    assert row is not None
    phase, verdict = row
    if phase in ("closed", "archived"):
        return
    if phase == "open":
        store.act(connection, wording, taken, now_ms)
    ended = msgspec.structs.replace(
        taken, action="close", note="exercise over", override=True, second=ACTOR,
        verdict="" if verdict else "test", code="" if verdict else "drill",
    )  # fmt: skip
    reason, _ = store.act(connection, wording, ended, now_ms)
    assert reason in (Reason.CLOSED, Reason.CLOSED_ACTIVE), reason


def _course(connection: Connection, book: Book, name: str, since_ms: int) -> Course | None:
    """What people did with one incident; None for one of an earlier exercise."""
    row = connection.execute(
        "select asset, hazard, lifeline, grade, opened_ms, verdict, verdict_code from incident"
        " where id = %s",
        (name,),
    ).fetchone()
    assert row is not None
    asset, hazard, lifeline, grade, opened_ms, verdict, code = row
    if opened_ms < since_ms:
        return None
    deeds: dict[str, tuple[int, str]] = {}
    for action, at_ms, actor in connection.execute(
        "select action, at_ms, actor from audit where subject = %s and action in"
        " ('acknowledge', 'verify') and reason in ('acknowledged', 'verified') order by number",
        (name,),
    ).fetchall():
        if action == "verify" or action not in deeds:
            deeds[action] = (at_ms, actor)
    looks = connection.execute(
        "select seen_ms, person from responder where incident = %s and seen_ms is not null"
        " order by seen_ms limit 1",
        (name,),
    ).fetchall()
    # Whoever acknowledged it has seen it.
    looks += [deeds["acknowledge"]] if "acknowledge" in deeds else []
    seen_ms, seen_by = min(looks, default=(None, ""))
    acknowledged_ms, acknowledged_by = deeds.get("acknowledge", (None, ""))
    verified_ms, verified_by = deeds.get("verify", (None, ""))
    return Course(
        incident=name,
        asset=asset,
        hazard=hazard,
        grade=grade,
        opened_ms=opened_ms,
        seen_ms=seen_ms,
        seen_by=seen_by,
        acknowledged_ms=acknowledged_ms,
        acknowledged_by=acknowledged_by,
        verified_ms=verified_ms,
        verified_by=verified_by,
        verdict=verdict,
        code=code,
        steps=_steps(connection, book, name, lifeline, hazard),
    )


def _steps(
    connection: Connection, book: Book, name: str, lifeline: str, hazard: str
) -> tuple[StepDone, ...]:
    done = steps_done(connection, name)
    plan, _ = book.of(lifeline, hazard)
    row = connection.execute(
        "select array(select jsonb_array_elements_text(lead -> 'contexts')) from incident"
        " where id = %s",
        (name,),
    ).fetchone()
    held = row[0] if row is not None else ()
    return tuple(
        StepDone(n, step.kind, step.do, step.within_s, *done.get(n, ("", None)))
        for n, step in plans.steps_under(plan, held)
    )


def _write(
    connection: Connection, drill: Drill, actor: str, action: str, now_ms: int, *,
    channel: str, note: str = "",
) -> None:  # fmt: skip
    line = Line(
        subject=f"drill {drill.id}", at_ms=now_ms, actor=actor, action=action,
        note=note.strip() or drill.scenario.name, channel=channel,
    )  # fmt: skip
    audit.append(connection, [line])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
