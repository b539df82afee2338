"""Runs ingest: MQTT in, Kafka out, and only then the acknowledgements.

One thread, one loop: the messages of a read turn are decided (``intake``) and put into batches on
the spot; Kafka's word comes back through ``Outbox`` and moves the acknowledgements.
"""

import asyncio
import hashlib

import structlog

from ingest.acks import Acknowledgements, Receipt
from ingest.batch import Batcher, Sealed, tick
from ingest.intake import Intake, Taken
from ingest.mqtt.service import Broker, Link, Publish
from ingest.quality import Directory, Window
from ingest.store import Outbox, Record
from ingest.topics import parse
from lifeline import crashpoints, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.store import CatalogFile
from lifeline.telemetry import Health, now_ms

Log = structlog.stdlib.BoundLogger

PENDING_BYTES_MAX = 48 * 1024 * 1024
"""Readings that wait for Kafka in our memory; beyond it the socket is not
read and the broker keeps them."""
UNACKNOWLEDGED_MAX = 24_000
"""Messages in our hands, beyond which the socket is not read.  The broker's own limit
of 20,000 does not always hold (mosquitto 2.0.11 was seen 170,000 ahead of us), and
its message ids have 16 bits."""
NOTES_S = 0.2
"""Devices are told what is durable so often: their own patience is 15 s,
and a note costs the broker."""
CATALOG_S = 2.0
FINISH_S = 5.0
SECURITY_LOG_S = 10.0


