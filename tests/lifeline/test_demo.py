"""The demo's story: what it tells of pushes and pages, and how its officer goes about it."""

import asyncio
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerting.incidents import VERDICT_CODES
from lifeline.commands.demo_officer import ROLES, Case, Officer, count_pages
from lifeline.commands.demo_seat import Api, Stuck
from lifeline.commands.demo_story import Story
from lifeline.commands.simulate import _Mended
from lifeline.config import Settings, load
from lifeline.demonstration import SETTINGS, WORDS, Teller
from lifeline.words import verdict_code
from simulators.city import DEMO

INCIDENT = "a2d5bd86-01c9-5b10-99d6-d37454eff965"
PUSH = {
    "schema": "notice/1", "incident": INCIDENT, "kind": "alert", "reason": "opened",
    "lifeline": "gas", "asset": {"name": "gas/well-0007"}, "hazard": "gas-leak", "onset_ms": 2000,
    "headline": {"zh": "燃气泄漏", "en": "Gas leak"}, "link": "http://127.0.0.1/incidents/x",
}  # fmt: skip


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_sentence_of_the_demo_says_the_same_in_both_languages() -> None:
    assert [what for what, (zh, en) in WORDS.items() if fields(zh) != fields(en)] == []


def test_the_officer_knows_what_to_do_about_every_scenario_of_the_story() -> None:
    whats = {scenario.what for scenario in DEMO}

    assert len(ROLES) == len(DEMO)
    for role in ROLES.values():
        assert role.code in VERDICT_CODES["true"]
        assert verdict_code(role.code, "zh") != role.code
        assert not role.mends or role.mends in whats
    assert [hazard for hazard, role in ROLES.items() if not role.is_mended] == ["stiffness-loss"]


def test_the_settings_of_the_demo_are_settings() -> None:
    text = SETTINGS.format(
        mqtt_host="h", mqtt_port=1, kafka="k:1", dsn="d", folder="/f", console=2, watchdog=3,
        platform=4,
    )  # fmt: skip

    settings, _ = load(text, "lifeline.toml", {})

    assert settings.life.quiet_s == 8.0
    assert [t.name for t in settings.router.targets] == ["platform", "watchdog", "sms", "voice"]
    assert settings.exchange.partners[0].may == ("receipts",)


def story(folder: Path, told: list[str]) -> Story:
    (folder / "pushes.jsonl").touch()
    teller = Teller("en", told.append)
    posts = {"00000000003": "Gas officer 3"}
    return Story(Settings(), teller, folder, began_ms=1000, posts=posts)


def test_a_page_is_told_with_the_post_that_it_reached(tmp_path: Path) -> None:
    told: list[str] = []
    one = story(tmp_path, told)
    page = {"kind": "sms", "to": ["00000000003"], "text": "gas\nleak", "drill": False}
    line = {"verdict": "accepted", "path": "/messages", "body": json.dumps(page)}
    (tmp_path / "pushes.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")

    one.look()

    assert told[0].endswith("PAGE     text message to Gas officer 3: gas leak")


def test_what_the_platform_was_told_is_handed_on_once_it_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    heard: list[dict[str, Any]] = []
    one = story(tmp_path, told)
    one.on_push = heard.append
    old = PUSH | {"onset_ms": 10}
    lines = [
        {"verdict": verdict, "path": "/incidents", "body": json.dumps(body)}
        for verdict, body in (("accepted", PUSH), ("accepted", old), ("told to refuse", PUSH))
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "pushes.jsonl").write_text(text, encoding="utf-8")

    one.look()

    assert [push["incident"] for push in heard] == [INCIDENT]
    assert "Gas leak" in told[0]


def test_pages_after_the_acknowledgement_are_counted_apart() -> None:
    rows: list[dict[str, Any]] = [
        {"state": "delivered", "at_ms": 10}, {"state": "delivered", "at_ms": 30},
        {"state": "ended", "at_ms": 21}, {"state": "held", "at_ms": None},
    ]  # fmt: skip

    assert count_pages(rows, 20) == (2, 1)


