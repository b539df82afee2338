"""What a tenth of rubbish costs the rest: a clean run and a spoiled one in one report.

    python benchmarks/malformed.py --rate 500 --share 0.1 --seconds 60 --repeat 3

The spoiled run sends the same number of messages, of which ``share`` cannot be used; every good
reading must be stored, and the p99 of the good ones is held against the clean run's.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.chain import Chain, metric, running
from benchmarks.pipeline import load_run, summary
from benchmarks.report import flags, put
from simulators.load.bench import device_name

REJECTS = "lifeline_rejects_total"
RUBBISH = (
    b"{",
    b'{"boot":1,"seq":2,"channel":7}',
    b'{"boot":1,"seq":2,"channel":"nowhere","at_ms":1,"value":1}',
    b"[" * 2000,
    b"\xff\xfe\x00 not text",
    b'{"boot":1,"seq":3,"colour":"red"}',
    b"x" * 10_000,
)


async def spoil(chain: Chain, per_s: float, seconds: float) -> int:
    """Publishes rubbish under the benchmark's devices at that rate; returns how many messages."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="lifeline-spoiler")
    client.connect(chain.settings.mqtt.host, chain.settings.mqtt.port)
    client.loop_start()
    sent, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        while sent < (time.monotonic() - began) * per_s:
            topic = f"lifeline/v1/{device_name(sent % 10)}/up"
            client.publish(topic, RUBBISH[sent % len(RUBBISH)], qos=1)
            sent += 1
        await asyncio.sleep(0.01)
    client.disconnect()
    client.loop_stop()
    return sent


async def pair(chain: Chain, arguments: argparse.Namespace, number: int) -> dict:
    """One clean and one spoiled run, and the ratio of their p99."""
    total = arguments.rate
    clean = await load_run(chain, arguments, 2 * number)
    before = metric(chain.ports["ingest"], REJECTS)
    arguments.rate = total * (1 - arguments.share)
    spoiling = asyncio.create_task(spoil(chain, total * arguments.share, arguments.seconds))
    spoiled = await load_run(chain, arguments, 2 * number + 1)
    arguments.rate = total
    rejected = metric(chain.ports["ingest"], REJECTS) - before
    return {
        "clean": clean,
        "spoiled": spoiled,
        "rubbish": [await spoiling, int(rejected)],
        "p99_ratio": round(spoiled["finding_p99_ms"] / clean["finding_p99_ms"], 3),
    }


def main() -> None:
    """Reads the arguments, runs the pairs, writes the report."""
    parser = flags(__doc__)
    parser.add_argument(
        "--rate", type=float, default=500, help="messages a second, one reading each"
    )
    parser.add_argument("--share", type=float, default=0.1, help="part of them that is rubbish")
    parser.add_argument("--seconds", type=float, default=60, help="how long a run sends")
    parser.add_argument("--repeat", type=int, default=1, help="pairs of runs")
    arguments = parser.parse_args()
    arguments.per_message, arguments.ingest, arguments.channels = 1, 1, 1000
    arguments.spread, arguments.steps, arguments.leaks = 0, 1000, 0
    with running(arguments) as chain:
        pairs = [asyncio.run(pair(chain, arguments, n)) for n in range(arguments.repeat)]
    put(arguments.json, {"runs": pairs, "minimum_median_maximum": summary(pairs)})


if __name__ == "__main__":
    main()
