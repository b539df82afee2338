"""``lifeline roster`` without a server: what it refuses, and whom it would call."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from lifeline.__main__ import build
from tests.alerting.people.city import WRITTEN

TARGETS = """
[[router.targets]]
name = "{name}"
kind = "{kind}"
url = "https://gateway.example"
secret_file = "x"
"""


def run(folder: Path, *words: str, text: str = WRITTEN, targets: str = "sms voice") -> Result:
    (folder / "roster.toml").write_text(text, encoding="utf-8")
    settings = f'[people]\nroster = "{folder}/roster.toml"\n'
    settings += "".join(TARGETS.format(name=name, kind=name) for name in targets.split())
    (folder / "lifeline.toml").write_text(settings, encoding="utf-8")
    asked = ["roster", *words, "--config", str(folder / "lifeline.toml")]
    return CliRunner().invoke(build("roster"), asked)


def test_a_roster_that_reaches_somebody_at_every_hour_is_accepted(tmp_path: Path) -> None:
    done = run(tmp_path, "check", "--days", "14")

    assert done.exit_code == 0, done.output
    assert (
        done.output
        == "note {}: chains: the chains use chat, which router.targets lacks.\n".format(
            tmp_path / "roster.toml"
        )
    )


def test_a_roster_that_reaches_nobody_for_an_hour_is_refused_and_says_which(tmp_path: Path) -> None:
    # Far from now: the command looks at the next days from the hour in which it is asked.
    hour = min((datetime.now(ZoneInfo("Asia/Shanghai")).hour + 12) % 24, 22)
    quiet = f'quiet = [{{ begins = "{hour:02}:00", ends = "{hour + 1:02}:00" }}]\naddresses = {{'
    asleep = WRITTEN.replace('quiet = [{ begins = "22:30", ends = "06:30" }]\n', "")

    done = run(tmp_path, "check", "--json", text=asleep.replace("addresses = {", quiet))

    assert done.exit_code == 1
    holes = [p for p in json.loads(done.stdout) if p["code"] == "hole"]
    assert {(p["desk"], p["grade"]) for p in holes} == {
        (desk, grade) for desk in ("city", "gas") for grade in (2, 3)
    }
    assert {p["ends_ms"] - p["begins_ms"] for p in holes} == {3_600_000}
    assert all("nobody would be reached" in p["text"]["en"] for p in holes)


def test_without_any_target_nobody_is_reached_and_the_roster_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "check", targets="")

    assert done.exit_code == 1
    assert "BAD " in done.output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (WRITTEN.replace('order = ["a", "b"]', 'order = ["c"]'), "which is no crew of the desk"),
        ("slip =", "is not TOML"),
        (
            WRITTEN.replace('name = "gas"\n', 'name = "gas"\ncalendar = "none.ics"\n'),
            "cannot be read",
        ),
    ],
)
def test_a_roster_that_cannot_be_used_is_said_with_its_file(
    text: str, sentence: str, tmp_path: Path
) -> None:
    done = run(tmp_path, "check", text=text)

    assert done.exit_code == 1
    assert sentence in done.output
    assert str(tmp_path) in done.output


def test_a_calendar_beside_the_roster_fills_its_desk(tmp_path: Path) -> None:
    event = "DTSTART:20261101T000000Z\r\nDTEND:20261102T000000Z\r\nRRULE:FREQ=DAILY\r\n"
    lines = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n{event}SUMMARY:chief\r\nEND:VEVENT\r\n"
    (tmp_path / "gas.ics").write_text(f"{lines}END:VCALENDAR\r\n", encoding="utf-8", newline="")
    begins, ends = WRITTEN.index("crews = ["), WRITTEN.index("[[chains]]")
    text = WRITTEN[:begins] + 'calendar = "gas.ics"\n' + WRITTEN[ends:]

    done = run(tmp_path, "who", "--desk", "gas", "--at", "2026-11-23T03:00", text=text)

    assert done.exit_code == 0, done.output
    assert "gas: on duty chief" in done.output

    said = run(tmp_path, "who", "--desk", "gas", "--at", "2026-11-23T03:00", "--language", "zh")
    assert "gas：当班 zhao" in said.output
    assert "一级" in said.output


def test_who_would_be_called_is_shown_step_by_step(tmp_path: Path) -> None:
    done = run(tmp_path, "who", "--desk", "gas", "--at", "2026-11-24T03:00", "--json")

    steps = json.loads(done.stdout)["steps"]
    assert [(s["grade"], s["step"], s["told"]) for s in steps] == [
        (1, 0, "zhao (sms)"),
        (1, 1, "wang (sms)"),
        (1, 2, "chief (voice)"),
        (1, 3, "city-officer (voice)"),
        (1, 4, "chief (voice), wang (voice), zhao (voice), city-officer (voice)"),
        (2, 0, "zhao (sms)"),
        # The chief has quiet hours: everybody of the desk is the last resort.
        (2, 1, STEPS_LAST),
        (3, 0, "zhao (sms)"),
        (3, 1, "review list"),
    ]
    assert [s["is_last_resort"] for s in steps] == [False] * 6 + [True] + [False] * 2


STEPS_LAST = "chief (sms voice), wang (sms voice), zhao (sms voice), city-officer (sms voice)"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("who", "--desk", "water"), "the roster has city, gas"),
        (("who", "--at", "soon"), "write it as 2026-11-30T03:00"),
    ],
)
def test_what_cannot_be_answered_is_said(
    words: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *words)

    assert done.exit_code == 2
    assert sentence in done.output
