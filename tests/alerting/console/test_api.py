"""The API, door by door: alarms, windows, second persons, shifts, proof, with records in memory."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alerting.audit.chain import Entry, Line
from alerting.console.ask import Sealed
from alerting.console.visit import Answer
from alerting.desk.rows import NoticeRow
from alerting.people.handover import OpenIncident
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_doors import header, json_of
from tests.alerting.scene import T0
from tests.integration.console_rig import OTHER, WELL


def send(hall: Hall, path: str, body: dict[str, Any], who: str = "li", **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return hall.ask("POST", f"/api/v1{path}", who, headers=named, body=msgspec.json.encode(body))


def get(hall: Hall, path: str, who: str = "li", **query: str) -> Any:
    answer = hall.ask("GET", f"/api/v1{path}", who, query=query)
    assert answer.status == 200, answer
    return json_of(answer)


# Incidents


def test_a_program_leads_an_incident_to_its_end() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    door = f"/incidents/{name}"
    steps: list[tuple[str, dict[str, Any]]] = [
        ("acknowledge", {"note": "going\r\nnow"}),
        ("undo", {}),
        ("acknowledge", {}),
        ("verify", {"verdict": "true", "code": "leak"}),
        ("dispatch", {"task": "close V-31", "person": "Li"}),
        ("arrive", {}),
        ("prolong", {"note": "stiff"}),
        ("note", {"note": "still there"}),
    ]

    for action, body in steps:
        seen = f'"{hall.slice.incidents[name].revision}"'
        done = send(hall, f"{door}/{action}", body, if_match=seen)
        assert done.status == 200, (action, done.body)
        assert header(done, "ETag") == f'"{hall.slice.incidents[name].revision}"'
    shown = get(hall, door)

    one = shown["incident"]
    assert (one["verdict"], one["task"], one["prolonged"]) == ("true", "close V-31", True)
    assert shown["actions"][:2] == ["dispatch", "verify"]
    assert shown["first_out"]["finding"]["channel"] == f"{WELL}/ch4"
    assert shown["members"][0]["joined"] == "opened"
    assert shown["plan"]["plan"] == "gas/gas-leak"
    assert shown["risk"]["score"] > 0
    assert {due["kind"] for due in shown["deadlines"]} >= {"progress"}
    assert one["next"]["kind"] == "progress"
    channels = {line.channel for line in hall.audit if line.actor == "li"}
    assert channels == {"api"}
    assert get(hall, door, "wang")["actions"] == ["note"]


@pytest.mark.feature("OnCall #5094")
def test_a_program_takes_several_and_hears_of_each_what_became_of_it() -> None:
    hall = Hall()
    one, two = hall.take(leak()), hall.take(leak(1, hazard="burst", name="b"))
    seen = [{"id": one, "revision": 1}, {"id": two, "revision": 1}]

    first = send(hall, "/incidents/acknowledge", {"incidents": seen, "note": "one cause"})
    again = send(hall, "/incidents/acknowledge", {"incidents": [*seen, {"id": "x", "revision": 1}]})

    assert json_of(first)["done"] == 2
    assert [i["incident"]["phase"] for i in json_of(first)["incidents"]] == ["acknowledged"] * 2
    assert json_of(again)["done"] == 0
    assert [i["code"] for i in json_of(again)["incidents"]][2] == "unknown"


def test_the_queue_is_narrowed_by_what_stands_in_the_address() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    hall.board.risks[name] = 71.5

    for query in ({"grade": "1,2"}, {"desk": "gas"}, {"review": "false"}, {"text": "well"},
                  {"desk": "city"}, {"lang": "zh"}):  # fmt: skip
        (one,) = get(hall, "/incidents", **query)["incidents"]
        assert (one["id"], one["risk"]) == (name, 71.5)
    for query in ({"grade": "x"}, {"desk": "none"}, {"review": "maybe"}, {"phase": "open,open"}):
        assert hall.ask("GET", "/api/v1/incidents", query=query).status in (200, 422)
    assert hall.ask("GET", "/api/v1/incidents", query={"desk": "none"}).status == 422
    assert hall.ask("GET", "/api/v1/incidents", query={"grade": "x"}).status == 422
    assert Hall().ask("GET", "/api/v1/incidents", query={"desk": "gas"}).status == 422


@pytest.mark.feature("OnCall #4761")
def test_calls_are_stopped_and_made_by_hand() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())

    stopped = send(hall, f"/incidents/{name}/stop-own", {})
    called = send(hall, f"/incidents/{name}/call", {"person": "zhao"})
    nobody = send(hall, f"/incidents/{name}/call", {"person": "none"})

    assert (json_of(stopped), json_of(called), nobody.status) == ({"ended": 2}, {"pages": 1}, 422)


def test_alarms_are_split_off_and_incidents_merged_by_programs() -> None:
    hall = Hall()
    first = hall.take(leak())
    second = hall.take(leak(1, asset=OTHER, channel=f"{OTHER}/ch4", name="b"))
    key = next(a.key for a in hall.slice.alarms.values() if a.asset == OTHER)

    merged = send(hall, f"/incidents/{first}/merge", {"other": second}, if_match='"1"')
    offered = get(hall, f"/incidents/{first}")["actions"]
    seen = f'"{hall.slice.incidents[first].revision}"'
    parted = send(hall, f"/incidents/{first}/split", {"alarms": [key]}, if_match=seen)

    assert (merged.status, parted.status) == (200, 200)
    assert "split" in offered


# Alarms


def test_alarms_are_listed_shelved_and_brought_back_at_their_revision() -> None:
    hall = Hall()
    hall.take(leak())
    (key,) = hall.slice.alarms
    revision = f'"{hall.slice.alarms[key].revision}"'
    body = {"alarm": key, "note": "probe changed", "minutes": 30}

    overtaken = send(hall, "/alarms/shelve", body, if_match='"77"')
    done = send(hall, "/alarms/shelve", body, if_match=revision)
    listed = get(hall, "/alarms", list="shelved", limit="1")
    back = send(hall, "/alarms/unshelve", {"alarm": key}, if_match=header(done, "ETag"))
    illegal = send(hall, "/alarms/unshelve", {"alarm": key})
    unknown = send(hall, "/alarms/reset", {"alarm": "none"})

    assert [a.status for a in (overtaken, done, back, illegal, unknown)] == [
        412,
        200,
        200,
        409,
        404,
    ]
    assert json_of(done)["code"] == "shelved"
    assert (listed["alarms"][0]["hidden_by"], listed["after"]) == ("li", key)
    assert get(hall, "/alarms")["after"] is None
    assert hall.ask("GET", "/api/v1/alarms", query={"list": "none"}).status == 422


# Windows and second persons


def test_windows_are_opened_ticked_and_ended_and_a_watch_demands_what_its_plan_says() -> None:
    hall = Hall()
    body = {"kind": "work-watch", "zone": "gas/heping", "reason": "valve", "minutes": 60,
            "checks": ["measured", "measured"]}  # fmt: skip

    opened = send(hall, "/windows", body, idempotency_key="k")
    same = send(hall, "/windows", body, idempotency_key="k")
    name = json_of(opened)["window"]["id"]
    *demanded, asked = [check["name"] for check in json_of(opened)["window"]["checks"]]
    early = send(hall, f"/windows/{name}/end", {})
    wrong = send(hall, f"/windows/{name}/check", {"check": "none"})
    overtaken = send(hall, f"/windows/{name}/check", {"check": "measured"}, if_match='"9"')
    ticked = send(hall, f"/windows/{name}/check", {"check": "measured"}, if_match='"1"')
    for check in demanded:
        send(hall, f"/windows/{name}/check", {"check": check})
    ended = send(hall, f"/windows/{name}/end", {"note": "done"})
    gone = send(hall, "/windows/none/end", {})

    assert opened.body == same.body
    assert [a.status for a in (early, wrong, overtaken, ticked, ended, gone)] == [
        409, 422, 412, 200, 200, 404,
    ]  # fmt: skip
    (window,) = get(hall, "/windows")["windows"]
    assert (bool(demanded), asked) == (True, "measured")
    assert {check["done_by"] for check in window["checks"]} == {"li"}
    assert send(hall, "/windows", {**body, "zone": "none"}).status == 422
    assert send(hall, "/windows", {**body, "minutes": 0}).status == 422


def test_a_window_that_hides_managed_alarms_waits_for_a_second_person() -> None:
    hall = Hall()
    policy = hall.site.wording.policy
    managed = {"gas.ch4": msgspec.structs.replace(policy.treatment("x"), is_managed=True)}
    wording = replace(hall.site.wording, policy=replace(policy, treatments=managed))
    hall.site = replace(hall.site, wording=wording, book=None)
    body = {"kind": "maintenance", "zone": "gas/heping", "reason": "valve", "minutes": 60}

    asked = send(hall, "/windows", {**body, "from_ms": hall.now_ms})
    watch = send(hall, "/windows", {**body, "kind": "work-watch"})
    (waiting,) = get(hall, "/proposals")["proposals"]
    done = send(hall, f"/proposals/{waiting['id']}/approve", {}, "boss")

    assert (asked.status, watch.status, done.status) == (202, 200, 200)
    assert json_of(asked)["window"] is None
    assert waiting["kind"] == "maintenance"
    assert any(w.kind == "maintenance" for w in hall.slice.windows.values())


# Shifts


def test_a_shift_is_handed_over_by_programs() -> None:
    hall = Hall().with_roster()
    hall.crew.facts = {
        "incidents": (OpenIncident(id="i1", grade=1, hazard="gas-leak", asset=WELL, phase="open",
                                   since_ms=T0, owner=""),),
    }  # fmt: skip
    begun = send(hall, "/handovers", {"desk": "gas", "incoming": "boss"})
    door = f"/handovers/{json_of(begun)['handover']['id']}"

    steps = [
        send(hall, f"{door}/notes", {"notes": "quiet"}),
        send(hall, f"{door}/sign", {}),
        send(hall, f"{door}/accept", {"kind": "incident", "subject": "none"}, "boss"),
        send(hall, f"{door}/accept", {"kind": "incident", "subject": "i1"}, "boss"),
        send(hall, f"{door}/sign", {}, "boss"),
        send(hall, f"{door}/sign", {}, "boss"),
    ]
    sheet = hall.ask("GET", f"/api/v1{door}/sheet.xlsx")

    assert [one.status for one in steps] == [200, 200, 409, 200, 200, 409]
    assert get(hall, door)["is_done"]
    assert get(hall, "/handovers", desk="gas")["left"] == []
    assert sheet.body.startswith(b"PK")
    assert get(hall, "/roster")["desks"][0]["here"][0]["login"] == "li"
    assert get(Hall(), "/roster")["desks"] == []
    assert hall.ask("GET", "/api/v1/handovers", query={"desk": "city"}).status == 404
    assert hall.ask("GET", "/api/v1/handovers/none").status == 404


# Proof


@pytest.mark.feature("O-2")
def test_an_incidents_audit_is_shown_with_its_hashes_and_seals() -> None:
    hall = Hall()
    name = hall.take(leak())
    line = Line(incident=name, at_ms=T0, actor="li", action="acknowledge", reason="acknowledged",
                channel="console", revision=2)  # fmt: skip
    hall.proof.sealed = Sealed((Entry(1, T0 * 1000, b"\1\2", line),), {1: 7})

    (entry,) = get(hall, f"/incidents/{name}/audit")["entries"]

    assert (entry["hash"], entry["seal"], entry["actor"]) == ("0102", 7, "li")


@pytest.mark.feature("A-7")
def test_figures_are_of_the_citys_days() -> None:
    hall = Hall()

    get(hall, "/kpi", by="desk", since="2023-11-01", until="2023-11-08")
    get(hall, "/kpi")
    sheet = hall.ask("GET", "/api/v1/kpi.csv")

    by, begin, end = hall.proof.asked[0]
    assert (by, (end - begin) // 86_400_000) == ("desk", 7)
    assert hall.proof.asked[1][2] - hall.proof.asked[1][1] == 7 * 86_400_000
    assert sheet.kind.startswith("text/csv")
    assert 'filename="kpi.csv"' in header(sheet, "Content-Disposition")
    wrong = ({"since": "yesterday"}, {"since": "1000-01-01"},
             {"since": "2023-11-08", "until": "2023-11-01"}, {"by": "moon"})  # fmt: skip
    for query in wrong:
        assert hall.ask("GET", "/api/v1/kpi", query=query).status == 422


def test_letters_are_listed_and_sent_again_and_evidence_is_asked_for() -> None:
    hall = Hall()
    name = hall.take(leak())
    letter = NoticeRow(7, name, "platform", "opened", "alert", "dead", 3, "400", T0, None, "k", b"")
    page = msgspec.structs.replace(letter, id=8, reason="first")
    hall.board.dead = [letter, page]

    listed, _ = get(hall, "/letters")["letters"]
    done = send(hall, "/letters/7/resend", {"note": "key mended"})
    taken = send(hall, "/letters/8/resend", {})
    gone = send(hall, "/letters/7/resend", {})
    asked = send(hall, f"/incidents/{name}/evidence", {})

    assert (listed["id"], listed["last_code"]) == (7, "400")
    assert (done.status, gone.status, asked.package) == (200, 404, name)
    assert (taken.status, b"taken this incident" in taken.body) == (409, True)
    assert hall.board.resent == [(7, "li", "key mended")]
    assert send(hall, "/letters/x/resend", {}).status == 404


@pytest.mark.parametrize(
    "body", [b"[]", b'{"note": 1}', b'{"x": 1}', b'{"note": "\\u0000"}', b"\xff"]
)
def test_a_body_that_does_not_fit_is_refused(body: bytes) -> None:
    hall = Hall()
    name = hall.take(leak())

    answer = hall.ask("POST", f"/api/v1/incidents/{name}/note", body=body)

    assert answer.status == 422


def test_a_package_under_a_key_is_asked_for_until_it_is_kept_and_then_is_the_same() -> None:
    hall = Hall()
    name = hall.take(leak())

    def ask(body: bytes = b"{}", key: str = "k") -> Answer:
        headers = {"idempotency-key": key}
        return hall.ask("POST", f"/api/v1/incidents/{name}/evidence", body=body, headers=headers)

    first, crashed = ask(), ask()
    hall.keep("li", "k", 200, b"PK", "abc")
    again = ask()

    assert (first.package, first.key) == (crashed.package, crashed.key) == (name, "k")
    assert (again.package, again.body, again.kind) == ("", b"PK", "application/zip")
    assert ("X-Content-SHA256", "abc") in again.headers
    assert (ask(b'{"note": "x"}').status, ask(key="k" * 129).status) == (422, 422)
