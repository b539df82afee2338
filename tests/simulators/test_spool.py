"""The spool and the ledger, killed between any two lines."""

import os
import sys
from pathlib import Path

from simulators.base import Uplink
from simulators.store import Journal, Spool, acked_lines, read_journal, sent_lines

COUNT = 3


def work(folder: str, told: int) -> None:
    """Two rounds of taking on and one of releasing; each durable step is told to the parent."""
    spool = Spool(f"{folder}/spool.db")
    ledger = Journal(f"{folder}/ledger.jsonl")
    for i in range(COUNT):
        uplinks = [Uplink("a", i, ("x",), (1.0,)), Uplink("b", i, ("x",), (2.0,))]
        entries = spool.number(uplinks)
        ledger.append(sent_lines(entries, uplinks, {}, i))
        spool.keep(entries)
        os.write(
            told, b"".join(b"k %b %d %d\n" % (e.device.encode(), e.boot, e.seq) for e in entries)
        )
    first = spool.owed()[0]
    ledger.append(acked_lines([first], 9))
    os.write(told, b"a %b %d %d\n" % (first.device.encode(), first.boot, first.seq))
    spool.release([first.key])


def killed_after(folder: str, lines: int) -> tuple[bool, set, set]:
    """Runs ``work`` in a child that dies as by kill -9 at its n-th line; what it had said."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        left = lines

        def tracer(frame, event, _arg):
            nonlocal left
            if not frame.f_code.co_filename.endswith("simulators/store.py"):
                return tracer if frame.f_code is work.__code__ else None
            if event == "line":
                left -= 1
                if left < 0:
                    os._exit(9)
            return tracer

        sys.settrace(tracer)
        work(folder, writer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = [tuple(line.split()) for line in pipe.read().splitlines()]
    _, status = os.waitpid(child, 0)
    kept = {(d, int(b), int(s)) for word, d, b, s in said if word == "k"}
    acked = {(d, int(b), int(s)) for word, d, b, s in said if word == "a"}
    return os.waitstatus_to_exitcode(status) == 0, kept, acked


def test_a_kill_between_any_two_lines_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    is_done, lines = False, 0
    while not is_done:
        folder = tmp_path / str(lines)
        folder.mkdir()
        is_done, kept, acked = killed_after(str(folder), lines)

        spool = Spool(f"{folder}/spool.db")
        owed = {entry.key for entry in spool.owed()}
        fresh = spool.number([Uplink("a", 0, ("x",), (1.0,)), Uplink("b", 0, ("x",), (1.0,))])
        ledger = list(read_journal(f"{folder}/ledger.jsonl")) if kept else []

        assert kept - acked <= owed, f"lost at line {lines}"
        assert not {entry.key for entry in fresh} & (kept | owed), f"a number twice, line {lines}"
        sent = {(e["device"], e["boot"], e["seq"]) for e in ledger if e["what"] == "sent"}
        released = {(e["device"], e["boot"], e["seq"]) for e in ledger if e["what"] == "acked"}
        if kept:
            assert owed <= sent, "what is in the spool is in the ledger"
        assert (kept - owed) <= released, "nothing is forgotten before the ledger says so"
        spool.close()
        lines += 1
    assert lines > 50, "the tracer must have cut at every line"


def test_boot_counts_up_and_seq_goes_on_at_every_opening(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    first = Spool(path)
    first.keep(first.number([Uplink("a", 0, ("x",), (1.0,))] * 3))
    first.close()

    second = Spool(path)
    (entry,) = second.number([Uplink("a", 1, ("x",), (1.0,))])

    assert (second.boot, entry.seq) == (first.boot + 1, 4)
    assert [e.seq for e in second.owed()] == [1, 2, 3]
    second.close()


def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":')

    journal = Journal(str(path))
    journal.append([{"n": 3}])
    journal.close()

    assert list(read_journal(str(path))) == [{"n": 1}, {"n": 3}]
