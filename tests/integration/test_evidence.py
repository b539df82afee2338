"""Evidence and figures on a real PostgreSQL: readings outlive retention, figures are true."""

import csv
import io
import json
import random
import zipfile
from pathlib import Path

import msgspec
import pytest
from psycopg import Connection

from alerting.audit import service, store
from alerting.evidence import store as evidence
from alerting.kpi import store as kpi
from lifeline import config, db
from lifeline.grades import GRADING
from lifeline.model import Finding
from streams.archive.store import create_days
from streams.archive.upkeep.due import DAY_MS
from tests.integration.console_rig import OTHER, WELL, City
from tests.integration.proof_rig import codes, line, run, seal, settings_file, write

pytestmark = pytest.mark.integration


@pytest.mark.feature("D-21")
def test_readings_around_an_incident_outlive_their_retention_and_fill_its_package(
    city: City, tmp_path: Path
) -> None:
    now_ms = city.now_ms
    keep = config.Evidence(reach_s=3600.0, rows_max=500)
    _readings(city, now_ms, until_ms=now_ms - 120_000)
    _leave_the_others(city)
    incident = city.leak()

    def look() -> str | None:
        city.database.run_now(evidence.begin)
        return city.database.run_now(lambda c: evidence.copy_next(c, city.catalog, keep))

    kept = (
        "select channel, count(*) from incident_reading where incident = %s group by 1 order by 1"
    )
    state = "select stage, readings, is_cut, catalog from incident_evidence where incident = %s"
    assert (look(), look()) == (incident, None)
    before = city.rows(kept, incident)
    # The archive was behind: what it has stored meanwhile is copied when the span is over.
    _readings(city, now_ms, until_ms=now_ms + 30_000, since_ms=now_ms - 119_999)
    city.rows("update incident_evidence set due_at = now() where stage = 'live'")
    assert look() == incident
    city.rows("update incident_evidence set due_at = now() where stage = 'live'")
    assert look() == incident
    after = city.rows(kept, incident)
    city.rows("delete from reading")
    dossier = city.database.run_now(lambda c: evidence.gather(c, incident, city.catalog, GRADING))

    assert [channel for channel, _ in before] == [f"{WELL}/ch4", f"{WELL}/extra"]
    assert all(b[1] < a[1] for b, a in zip(before, after, strict=True))
    assert city.rows(state, incident) == [
        ("live", sum(n for _, n in after), False, city.catalog.digest)
    ]
    assert dossier is not None
    assert len(dossier.readings) == sum(n for _, n in after)
    assert list(dossier.rules["rules"]) == ["gas.ch4"]
    assert list(dossier.rules["limits"]) == ["gas.20lel"]

    _readings(city, now_ms, until_ms=now_ms + 60_000, since_ms=now_ms + 40_000)
    options = ["--config", str(settings_file(city, tmp_path, tmp_path / "none"))]
    file = str(tmp_path / "case.zip")
    city.database.run_now(store.seal)
    anchor = city.database.run_now(store.to_anchor)
    assert anchor is not None
    service.write(str(tmp_path / "outside.log"), anchor)
    status, said = run("evidence", "make", incident, "-o", file, *options)
    assert status == 0, said
    status, said = run("evidence", "verify", file, "--anchor", str(tmp_path / "outside.log"))
    assert (status, "1 anchors of its seals given, which prove" in said) == (0, True)
    with zipfile.ZipFile(file) as parts:
        found = parts.read("readings.csv").count(b"\n") - 1
    assert found > len(dossier.readings), "what came since is in it too"
    _spoil(Path(file))
    assert run("evidence", "verify", file)[0] == 1
    assert run("evidence", "make", "nobody", "-o", file, *options)[0] == 1
    made = "select actor <> '', detail like '%%sha256%%' from audit where action = 'evidence'"
    assert city.rows(made) == [(True, True)]
    assert codes(city, seal(city)) == set()