class Ingest:
    """Everything one ingest process holds between two reads of the socket."""

    def __init__(self, settings: Settings, catalog: Catalog, health: Health, log: Log) -> None:
        self.settings = settings
        self.health = health
        self.log = log
        self.window = Window.of(settings.ingest)
        self.intake = self._intake(catalog)
        self.acks = Acknowledgements()
        self.batcher = Batcher(settings.ingest.batch_bytes)
        self.outbox = Outbox(settings.kafka, log, self.durable)
        self.link: Link | None = None
        """The present connection, from its first byte on: what was parked comes before SUBACK."""
        self._timer: asyncio.TimerHandle | None = None
        self._ticks_waiting = 0
        self._security_seen = 0
        self._security_logged_s = 0.0

    def _intake(self, catalog: Catalog) -> Intake:
        return Intake(Directory(catalog, self.settings.kafka.partitions), self.window)

    def connected(self, link: Link) -> int:
        """A connection begins: every mid of the one before is void."""
        self.link = link
        return self.acks.connect()

    def disconnected(self, link: Link) -> None:
        """A connection ended."""
        if self.link is link:
            self.link = None

    def take(self, messages: list[Publish], epoch: int) -> None:
        """Decides about every message of one read, and puts what becomes of it on its way."""
        received_ms = now_ms()
        telemetry.messages_received.inc(len(messages))
        for message in messages:
            try:
                taken = self.intake.take(
                    message.topic, message.payload, received_ms, retained=message.retained
                )
            except Exception as error:
                # Our own mistake must not come again for ever: the message goes to quarantine.
                self.log.exception("message not understood by a mistake of ours")
                taken = _quarantined(message, received_ms, error)
            self._book(taken, message, received_ms, epoch)
        self.acknowledge()
        if self.batcher.open and self._timer is None:
            self._arm()
        self._throttle()

    def _book(self, taken: Taken, message: Publish, received_ms: int, epoch: int) -> None:
        said, topic = taken.message, taken.topic
        receipt = Receipt(epoch, message.mid)
        if topic is not None:
            receipt.device, receipt.drill, receipt.digest = topic.device, topic.drill, taken.digest
        if said is not None:
            receipt.boot, receipt.seq = said.boot, said.seq
        self.acks.arrive(receipt)
        for reject, n in taken.rejects:
            self._refuse(reject, n, receipt)
        if taken.wave is not None and taken.known is not None:
            headers = wire.headers(wire.WAVES, drill=receipt.drill)
            value = wire.encode_wave(taken.wave)
            counts = {taken.known.lifeline: 1}
            record = Record(wire.WAVES, taken.known.partition, value, headers, [receipt], counts)
            receipt.waits += 1
            self.outbox.put(record)
        if said is not None and taken.known is not None and taken.verdict is not None:
            full = self.batcher.add(taken.known, said, taken.verdict, received_ms, receipt)
            if full is not None:
                self._send(self.batcher.seal(full, now_ms()))

    def _refuse(self, reject: wire.Reject, n: int, receipt: Receipt) -> None:
        telemetry.rejects.labels(reject.reason).inc(n)
        partition = wire.partition_of(reject.device or reject.topic, self.settings.kafka.partitions)
        headers = wire.headers(wire.REJECTS, drill=reject.drill)
        receipt.waits += 1
        self.outbox.put(
            Record(wire.REJECTS, partition, wire.encode_reject(reject), headers, [receipt])
        )
        if reject.security:
            telemetry.security_events.labels(reject.reason).inc(n)
            self._security_seen += 1
            now_s = asyncio.get_running_loop().time()
            if now_s - self._security_logged_s > SECURITY_LOG_S:
                self.log.warning(
                    "security event",
                    reason=reject.reason,
                    device=reject.device,
                    detail=reject.detail,
                    since_last=self._security_seen,
                )
                self._security_seen, self._security_logged_s = 0, now_s

    def _arm(self) -> None:
        delay_s = self.settings.ingest.batch_ms / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.flush)

    def flush(self) -> None:
        """Sends every open batch; while Kafka is away they rather grow than multiply."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.outbox.is_connected:
            for sealed in self.batcher.seal_all(now_ms()):
                self._send(sealed)
        elif self.batcher.open:
            self._arm()

    def _send(self, sealed: Sealed) -> None:
        value = wire.encode_batch(sealed.batch)
        headers = wire.headers(wire.READINGS, drill=sealed.drill)
        record = Record(
            wire.READINGS, sealed.partition, value, headers, sealed.receipts, sealed.counts
        )
        self.outbox.put(record)

    def durable(self, record: Record) -> None:
        """Kafka has this record on acks=all: now, and not before, its messages may be let go."""
        if not record.receipts:
            self._ticks_waiting -= 1
            return
        for lifeline, n in record.counts.items():
            telemetry.readings_ingested.labels(lifeline).inc(n)
        self.acks.settle(record.receipts)
        self.acknowledge()
        self._throttle()

    def acknowledge(self) -> None:
        """Tells the broker what is due, in the order in which it came."""
        if self.link is None:
            return  # It will send them again, and hear of them on the next connection.
        mids = self.acks.due()
        if not mids:
            return
        self.link.acknowledge(mids)
        telemetry.messages_acknowledged.inc(len(mids))
        crashpoints.reach("ingest.after-mqtt-ack")

    def _throttle(self) -> None:
        if self.link is None:
            return
        size, n = self.outbox.size + self.batcher.size, len(self.acks.order)
        if size > PENDING_BYTES_MAX or n > UNACKNOWLEDGED_MAX:
            self.link.pause()
        elif size < PENDING_BYTES_MAX // 2 and n < UNACKNOWLEDGED_MAX // 2:
            self.link.resume()

    def tell(self) -> None:
        """Sends each device its note of what is durable; without a connection it will ask again."""
        notes = self.acks.take_notes()
        if notes and self.link is not None:
            self.link.publish(notes)

    def beat(self) -> None:
        """One tick to every partition, after the readings that came before it."""
        self.flush()
        if self.outbox.is_connected and not self._ticks_waiting:
            value = wire.encode_batch(tick(now_ms()))
            headers = wire.headers(wire.READINGS)
            self._ticks_waiting = self.settings.kafka.partitions
            for partition in range(self.settings.kafka.partitions):
                self.outbox.put(Record(wire.READINGS, partition, value, headers))
        telemetry.ingest_waiting.set(len(self.acks.order))
        broker, kafka = self.settings.mqtt, self.settings.kafka
        if self.link is None or not self.link.ready.done():
            self.health.problem = f"the MQTT broker at {broker.host}:{broker.port} is away"
        elif not self.outbox.is_connected:
            self.health.problem = f"Kafka at {kafka.bootstrap} is away"
        else:
            self.health.problem = ""

    def renew(self, catalog: Catalog) -> None:
        """Goes on with another catalog; batches that are open keep what was decided."""
        self.log.info("catalog taken over", digest=catalog.digest)
        self.intake = self._intake(catalog)


def _quarantined(message: Publish, received_ms: int, error: Exception) -> Taken:
    """The message as it came.  Its device is told the SHA-256, else it would send it for ever."""
    text = message.topic.decode("utf-8", "replace")
    topic = parse(text)
    reject = wire.Reject(
        "poison",
        repr(error)[:500],
        text,
        message.payload,
        received_ms,
        device=topic.device if topic else "",
        drill=topic.drill if topic else False,
    )
    digest = hashlib.sha256(message.payload).hexdigest() if topic else ""
    return Taken(topic, rejects=[(reject, 1)], digest=digest)


async def _tick(ingest: Ingest) -> None:
    loop = asyncio.get_running_loop()
    every_s = ingest.settings.ingest.tick_s
    next_s = loop.time()
    while True:
        ingest.beat()
        next_s = max(next_s + every_s, loop.time())
        await asyncio.sleep(next_s - loop.time())


async def _tell(ingest: Ingest) -> None:
    while True:
        await asyncio.sleep(NOTES_S)
        ingest.tell()


async def _watch_catalog(ingest: Ingest) -> None:
    """Takes a catalog over that was rebuilt on disk."""
    file = CatalogFile(ingest.settings.catalog.compiled)
    while True:
        await asyncio.sleep(CATALOG_S)
        newer = file.newer(ingest.intake.directory.catalog)
        if newer is not None:
            ingest.renew(newer)


async def _finish(ingest: Ingest, sending: "asyncio.Task[None]") -> None:
    """Takes no more, sends what is here, acknowledges it, and says goodbye; 5 s at the most."""
    link = ingest.link
    if link is not None:
        link.pause()
    ingest.flush()
    drained = asyncio.create_task(ingest.outbox.drained())
    await asyncio.wait({drained, sending}, timeout=FINISH_S, return_when="FIRST_COMPLETED")
    drained.cancel()
    ingest.tell()
    if link is not None:
        link.close()
        await asyncio.wait({link.lost}, timeout=1.0)
    sending.cancel()
    await asyncio.wait({sending, drained})
    await ingest.outbox.close()


async def _start(ingest: Ingest, broker: Broker) -> Link:
    await ingest.outbox.start()
    return await broker.start()


async def run(
    settings: Settings, catalog: Catalog, health: Health, log: Log, stop: asyncio.Event
) -> None:
    """Runs ingest until ``stop``; raises Unavailable or Refused with one sentence."""
    ingest = Ingest(settings, catalog, health, log)
    broker = Broker(settings.mqtt, f"lifeline-ingest-{settings.ingest.instance}", ingest)
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(_start(ingest, broker))
    await asyncio.wait({starting, stopping}, return_when="FIRST_COMPLETED")
    if not starting.done() or starting.exception():
        starting.cancel()
        stopping.cancel()
        await asyncio.wait({starting, stopping})
        await ingest.outbox.close()
        if not starting.cancelled():
            starting.result()
        return
    link = starting.result()
    sending = asyncio.create_task(ingest.outbox.run())
    bodies = (broker.keep(link), _tick(ingest), _tell(ingest), _watch_catalog(ingest))
    tasks = [asyncio.create_task(body) for body in bodies]
    try:
        await asyncio.wait({*tasks, sending, stopping}, return_when="FIRST_COMPLETED")
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.wait({*tasks, stopping})
        failed = [t for t in (*tasks, sending) if t.done() and not t.cancelled() and t.exception()]
        await _finish(ingest, sending)
    if failed:
        failed[0].result()
