"""One MQTT CONNECT, to see whether the broker would let us in.  A shell."""

import os
import time

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from lifeline import store
from lifeline.config import Mqtt
from lifeline.errors import Refused, Unavailable

LIMIT_S = 3.0


def greet(settings: Mqtt) -> str:
    """Connects as the services do, and leaves; how it was let in, for a sentence.

    Raises Refused when the broker or TLS says no, Unavailable when nobody answers within 3 s,
    ConfigError when the password file cannot be read.
    """
    where = f"{settings.host}:{settings.port}"
    answers: list[ReasonCode] = []
    client = _client(settings, answers)
    until_s = time.monotonic() + LIMIT_S
    try:
        client.connect(settings.host, settings.port, keepalive=int(LIMIT_S))
        while not answers and time.monotonic() < until_s:
            if client.loop(timeout=0.05) and not answers:
                raise Unavailable(
                    f"{where} hung up on an MQTT greeting: no broker, or one with TLS"
                )
    except OSError as error:
        # ssl.SSLError is one: its certificate or ours was not accepted.
        if "SSL" in type(error).__name__:
            raise Refused(f"the broker at {where} and we differ on TLS: {error}") from error
        raise Unavailable(f"no broker answers at {where}: {error}") from error
    finally:
        client.disconnect()
        client.loop(timeout=0.05)
    if not answers:
        raise Unavailable(f"{where} listens but did not answer an MQTT greeting in {LIMIT_S:g} s")
    if answers[0].is_failure:
        who = f"user {settings.username}" if settings.username else "us without a user name"
        raise Refused(f"the broker at {where} refuses {who}: {answers[0]}")
    as_whom = f" as {settings.username}" if settings.username else ""
    return f"{as_whom}{' over TLS' if settings.ca_file else ''}"


def _client(settings: Mqtt, answers: list[ReasonCode]) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"lifeline-doctor-{os.getpid()}",
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = LIMIT_S
    if settings.username:
        secret = store.read_secret(settings.password_file) if settings.password_file else None
        client.username_pw_set(settings.username, secret)
    if settings.ca_file:
        try:
            client.tls_set(settings.ca_file, settings.cert_file or None, settings.key_file or None)
        except (OSError, ValueError) as error:
            raise Refused(f"mqtt.ca_file, cert_file or key_file cannot be used: {error}") from error

    def on_connect(
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        answers.append(code)

    client.on_connect = on_connect
    return client
