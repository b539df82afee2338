"""The shipped tables load; a wrong one is a sentence that names its file."""

import tomllib
from importlib.resources import files

import pytest

from alerting.exchange import tables
from alerting.exchange.tables import Issuer, Place, Tables
from lifeline.words import HAZARDS

TEXT = {"zh": "a", "en": "b"}


def shipped() -> Tables:
    folder = files("deploy") / "exchange"
    return tables.read(
        {
            file.name: tomllib.loads(file.read_text(encoding="utf-8"))
            for file in folder.iterdir()
            if file.name.endswith(".toml")
        }
    )


@pytest.mark.feature("E-4")
def test_the_shipped_tables_load_and_say_that_no_clause_was_read() -> None:
    known = shipped()

    assert set(known.event) <= set(HAZARDS)
    assert not known.issuer.verified
    assert not any(kind.verified for kind in known.event.values())
    assert {state.step for state in known.case["city"].state} == {
        "filed", "dispatched", "handling", "checking", "closed",
    }  # fmt: skip
    assert known.place_of("gas/heping").desk == "heping"
    assert known.place_of("nowhere").geocode == "210100"
    assert {one.regime for one in known.regime} >= {"heavy-rain", "flood", "frozen-ground"}


@pytest.mark.parametrize(
    ("trees", "why"),
    [
        ({"a": {"issuer": {"area": "21"}}}, "a: .*issuer.area"),
        ({"a": {"issuer": {"extensions": [9, 1]}}}, "first is greater"),
        ({"a": {"issuer": {}}, "b": {"issuer": {}}}, r"b: \[issuer\] stands in another"),
        ({"a": {"place": {"z": {"outline": [[1, 2], [3, 4]]}}}}, "outline"),
        ({"a": {"place": {"z": {"outline": [[1, 2], [3, 4], [5, 6], [7, 8]]}}}}, "outline"),
        ({"a": {"event": {"e": {"category": "Gas"}}}}, "category"),
        ({"a": {"other": 1}}, "unknown field"),
        ({"a": {"regime": [{"events": ["x"], "regime": "r", "hours": 0}]}}, "hours"),
    ],
)
def test_a_wrong_table_is_refused_with_its_file(trees: dict, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tables.read(trees)


def test_an_outline_that_closes_is_taken() -> None:
    ring = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (1.0, 2.0))

    assert Place("210100", outline=ring).outline == ring
    assert Issuer().extensions == (0, 0)
    assert Tables().kind_of("anything").category == "Infra"
