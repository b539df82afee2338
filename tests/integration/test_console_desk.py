"""The desk on a real PostgreSQL: links, evidence, second persons, commands, ten thousand open."""

import io
import statistics
import time
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from alerting.board import store as board
from alerting.board.rows import Sift
from alerting.board.service import Overview
from alerting.people import links
from lifeline.__main__ import build
from lifeline.commands.seat import SHORT_MIN
from tests.integration.console_rig import WELL, City, act, compiled, form_of, token

pytestmark = pytest.mark.integration


def queued(city: City, **changes: Any) -> list[str]:
    rows = city.database.run_now(lambda c: board.queue(c, Sift(limit=500, **changes)))
    return [row.summary.id for row in rows]


@pytest.mark.feature("OnCall #4654, #4760")
async def test_a_link_in_a_page_acknowledges_once_as_its_person_and_looking_never_does(
    city: City,
) -> None:
    incident = city.leak()
    city.rows(
        "insert into link (token, incident, run, person, target, key, expires_at) values"
        " (%s, %s, '', 'li', 'sms', 'k', clock_timestamp() + interval '1 hour')",
        links.digest_of("abc"),
        incident,
    )
    stranger = city.browser()

    looked = [await stranger.get("/l/abc"), await stranger.head("/l/abc")]
    assert city.rows("select phase from incident where id = %s", incident) == [("open",)]
    revision = city.rows("select revision from incident where id = %s", incident)[0][0]
    form = {"form": token(looked[0].text), "revision": revision}
    forged = await city.browser().post("/l/abc", data={"revision": revision})
    pressed = await stranger.post("/l/abc", data=form)
    again = await stranger.post("/l/abc", data=form)

    assert [one.status_code for one in looked] == [200, 200]
    assert (forged.status_code, pressed.status_code, again.status_code) == (403, 200, 409)
    assert city.rows("select acknowledged_by from incident where id = %s", incident) == [("li",)]
    assert city.rows(
        "select actor, channel from audit where incident = %s and action = 'acknowledge'", incident
    ) == [("li", "link")]


@pytest.mark.feature("A-12", "D-21")
async def test_an_incident_closed_against_the_evidence_needs_two_and_proves_itself(
    city: City,
) -> None:
    incident = city.leak()
    li, boss = await city.signed_in("li"), await city.signed_in("boss")
    await act(li, incident, "acknowledge")
    fields = {"judgement": "false:sensor", "override": "yes"}

    asked = await act(li, incident, "close", "probe is gone", **fields)
    waiting = (await boss.get("/proposals")).text
    own = await li.post(
        f"/proposals/{proposal_of(city, incident)}/approve", data={"form": await form_of(li)}
    )
    done = await boss.post(
        f"/proposals/{proposal_of(city, incident)}/approve", data={"form": await form_of(boss)}
    )
    package = await boss.post(
        f"/incidents/{incident}/evidence", data={"form": await form_of(boss)}, timeout=30
    )

    assert (asked.status_code, own.status_code, done.status_code) == (303, 409, 303)
    assert "probe is gone" in waiting
    assert city.rows(
        "select phase, overridden, closed_by, second from incident where id = %s", incident
    ) == [("closed", True, "li", "boss")]
    names = zipfile.ZipFile(io.BytesIO(package.content)).namelist()
    assert "actions.json" in names
    assert package.headers["content-disposition"].endswith(f'evidence-{incident}.zip"')


