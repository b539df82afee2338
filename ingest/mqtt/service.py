"""One connection to the MQTT broker at a time, kept for as long as the service runs.

paho-mqtt speaks; this file lends it our loop.  Its callbacks only collect, and what they collected
is taken once a read turn: an exception among them would leave the client half dead (its own thread
ends without a word), so nothing of ours runs inside.
"""

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, cast

import msgspec
import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.topics import subscriptions
from lifeline import store
from lifeline.config import Mqtt
from lifeline.errors import Refused, Unavailable

Log = structlog.stdlib.BoundLogger

CONNECT_S = 15.0
"""How long a start waits for the broker before it says so and ends."""
ANSWER_S = 10.0
SOCKET_S = 4.0
"""TCP and TLS have so long each: paho waits for them, in a thread."""
RETRY_S_MAX = 1.0
MISC_S = 1.0
TURN = 128
TURN_BYTES = 64 * 1024
"""A read turn ends after so many messages or bytes: the rest of the loop comes first.  Either is
about 5 ms of work, decisions included."""
ACKS_A_TURN = 1000
NOWHERE = "lifeline/nowhere"
"""A filter that nobody subscribes to."""


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message: ``mid`` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    mid: int
    retained: bool


class Taker(Protocol):
    """Whoever takes the messages."""

    log: Log

    def connected(self, link: "Link") -> int:
        """A connection begins; returns its epoch."""
        ...

    def disconnected(self, link: "Link") -> None:
        """It ended; what was not acknowledged will come again."""
        ...

    def take(self, messages: list[Publish], epoch: int) -> None:
        """The messages of one read turn."""
        ...


