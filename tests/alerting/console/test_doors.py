"""What each door of the console answers, by page and by API, with the records in memory."""

from typing import Any

import msgspec
import pytest

from alerting.actions import Act
from alerting.console import gate, pages, queue, refusals, visit
from alerting.console.evidence import Point
from alerting.console.records import Feed
from alerting.console.sessions import Sender
from alerting.console.visit import Answer, Call
from alerting.desk.rows import NoticeRow
from lifeline.life import Life
from lifeline.model import Quality
from tests.alerting.console.hall import OURS, Hall, leak
from tests.alerting.scene import T0
from tests.integration.console_rig import WELL

AT_ONCE = Life(quiet_s=0.0)
MENDED = {"note": "mended", "judgement": "true:leak"}
LEFT = Sender("desk.city", "https://evil.example", "cross-site")


def json_of(answer: Answer) -> Any:
    return msgspec.json.decode(answer.body)


def header(answer: Answer, name: str) -> str:
    return dict(answer.headers).get(name, "")


# Coming in


def test_who_is_not_signed_in_is_sent_to_the_form_and_back() -> None:
    hall = Hall()

    looking = hall.ask("GET", "/incidents/a1", "", query={"window": "900", "auto": "1"})
    plain = hall.ask("GET", "/", "")
    acting = hall.ask("POST", "/incidents/a1/note", "")
    leaving = hall.ask("POST", "/logout", "")
    program = hall.ask("GET", "/api/v1/session", "")

    assert header(looking, "Location") == "/login?why=needed&next=%2Fincidents%2Fa1%3Fwindow%3D900"
    assert header(plain, "Location") == "/login?why=needed&next=%2F"
    assert header(acting, "Location") == "/login?why=over&next=%2Fincidents%2Fa1"
    assert header(leaving, "Location") == "/login?why=over&next=%2F"
    assert (program.status, json_of(program)["detail"]) == (401, "Sign in first.")


def test_the_form_of_a_stranger_carries_a_token_of_its_own_cookie() -> None:
    hall = Hall()

    first = hall.ask("GET", "/login", "", cookies={}, query={"why": "needed", "next": "/account"})
    again = hall.ask("GET", "/login", "")

    assert header(first, "Set-Cookie").startswith("__Host-lifeline-form=nonce;")
    assert header(again, "Set-Cookie") == ""
    assert 'name="code"' in first.body.decode()
    assert "Sign in first" in first.body.decode()
    assert header(hall.ask("GET", "/login", query={"next": "/account"}), "Location") == "/account"


def test_a_failed_sign_in_says_the_same_for_all_and_how_long_to_wait() -> None:
    hall = Hall()
    cookies, form = {"__Host-lifeline-form": "nonce"}, {"form": "nonce", "name": "LI"}
    call = Call("POST", "/login", "10.0.0.1", OURS, form=form, cookies=cookies)

    wrong = gate.answer(hall, pages.login_failed(401, 0), call, hall.site, "n")
    early = gate.answer(hall, pages.login_failed(429, 30_000), call, hall.site, "n")
    allowed = gate.answer(hall, pages.LOGIN_ALLOWED, call, hall.site, "n")

    assert "用户名、密码或动态验证码不正确" in wrong.body.decode()
    assert 'value="li"' in wrong.body.decode()
    assert (early.status, header(early, "Retry-After")) == (429, "31")
    assert allowed.status == 204
    cookies_set = [
        v for k, v in pages.signed_in(hall.site, call, "t", "s").headers if k != "Location"
    ]
    assert [v.split("=")[0] for v in cookies_set] == [
        "__Host-lifeline", "__Host-lifeline-seat", "__Host-lifeline-form",
    ]  # fmt: skip


def test_a_forged_form_does_nothing() -> None:
    hall = Hall()
    incident = hall.take(leak())

    foreign = hall.ask("POST", f"/incidents/{incident}/note", sender=LEFT, form={"note": "x"})
    stale = hall.ask("POST", f"/incidents/{incident}/note", form={"form": "old", "note": "x"})
    stranger = hall.ask("POST", "/language", "", form={"form": "old", "lang": "zh"})

    assert [foreign.status, stale.status, stranger.status] == [403, 403, 403]
    assert not [one for one in hall.audit if one.actor == "li"]


def test_signing_out_ends_the_session_and_the_cookie() -> None:
    hall = Hall()

    answer = hall.ask("POST", "/logout")

    assert len(hall.gone) == 1
    assert "Max-Age=0" in header(answer, "Set-Cookie")


@pytest.mark.parametrize(
    ("following", "location"),
    [("/account", "/account"), ("/login?next=/account", "/login?next=/account"), ("//evil", "/")],
)
def test_a_language_is_remembered_and_leads_back(following: str, location: str) -> None:
    answer = Hall().ask("POST", "/language", form={"lang": "zh", "next": following})

    assert header(answer, "Location") == location
    assert header(answer, "Set-Cookie").startswith("lifeline-lang=zh;")
    assert Hall().ask("POST", "/language", form={"lang": "fr"}).status == 400


