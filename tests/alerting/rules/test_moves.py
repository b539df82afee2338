"""Numbers of the rules moved by a desk: which can be, and what the program's bounds forbid."""

import msgspec
import pytest

from alerting.rules import moves, versions, words
from alerting.rules.moves import Move
from alerting.rules.versions import Refusal, Ruleset
from lifeline.grades import GRADING
from lifeline.words import Language
from tests.alerting.rules.test_versions import ALARM, LEAK, RUNNING
from tests.integration.console_rig import city


def moved(*wanted: Move) -> Ruleset:
    made = moves.moved(RUNNING, wanted, GRADING)
    assert isinstance(made, Ruleset), made
    return made


@pytest.mark.feature("O-4")
def test_numbers_move_together_and_nothing_else_does() -> None:
    made = moved(Move("limit", "ch4", "value", 25.0), Move("rule", "leak", "grade", 1))

    changes = versions.differences(RUNNING, made, GRADING)
    assert [(c.id, c.field, c.before, c.after) for c in changes] == [
        ("ch4", "value", 20.0, 25.0),
        ("leak", "grade", 2, 1),
    ]
    assert moved(Move("limit", "ch4", "value", 20.0)).digest == RUNNING.digest


@pytest.mark.parametrize(
    ("move", "code"),
    [
        (Move("limit", "leak", "value", 1.0), "no-such"),
        (Move("rule", "ch4", "grade", 1.0), "no-such"),
        (Move("limit", "ch4", "grade", 1.0), "no-such-number"),
        (Move("rule", "leak", "value", 1.0), "no-such-number"),
        (Move("rule", "leak", "grade", 1.5), "no-such-number"),
        (Move("rule", "leak", "grade", 8), "no-such-number"),
        (Move("rule", "leak", "on_delay_s", -1.0), "no-such-number"),
    ],
)
def test_what_no_file_of_a_catalog_could_say_is_refused_in_a_sentence(
    move: Move, code: str
) -> None:
    made = moves.moved(RUNNING, (move,), GRADING)

    assert isinstance(made, Refusal)
    assert made.code == code
    assert move.id in words.refusal(made, "zh")
    assert move.id in words.refusal(made, "en")


@pytest.mark.feature("O-4")
def test_nobody_can_move_a_limit_beyond_the_bounds_of_the_program() -> None:
    catalog = city()
    running = versions.of_head(catalog.head)

    def beyond(language: Language, *wanted: Move) -> str:
        made = moves.moved(running, wanted, GRADING)
        assert isinstance(made, Ruleset)
        why = moves.beyond(catalog, made, GRADING)
        return "" if why is None else words.refusal(Refusal("beyond", {"why": why}), language)

    assert beyond("en", Move("limit", "gas.20lel", "value", 25.0)) == ""
    high = Move("limit", "gas.20lel", "value", 60.0)
    assert "rule gas.ch4 alarms above 60 %LEL; the bound is 50 %LEL" in beyond("en", high)
    assert "规则 gas.ch4 高于 60 %LEL 才报警，上限为 50 %LEL" in beyond("zh", high)
    late = Move("rule", "gas.ch4", "on_delay_s", 90.0)
    assert "waits 90 s" in beyond("en", late)
    assert "报警延时 90 秒，上限为 60 秒" in beyond("zh", late)
    lesser = Move("rule", "gas.ch4", "grade", 3)
    assert "methane is measured" in beyond("en", lesser)
    assert "此类规则不得缺少" in beyond("zh", lesser)


def test_what_is_checked_is_what_the_catalog_says() -> None:
    assert msgspec.convert(msgspec.to_builtins(LEAK), type(LEAK)) == LEAK
    assert msgspec.convert(msgspec.to_builtins(ALARM), type(ALARM)) == ALARM
