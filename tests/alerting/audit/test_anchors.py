"""An anchor comes back from every file that it was written to."""

import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.audit import service
from alerting.audit.anchors import Anchor, parse, stamp, syslog, text_of

SOME = Anchor(71, 1_800_000_000_123_456, bytes(range(32)))
anchors = st.builds(
    Anchor,
    seal=st.integers(1, 10**15),
    at_us=st.integers(0, 4_000_000_000_000_000),
    hash=st.binary(min_size=32, max_size=32),
)


@pytest.mark.feature("O-2")
@given(st.lists(anchors, max_size=5))
def test_what_was_written_is_read_again(made: list[Anchor]) -> None:
    text = "".join(f"{text_of(one)}\n" for one in made)

    assert parse(text) == (made, 0)


def test_a_line_that_a_power_cut_has_cut_is_passed_over() -> None:
    text = f"{text_of(SOME)}\n{text_of(SOME)[:60]}"

    assert parse(text) == ([SOME], 0)


def test_lines_of_others_are_no_anchors_and_broken_ones_of_ours_are_counted() -> None:
    other = "Nov 21 08:00:00 host kernel: hello\n"
    broken = text_of(SOME).replace(" 71 ", " seventy ") + "\n"
    no_day = text_of(SOME).replace(stamp(SOME.at_us)[:10], "2027-99-99") + "\n"

    assert parse(other + broken + no_day + text_of(SOME)) == ([SOME], 2)


def test_syslog_gets_an_rfc_5424_message_from_which_the_anchor_is_read_again() -> None:
    datagram = syslog(SOME, "desk 1.city", is_stream=False)
    stream = syslog(SOME, "", is_stream=True)

    assert datagram.startswith(
        b"<109>1 2027-01-15T08:00:00.123456Z desk-1.city lifeline - audit-anchor - lifeline-anchor"
    )
    length, _, message = stream.partition(b" ")
    assert int(length) == len(message)
    assert b" - lifeline - audit-anchor - " in message
    assert parse(stream.decode() + "\n") == ([SOME], 0)


def test_an_anchor_that_a_full_disk_has_cut_is_not_taken_for_written(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, most))
    try:
        with pytest.raises(OSError, match="not written whole"):
            service.write(str(tmp_path / "audit.log"), Anchor(1, 1, bytes(32)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        signal.signal(signal.SIGXFSZ, before)
