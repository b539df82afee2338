"""The command: every part of it says how it is used, and what it prints a program can read."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from lifeline.__main__ import build

TALKS = {
    "check", "dictionary", "diff", "doctor", "explain", "kpi", "list", "make", "meters", "receipts",
    "replay", "show", "status", "targets", "test", "verify", "versions", "who",
}  # fmt: skip
"""Commands whose answer is data; the others say that something was done."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def every(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from every(part, f"{path} {name}")


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(), list(words))
    return done.exit_code, done.output


def answer(*words: str) -> Any:
    status, output = run(*words, "--json")
    assert status == 0, output
    return json.loads(output)


def test_every_command_and_group_has_an_example_and_data_has_a_form_for_programs() -> None:
    commands = dict(every(get_command(build()), "lifeline"))

    assert len(commands) > 40
    assert [path for path, one in commands.items() if "Example" not in (one.help or "")] == []
    silent = [
        path
        for path, one in commands.items()
        if path.split()[-1] in TALKS and not any("--json" in option.opts for option in one.params)
    ]
    assert silent == []


def test_the_list_of_commands_names_each_in_chinese_too_and_says_what_exit_statuses_mean() -> None:
    root: Any = get_command(build())

    alone = [name for name, one in root.commands.items() if one.short_help.isascii()]

    assert alone == []
    assert "Exit status: 0 done, 1 the answer is no, 2 it could not be tried." in root.help


def test_the_meters_are_told_as_data() -> None:
    assert {"channel": "device/<device>/skew", "unit": "ms"} in answer("catalog", "meters")
    assert "device/<device>/seen  [s]" in run("catalog", "meters")[1]


def test_a_setting_is_explained_as_data_with_its_default() -> None:
    assert answer("config", "explain", "mqtt.port") == [
        {
            "key": "mqtt.port", "type": "int", "default": 1883, "what": "",
            "variable": "LIFELINE_MQTT_PORT",
        }
    ]  # fmt: skip
    [classes] = answer("config", "explain", "archive.retention_days")
    assert classes["default"]["routine"] == 90
    assert "names the broker's session" in run("config", "explain", "ingest.instance")[1]
    assert run("config", "explain", "mqtt.prt")[0] == 1


def test_every_key_of_a_target_is_explained_with_its_list() -> None:
    told = {row["key"]: row for row in answer("config", "explain", "router.targets")}

    assert told["router.targets.grade_max"]["default"] == 0
    assert told["router.targets.name"]["default"] is None
    assert "least grave grade" in told["router.targets.grade_max"]["what"]


def test_every_option_says_what_it_is() -> None:
    silent = [
        f"{path} {option.opts[0]}"
        for path, command in every(get_command(build()), "lifeline")
        for option in command.params
        if option.param_type_name == "option" and not getattr(option, "help", "")
    ]

    assert silent == []


def shipped(folder: Path, **changes: tuple[str, str]) -> str:
    """A copy of the shipped catalog in which each named file has one text replaced."""
    folder.mkdir()
    for file in sorted((Path(str(files("deploy"))) / "lifelines").glob("*.toml")):
        text = file.read_text("utf-8")
        old, new = changes.get(file.stem, ("", ""))
        assert old in text
        (folder / file.name).write_text(text.replace(old, new, 1), "utf-8")
    return str(folder)


def test_a_sound_catalog_is_said_to_be(tmp_path: Path) -> None:
    told = answer("catalog", "check", shipped(tmp_path / "city"))

    assert told["ok"] is True
    assert told["problems"] == []
    assert told["channels"] == 212
    assert "holds together" in run("catalog", "check", str(tmp_path / "city"))[1]


def test_every_problem_of_every_file_is_told_with_its_place(tmp_path: Path) -> None:
    city = shipped(
        tmp_path / "city",
        bridge=("grade = 2", 'grade = "two"'),
        gas=('kind = "threshold"', 'kind = "treshold"'),
        heating=("[lifeline]", "[lifeline"),
        water=('[lifeline]\nname = "water"', '[lifeline]\nname = "water"\ncolour = "blue"'),
    )

    status, output = run("catalog", "check", city, "--json")

    assert status == 2
    found = json.loads(output)["problems"]
    assert [Path(one["place"]).name for one in found] == [
        "bridge.toml", "heating.toml", "water.toml", "gas.toml",
    ]  # fmt: skip
    for one, word in zip(found, ("grade", "line", "colour", "treshold"), strict=True):
        assert word in one["problem"]
    assert "4 problems" in run("catalog", "check", city)[1]


def test_a_retention_class_that_the_settings_lack_is_a_problem(tmp_path: Path) -> None:
    city = shipped(tmp_path / "city", gas=('ch4 = "regulatory"', 'ch4 = "museum"'))

    status, output = run("catalog", "check", city)

    assert status == 2
    assert "gas.toml: retention class museum is none of archive.retention_days" in output
    assert "1 problem" in output


def test_sources_that_are_not_there_are_named() -> None:
    status, output = run("catalog", "check", "nowhere")

    assert status == 2
    assert "nowhere does not exist" in output


def test_the_dictionary_says_how_long_a_channel_is_kept(tmp_path: Path) -> None:
    rows = answer("catalog", "dictionary", shipped(tmp_path / "city"))

    kept = {row["channel"]: row["retention"] for row in rows}
    assert kept["gas/well-0001/ch4"] == "regulatory"
    assert kept["gas/well-0001/battery"] == "routine"


def test_a_build_says_where_it_put_the_catalog() -> None:
    told = answer("catalog", "build")

    assert Path(told["compiled"]).exists()