class Link:
    """One connection to the broker, with a client of its own: nothing of an older one leaks in."""

    def __init__(self, taker: Taker, client: Client, keepalive_s: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = self._loop.create_future()
        """Resolves at SUBACK, to whether the broker had kept our session; fails with Refused."""
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.is_paused = False
        self._taker = taker
        self._client = client
        self._keepalive_s = keepalive_s
        self._socket: socket.socket | None = None
        self._fd = -1
        """What the loop watches; −1 when it watches nothing of ours."""
        self._epoch = 0
        self._is_resumed = False
        self._is_over = False
        self._inbox: list[MQTTMessage] = []
        self._inbox_bytes = 0
        self._owed: deque[int] = deque()
        self._nudge_s = 0.0
        self._misc_from_s = 0.0

    def open(self, host: str, port: int) -> None:
        """Waits for TCP and TLS and sends CONNECT; runs in a thread.  Raises OSError."""
        self._client.connect(host, port, self._keepalive_s)
        if self._is_over:  # Whoever asked for it has gone meanwhile.
            self._close_socket()
        if self._client.socket() is None:
            raise ConnectionError("it closed the connection at once")

    def begin(self) -> None:
        """The connection stands: from here on the loop reads and writes it."""
        client = self._client
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._socket = cast("socket.socket", client.socket())
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._fd = self._socket.fileno()
        client.on_socket_close = lambda _c, _u, _s: self._detach()
        client.on_socket_register_write = lambda _c, _u, _s: self._want_write()
        client.on_socket_unregister_write = lambda _c, _u, _s: self._want_no_write()
        self._epoch = self._taker.connected(self)
        self._loop.add_reader(self._fd, self._read)
        if client.want_write():
            self._want_write()

    def _on_connect(
        self, client: Client, _user: object, flags: ConnectFlags, why: ReasonCode, _p: object
    ) -> None:
        if why.is_failure:
            # 3.1.1 has five refusals, and only this one may pass by itself.
            is_passing = why == "Server unavailable"
            self._fail((Unavailable if is_passing else Refused)(str(why)))
            return
        self._is_resumed = flags.session_present
        client.subscribe(subscriptions())

    def _on_subscribe(
        self, _client: Client, _user: object, _mid: int, whys: list[ReasonCode], _p: Properties
    ) -> None:
        filters = [name for name, _ in subscriptions()]
        denied = [n for n, why in zip(filters, whys, strict=False) if why.is_failure]
        if denied:
            self._fail(Refused(f"it does not let us read {denied[0]}"))
        elif not self.ready.done():
            self.ready.set_result(self._is_resumed)

    def _on_message(self, _client: Client, _user: object, message: MQTTMessage) -> None:
        self._inbox.append(message)
        self._inbox_bytes += len(message.payload)

    def _on_disconnect(
        self, _c: Client, _u: object, _flags: DisconnectFlags, why: ReasonCode, _p: object
    ) -> None:
        self._fail(Unavailable(f"it closed the connection ({why})"))
        self._end()

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # Whoever waited may have gone on when the wait ran out.

    def _read(self) -> None:
        """One read turn: whole messages are taken, a rest waits for the next."""
        if self._fd < 0 or self.is_paused:
            return
        self._guarded(self._read_packets)
        if self._inbox:
            inbox, self._inbox, self._inbox_bytes = self._inbox, [], 0
            self._taker.take([_publish(message) for message in inbox], self._epoch)
        if isinstance(self._socket, ssl.SSLSocket) and self._fd >= 0 and self._socket.pending():
            self._loop.call_soon(self._read)  # Deciphered already: the kernel would not tell again.

    def _read_packets(self) -> None:
        inbox, read = self._inbox, self._client.loop_read
        for _ in range(TURN):
            n = len(inbox)
            read()
            if len(inbox) == n or self._inbox_bytes > TURN_BYTES:
                break

    def _guarded(self, work: Callable[[], object]) -> None:
        """A client that has raised is of no use any more; what it held comes again."""
        try:
            work()
        except Exception as error:
            self._taker.log.warning("mqtt client failed", error=repr(error))
            self.abort()

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Acknowledges this connection's messages, in this order; a turn has its limit."""
        is_paying = bool(self._owed)
        self._owed.extend(mids)
        if not is_paying:
            self._pay()

    def _pay(self) -> None:
        if self._fd < 0:
            self._owed.clear()
            return
        for _ in range(min(len(self._owed), ACKS_A_TURN)):
            self._client.ack(self._owed.popleft(), 1)
        self._write()
        if self._owed:
            self._loop.call_soon(self._pay)

    def publish(self, notes: Iterable[tuple[str, bytes]]) -> None:
        """Sends messages at QoS 0; on a dead connection they vanish."""
        if self._fd >= 0:
            for topic, payload in notes:
                self._client.publish(topic, payload)
            self._write()

    def _write(self) -> None:
        """Writes what is queued: paho sends each packet by itself, the cork makes segments."""
        if self._fd < 0 or self._socket is None:
            return
        self._cork(on=True)
        self._guarded(self._client.loop_write)
        self._cork(on=False)

    def _cork(self, *, on: bool) -> None:
        if self._fd >= 0 and self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(on))

    def _want_write(self) -> None:
        if self._fd >= 0:
            self._loop.add_writer(self._fd, self._write)

    def _want_no_write(self) -> None:
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)

    def watch(self) -> None:
        """Once a second: keeps alive, and ends a connection whose other side is silent."""
        now_s = self._loop.time()
        if self._fd < 0:
            return
        if not self.is_paused and now_s >= self._misc_from_s:
            self._guarded(self._client.loop_misc)
        elif now_s >= self._nudge_s:
            # paho would take the answer to its ping, which waits unread behind what we
            # do not read now, for a dead broker.  So it rests, and this keeps the
            # broker from taking us for dead.
            self._nudge_s = now_s + self._keepalive_s / 2
            self._client.unsubscribe(NOWHERE)
            self._write()

    def pause(self) -> None:
        """Reads no more until resume(): the broker keeps what it has."""
        if not self.is_paused and self._fd >= 0:
            self.is_paused = True
            self._nudge_s = 0.0
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Reads again; an answer that waited meanwhile has time to be read."""
        if self.is_paused and self._fd >= 0:
            self.is_paused = False
            self._misc_from_s = self._loop.time() + self._keepalive_s
            self._loop.add_reader(self._fd, self._read)
            self._loop.call_soon(self._read)

    def close(self) -> None:
        """Says goodbye; the session stays with the broker."""
        while self._owed and self._fd >= 0:
            self._pay()
        if self._fd >= 0:
            self._client.disconnect()
            self._write()

    def abort(self) -> None:
        """Drops the connection at once."""
        self._fail(Unavailable("the connection was dropped"))
        self._end()
        self._close_socket()

    def _close_socket(self) -> None:
        found = cast("socket.socket | None", self._client.socket())
        if found is not None:
            found.close()

    def _end(self) -> None:
        """Whatever ended it: the loop lets go, and everybody hears it once."""
        self._detach()
        if self._is_over:
            return
        self._is_over = True
        if not self.lost.done():
            self.lost.set_result(None)
        self._taker.disconnected(self)

    def _detach(self) -> None:
        """Before the socket closes the loop must forget it: its number may be another's at once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)


