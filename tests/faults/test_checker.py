"""The checker sees every kind of broken promise, and nothing where all were kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import (
    Call,
    Calls,
    Evidence,
    Exit,
    Incident,
    Page,
    Push,
    Recovery,
    Row,
    check,
)
from tests.faults.ledger import Journal, Leak, Ledger, Sent, read_ledger

T = 1_700_000_000_000
LEAKS = [
    Leak("gas/a", "gas-leak", "gas/a/ch4", T + 1000, T + 31_000),
    Leak("gas/b", "gas-leak", "gas/b/ch4", T + 2000, T + 32_000),
]


def kept() -> Evidence:
    """A run in which every promise was kept."""
    sent = [
        Sent(leak.asset[-1], 7, n, leak.channel, T + 400 * n, float(n))
        for leak in LEAKS
        for n in range(10)
    ]
    return Evidence(
        ledger=Ledger(sent, {s.key: s.at_ms + 60 for s in sent}, list(LEAKS)),
        rows=[Row(s.channel, s.at_ms, s.value) for s in sent],
        incidents=[
            Incident("i-a", "gas/a", "gas-leak", 1, "gas", 1, T + 1100),
            Incident("i-b", "gas/b", "gas-leak", 1, "gas", 2, T + 2100),
            Incident("i-c", "canary/p", "canary", 1, "canary", 4, T),
            Incident("i-d", "gas/c", "gateway-silent", 1, "gas", 5, T),
        ],
        pushes=[
            Push("k-a", "s-a", "i-a", "gas/a", "gas-leak", "alert", T + 1200),
            Push("k-a", "s-a", "i-a", "gas/a", "gas-leak", "alert", T + 9200),
            Push("k-b", "s-b", "i-b", "gas/b", "gas-leak", "alert", T + 2200),
            Push("k-B", "s-B", "i-b", "gas/b", "gas-leak", "update", T + 6200),
        ],
        exits=[Exit("detect", T, "SIGKILL", "kill -9")],
        recoveries=[Recovery("detect", "kill -9", 7.1, 12.0)],
        people=people(),
    )


def people(**changes: Any) -> Calls:
    """Somebody was called about both; about the first he was in hand twice, and then it was his."""
    kept = Calls(
        pages=[
            Page("p-a", "i-a", "first", T + 1100, is_overtaken=True, is_stopped=False),
            Page("p-A", "i-a", "remind", T + 4100, is_overtaken=False, is_stopped=True),
            Page("p-b", "i-b", "first", T + 2100, is_overtaken=False, is_stopped=False),
            Page("p-B", "i-b", "remind", T + 6100, is_overtaken=False, is_stopped=False),
        ],
        calls=[
            Call("p-a", "s-a", T + 1300, is_answered=False),
            Call("p-a", "s-a", T + 5100, is_answered=True),
            Call("p-b", "s-b", T + 2200, is_answered=True),
            Call("p-b", "s-b", T + 3200, is_answered=True),
            Call("p-B", "s-B", T + 6200, is_answered=True),
        ],
        acknowledged={"i-a": T + 5000},
        taken=["i-a"],
        clocks=[("i-b", "escalate")],
        signed=["k-a", "k-a", "k-b"],
        receipts=["k-a", "k-b", "k-B"],
    )
    return replace(kept, **changes)


def verdict(evidence: Evidence) -> list[str]:
    return [violation.check for violation in check(evidence)]


def test_nothing_is_said_where_everything_was_kept() -> None:
    assert check(kept()) == []


def test_what_was_sent_and_never_acknowledged_may_be_missing() -> None:
    run = kept()
    last = run.ledger.sent[-1]
    del run.ledger.acked[last.key]

    run.rows = [row for row in run.rows if (row.channel, row.at_ms) != (last.channel, last.at_ms)]

    assert check(run) == []


def test_one_acknowledged_reading_that_is_missing_is_seen() -> None:
    run = kept()

    run.rows = run.rows[1:]

    assert [str(v) for v in check(run)] == [
        f"C1: 1 acknowledged readings are not stored: gas/a/ch4 at {T} (boot 7, seq 0)"
    ]


def test_a_changed_value_is_seen() -> None:
    run = kept()

    run.rows = [replace(run.rows[0], value=99.0), *run.rows[1:]]

    assert verdict(run) == ["C1"]


def test_a_row_that_stands_twice_is_seen() -> None:
    run = kept()

    run.rows = [*run.rows, run.rows[3]]

    assert verdict(run) == ["C2"]


def test_a_leak_without_an_incident_is_seen() -> None:
    run = kept()

    run.incidents = run.incidents[1:]
    run.pushes = [push for push in run.pushes if push.asset != "gas/a"]

    assert verdict(run) == ["C3"]


def test_a_second_episode_of_one_leak_is_seen() -> None:
    run = kept()

    run.incidents = [*run.incidents, replace(run.incidents[0], id="i-e", episode=2)]

    assert verdict(run) == ["C3", "C4", "C9"]


def test_an_incident_that_nobody_was_told_of_is_seen() -> None:
    run = kept()

    run.pushes = [push for push in run.pushes if push.asset != "gas/a"]

    assert verdict(run) == ["C4"]


def test_the_end_of_an_incident_does_not_announce_it() -> None:
    run = kept()

    run.pushes = [replace(push, kind="update") for push in run.pushes]

    assert verdict(run) == ["C4"]


@pytest.mark.parametrize(
    "change", [{"sha256": "other"}, {"incident": "i-x"}, {"key": "k-x"}], ids=str
)
def test_a_push_that_says_something_else_is_seen(change: dict[str, str]) -> None:
    run = kept()

    run.pushes = [*run.pushes, replace(run.pushes[0], **change)]

    assert verdict(run) == ["C4"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pages": [], "calls": []}, "called nobody"),
        ({"calls": people().calls[:-1]}, "never arrived"),
        (
            {"calls": [*people().calls, Call("p-b", "other", T + 3300, is_answered=True)]},
            "several bodies",
        ),
        (
            {"calls": [*people().calls, Call("p-A", "s-A", T + 5001, is_answered=False)]},
            "leased after an acknowledgement",
        ),
        (
            {"calls": [*people().calls, Call("p-a", "s-a", T + 6000, is_answered=True)]},
            "leased after an acknowledgement",
        ),
        (
            {"pages": [*people().pages, replace(people().pages[1], created_ms=T + 5001)]},
            "decided after an acknowledgement",
        ),
        ({"clocks": [("i-a", "remind")]}, "clocks run"),
        ({"taken": []}, "not in the audit once"),
        ({"taken": ["i-a", "i-a"]}, "not in the audit once"),
        ({"receipts": ["k-b"]}, "not kept once"),
        ({"receipts": ["k-a", "k-a", "k-b"]}, "not kept once"),
    ],
)
def test_what_people_must_not_be_spared_or_suffer_is_seen(
    change: dict[str, Any], what: str
) -> None:
    run = replace(kept(), people=people(**change))

    (said,) = check(run)

    assert what in str(said)
    assert said.check == ("C10" if "kept" in what else "C9")


def test_who_took_it_at_once_need_not_be_called() -> None:
    taken = {"i-a": T + 1150}
    page = replace(people().pages[0], is_stopped=True, is_overtaken=False)
    rest = people(acknowledged=taken, pages=[page, *people().pages[2:]], calls=people().calls[2:])

    assert check(replace(kept(), people=rest)) == []


def test_a_page_of_a_moment_ago_may_be_on_its_way() -> None:
    rest = people(calls=people().calls[:-1], seen_ms=T + 36_000)

    assert check(replace(kept(), people=rest)) == []
    assert verdict(replace(kept(), people=replace(rest, seen_ms=T + 36_101))) == ["C9"]


def test_where_nobody_is_called_nobody_is_missed() -> None:
    assert check(replace(kept(), people=None)) == []


def test_every_incident_must_be_told_whatever_its_cause() -> None:
    run = replace(kept(), excused=frozenset({"gas/z"}), people=None)

    run.incidents = [*run.incidents, Incident("i-z", "gas/z", "gas-leak", 1, "gas", 2, T)]

    assert verdict(run) == ["C4"]


def test_a_push_after_its_deadline_is_seen() -> None:
    run = kept()

    run.pushes = [replace(push, at_ms=push.at_ms + 60_000) for push in run.pushes]

    assert verdict(run) == ["C5"]


def test_an_incident_out_of_nothing_is_seen_unless_another_run_made_it() -> None:
    run = replace(kept(), people=None)
    run.incidents = [*run.incidents, Incident("i-z", "gas/z", "gas-leak", 1, "gas", 2, T)]
    run.pushes = [*run.pushes, Push("k-z", "s-z", "i-z", "gas/z", "gas-leak", "alert", T)]

    assert verdict(run) == ["C6"]
    assert verdict(replace(run, excused=frozenset({"gas/z"}))) == []


def test_a_process_that_ended_by_itself_is_seen() -> None:
    run = kept()

    run.exits = [*run.exits, Exit("router", T, "status 1", "")]

    assert verdict(run) == ["C8"]


@pytest.mark.parametrize("seconds", [None, 12.1])
def test_a_slow_or_absent_recovery_is_seen(seconds: float | None) -> None:
    run = kept()

    run.recoveries = [Recovery("detect", "kill -9", seconds, 12.0)]

    assert verdict(run) == ["R"]


def test_a_ledger_cut_within_a_line_is_read_up_to_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    journal = Journal(path)
    journal.append([{"event": "sent", "row": ["d", 1, 4, "c", T, 0.5]}])
    journal.append([{"event": "acked", "device": "d", "boot": 1, "seq": [[3, 5]], "at_ms": T}])
    journal.append([{"event": "leak", "row": ["a", "h", "c", T, T + 1]}])
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"event":"sent","row":["d"')

    ledger = read_ledger(path)

    assert ledger.sent == [Sent("d", 1, 4, "c", T, 0.5)]
    assert sorted(seq for _, _, seq in ledger.acked) == [3, 4, 5]
    assert ledger.leaks == [Leak("a", "h", "c", T, T + 1)]


def test_an_audit_that_is_not_what_it_was_is_seen() -> None:
    run = replace(kept(), audit=["incident i-a, line 3: changed, it does not fit its hash"])

    assert verdict(run) == ["C7"]
