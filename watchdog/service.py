"""Sends the canaries, receives what became of them, announces their silence by its own route."""

import asyncio
import contextlib
import hashlib
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import paho.mqtt.client as mqtt
import structlog
import uvicorn
from paho.mqtt.enums import CallbackAPIVersion
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lifeline import layouts, signing, store, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.channels.choice import Channel, channel_for
from lifeline.config import Settings
from lifeline.errors import Refused, Unavailable
from lifeline.targets import MACHINES, Target
from lifeline.telemetry import Health, now_ms
from watchdog.canary import CHANNEL, Watch, asset_of, device_of
from watchdog.voice import Silence, card_of, said_of

Log = structlog.stdlib.BoundLogger
BODY_BYTES_MAX = 64 * 1024
BODY_S_MAX = 5.0
RETRY_S_MAX = 10.0
Told = tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


@dataclass(slots=True)
class Dog:
    """The watchdog's mutable state: its watch, its announcements waiting, its message counter."""

    settings: Settings
    log: Log
    watch: Watch
    secret: tuple[str, ...]
    waiting: asyncio.Queue[Silence] = field(default_factory=lambda: asyncio.Queue(maxsize=100))
    boot: int = 0
    seq: int = 0


async def run(
    settings: Settings, _catalog: Catalog, health: Health, log: Log, stop: asyncio.Event
) -> None:
    """Runs until told to stop; raises ConfigError for a secret that cannot be read."""
    partitions = settings.kafka.partitions
    silent_ms = int(settings.watchdog.silent_after_s * 1000)
    secret = (
        store.read_secrets(settings.watchdog.secret_file) if settings.watchdog.secret_file else ()
    )
    told = {p for p in _read_told(settings.watchdog.told_file, log) if p < partitions}
    watch = Watch(partitions, silent_ms, _steady_ms(), announced=frozenset(told))
    dog = Dog(settings, log, watch, secret, boot=int(time.time()))
    client = _connect(settings)
    server = _Server(
        uvicorn.Config(
            _receiver(dog),
            host=settings.watchdog.host,
            port=settings.watchdog.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            lifespan="off",
        )
    )
    tasks = [
        asyncio.create_task(_serve(server)),
        asyncio.create_task(_beat(dog, client)),
        asyncio.create_task(_judge(dog)),
        asyncio.create_task(_announce(dog)),
    ]
    health.problem = ""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    for task in (*tasks[1:], stopped):
        task.cancel()
    await asyncio.wait({tasks[0]}, timeout=3.0)
    client.disconnect()
    client.loop_stop()
    for task in done - {stopped}:
        task.result()  # A task that ended by itself says why.


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the command has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: uvicorn.Server) -> None:
    config = server.config
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's word for a port that is taken
        raise Unavailable(
            f"watchdog: port {config.port} on {config.host} is taken: set watchdog.port, and the"
            " router's target `watchdog` with it."
        ) from error


def _connect(settings: Settings) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="lifeline-watchdog")
    broker = settings.mqtt
    if broker.username:
        password = store.read_secret(broker.password_file) if broker.password_file else None
        client.username_pw_set(broker.username, password)
    if broker.ca_file:
        client.tls_set(broker.ca_file, broker.cert_file or None, broker.key_file or None)
    client.reconnect_delay_set(min_delay=1, max_delay=5)
    client.max_queued_messages_set(settings.kafka.partitions * 4)
    # Twelve messages in seven seconds and no call-back of ours: paho's own thread is enough here.
    client.connect_async(broker.host, broker.port, broker.keepalive_s)
    client.loop_start()
    return client


async def _beat(dog: Dog, client: mqtt.Client) -> None:
    """Steps every canary up, and back half a period later; the first step at once."""
    period_s = dog.settings.watchdog.canary_s
    value = 1
    while True:
        if client.is_connected():
            for partition in range(dog.watch.partitions):
                dog.seq += 1
                at_ms = now_ms()
                body = {
                    "boot": dog.boot,
                    "seq": dog.seq,
                    "channel": CHANNEL,
                    "at_ms": at_ms,
                    "value": value,
                }
                if value:
                    dog.watch.send(partition, at_ms, _steady_ms())
                topic = f"{wire.MQTT_ROOT}/{device_of(partition)}/up"
                client.publish(topic, msgspec.json.encode(body), qos=1)
            value = 1 - value
        await asyncio.sleep(period_s / 2 if dog.seq else 0.5)