@pytest.mark.feature("A-12")
async def test_a_refused_closure_is_in_the_audit_once_with_what_stood_against_it(
    city: City,
) -> None:
    incident = city.leak()
    li = await city.signed_in("li")
    await act(li, incident, "acknowledge")
    city.calm(incident)
    city.rows("delete from reading")
    city.speak(ago_ms=1000 * 60 * 7)
    revision = city.rows("select revision from incident where id = %s", incident)[0][0]
    headers = {
        "X-CSRF-Token": await form_of(li), "If-Match": f'"{revision}"', "Idempotency-Key": "try-1",
    }  # fmt: skip
    body = {"note": "aired", "verdict": "true", "code": "leak"}
    door = f"/api/v1/incidents/{incident}/close"

    before = (await li.get(f"/incidents/{incident}")).text
    for _ in range(2):
        stop = {"form": token(before)}
        await li.post(f"/incidents/{incident}/stop-own", data=stop)
    first = await li.post(door, json=body, headers=headers)
    again = await li.post(door, json=body, headers=headers)
    by_form = await act(li, incident, "close", "aired", judgement="true:leak")
    city.speak()
    closed = await li.post(door, json=body, headers=headers)

    assert f"{WELL}/ch4 (silent for 7 min)" in before, "it is told before anybody asks"
    stopped = "select actor from audit where incident = %s and action = 'stop-own'"
    assert city.rows(stopped, incident) == [("li",)]
    assert [one.status_code for one in (first, again, by_form, closed)] == [409, 409, 409, 200]
    assert again.content == first.content
    assert f"{WELL}/ch4 (silent for 7 min)" in first.json()["detail"]
    assert f"{WELL}/ch4 (silent for 7 min)" in by_form.text
    assert city.rows(
        "select actor, action, reason, note, channel, detail from audit where incident = %s"
        " and reason = 'silent' order by id",
        incident,
    ) == [
        ("li", "close", "silent", "aired", way, f"silent: {WELL}/ch4 (silent for 7 min)")
        for way in ("api", "console")
    ]
    assert city.rows("select overridden from incident where id = %s", incident) == [(False,)]


def proposal_of(city: City, incident: str) -> str:
    (found,) = city.rows("select id from proposal where incident = %s", incident)
    return str(found[0])


async def test_shelved_alarms_windows_and_the_incident_are_shown_as_they_are(city: City) -> None:
    incident = city.leak()
    li = await city.signed_in("li")
    csrf = {"x-csrf-token": (await li.get("/api/v1/session")).json()["csrf"]}
    key = city.rows("select key from alarm where incident = %s", incident)[0][0]
    shelf = {"alarm": key, "note": "probe changed", "minutes": 30}
    watch = {"kind": "work-watch", "zone": "gas/heping", "reason": "V-31", "minutes": 60}

    shelved = await li.post("/api/v1/alarms/shelve", json=shelf, headers=csrf)
    opened = await li.post("/api/v1/windows", json=watch, headers=csrf)
    hidden = (await li.get("/api/v1/alarms?list=shelved")).json()["alarms"]
    page = (await li.get("/alarms")).text
    detail = (await li.get(f"/api/v1/incidents/{incident}")).json()
    windows = (await li.get("/windows")).text
    audit = (await li.get(f"/api/v1/incidents/{incident}/audit")).json()["entries"]
    figures = await li.get("/api/v1/kpi.csv?by=day")

    assert (shelved.status_code, opened.status_code) == (200, 200), (shelved.text, opened.text)
    assert key in [one["key"] for one in hidden]
    assert "probe changed" not in page
    assert "li, until" in page
    assert detail["members"][0]["state"] == "shelved"
    assert "Mandatory checks" in windows
    assert {entry["action"] for entry in audit} >= {"shelve"}
    assert figures.status_code == 200
    ended = opened.json()["window"]["id"]
    for check in opened.json()["window"]["checks"]:
        await li.post(f"/api/v1/windows/{ended}/check", json={"check": check["name"]}, headers=csrf)
    last = await li.post(f"/api/v1/windows/{ended}/end", json={}, headers=csrf)
    assert last.status_code == 200, last.text


def run(city: City, folder: Path, *words: str) -> tuple[int, str]:
    """A command as somebody types it; exit status and what it printed."""
    (folder / "catalog.bin").write_bytes(compiled())
    environment = {
        "LIFELINE_POSTGRES_DSN": city.settings.postgres.dsn,
        "LIFELINE_CATALOG_COMPILED": str(folder / "catalog.bin"),
        "LIFELINE_CONSOLE_LANGUAGE": "en",
        "LIFELINE_LIFE_QUIET_S": "0",
    }
    done = CliRunner().invoke(build(words[0]), list(words), env=environment)
    return done.exit_code, done.output


