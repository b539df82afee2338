"""What is sent past PostgreSQL: pages too, under the ledger's own names; and its journal."""

from pathlib import Path

import msgspec
import pytest

from alerting.engine import step
from alerting.fast import FastPath
from alerting.incidents import Reason, incident_id
from alerting.notices import Push, Wording
from alerting.past import journal
from alerting.past.journal import KEPT_MS, Done, Journal, Named, Sent, Settled
from alerting.past.store import PastFile
from alerting.people.paging import Paging
from alerting.people.roster import Roster
from alerting.slices import Page, Slice, Tell
from lifeline import config
from tests.alerting.people import city as people
from tests.alerting.scene import T0, raised

WORDING = Wording(None, config.Router(public_url="https://city.example"))


def on_duty() -> Roster:
    standing = {"on-duty": ("wang",), "second": ("zhao",), "leader": ("chief",)}
    return people.roster(desks=people.desk("gas", standing=standing, crews=(), rotation=None))


def fast(grade: int = 1) -> FastPath:
    made = FastPath(WORDING, grade, paging=Paging(on_duty(), WORDING, b"secret"))
    made.begin(T0)
    return made


def push(key: str = "k", incident: str = "i") -> Push:
    return Push("platform", key, b"body", incident, "alert", "opened", 1, T0)


def test_whoever_is_on_duty_is_paged_past_postgresql_under_the_ledgers_own_names() -> None:
    leak = raised(0, grade=1)
    path, ledger = fast(), Slice()

    pushes = path.take([leak], T0)
    effects = step(ledger, leak, T0 + 60_000, WORDING.policy)

    assert path.paging is not None
    stored = [
        one
        for e in effects
        if isinstance(e, Page)
        for one in path.paging.pages(e, ledger.incidents[e.incident])
    ]
    assert {one.person for one in pushes} == {"wang"}
    assert [one.key for one in pushes] == [one.key for one in stored]
    assert all(one.is_page for one in pushes)
    assert path.take([leak], T0 + 1000) == [], "once"


def test_nobody_is_paged_for_what_is_less_grave_reminded_or_called_without_a_roster() -> None:
    path, alone = fast(), FastPath(WORDING, 1)

    minor = path.take([raised(0, grade=2)], T0)
    path.take([raised(5, grade=1, channel="gas/well-9/ch4", asset="gas/well-9")], T0 + 5000)
    later = path.take([], T0 + 3_600_000)

    assert (minor, later) == ([], [])
    assert alone.take([raised(0, grade=1)], T0) == []


def test_the_first_notice_of_each_incident_is_told_to_the_journal_once() -> None:
    path = fast()
    path.take([raised(0, grade=1)], T0)

    (told,) = path.drain()

    assert told.incident == incident_id("f0")
    assert path.drain() == []


def tell(name: str = "i", at_ms: int = T0) -> Tell:
    return Tell(name, raised(0), Reason.OPENED, at_ms, 0, is_first=True)


def test_a_journal_is_read_as_it_was_written_and_a_line_that_was_cut_off_says_nothing() -> None:
    entries = [Named(tell()), Sent(push(), T0), Done("k")]
    body = journal.encode(entries)

    assert journal.decode(body) == entries
    assert journal.decode(body + b'{"type":"sent","pu') == entries
    assert journal.decode(b"\xff\n\n[]\n") == []
    again = Journal()
    again.take([*entries, *entries])
    assert (list(again.named), list(again.sent), again.done) == (["i"], ["k"], {"k"})


@pytest.mark.parametrize(
    ("settled", "now_ms", "left"),
    [
        (Settled(), T0, ({"i"}, {"k", "j"})),
        (Settled(frozenset("k")), T0, ({"i"}, {"j"})),
        (Settled(frozenset(), frozenset("i")), T0, (set(), {"j"})),
        (Settled(), T0 + KEPT_MS + 1, (set(), set())),
    ],
)
def test_what_is_in_line_or_too_old_is_forgotten(
    settled: Settled, now_ms: int, left: tuple[set[str], set[str]]
) -> None:
    made = Journal()
    made.take([Named(tell()), Sent(push(), T0), Sent(push("j", "other"), T0), Done("k")])
    copied = made.copy()

    made.settle(settled, now_ms)

    assert (set(made.named), set(made.sent)) == left
    assert made.done <= made.sent.keys()
    assert made.is_empty == (left == (set(), set()))
    assert len(copied.sent) == 2


def test_a_file_is_taken_over_from_a_router_that_is_no_more_and_from_no_other(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "past"
    dead, alive, next_ = (PastFile(str(folder)) for _ in range(3))
    entries = [Named(tell()), Sent(push(), T0)]
    dead.write(entries)
    alive.write([Done("other")])
    dead._path.with_name("torn.jsonl").write_bytes(journal.encode([Done("x")]) + b"{")
    dead.close()

    found = next_.adopt()

    assert sorted(map(str, found)) == sorted(map(str, [*entries, Done("x")]))
    assert len(list(folder.glob("*.jsonl"))) == 2, "its own, and the living one's"
    alive.close()
    assert next_.adopt() == [Done("other")]
    next_.clear()
    next_.close()
    next_.close()
    assert list(folder.glob("*.jsonl")) == []


def test_without_a_folder_nothing_is_written_and_nothing_found() -> None:
    file = PastFile("")
    file.write([Done("k")])
    file.clear()
    file.close()

    assert file.adopt() == []
    assert msgspec.json.encode(Done("k")) == b'{"type":"done","key":"k"}'
