"""A second look at what was refused: what today's catalog accepts, and only that."""

import msgspec

from ingest.intake import Intake
from ingest.quality import Directory
from ingest.replay import Replay
from lifeline.catalog import Catalog, DeviceEntry
from lifeline.compiler import compile_catalog
from lifeline.model import Message, Quality
from lifeline.wire import Reject
from tests.ingest.test_decode import BLOCK, ONE
from tests.ingest.world import NOW_MS, PARTITIONS, SOURCE, WINDOW, taken

HOUR_MS = 3_600_000


def replay() -> Replay:
    more = (*SOURCE.device, DeviceEntry("well-9", "gas/a", "gas/well-1", "logger"))
    mended = compile_catalog([msgspec.structs.replace(SOURCE, device=more)])
    return Replay(Intake(Directory(Catalog(mended), PARTITIONS), WINDOW), 1 << 20)


def rejected(payload: bytes, *, device: str = "well-1", kind: str = "up") -> Reject:
    ((reject, _),) = taken(payload, device=device, kind=kind).rejects
    return reject


def test_a_device_that_is_known_by_now_is_accepted_as_of_when_it_came() -> None:
    said = msgspec.json.encode(ONE | {"channel": "c1"})
    second = replay()

    found, _ = second.look(rejected(said, device="well-9"), NOW_MS + 8 * 24 * HOUR_MS)
    (sealed,) = second.batcher.seal_all(NOW_MS + 8 * 24 * HOUR_MS)

    assert (found.accepted, found.refused) == (1, "")
    assert sealed.batch.channels == ["gas/well-1/c1"]
    assert sealed.batch.quality.tolist() == [Quality.HISTORICAL], "it never pages as live"
    assert sealed.batch.received.tolist() == [NOW_MS]
    assert sealed.batch.messages == [Message("well-9", 0, -1)], "no second count of its number"


def test_only_the_readings_that_were_refused_go_again() -> None:
    said = {"channels": ["ch4", "c1", "co2"], "at_ms": NOW_MS, "values": [1, 2, 3]}
    reject = rejected(msgspec.json.encode(said), device="logger")
    once = msgspec.structs.replace(reject, rows=(0, 2))

    found, _ = replay().look(once, NOW_MS)

    assert found.accepted == 0
    assert found.refused == "unknown-channel"


def test_a_forged_or_mistaken_message_is_never_let_in_later() -> None:
    reject = rejected(msgspec.json.encode(ONE | {"device": "well-2"}))

    found, full = replay().look(reject, NOW_MS)

    assert (found.accepted, found.refused, full) == (0, "identity", [])


def test_rubbish_stays_rubbish() -> None:
    found, _ = replay().look(rejected(b"{"), NOW_MS)

    assert (found.accepted, found.refused) == (0, "malformed")


def test_a_block_goes_again_and_an_old_state_does_not() -> None:
    block = rejected(msgspec.msgpack.encode(BLOCK | {"channel": "co2"}), kind="wave")
    mended = msgspec.structs.replace(block, payload=msgspec.msgpack.encode(BLOCK))
    state = rejected(b"?", kind="state")
    answered = msgspec.structs.replace(state, payload=b"online")

    found, _ = replay().look(mended, NOW_MS)
    old, _ = replay().look(answered, NOW_MS)

    assert (found.accepted, len(found.waves)) == (1, 1)
    assert (old.accepted, old.refused) == (0, "overtaken")


def test_a_device_that_is_unknown_still_stays_refused() -> None:
    reject = rejected(msgspec.json.encode(ONE), device="well-77")

    found, _ = replay().look(reject, NOW_MS)

    assert (found.accepted, found.refused) == (0, "unknown-device")
