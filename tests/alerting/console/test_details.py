"""What an incident's page says of the ground it stands on: rule and limit, in its language."""

from importlib.resources import files

import pytest

from lifeline.store import read_sources
from tests.alerting.console.hall import Hall, leak


@pytest.mark.parametrize(
    ("language", "rule", "limit"),
    [
        (
            "zh",
            "限值 v1 · 相邻空间甲烷 · gas.ch4",
            "20 %LEL · 甲烷超限 · gas.20lel · GB 1第2.3条（条文已核对）",
        ),
        (
            "en",
            "Limit v1 · Methane next door · gas.ch4",
            "20 %LEL · Methane high · gas.20lel · GB 1 2.3 (clause verified)",
        ),
    ],
)
def test_rule_and_limit_are_named_in_the_language_of_the_page(
    language: str, rule: str, limit: str
) -> None:
    hall = Hall()
    name = hall.take(leak())

    page = hall.page(f"/incidents/{name}", query={"lang": language})

    assert rule in page
    assert limit in page


def test_a_rule_and_a_limit_that_the_catalog_lacks_go_by_their_names() -> None:
    hall = Hall()
    name = hall.take(leak(rule="gas.gone", limit_id="gas.none"))

    page = hall.page(f"/incidents/{name}")

    assert "Limit v1 · gas.gone" in page
    assert "20 %LEL · gas.none" in page


@pytest.mark.parametrize("lifeline", ["bridge", "gas", "heating", "water"])
def test_every_shipped_limit_has_its_title_and_its_clause_in_both_languages(lifeline: str) -> None:
    (source,) = read_sources((str(files("deploy") / "lifelines" / f"{lifeline}.toml"),))

    assert source.limit
    assert [one.id for one in source.limit if not (one.clause_zh and one.title.zh)] == []


def test_a_number_of_messages_is_shown_without_the_unit_one() -> None:
    hall = Hall()
    name = hall.take(leak(unit="1", value=23.0, limit=20.0, limit_id="", rule="device.gaps"))

    page = hall.page(f"/incidents/{name}")

    assert "<dd>23</dd>" in page
    assert "<dd>20</dd>" in page
