"""The connection of ingest to its broker: refusals, silence, pauses, rubbish; real sockets."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from ingest.mqtt import service
from ingest.mqtt.service import Broker, Link, Publish
from ingest.topics import subscriptions
from lifeline import wire
from lifeline.config import Mqtt
from lifeline.errors import Refused, Unavailable
from lifeline.stack import Addresses
from lifeline.stack.processes import free_port
from tests.integration.ingest_rig import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x08\x00\x01" + b"\x01" * 6
CLIENT = "lifeline-ingest-901"
TOPIC = f"{wire.MQTT_ROOT}/well-1/up"


class Collector:
    """A taker that keeps what it is given."""

    def __init__(self) -> None:
        self.log = structlog.stdlib.get_logger("lifeline.test")
        self.epoch = 0
        self.turns: list[list[Publish]] = []

    def connected(self, link: Link) -> int:
        self.epoch += 1
        return self.epoch

    def disconnected(self, link: Link) -> None:
        pass

    def take(self, messages: list[Publish], epoch: int) -> None:
        assert epoch == self.epoch
        self.turns.append(messages)

    def payloads(self) -> list[bytes]:
        return [message.payload for turn in self.turns for message in turn]


@contextlib.asynccontextmanager
async def speaking(*answers: bytes) -> AsyncIterator[Mqtt]:
    """A broker that answers each thing it hears with the next of these, and then says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Mqtt(port=server.sockets[0].getsockname()[1], keepalive_s=1)
        await asyncio.sleep(0.2)  # Its side of each connection closes when it hears of the end.


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ((b"\x20\x02\x00\x05",), Refused, "Not authorized"),
        ((b"\x20\x02\x00\x04",), Refused, "Bad user name or password"),
        ((b"\x20\x02\x00\x02",), Refused, "Client identifier not valid"),
        ((b"\x20\x02\x00\x03",), Unavailable, "Server unavailable"),
        ((b"\x20\x02\x00\x01",), Unavailable, "closed the connection"),
        ((CONNACK, b"\x90\x08\x00\x01\x01\x80\x01\x01\x01\x01"), Refused, subscriptions()[1][0]),
        ((b"\xf0\x00",), Unavailable, "closed the connection"),
    ],
)
async def test_a_refusal_is_told_from_what_may_pass(
    answers: tuple[bytes, ...], error: type[Exception], words: str
) -> None:
    async with speaking(*answers) as settings:
        with pytest.raises(error) as caught:
            await Broker(settings, "ingest-test", Collector())._connect()

    assert words in str(caught.value)


async def test_a_packet_that_is_none_ends_the_connection_and_not_the_loop() -> None:
    taker = Collector()

    # A PUBLISH whose topic is longer than the packet: the client raises.
    async with speaking(CONNACK, SUBACK + b"\x32\x04\xff\xff\x00\x00") as settings:
        link = await Broker(settings, "ingest-test", taker)._connect()
        await asyncio.wait_for(link.lost, 5.0)

    assert taker.payloads() == []


async def test_a_broker_that_falls_silent_is_left() -> None:
    async with speaking(CONNACK, SUBACK) as settings:
        broker = Broker(settings, "ingest-test", Collector())
        link = await broker.start()
        keeping = asyncio.create_task(broker.keep(link))
        try:
            await asyncio.wait_for(asyncio.shield(link.lost), 10.0)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})


async def test_a_pause_of_many_keep_alives_costs_neither_connection_nor_messages(
    addresses: Addresses,
) -> None:
    # The broker waits half a keep-alive longer: a second, which a crowded machine may well lose.
    settings = Mqtt(host=addresses.mqtt_host, port=addresses.mqtt_port, keepalive_s=2)
    taker = Collector()
    await _wipe(settings)
    broker = Broker(settings, CLIENT, taker)
    sender = _sender(settings)
    link = await broker.start()
    keeping = asyncio.create_task(broker.keep(link))

    link.pause()
    for n in range(3000):
        sender.publish(TOPIC, b"%d" % n, qos=1)
    await asyncio.sleep(8.0)
    during = list(taker.turns)
    link.resume()
    await until(lambda: len(taker.payloads()) == 3000)

    assert during == []
    assert not link.lost.done()
    assert taker.payloads() == [b"%d" % n for n in range(3000)]
    assert max(len(turn) for turn in taker.turns) <= service.TURN
    keeping.cancel()
    await asyncio.wait({keeping})
    await _forget(link, settings, taker)
    sender.disconnect()
    sender.loop_stop()