def _publish(message: MQTTMessage) -> Publish:
    try:
        topic = message.topic.encode()
    except UnicodeDecodeError:
        topic = b""  # No topic of a device, and refused as such.
    return Publish(topic, bytes(message.payload), message.mid, message.retain)


class Broker:
    """The broker as the service sees it: connects, subscribes, keeps alive, connects again."""

    def __init__(self, settings: Mqtt, client_id: str, taker: Taker) -> None:
        self._password = store.read_secret(settings.password_file) if settings.password_file else ""
        self._settings = settings
        self._taker = taker
        self._client_id = client_id
        self._client()  # What cannot be used is said at the start.

    def _client(self) -> Client:
        """A client with a session that outlives the connection; raises Refused."""
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            # Otherwise it connects again by itself, waiting for it in our loop.
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = SOCKET_S
        if settings.username:
            client.username_pw_set(settings.username, self._password or None)
        if settings.ca_file:
            try:
                client.tls_set(
                    settings.ca_file, settings.cert_file or None, settings.key_file or None
                )
            except (OSError, ValueError) as error:
                raise Refused(
                    f"mqtt.ca_file, cert_file or key_file cannot be used: {error}."
                ) from error
        return client

    async def start(self) -> Link:
        """The first connection; raises Unavailable after ``CONNECT_S``, Refused at once."""
        until_s = asyncio.get_running_loop().time() + CONNECT_S
        while True:
            try:
                return await self._connect()
            except Unavailable:
                if asyncio.get_running_loop().time() > until_s:
                    raise
                await asyncio.sleep(0.5)

    async def keep(self, link: Link) -> None:
        """Keeps a connection alive and makes another when it ends; runs until cancelled."""
        log = self._taker.log
        wait_s = 0.1
        while True:
            while not link.lost.done():
                await asyncio.wait({link.lost}, timeout=MISC_S)
                link.watch()
            log.warning("mqtt connection lost")
            while link.lost.done():
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
                try:
                    link = await self._connect()
                    wait_s = 0.1
                except (Unavailable, Refused) as error:
                    log.warning("mqtt away", error=str(error))
                    wait_s = min(2 * wait_s, RETRY_S_MAX)

    async def _connect(self) -> Link:
        """A connection that has subscribed; raises Unavailable or Refused."""
        host, port = self._settings.host, self._settings.port
        link = Link(self._taker, self._client(), self._settings.keepalive_s)
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.to_thread(link.open, host, port)
                link.begin()
                is_resumed = await link.ready
        except (OSError, ValueError, TimeoutError, Unavailable, Refused) as error:
            link.abort()
            raise (Refused if isinstance(error, Refused) else Unavailable)(
                f"the MQTT broker at {host}:{port}: {str(error) or 'no answer'}."
                " Start it (`lifeline stack up`) or set mqtt.host, mqtt.port."
            ) from error
        except asyncio.CancelledError:
            link.abort()
            raise
        self._taker.log.info("mqtt connected", session_resumed=is_resumed)
        return link