async def _judge(dog: Dog) -> None:
    while True:
        now = _steady_ms()
        for partition in range(dog.watch.partitions):
            age_s = dog.watch.age_ms(partition, now) / 1000
            telemetry.canary_age_seconds.labels(str(partition)).set(age_s)
        verdict = dog.watch.judge(now)
        if verdict is not None:
            dog.log.warning("canaries changed", silent=verdict.silent, is_worse=verdict.is_worse)
            if dog.waiting.full():
                dog.waiting.get_nowait()  # The newest verdict says more than the oldest.
            dog.waiting.put_nowait(said_of(verdict, now_ms() - now))
        await asyncio.sleep(1.0)


def _steady_ms() -> int:
    """A clock that nobody sets."""
    return round(time.monotonic() * 1000)


async def _announce(dog: Dog) -> None:
    """Tells every target, in order, until each has accepted; a newer verdict waits its turn."""
    tls = ssl.create_default_context()
    ways = [(target, channel_for(target, tls)) for target in dog.settings.watchdog.targets]
    try:
        while True:
            silence = await dog.waiting.get()
            await asyncio.gather(*(_tell(dog, target, way, silence) for target, way in ways))
            if dog.waiting.empty():  # Else not all have heard this one, and hear the next.
                _write_told(dog.settings.watchdog.told_file, silence.partitions, dog.log)
    finally:
        for _, way in ways:
            await way.close()


def _read_told(path: str, log: Log) -> tuple[int, ...]:
    """The partitions whose silence was announced by a watchdog before this one."""
    try:
        return msgspec.json.decode(Path(path).read_bytes() if path else b"[]", type=Told)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("what was announced before is not known", file=path, why=str(error))
        return ()


def _write_told(path: str, partitions: tuple[int, ...], log: Log) -> None:
    """Keeps what everybody has been told; silence is announced whatever the disk says."""
    if not path:
        return
    new = Path(f"{path}.new")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(partitions))
        new.replace(path)
    except OSError as error:
        log.warning("what was announced is not kept", file=path, why=str(error))


async def _tell(dog: Dog, target: Target, way: Channel, silence: Silence) -> None:
    body = msgspec.json.encode(silence)
    if target.kind not in MACHINES:
        body = layouts.payload(target, card_of(silence, target.language, dog.settings.grading))
    name = target.name
    key = hashlib.sha256(name.encode() + msgspec.json.encode(silence)).hexdigest()
    delay_s = 0.5
    while True:
        try:
            await way.send(key, body)
        except Exception as error:
            # Whatever it is, a refusal too, is tried again: nobody else will say that the chain is
            # silent, and by one way that fails strangely the others must not fall silent.
            telemetry.notices.labels(name, "failed").inc()
            is_said = isinstance(error, (Unavailable, Refused))
            why = str(error) if is_said else type(error).__name__
            dog.log.warning("announcement failed", target=name, why=why)
        else:
            telemetry.notices.labels(name, "delivered").inc()
            return
        if not dog.waiting.empty():
            return  # What happened since is more urgent than what was.
        await asyncio.sleep(delay_s * (0.5 + 0.5 * random.random()))  # noqa: S311 - jitter
        delay_s = min(RETRY_S_MAX, delay_s * 2)


def _receiver(dog: Dog) -> Starlette:
    """The watchdog's own HTTP end of the chain: POST /canary, signed like every push."""
    partition_of_asset = {asset_of(p): p for p in range(dog.watch.partitions)}

    async def arrive(request: Request) -> Response:
        body = b""
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.stream():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    return JSONResponse({"error": "too large"}, 413)
        problem = (
            signing.problem(dog.secret, request.headers, body, int(time.time()))
            if dog.secret
            else "watchdog.secret_file is not set: nothing can be believed"
        )
        if problem:
            telemetry.security_events.labels("canary-signature").inc()
            return JSONResponse({"error": problem}, 401)
        try:
            notice = wire.decode_notice(body)
        except wire.Malformed as error:
            return JSONResponse({"error": str(error)}, 400)
        partition = partition_of_asset.get(notice.asset.name)
        if partition is None:
            return JSONResponse({"error": "not a canary"}, 400)
        if not dog.watch.hear(partition, notice.onset_ms):
            dog.log.info("a canary too late, or not of this watchdog", partition=partition)
        return JSONResponse({"accepted": True})

    return Starlette(routes=[Route("/canary", arrive, methods=["POST"])])
