"""What an incident's page says of the ground it stands on: rule and limit, in its language."""

import pytest

from tests.alerting.console.hall import Hall, leak


@pytest.mark.parametrize(
    ("language", "rule", "limit"),
    [
        ("zh", "限值 v1 · 相邻空间甲烷 · gas.ch4", "20 %LEL · 甲烷超限 · gas.20lel"),
        ("en", "Limit v1 · Methane next door · gas.ch4", "20 %LEL · Methane high · gas.20lel"),
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


def test_a_number_of_messages_is_shown_without_the_unit_one() -> None:
    hall = Hall()
    name = hall.take(leak(unit="1", value=23.0, limit=20.0, limit_id="", rule="device.gaps"))

    page = hall.page(f"/incidents/{name}")

    assert "<dd>23</dd>" in page
    assert "<dd>20</dd>" in page
