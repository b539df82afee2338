"""The no-loss sender on a real broker: births, resends, restarts."""

import base64
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from lifeline import store
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from lifeline.config import Mqtt
from simulators.base import Truth, Uplink
from simulators.load.service import Plan, generate
from simulators.service import Sending, run_devices
from simulators.store import Spool, read_journal

pytestmark = pytest.mark.integration
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: run `make mosquitto`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 20000\n"
    )
    process = subprocess.Popen([MOSQUITTO, "-c", str(file)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(5)


class Ingest:
    """A receiver that acknowledges on ``…/ack`` what ``accepts`` lets it; counts what came."""

    def __init__(self, port: int, accepts=lambda n: True) -> None:
        self.came: list[tuple[str, int, int]] = []
        self.states: list[tuple[str, dict, bool]] = []
        self.accepts = accepts
        self.is_ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "test-ingest")
        self.client.on_message = self.on_message
        self.client.on_subscribe = lambda *_: self.is_ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.subscribe([("lifeline/v1/+/up", 1), ("lifeline/v1/+/state", 1)])
        self.client.loop_start()
        assert self.is_ready.wait(5)

    def on_message(self, client, _data, message) -> None:
        device, kind = message.topic.split("/")[2:]
        body = json.loads(message.payload)
        if kind == "state":
            self.states.append((device, body, message.retain))
            return
        self.came.append((device, body["boot"], body["seq"]))
        if self.accepts(len(self.came)):
            ack = {"boot": body["boot"], "seq": [[body["seq"], body["seq"]]]}
            client.publish(f"lifeline/v1/{device}/ack", json.dumps(ack), qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Ticker:
    """A source of one message every 20 ms from each of two devices."""

    def __init__(self, total: int) -> None:
        self.truth: list[Truth] = []
        self.left = total
        self.at_ms = 0

    def step(self, at_ms: int) -> list[Uplink]:
        if self.left <= 0 or at_ms < self.at_ms + 20:
            return []
        self.left -= 1
        self.at_ms = at_ms
        return [Uplink("a", at_ms, ("x",), (1.0,)), Uplink("b", at_ms, ("x",), (2.0,))]


def test_a_message_without_ingests_word_is_sent_again_until_it_comes(
    broker: int, tmp_path: Path
) -> None:
    ingest = Ingest(broker, accepts=lambda n: n > 10)
    ledger = tmp_path / "ledger.jsonl"
    sending = Sending(
        Mqtt(port=broker), spool=str(tmp_path / "s.db"), ledger=str(ledger), resend_s=0.3, limit=20
    )

    report = run_devices(sending, Ticker(10), ["a", "b"], names={("a", "x"): "gas/a/x"})
    ingest.close()

    lines = list(read_journal(str(ledger)))
    sent = {(e["device"], e["boot"], e["seq"]) for e in lines if e["what"] == "sent"}
    acked = {(e["device"], e["boot"], e["seq"]) for e in lines if e["what"] == "acked"}
    assert (report.messages, report.acked, report.owed) == (20, 20, 0)
    assert report.resent >= 10
    assert sent == acked == set(ingest.came)
    assert {
        r[0] for e in lines if e["device"] == "a" and e["what"] == "sent" for r in e["readings"]
    } == {"gas/a/x"}


def test_every_device_is_born_at_each_connection_and_a_broken_one_speaks_the_last_will(
    broker: int, tmp_path: Path
) -> None:
    ingest = Ingest(broker)
    code = (
        "import sys\n"
        "from lifeline.config import Mqtt\n"
        "from simulators.service import Sending, run_devices\n"
        "from tests.simulators.test_sender import Ticker\n"
        "run_devices(Sending(Mqtt(port=int(sys.argv[1])), gateway='a', spool=sys.argv[2]),"
        " Ticker(10**6), ['a', 'b'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(broker), str(tmp_path / "s.db")])
    until = time.monotonic() + 15
    while len(ingest.came) < 20 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    until = time.monotonic() + 5
    while len(ingest.states) < 3 and time.monotonic() < until:
        time.sleep(0.02)

    time.sleep(0.2)
    ingest.close()
    births = {device for device, body, _ in ingest.states if body["online"]}
    wills = [(device, body) for device, body, _ in ingest.states if not body["online"]]
    assert births == {"a", "b"}
    assert wills == [("a", {"online": False, "boot": 1})]
    assert not any(retained for _, _, retained in ingest.states)
    # What was killed goes on from its spool: a new boot, nothing lost.
    came, spool = set(ingest.came), Spool(str(tmp_path / "s.db"))
    owed = {entry.key for entry in spool.owed()}
    for device in ("a", "b"):
        seqs = sorted(s for d, _, s in came | owed if d == device)
        assert seqs == list(range(1, len(seqs) + 1))
    spool.close()


def test_the_load_generator_keeps_its_rate_and_every_message_is_taken(broker: int) -> None:
    report = generate(
        Plan(20_000, 2.0, per_message=10, n_channels=1000, port=broker, steps=20, plant_after_s=0.5)
    )

    assert report.pubacks == report.messages == 4000
    assert len(report.planted) == 20
    assert report.elapsed_s < 3.0


def test_the_demo_city_flows_through_the_sender(broker: int, tmp_path: Path) -> None:
    from simulators.city import build_city

    ingest = Ingest(broker)
    catalog = Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))
    city = build_city(catalog.devices(), np.random.default_rng(1), time.time_ns() // 1_000_000)
    sending = Sending(
        Mqtt(port=broker), spool=str(tmp_path / "s.db"), truth=str(tmp_path / "truth.jsonl"),
        seconds=5, drain_s=2, gateway="gw-city-01",
    )  # fmt: skip

    report = run_devices(sending, city, city.devices)
    ingest.close()

    (truth,) = read_journal(str(tmp_path / "truth.jsonl"))
    assert truth["hazard"] == "gas-leak"
    assert report.messages > 80
    assert report.owed == 0, "waves come after 20 s: everything else was acknowledged"
    assert {device for device, _, _ in ingest.states} == set(city.devices)


def simulated(port: int, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """``lifeline simulate`` with one message to send and half a second to wait for its word."""
    payload = base64.b64encode(b'{"channel":"x","at_ms":1,"value":1}').decode()
    line = {"ms": 1, "topic": "lifeline/v1/a/up", "payload": payload}
    trace = tmp_path / "trace.jsonl"
    trace.write_text(json.dumps(line) + "\n")
    words = f"simulate -h 127.0.0.1 -p {port} --trace {trace} --limit 1 --drain 0.5"
    command = [sys.executable, "-m", "lifeline", *words.split()]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_simulate_ends_with_0_once_ingest_has_acknowledged_everything(
    broker: int, tmp_path: Path
) -> None:
    ingest = Ingest(broker)

    ended = simulated(broker, tmp_path)
    ingest.close()

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Published total: 1,")


def test_simulate_ends_with_1_while_ingest_owes_an_acknowledgement(
    broker: int, tmp_path: Path
) -> None:
    ended = simulated(broker, tmp_path)

    assert ended.returncode == 1
    assert "Ingest has not acknowledged 1 messages: they are lost." in ended.stderr
    assert "lifeline ingest" in ended.stderr


def test_simulate_ends_with_2_where_no_broker_is(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))

        ended = simulated(free.getsockname()[1], tmp_path)

    assert ended.returncode == 2
    assert "took no connection: 1 messages are lost. `lifeline stack up`" in ended.stderr
    assert "Traceback" not in ended.stderr