def test_the_desk_can_be_worked_from_a_terminal_as_a_console_user(
    city: City, tmp_path: Path
) -> None:
    incident = city.leak()
    short = incident[: SHORT_MIN + 4]

    def asked(*words: str) -> tuple[int, str]:
        return run(city, tmp_path, "incident", *words)

    listed = msgspec.json.decode(asked("list", "--json", "--limit", "500")[1])
    steps = [
        asked("ack", short, "--as", "wang"),
        asked("ack", short, "--as", "nobody"),
        asked("ack", "zzzzzzzz", "--as", "li"),
        asked("verify", short, "true", "sensor", "--as", "li"),
        asked("ack", short, "--as", "li", "--note", "going"),
        asked("ack", short, "--as", "boss"),
        asked("verify", short, "true", "leak", "--as", "li", "--json"),
        asked("dispatch", short, "--task", "close V-31", "--person", "Li Qiang", "--as", "li"),
        asked("arrive", short, "--as", "li"),
        asked("note", short, "gas company informed", "--as", "wang"),
        asked("close", short, "--note", "x", "--as", "li"),
    ]
    city.calm(incident)
    closed = asked("close", short, "--note", "valve shut", "--as", "li")
    shown = asked("show", short)[1]
    windows = run(city, tmp_path, "window", "list", "--json")
    shelves = run(city, tmp_path, "shelve", "list")

    assert incident in [one["summary"]["id"] for one in listed]
    assert [code for code, _ in steps] == [1, 1, 1, 2, 0, 1, 0, 0, 0, 0, 1], steps
    assert closed[0] == 0, closed
    for text in ("gas company informed", "close V-31 · Li Qiang", "valve shut", "command"):
        assert text in shown
    assert (windows[0], shelves[0]) == (0, 0), (windows, shelves)
    channels = city.rows(
        "select distinct channel from audit where incident = %s and actor in ('li', 'wang')",
        incident,
    )
    assert channels == [("command",)]


def test_risk_search_words_and_floods_follow_what_the_router_writes(city: City) -> None:
    overview = Overview(city.catalog, city.site.weights, lambda: None, city.log)
    names = [city.leak() for _ in range(12)]

    city.database.run_now(overview.turn)
    city.database.run_now(overview.turn)

    ranked = dict(city.rows("select id, score from incident where score is not null"))
    assert all(ranked[name] > 0 for name in names)
    assert set(names) <= set(queued(city, text="阀井一"))
    assert overview.floods["gas"].is_flood
    assert overview.floods["gas"].highest is not None


def test_the_queue_is_found_by_words_and_desks_and_ordered_by_risk(city: City) -> None:
    slight, grave = city.leak(grade=3), city.leak(grade=2)
    for incident, score in ((slight, 90.0), (grave, 10.0)):
        city.rows(
            "insert into incident_rank values (%s, 1, '长江西路 odd%%word') on conflict"
            " (incident) do update set words = excluded.words",
            incident,
        )
        city.rows("update incident set score = %s where id = %s", score, incident)

    found = queued(city, text="长江西路")

    assert [one for one in found if one in (slight, grave)] == [slight, grave]
    assert queued(city, text="odd%word")[:2] == [slight, grave]
    assert queued(city, text="oddXword") == []
    assert queued(city, zones=("none",)) == []
    assert slight not in queued(city, review=True)
    assert slight in queued(city, after=queued(city)[0]) or queued(city)[0] == slight


@pytest.mark.feature("ThingsBoard #12383, #7990")
async def test_with_ten_thousand_open_the_list_is_answered_within_a_tenth_of_a_second(
    city: City,
) -> None:
    incident = city.leak()
    city.rows(
        "insert into incident select (jsonb_populate_record(i, jsonb_build_object('id',"
        " 'many-' || n, 'hazard', 'many-' || n, 'unseen_ms', i.opened_ms + n))).*"
        " from incident i, generate_series(1, 10000) n where i.id = %s",
        incident,
    )
    city.rows("insert into incident_rank select id, 1, id from incident where id like 'many-%%'")
    # As in a storm: each has been written several times, and nothing was tidied up since.
    for _ in range(3):
        city.rows("update incident set score = random() * 100 where id like 'many-%%'")
    li = await city.signed_in("li")
    took_ms = []

    for _ in range(30):
        begun = time.perf_counter()
        answer = await li.get("/api/v1/incidents?limit=100")
        took_ms.append((time.perf_counter() - begun) * 1000)
        assert len(answer.json()["incidents"]) == 100

    city.rows("delete from incident where id like 'many-%%'")
    # Whatever else the machine does, the work itself is short: the quickest third shows it.
    quick = sorted(took_ms)[: len(took_ms) // 3]
    print(f"list of 10,000: median {statistics.median(took_ms):.0f} ms, worst {max(took_ms):.0f}")
    assert max(quick) <= 100, took_ms