def test_an_idle_session_is_warned_then_over_and_only_people_keep_it_alive() -> None:
    hall = Hall()
    hall.seen_ms = hall.now_ms - 800_000

    warned = hall.page("/", query={"auto": "1"})
    touched = hall.touched
    hall.page("/")
    hall.seen_ms = hall.now_ms - 901_000

    assert "Signed out in" in warned
    assert (touched, hall.touched) == (0, 1)
    assert hall.ask("GET", "/").status == 303


def test_the_sealed_account_is_marked_on_its_pages_and_told_on_everybodys_list() -> None:
    hall = Hall()
    hall.broken_ms = T0

    assert "sealed emergency account. What you do" in hall.page("/account", "break-glass")
    assert "sealed emergency account was used at" in hall.page("/")
    assert "What you do is recorded" not in hall.page("/")


# Looking


@pytest.mark.feature("ThingsBoard #12383, #7990")
def test_the_list_shows_every_kind_of_incident_in_its_band() -> None:
    hall = Hall(life=AT_ONCE)
    open_ = hall.take(leak())
    taken = hall.take(leak(1, hazard="burst", name="b"))
    done = hall.take(leak(2, hazard="flood", name="c", asset="gone", grade=9, lifeline="x"))
    hall.take(leak(3, hazard="sensor-fault", name="d", grade=5))
    hall.take(leak(4, hazard="old", name="e", lane="historical"))
    hall.take(leak(5, name="f", drill=True))
    for name in (taken, done):
        hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    hall.take(leak(40, hazard="flood", name="c", phase="cleared", asset="gone", onset_s=2, grade=9))
    hall.ask("POST", f"/incidents/{done}/close", form={"revision": "3", **MENDED})
    hall.take(leak(61, hazard="flood", name="g", asset="gone", grade=9))

    page, chinese = hall.page("/"), hall.page("/", query={"lang": "zh"})

    for said in (
        "acknowledged by li at 06:14:20",
        "DRILL",
        "back-filled",
        "closed 0 s ago",
        "episode 2",
        open_,
    ):
        assert said in page, said
    assert "待确认" in chinese
    assert "○</span> Device" in hall.page("/", query={"show": "devices"})
    assert open_ not in hall.page("/", query={"show": "devices"})
    assert open_ not in hall.page("/", query={"show": "water"})
    assert open_ in hall.page("/", query={"show": "nonsense"})


@pytest.mark.feature("Node-RED #618, hashi-ui #119, gardener #105")
def test_calm_is_only_said_where_data_are_fresh() -> None:
    hall = Hall()
    unsure = hall.page("/")
    hall.feeds += (Feed("water", hall.now_ms, hall.now_ms),)
    calm = hall.page("/")
    hall.feeds = (Feed("gas", hall.now_ms - 90_000, hall.now_ms), hall.feeds[1])

    assert "does not mean that all is well" in unsure
    assert "Nothing needs you now" in calm
    assert "No fresh data from Gas" in hall.page("/")


def test_a_list_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LISTED_MAX", 1)
    hall = Hall()
    hall.take(leak())

    assert "Only the first 1 are shown" in hall.page("/")


def points() -> list[Point]:
    return [(T0 - 10_000 + n * 5000, 5.0 + n, 0) for n in range(5)]


def test_an_incident_is_shown_with_its_reasons_pictures_notices_and_history() -> None:
    hall = Hall()
    odd = int(Quality.FAULT | Quality.NON_FINITE)
    name = hall.take(leak(evidence=((T0 + 1, None, odd),), quality=odd, clause="GB 1"))
    hall.take(leak(1, channel=f"{WELL}/x", name="x", limit=None, value=None, lane="late"))
    hall.take(leak(2, channel=f"{WELL}/y", name="y", limit_id="", clause="GB 9", rule="r"))
    hall.take(leak(3, name="ignored", lane="late", onset_s=1))
    hall.take(leak(4, name="same"))
    hall.stored = {f"{WELL}/ch4": points()}
    hall.notices = tuple(
        NoticeRow(n, name, "platform", "opened", "alert", state, 1, "500", at, done, "k", b"")
        for n, (state, at, done) in enumerate(
            (("waiting", None, None), ("dead", T0, None), ("delivered", T0, T0))
        )
    )
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1", "note": "going"})

    page = hall.page(f"/incidents/{name}", query={"window": "900"})

    for said in (
        "GB 1 (clause verified)", "GB 9 (clause not verified)", "no fixed limit", "late data",
        "sensor fault, not a finite number", "–", "not delivered", "delivered", "going",
        "41.80000, 123.40000", "<svg", "system",
    ):  # fmt: skip
        assert said in page, said
    assert "Acknowledge</button>" not in hall.page(f"/incidents/{name}", "wang")
    assert hall.ask("GET", "/incidents/none").status == 404