def test_the_end_is_reached_when_each_hazard_came_through_and_not_when_one_did_twice(
    tmp_path: Path,
) -> None:
    officer = Officer(Teller("zh", print), Api("http://127.0.0.1", "zh"), tmp_path, float, 1.0, "")
    for name in ("a", "b"):
        for hazard in ROLES if name == "a" else ["gas-leak"]:
            outcome = "under way" if hazard == "burst" else "closed"
            officer.cases[name + hazard] = Case(name, "", hazard, "", outcome=outcome)

    assert not officer.is_done()
    officer.cases["aburst"].outcome = "open"
    assert officer.is_done()


class Bench:
    """A city that only remembers what was mended."""

    devices: tuple[str, ...] = ()
    start_ms = 0

    def __init__(self) -> None:
        self.truth: list[Any] = []
        self.mended: list[str] = []

    def mend(self, what: str) -> None:
        self.mended.append(what)

    def step(self, at_ms: int) -> list[Any]:
        return [at_ms]


def test_a_repair_is_done_once_and_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    city, file = Bench(), tmp_path / "repairs"
    bench: Any = city
    mended: Any = _Mended(bench, file)

    assert mended.step(1) == [1]
    file.write_text("gas-leak\nbur", encoding="utf-8")
    mended.step(2)
    mended.step(3)
    file.write_text("gas-leak\nburst\n", encoding="utf-8")
    mended.step(4)

    assert city.mended == ["gas-leak", "burst"]


Answer = Callable[[str, str], tuple[int, dict[str, Any]]]


async def with_console(answer: Answer, work: Callable[[Api], Any]) -> Any:
    """What comes of the work at a console that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].split()
        status, value = answer(method, path)
        body = json.dumps(value).encode()
        lead = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(lead.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    api = Api(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "en")
    try:
        return await work(api)
    finally:
        await api.close()
        server.close()


async def test_a_refusal_is_its_sentence_and_a_changed_incident_is_looked_at_again() -> None:
    answers = [
        (412, {"detail": "changed"}), (409, {"detail": "Sensors still alarm."}),
    ]  # fmt: skip
    asked: list[str] = []

    def answer(method: str, path: str) -> tuple[int, dict[str, Any]]:
        asked.append(method)
        return answers.pop(0) if method == "POST" else (200, {"incident": {"revision": 3}})

    why = await with_console(answer, lambda api: api.act("x", "close", {}))

    assert why == "Sensors still alarm."
    assert asked == ["GET", "POST", "GET", "POST"]


async def test_a_step_that_is_refused_ends_the_way_with_its_name_and_reason(
    tmp_path: Path,
) -> None:
    told: list[str] = []

    def answer(method: str, _: str) -> tuple[int, dict[str, Any]]:
        return (
            (409, {"detail": "No."}) if method == "POST" else (200, {"incident": {"revision": 3}})
        )

    async def work(api: Api) -> Officer:
        teller = Teller("en", told.append)
        officer = Officer(teller, api, tmp_path, lambda: 1.5, 1.0, "")
        officer.ready.set()
        officer.hear(PUSH)
        officer.hear(PUSH)
        await asyncio.wait(set(officer.tasks), timeout=20)
        return officer

    role = msgspec.structs.replace(ROLES["gas-leak"], wait_s=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ROLES, "gas-leak", role)
        officer = await with_console(answer, work)

    assert officer.is_stuck
    assert not officer.is_done()
    assert "stopped at `acknowledge`: No." in told[0]
    (case,) = officer.cases.values()
    assert case.figures()["outcome"] == "stuck"


async def test_what_cannot_be_read_at_all_is_said() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lifeline.commands.demo_seat.TRIES", 1)
        patch.setattr("lifeline.commands.demo_seat.AGAIN_S", 0.0)
        with pytest.raises(Stuck, match="HTTP 500"):
            await with_console(lambda *_: (500, {}), lambda api: api.get("/session"))
