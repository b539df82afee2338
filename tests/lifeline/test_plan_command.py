"""``lifeline plan``: what it shows, and that a slip in any of its files is told with its place."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.book import store as book
from alerting.rulegraph import Rules
from lifeline import store
from lifeline.__main__ import build
from lifeline.catalog import Catalog, CatalogError
from lifeline.compiler import compile_catalog
from lifeline.config import Router, Settings

ROOT = Path(__file__).parents[2]


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build("plan"), ["plan", *words])
    return done.exit_code, done.output


def test_the_shipped_plans_and_rules_hold() -> None:
    status, output = run("check", "--json")

    told = json.loads(output)
    assert (status, told["ok"], told["problems"]) == (0, True, [])
    assert told["rules"] == 12
    assert "heating-neighbour" in told["unverified"]
    assert "all hold" in run("check")[1]


def test_a_plan_is_shown_with_the_valves_of_a_place() -> None:
    status, output = run("show", "gas-leak", "--asset", "gas/well-0007", "--language", "en")

    assert status == 0
    assert "Close V-0006-0007-2, V-0007-0008-1" in output
    assert "119" in output
    zh = ("--language", "zh")
    assert "关闭 V-W3-3" in run("show", "burst", "--asset", "water/hunnan-dma3/network", *zh)[1]
    assert "无法隔离" in run("show", "gas-leak", "--asset", "gas/gate-heping", *zh)[1]
    data = json.loads(run("show", "overload", "--json")[1])
    assert (data["is_default"], data["valves"]) == (False, [])


def test_every_plan_is_listed() -> None:
    assert len(json.loads(run("list", "--json")[1])) == 14
    assert "燃气泄漏处置" in run("list")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "gas-leek"), "There is no hazard gas-leek"),
        (("show", "gas-leak", "--asset", "gas/moon"), "There is no asset gas/moon"),
    ],
)
def test_what_does_not_exist_is_said(words: tuple[str, ...], sentence: str) -> None:
    status, output = run(*words)

    assert (status, sentence in output) == (1, True)


def test_every_slip_of_every_file_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = (ROOT / "deploy/plans/default.toml").read_text(encoding="utf-8")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.toml").write_text(plan.replace('"*"', '"gas-leek"'))
    (tmp_path / "plans" / "b.toml").write_text(plan)
    rules = (ROOT / "deploy/correlation.toml").read_text(encoding="utf-8")
    (tmp_path / "rules.toml").write_text(rules.replace("window_s = 21600", "window_s = -1", 1))
    monkeypatch.setenv("LIFELINE_ROUTER_PLANS", json.dumps([str(tmp_path / "plans")]))
    monkeypatch.setenv("LIFELINE_ROUTER_CORRELATION", str(tmp_path / "rules.toml"))

    status, output = run("check", "--json")
    told = json.loads(output)["problems"]

    assert status == 2
    assert any("unknown hazard gas-leek" in text for text in told)
    assert any("rules.toml: rule gas-migration: window_s" in text for text in told)
    assert run("check")[0] == 2


def test_without_a_file_named_nothing_is_joined_and_a_folder_is_no_file(tmp_path: Path) -> None:
    assert book.read_rules(Router(correlation="")) == Rules()
    with pytest.raises(CatalogError, match="is not one file"):
        book.read_rules(Router(correlation="deploy/plans"))
    with pytest.raises(CatalogError, match="nowhere"):
        book.read_rules(Router(correlation=str(tmp_path / "nowhere.toml")))


def test_the_settings_make_a_policy_that_knows_the_network() -> None:
    settings = Settings()
    city = Catalog(compile_catalog(store.read_sources(settings.catalog.sources)))

    policy = book.policy(settings, city, book.read_rules(settings.router))

    assert policy.correlator is not None
    assert policy.parents is not None
    assert set(policy.treatments) == {rule.id for rule in city.head.rules}
    assert policy.life == settings.life