def test_an_incident_shows_what_its_zone_knew_that_no_sensor_says() -> None:
    hall = Hall()
    name = hall.take(leak(contexts=("work-order", "own-kind")))

    assert "<dd>Work order, own-kind</dd>" in hall.page(f"/incidents/{name}")
    assert "<dd>施工作业、own-kind</dd>" in hall.page(f"/incidents/{name}", query={"lang": "zh"})


def test_an_incident_that_the_catalog_does_not_know_is_shown_by_its_names() -> None:
    hall = Hall()
    name = hall.take(leak(asset="gas/gone", channel="gas/gone/ch4", limit_id="own"))
    hall.now_ms += 7_200_000
    hall.seen_ms = hall.now_ms
    hall.stored = {"gas/gone/ch4": [(hall.now_ms - 5000, 1.0, 0)]}

    page = hall.page(f"/incidents/{name}", query={"window": "900"})

    assert "(gas/gone)" in page
    assert "20 %LEL · own" in page
    assert "Position" not in page
    assert "onset 0" not in page, "the moment is before the window"


def test_a_closed_incident_shows_who_closed_it_and_a_picture_of_its_time() -> None:
    hall = Hall(life=AT_ONCE)
    name = hall.take(leak())
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    hall.take(leak(5, phase="cleared", onset_s=0))
    hall.ask("POST", f"/incidents/{name}/close", form={"revision": "3", **MENDED})
    hall.now_ms += 3_600_000
    hall.seen_ms = hall.now_ms

    page = hall.page(f"/incidents/{name}")

    assert "li · 2023-11-15" in page
    assert "mended" in page
    assert "newest reading" not in page


# Acting


@pytest.mark.feature("A-10")
def test_an_action_is_done_once_on_what_was_seen() -> None:
    hall = Hall()
    name = hall.take(leak())
    door = f"/incidents/{name}"

    steps = [
        hall.ask("POST", f"{door}/acknowledge", "wang", form={"revision": "1"}),
        hall.ask("POST", f"{door}/acknowledge", form={"revision": "x"}),
        hall.ask("POST", f"{door}/acknowledge", form={"revision": "1", "note": "a\r\nb"}),
        hall.ask("POST", f"{door}/acknowledge", "boss", form={"revision": "1"}),
        hall.ask("POST", f"{door}/close", form={"revision": "2"}),
        hall.ask("POST", f"{door}/close", form={"revision": "2", **MENDED}),
        hall.ask("POST", f"{door}/note", form={"revision": "0", "note": "y" * 2001}),
        hall.ask("POST", f"{door}/note", "wang", form={"revision": "0", "note": "seen"}),
        hall.ask("POST", "/incidents/none/note", form={"revision": "0", "note": "seen"}),
    ]

    assert [one.status for one in steps] == [403, 400, 303, 409, 400, 409, 400, 303, 404]
    assert "li was faster" in steps[3].body.decode()
    assert [one.note for one in hall.audit if one.actor != "router"] == ["a\nb", "seen"]


@pytest.mark.feature("A-10", "OnCall #3161")
def test_who_was_overtaken_by_the_router_is_told_that_it_changed() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.take(leak(1, name="worse", grade=1, rule="gas.50"))
    v = gate_visit(hall)

    taken = hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    act = Act(incident=name, action="acknowledge", actor="li", expected_revision=1)
    (outcome,) = hall.board.act([act], hall.now_ms)

    assert taken.status == 409
    assert "The incident has changed" in taken.body.decode()
    nobody = msgspec.structs.replace(outcome, actor="")
    assert refusals.problem(v, nobody).key == "problem.409.changed"
    assert refusals.problem(v, msgspec.structs.replace(outcome, code="unknown")).status == 404
    needs = refusals.problem(v, msgspec.structs.replace(outcome, code="needs-note"))
    assert needs.key == "problem.note-missing"


def gate_visit(hall: Hall) -> visit.Visit:
    call = Call("GET", "/", "10.0.0.1", OURS)
    return visit.Visit(hall.site, call, hall.pulse(None), "en", None, "")


# Without a database


@pytest.mark.feature("Node-RED #618, hashi-ui #119, gardener #105")
def test_without_a_database_a_sentence_is_shown_and_looking_tries_again() -> None:
    site = Hall().site

    looking = gate.away(site, Call("GET", "/", "", OURS))
    acting = gate.away(site, Call("POST", "/", "", OURS), "problem.500", 500)
    program = gate.away(site, Call("GET", "/api/v1/x", "", OURS, is_api=True))

    assert (looking.status, header(looking, "Retry-After")) == (503, "5")
    assert b'http-equiv="refresh"' in looking.body
    assert (acting.status, b'http-equiv="refresh"' in acting.body, acting.headers) == (
        500, False, (),
    )  # fmt: skip
    assert program.kind == visit.PROBLEM


def test_what_the_framework_refuses_is_a_sentence_too() -> None:
    hall = Hall()
    call = Call("GET", "/nothing", "10.0.0.1", OURS)

    answer = gate.answer(hall, pages.problem_route(404, "/nothing"), call, hall.site, "n")

    assert answer.status == 404
    assert "没有这个页面" in answer.body.decode()
