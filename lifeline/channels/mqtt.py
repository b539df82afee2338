"""MQTT for sirens and boards: one message at QoS 1, delivered on its PUBACK.  A shell.

A PUBACK that says that nobody subscribes is no delivery: a siren that is not connected, and has no
session that waits for it, will not sound.
"""

import asyncio
import os
import secrets
import ssl
import threading
import time
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from lifeline.channels.addresses import find_address
from lifeline.channels.post import secret_of
from lifeline.channels.streams import trusting
from lifeline.channels.threads import aside
from lifeline.errors import Busy, Mendable, Refused, Unavailable
from lifeline.targets import Target

PORTS = {"mqtt": 1883, "mqtts": 8883}
CONNECT_S = 3.0
NOBODY = 0x10
MENDABLE = frozenset((0x81, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C))
"""Malformed or not this protocol, client id, user, password or rights, banned."""
LATER = frozenset((0x88, 0x89, 0x96, 0x97, 0x9F))
"""Not available, busy, too fast, over quota."""


class Mqtt:
    """A topic of a broker."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._tls = tls

    async def send(self, key: str, body: bytes) -> str:
        """Publishes and returns the reason in the PUBACK; raises Unavailable or Refused."""
        target, parts = self.target, urlsplit(self.target.url)
        port = parts.port or PORTS[parts.scheme]
        address = await find_address(target.host, port, private_allowed=target.private_allowed)
        tls = trusting(target, self._tls) if parts.scheme == "mqtts" else None
        password = secret_of(target.secret_file) if target.username else ""
        line = _Line(target, key, body, tls)
        # paho waits in the calling thread; each of its waits ends, and so does the thread.
        return await aside(lambda: line.deliver(str(address), port, password))

    async def close(self) -> None:
        """Nothing is kept open."""
        await asyncio.sleep(0)


class _Line:
    """One connection for one message: what the broker says is kept, and judged outside paho."""

    def __init__(self, target: Target, key: str, body: bytes, tls: ssl.SSLContext | None) -> None:
        self.target, self.key, self.body = target, key, body
        self.greeted: list[ReasonCode] = []
        self.acknowledged: list[ReasonCode] = []
        self.is_over = threading.Event()
        self.named: _Named | None = None
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"lifeline-notice-{os.getpid()}-{secrets.token_hex(4)}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self.client.connect_timeout = CONNECT_S
        if tls is not None:
            self.named = _Named(tls, target.host)
            self.client.tls_set_context(self.named)  # type: ignore[arg-type]
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_disconnect = self._on_disconnect

    def deliver(self, address: str, port: int, password: str) -> str:
        until_s = time.monotonic() + self.target.timeout_s
        if self.target.username:
            self.client.username_pw_set(self.target.username, password)
        try:
            self.client.connect(address, port, keepalive=30)
            self._turn(self.greeted, until_s)
            if self.greeted[0].is_failure:
                raise _refusal(self.greeted[0])
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = [("key", self.key)]
            self.client.publish(self.target.topic, self.body, qos=1, properties=properties)
            self._turn(self.acknowledged, until_s)
        except ssl.SSLCertVerificationError as error:
            raise Mendable(f"certificate: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"{type(error).__name__}: {self.target.host}") from error
        finally:
            self.client.disconnect()
            self.client.loop(timeout=0.05)
            if self.named is not None:
                self.named.close()
        reason = self.acknowledged[0]
        if reason.value == NOBODY:
            raise Busy(f"{NOBODY}-nobody: nobody subscribes to {self.target.topic}")
        if reason.is_failure:
            raise _refusal(reason)
        return f"puback-{reason.value}"

    def _turn(self, answers: list[ReasonCode], until_s: float) -> None:
        """Lets paho work until the broker has answered; raises Unavailable."""
        while not answers:
            if time.monotonic() > until_s:
                raise Unavailable(f"timeout: no answer within {self.target.timeout_s:g} s")
            problem = self.client.loop(timeout=0.05)
            if (problem or self.is_over.is_set()) and not answers:
                raise Unavailable(f"hung-up: {self.target.host} ended the connection")

    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        self.greeted.append(code)

    def _on_publish(
        self, _c: Client, _u: object, _mid: int, code: ReasonCode, _p: Properties | None
    ) -> None:
        self.acknowledged.append(code)

    def _on_disconnect(
        self, _c: Client, _u: object, _f: DisconnectFlags, _r: ReasonCode, _p: Properties | None
    ) -> None:
        if not self.acknowledged:
            self.is_over.set()


class _Named:
    """A TLS context that asks for the name's certificate although an address is connected to."""

    def __init__(self, tls: ssl.SSLContext, name: str) -> None:
        self._tls, self._name = tls, name
        self.check_hostname = tls.check_hostname
        self._made: list[ssl.SSLSocket] = []

    def wrap_socket(self, sock: object, **options: object) -> ssl.SSLSocket:
        options["server_hostname"] = self._name
        made = self._tls.wrap_socket(sock, **options)  # type: ignore[arg-type]
        self._made.append(made)
        return made

    def close(self) -> None:
        """Closes what paho leaves open when a certificate does not please."""
        for made in self._made:
            made.close()


def _refusal(reason: ReasonCode) -> Exception:
    text = f"{reason.value}: {reason}"
    if reason.value in LATER:
        return Busy(text)
    return Mendable(text) if reason.value in MENDABLE else Refused(text)
