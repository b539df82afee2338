"""Whatever is done to the audit afterwards is found, given the anchor outside."""

import random

import msgspec
import pytest

from alerting.audit import chain
from alerting.audit.anchors import Anchor
from alerting.audit.chain import Head, Line
from alerting.audit.proof import Problem
from alerting.audit.words import PROBLEMS, sentence, summary
from tests.alerting.audit.ledgers import (
    SECOND_US,
    TAMPERINGS,
    Ledger,
    grown,
    line,
    rewrite,
    truncate,
)


@pytest.mark.feature("O-2")
def test_what_nobody_touched_is_in_order() -> None:
    for seed in range(50):
        proof = grown(random.Random(seed)).proof()

        assert proof.problems == (), seed
        assert (proof.unsealed, proof.unanchored) == (0, 0)


@pytest.mark.feature("O-2")
def test_a_thousand_tamperings_are_all_found() -> None:
    missed = []
    for seed in range(1000):
        chance = random.Random(seed)
        ledger = grown(chance)
        tampering = TAMPERINGS[seed % len(TAMPERINGS)]
        what = tampering(ledger, chance)
        found = ledger.proof().problems
        if not found:
            missed.append((seed, tampering.__name__, what))
        for problem in found:
            assert sentence(problem, "zh")
            assert sentence(problem, "en")

    assert missed == []


def test_a_bare_chain_does_not_show_what_only_seals_and_anchors_do() -> None:
    chance = random.Random(7)
    cut = grown(chance)
    truncate(cut, chance)
    bare = Ledger(entries=cut.entries)
    rewritten = grown(chance)
    rewrite(rewritten, chance)
    rewritten_alone = Ledger(rewritten.entries, rewritten.seals)

    assert bare.codes() == set()
    assert cut.codes() != set()
    assert rewritten_alone.codes() == set()
    assert rewritten.codes() == {"anchor-other"}


def test_a_line_written_in_later_with_an_older_time_is_back_dated() -> None:
    ledger = Ledger()
    ledger.write(line("a", 0))
    ledger.seal()
    ledger.now_us += 3600 * SECOND_US
    ledger.anchor()
    late_us = ledger.now_us
    ledger.now_us = late_us - 1800 * SECOND_US
    ledger.write(line("a", 1))
    ledger.now_us = late_us
    ledger.seal()

    assert ledger.codes() == {"back-dated"}


def test_a_sealer_that_was_away_for_an_hour_makes_nobody_a_forger() -> None:
    ledger = Ledger()
    ledger.write(line("a", 0))
    ledger.seal()
    ledger.anchor()
    ledger.write(line("a", 1))
    ledger.now_us += 3600 * SECOND_US
    ledger.seal()
    ledger.anchor()

    assert ledger.codes() == set()


def test_what_was_just_written_is_counted_and_no_problem() -> None:
    ledger = Ledger()
    ledger.write(line("a", 0))
    first = ledger.proof()
    ledger.seal()
    ledger.write(line("a", 1), line("b", 2))
    second = ledger.proof()
    ledger.anchor()
    third = ledger.proof()

    assert (first.problems, first.unsealed, first.anchored_us) == ((), 1, None)
    assert (second.problems, second.unsealed, second.unanchored) == ((), 2, 3)
    assert (third.problems, third.unsealed, third.unanchored) == ((), 2, 2)
    assert third.anchored_us == ledger.anchors[0].at_us
    assert summary(first, "en").endswith("written anew could not be seen")
    assert summary(first, "zh").endswith("若全部重写，无法发现")
    assert summary(third, "en") == (
        "3 lines in 2 chains, 1 seals, 1 anchors from outside;"
        " 2 lines are not sealed yet, 2 are not proved by an anchor"
    )
    ledger.seal()
    ledger.anchor()
    assert summary(ledger.proof(), "zh") == "2 条链共 3 条记录，2 个封条，2 个外部锚点"


def test_an_anchor_that_names_an_unknown_seal_is_said_once() -> None:
    ledger = Ledger()
    ledger.write(line("a", 0))
    ledger.seal()
    ledger.anchor()
    ledger.anchors += [Anchor(9, ledger.now_us + n, bytes(32)) for n in range(3)]

    assert [p.code for p in ledger.proof().problems] == ["anchor-without-seal"]


@pytest.mark.parametrize("code", PROBLEMS)
def test_each_problem_is_said_in_both_languages_with_what_it_names(code: str) -> None:
    problem = Problem(code, "1a439d32-bf11-51ae-8571-d1c013753264", 41, "42")

    said = [sentence(problem, "zh"), sentence(problem, "en")]

    assert all("41" in text or code == "chain-gone" for text in said)
    assert ("事件 1a439d32" in said[0]) == ("incident 1a439d32" in said[1])


def test_the_house_is_a_chain_and_no_incident() -> None:
    assert sentence(Problem("line-changed", "house", 2), "zh").startswith("记录链 house 的第 2 条")
    assert sentence(Problem("line-changed", "house", 2), "en").startswith("chain house, line 2")


def test_no_two_lines_have_the_same_bytes() -> None:
    one = Line(at_ms=1, actor="ab", action="c", channel="x")
    other = Line(at_ms=1, actor="a", action="bc", channel="x")

    assert chain.canonical(one, 1, 1) != chain.canonical(other, 1, 1)


def test_each_line_belongs_to_the_chain_of_its_subject_its_incident_or_the_house() -> None:
    base = Line(at_ms=1, actor="li", action="a", channel="x")

    assert base.chain == "house"
    assert msgspec.structs.replace(base, incident="i").chain == "i"
    assert msgspec.structs.replace(base, subject="roster").chain == "roster"


def test_the_root_does_not_depend_on_the_order_of_the_heads() -> None:
    heads = [Head("b", 1, b"1"), Head("a", 2, b"2")]

    assert chain.root_of(heads) == chain.root_of(reversed(heads))
    assert chain.seal(None, heads, 1).heads == tuple(reversed(heads))
