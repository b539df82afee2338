"""What ingest costs a message without any server or client: decode, check, batch, acknowledge.

    python benchmarks/intake.py --rounds 7

Reports microseconds of CPU a message, minimum, median and maximum over the rounds, for messages of
1 and 100 readings, clean and with flagged readings (every one, and one in ten).
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import flags, put
from ingest.acks import Acknowledgements, Receipt
from ingest.batch import Batcher
from ingest.intake import Intake
from ingest.quality import Directory, Window
from lifeline import wire
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from simulators.load.bench import bench_sources, device_name

NOW_MS = 1_700_000_000_000
WINDOW = Window(120_000, 7 * 86_400_000)
PARTITIONS = 12
MESSAGES = 2000


def stream(devices: int, channels: int, *, dirty: bool) -> list[tuple[bytes, bytes]]:
    """Topic and payload of each message."""
    made = []
    for n in range(MESSAGES):
        values = [5000.0 if dirty and k % 10 == 0 else 100.0 + k for k in range(channels)]
        body: dict[str, Any] = {"boot": 1, "seq": n}
        if channels == 1:
            body |= {"channel": "c000", "at_ms": NOW_MS - n, "value": values[0]}
        else:
            names = [f"c{k:03d}" for k in range(channels)]
            body |= {"channels": names, "at_ms": NOW_MS - n, "values": values}
        topic = f"{wire.MQTT_ROOT}/{device_name(n % devices)}/up".encode()
        made.append((topic, msgspec.json.encode(body)))
    return made


def once(intake: Intake, data: list[tuple[bytes, bytes]]) -> float:
    """CPU seconds for the whole stream, in batches of 300 messages."""
    acks, batcher = Acknowledgements(), Batcher(4 << 20)
    epoch = acks.connect()
    began = time.process_time()
    for mid, (topic, payload) in enumerate(data, 1):
        taken = intake.take(topic, payload, NOW_MS, retained=False)
        assert taken.known is not None
        assert taken.message is not None
        assert taken.verdict is not None
        assert taken.topic is not None
        receipt = Receipt(epoch, mid, taken.topic.device, seq=taken.message.seq)
        acks.arrive(receipt)
        batcher.add(taken.known, taken.message, taken.verdict, NOW_MS, receipt)
        if mid % 300 == 0:
            flush(batcher, acks)
    flush(batcher, acks)
    acks.take_notes()
    spent = time.process_time() - began
    assert not acks.order
    return spent


def flush(batcher: Batcher, acks: Acknowledgements) -> None:
    """Seals and encodes every batch, as if Kafka had it at once."""
    for sealed in batcher.seal_all(NOW_MS):
        wire.encode_batch(sealed.batch)
        acks.settle(sealed.receipts)
        acks.due()


def measure(rounds: int, run: Callable[[], float]) -> dict[str, float]:
    """Microseconds a message over the rounds, after one to warm up."""
    run()
    spent = [run() / MESSAGES * 1e6 for _ in range(rounds)]
    return {
        "us_min": round(min(spent), 2),
        "us_median": round(statistics.median(spent), 2),
        "us_max": round(max(spent), 2),
    }


def main() -> None:
    """Runs every case and prints, or writes, the report."""
    parser = flags(__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of 2,000 messages a case")
    chosen = parser.parse_args()
    cases: dict[str, dict[str, float]] = {}
    for channels in (1, 100):
        packed = compile_catalog(bench_sources(200 * channels, channels))
        intake = Intake(Directory(Catalog(packed), PARTITIONS), WINDOW)
        for dirty in (False, True):
            data = stream(200, channels, dirty=dirty)
            name = f"{channels} a message{', flagged' if dirty else ''}"
            figures = measure(chosen.rounds, lambda intake=intake, data=data: once(intake, data))  # type: ignore[misc]
            cases[name] = figures
            print(f"{name:40} {figures}", file=sys.stderr)
    put(chosen.json, {"rounds": chosen.rounds, "cases": cases})


if __name__ == "__main__":
    main()
