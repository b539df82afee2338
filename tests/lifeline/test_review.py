"""Rules under review: what is compiled, what is refused, what the commands say; no database."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeline.__main__ import build
from lifeline.store import open_catalog

SHIPPED = Path("deploy/lifelines/gas.toml")
CLI = CliRunner()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "lifelines").mkdir()
    write(tmp_path, "value = 20\n")
    return tmp_path


def write(house: Path, limit: str) -> None:
    text = SHIPPED.read_text("utf-8").replace("value = 20\n", limit)
    (house / "lifelines" / "gas.toml").write_text(text, "utf-8")


def run(house: Path, *words: str, review: str = "required") -> tuple[int, str]:
    environment = {
        "LIFELINE_CATALOG_SOURCES": json.dumps([str(house / "lifelines")]),
        "LIFELINE_CATALOG_COMPILED": str(house / "catalog.bin"),
        "LIFELINE_CATALOG_REVIEW": review,
    }
    result = CLI.invoke(build(words[0]), list(words), env=environment)
    return result.exit_code, result.output + result.stderr


def limit(house: Path) -> float:
    return open_catalog(str(house / "catalog.bin")).head.limits["gas.ch4.20lel"].value


def test_the_first_catalog_is_taken_as_it_is_and_the_same_rules_again(house: Path) -> None:
    assert run(house, "catalog", "build")[0] == 0
    assert run(house, "catalog", "build")[0] == 0
    assert limit(house) == 20.0


def test_rules_that_nobody_put_in_force_are_refused_with_the_next_command(house: Path) -> None:
    run(house, "catalog", "build")
    write(house, "value = 25\n")

    status, said = run(house, "catalog", "build")

    assert status == 2
    assert "1 differences, 1 of them where lives depend on it" in said
    assert "lifeline config propose" in said
    assert limit(house) == 20.0


def test_new_devices_are_compiled_beside_the_rules_that_run(house: Path) -> None:
    run(house, "catalog", "build")
    write(house, "value = 25\n")
    file = house / "lifelines" / "gas.toml"
    more = (
        '{ name = "gas-0021", zone = "gas/heping", asset = "gas/well-0001", model = "gateway" },\n'
    )
    file.write_text(
        file.read_text("utf-8").replace("device = [\n", f"device = [\n  {more}"), "utf-8"
    )

    status, said = run(house, "catalog", "build", "--keep-rules")

    assert status == 0, said
    assert limit(house) == 20.0
    assert open_catalog(str(house / "catalog.bin")).device("gas-0021") is not None


def test_without_review_a_build_takes_what_is_written(house: Path) -> None:
    run(house, "catalog", "build", review="off")
    write(house, "value = 25\n")

    assert run(house, "catalog", "build", review="off")[0] == 0
    assert limit(house) == 25.0


def test_what_differs_is_said_in_sentences_in_either_language_and_for_programs(
    house: Path,
) -> None:
    run(house, "catalog", "build")
    same = run(house, "config", "diff")
    write(house, "value = 25\n")

    en, zh = run(house, "config", "diff"), run(house, "config", "diff", "--language", "zh")
    told = json.loads(run(house, "config", "diff", "running", "written", "--json")[1])

    assert same == (0, "The rules and limits are the same.\n")
    assert en == (1, "[life safety] limit gas.ch4.20lel moved: 20 → 25 %LEL.\n")
    assert zh == (1, "【涉及人身安全】限值 gas.ch4.20lel：20 → 25 %LEL。\n")
    assert (told[0]["before"], told[0]["after"]) == (20.0, 25.0)
    assert run(house, "config", "diff", "--language", "fr")[0] == 2
    assert run(house, "config", "diff", "yesterday")[0] == 2


@pytest.mark.parametrize("command", ["check", "build"])
def test_methane_that_nobody_watches_does_not_compile(house: Path, command: str) -> None:
    write(house, "value = 20\n")
    file = house / "lifelines" / "gas.toml"
    text = file.read_text("utf-8").replace("grade = 1\n", "grade = 3\n").replace(
        "grade = 2\n", "grade = 3\n"
    )  # fmt: skip
    file.write_text(text, "utf-8")

    status, said = run(house, "catalog", command)

    assert status == 2
    assert "cannot be left out" in said


def test_beyond_a_bound_nothing_compiles_reviewed_or_not(house: Path) -> None:
    write(house, "value = 51\n")

    status, said = run(house, "catalog", "build", review="off")

    assert status == 2
    assert "the bound is 50 %LEL" in said