def test_a_storm_of_readings_is_bounded_and_that_is_said(city: City) -> None:
    now_ms = city.now_ms
    _readings(city, now_ms, until_ms=now_ms - 1000, well=OTHER)
    _leave_the_others(city)
    incident = city.leak(OTHER)
    few = config.Evidence(reach_s=3600.0, rows_max=50)

    city.database.run_now(evidence.begin)
    city.database.run_now(lambda c: evidence.copy_next(c, city.catalog, few))

    kept = "select channel, count(*) from incident_reading where incident = %s group by 1"
    told = "select readings, is_cut from incident_evidence where incident = %s"
    assert city.rows(told, incident) == [(50, True)]
    assert city.rows(kept, incident) == [(f"{OTHER}/ch4", 50)]


def _spoil(file: Path) -> None:
    """One bit of the readings is another."""
    broken = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as parts:
        start = parts.getinfo("readings.csv").header_offset
    broken[start + 100] ^= 1
    file.write_bytes(broken)


def _leave_the_others(city: City) -> None:
    """What the other tests' incidents are due is not this one's matter."""
    city.database.run_now(evidence.begin)
    city.rows("update incident_evidence set stage = 'whole'")


def _readings(
    city: City, now_ms: int, *, until_ms: int, since_ms: int = 0, well: str = WELL
) -> None:
    """A reading every 5 s of the well's sensor and of another one beside it, of half an hour."""
    chance = random.Random(5)

    def work(connection: Connection) -> None:
        if not db.has_timescale(connection):
            create_days(connection, [now_ms // DAY_MS - 1, now_ms // DAY_MS, now_ms // DAY_MS + 1])
        for local in ("ch4", "extra"):
            connection.execute(
                "insert into channel (name, lifeline, unit) values (%s, 'gas', '%%LEL')"
                " on conflict do nothing",
                (f"{well}/{local}",),
            )
            rows = [
                (f"{well}/{local}", at_ms / 1000, chance.random())
                for at_ms in range(max(now_ms - 600_000, since_ms), until_ms, 5000)
            ]
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into reading (channel, time, value, quality) values ((select id from"
                    " channel where name = %s), to_timestamp(%s), %s, 0) on conflict do nothing",
                    rows,
                )

    city.database.run_now(work)


DAY_BEGIN_MS = 1_790_000_000_000 // DAY_MS * DAY_MS
"""A day long ago, of which nothing else is in the database."""


def _raise(city: City, n: int, at_ms: int, **more: object) -> None:
    """An alarm of the past as the router would have kept it, with its incident."""
    finding = Finding(
        id=f"k{n}",
        phase="raised",
        zone="gas/heping",
        asset=WELL,
        lifeline="gas",
        channel=f"{WELL}/ch4",
        rule="gas.ch4",
        detector="threshold",
        hazard="gas-leak",
        grade=1 + n % 2,
        onset_ms=at_ms,
        at_ms=at_ms,
        received_ms=at_ms,
    )
    finding = msgspec.structs.replace(finding, **more)
    city.rows(
        "insert into excursion (id, alarm, stage, lane, grade, onset_ms, last_ms, cleared_ms,"
        " incident, would_open, body) values (%s, 'a', 'over', 'live', %s, %s, %s, %s, %s, '', %s)",
        finding.id,
        finding.grade,
        at_ms,
        at_ms + 1000,
        at_ms + (90_000_000 if n == 0 else 1000),
        "k-incident",
        msgspec.json.encode(finding).decode(),
    )


def _live_through_a_day(city: City) -> None:
    minute = 60_000
    city.leak()
    times = [k * minute for k in (0, 30)]  # Two quiet ones.
    times += [180 * minute + k * 20_000 for k in range(12)]  # Twelve in four minutes: a flood.
    times += [190 * minute + k * 100_000 for k in range(6)]  # Six more: it goes on.
    times += [200 * minute + k * 100_000 for k in range(3)]  # Three: it is over.
    for n, at_ms in enumerate(times):
        _raise(city, n, DAY_BEGIN_MS + at_ms)
    _raise(city, 90, DAY_BEGIN_MS, drill=True)
    _raise(city, 91, DAY_BEGIN_MS, lifeline="canary")
    incidents = [city.leak(f"gas/well-90{n}") for n in range(3, 6)]
    for raised, name in zip(("k0", "k1"), incidents, strict=False):
        city.rows("update excursion set incident = %s where id = %s", name, raised)
    for n, (name, verdict) in enumerate(zip(incidents, ("true", "false", ""), strict=True)):
        opened_ms = DAY_BEGIN_MS + n * minute
        city.rows(
            "update incident set opened_ms = %s, verdict = %s, verdict_ms = %s, closed_ms = %s"
            " where id = %s",
            opened_ms, verdict, opened_ms + 600_000 if verdict else None,
            opened_ms + 3_600_000 if verdict else None, name,
        )  # fmt: skip
        for action, reason, after_s in (
            ("acknowledge", "acknowledged", 10),
            *((("undo", "undone", 12),) if n == 1 else ()),
            *((("acknowledge", "acknowledged", 130),) if n == 1 else ()),
        ):
            at_ms = opened_ms + after_s * 1000
            write(city, line(name, action=action, reason=reason, at_ms=at_ms))


@pytest.mark.feature("A-7", "D-6")
def test_the_figures_are_what_happened(city: City, tmp_path: Path) -> None:
    _live_through_a_day(city)
    city.database.run_now(lambda c: kpi.place(c, city.catalog, lambda _l, zone: f"desk of {zone}"))
    options = ["--config", str(settings_file(city, tmp_path, tmp_path / "none"))]
    span = ["--from", "2026-09-21T08:00", "--to", "2026-09-22T08:00", *options]

    status, said = run("kpi", "--by", "desk", *span, "--json")
    (figures,) = json.loads(said)["figures"]
    (top,) = json.loads(said)["top"]
    rows = {
        by: list(csv.DictReader(io.StringIO(run("kpi", "--by", by, *span, "--csv")[1])))
        for by in ("lifeline", "model", "day")
    }

    assert status == 0
    assert figures["key"] == "desk of gas/heping"
    assert (figures["alarms"], figures["peak_10min"]) == (23, 12)
    assert figures["per_10min"] == pytest.approx(23 / 144)
    assert figures["flood_share"] == pytest.approx(2 / 144)
    assert (figures["chattering"], figures["standing"]) == (1, 1)
    assert figures["chatter_share"] == pytest.approx(10 / 23)
    assert figures["grades"] == {"1": 12, "2": 11}
    assert figures["incidents"] == 3
    assert figures["acknowledge_p50_s"] == 10.0
    assert figures["acknowledge_p95_s"] == pytest.approx(118.0)
    assert (figures["verify_p50_s"], figures["close_p95_s"]) == (600.0, 3600.0)
    assert figures["in_time_share"] == pytest.approx(2 / 3)
    assert figures["false_share"] == 0.5
    assert (top["place"], top["channel"], top["alarms"]) == (1, f"{WELL}/ch4", 23)
    assert [(r["lifeline"], r["alarms"]) for r in rows["lifeline"]] == [("gas", "23")]
    assert [(r["model"], r["alarms"]) for r in rows["model"]] == [("", "0"), ("m", "23")]
    assert [(r["day"], r["alarms"]) for r in rows["day"]] == [("2026-09-21", "23")]
    status, said = run("budget", *span, "--json")
    judged = next(line for line in json.loads(said) if line["rule"] == "gas.ch4")
    assert status == 0
    assert (judged["true"], judged["false"], judged["unjudged"]) == (1, 1, 21)
    assert judged["state"] == "unstated"


def test_figures_are_asked_for_in_words_that_it_knows(city: City, tmp_path: Path) -> None:
    options = ["--config", str(settings_file(city, tmp_path, tmp_path / "none"))]

    status, said = run("kpi", "--by", "desk", *options)

    assert (status, "Desk" in said) == (0, True)
    assert run("kpi", "--by", "colour", *options)[0] == 2
    assert run("budget", "--from", "2026-09-22", "--to", "2026-09-21", *options)[0] == 2
    assert "gas.ch4" in run("budget", *options)[1]
    assert run("kpi", "--from", "soon", *options)[0] == 2
    assert run("kpi", "--from", "2026-09-22", "--to", "2026-09-21", *options)[0] == 2
    for view in ("kpi_by_desk", "kpi_by_lifeline", "kpi_by_model", "kpi_by_day", "kpi_standing"):
        city.rows(f"select * from {view}")