async def test_what_was_acknowledged_stays_away_and_the_rest_comes_again(
    addresses: Addresses,
) -> None:
    settings = Mqtt(host=addresses.mqtt_host, port=addresses.mqtt_port)
    taker = Collector()
    await _wipe(settings)
    broker = Broker(settings, CLIENT, taker)
    sender = _sender(settings)
    link = await broker.start()
    n = 2 * service.ACKS_A_TURN + 500
    for seq in range(n + 300):
        sender.publish(TOPIC, b"%d" % seq, qos=1)
    await until(lambda: len(taker.payloads()) == n + 300)

    link.acknowledge([message.mid for turn in taker.turns for message in turn][:n])
    await asyncio.sleep(1.0)  # What the broker has not read when we close, it sends again.
    link.close()
    await asyncio.wait_for(link.lost, 5.0)
    taker.turns.clear()
    link = await broker.start()
    await until(lambda: len(taker.payloads()) >= 300)
    await asyncio.sleep(0.5)

    assert taker.payloads() == [b"%d" % seq for seq in range(n, n + 300)]
    assert taker.epoch == 2
    await _forget(link, settings, taker)
    sender.disconnect()
    sender.loop_stop()


async def test_tls_with_a_certificate_of_its_own_carries_messages_both_ways(tmp_path: Path) -> None:
    port = free_port()
    _certify(tmp_path)
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\nuser root\ncafile {tmp_path}/ca.crt\n"
        f"certfile {tmp_path}/own.crt\nkeyfile {tmp_path}/own.key\nrequire_certificate true\n"
        "use_identity_as_username true\nallow_anonymous false\nmax_inflight_messages 0\n"
    )
    settings = Mqtt(
        port=port, ca_file=f"{tmp_path}/ca.crt",
        cert_file=f"{tmp_path}/own.crt", key_file=f"{tmp_path}/own.key",
    )  # fmt: skip
    taker = Collector()
    server = subprocess.Popen(  # noqa: ASYNC220 – it starts at once, and the test ends it.
        ["/usr/sbin/mosquitto", "-c", conf], stderr=subprocess.DEVNULL
    )
    try:
        link = await Broker(settings, "ingest-test", taker).start()
        sender = _sender(settings)
        for n in range(1000):
            sender.publish(TOPIC, b"%d" % n, qos=1)
        await until(lambda: len(taker.payloads()) == 1000)
        link.publish([(TOPIC, b"note")])
        await until(lambda: len(taker.payloads()) == 1001)
        link.close()
        await asyncio.wait_for(link.lost, 5.0)
        sender.disconnect()
        sender.loop_stop()
    finally:
        server.terminate()
        server.wait(5.0)


def test_a_certificate_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"mqtt\.ca_file"):
        Broker(Mqtt(ca_file=str(tmp_path / "none.crt")), "ingest-test", Collector())


def _sender(settings: Mqtt) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    if settings.ca_file:
        client.tls_set(settings.ca_file, settings.cert_file, settings.key_file)
    client.connect(settings.host, settings.port)
    client.loop_start()
    return client


async def _forget(link: Link, settings: Mqtt, taker: Collector) -> None:
    """Ends the session: the broker deals shared messages to members that are away, too."""
    link.acknowledge([message.mid for turn in taker.turns for message in turn])
    link.close()
    await asyncio.wait_for(link.lost, 5.0)
    await _wipe(settings)


async def _wipe(settings: Mqtt) -> None:
    """Ends the session that a test before may have left, with all its messages."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT, clean_session=True)
    client.connect(settings.host, settings.port)
    client.loop_start()
    await until(client.is_connected)
    client.disconnect()
    client.loop_stop()


def _certify(folder: Path) -> None:
    """An authority, and one certificate by it for server and client alike."""
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca",
        "req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=lifeline-ingest",
        "x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out own.crt -extfile san",
    ):
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True, cwd=folder)
