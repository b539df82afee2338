"""Who may publish as whom under the access list of production, on a real mosquitto."""

import base64
import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from lifeline import wire
from lifeline.config import Kafka
from lifeline.stack import mosquitto
from lifeline.stack.processes import free_port
from tests.integration.rig import wait_for
from watchdog.canary import device_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ACCESS = Path(__file__).parents[2] / "deploy" / "mosquitto" / "lifeline.acl"
USERS = ("lifeline-ingest", "lifeline-watchdog", "well-1")
PASSWORD = "only for this broker"


def _line(user: str) -> str:
    """A line of mosquitto's password file: PBKDF2 with SHA-512, 101 rounds."""
    salt = user.encode()[:12].ljust(12)
    made = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, 101)
    return f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A broker that knows its users by password where production's knows them by certificate."""
    folder = tmp_path_factory.mktemp("broker")
    port = free_port()
    (folder / "users").write_text("".join(map(_line, USERS)))
    (folder / "lifeline.acl").write_text(ACCESS.read_text("utf-8"), "utf-8")
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\nuser root\n"
        f"password_file {folder}/users\nacl_file {folder}/lifeline.acl\n"
    )
    for file in folder.iterdir():
        file.chmod(0o600)
    servant = mosquitto.Mosquitto(folder, port)
    command = [str(mosquitto.program()), "-c", str(folder / "mosquitto.conf")]
    with subprocess.Popen(command, env=servant.environment(), stderr=subprocess.DEVNULL) as broker:
        wait_for(lambda: _listens(port), 10.0, "the broker")
        yield port
        broker.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _client(port: int, user: str) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, PASSWORD)
    client.connect("127.0.0.1", port)
    client.loop_start()
    wait_for(client.is_connected, 10.0, f"{user} at the broker")
    return client


def arrived(port: int, said: list[tuple[str, str]]) -> set[str]:
    """The topics that ingest hears when these users publish to these devices' topics, in order."""
    heard: set[str] = set()
    ready, over = threading.Event(), threading.Event()
    ears = _client(port, "lifeline-ingest")
    ears.on_subscribe = lambda *_: ready.set()

    def hear(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        heard.add(message.topic)
        if message.payload == b"last":
            over.set()

    ears.on_message = hear
    ears.subscribe(f"{wire.MQTT_ROOT}/+/up", 1)
    assert ready.wait(10)
    mouths = {user: _client(port, user) for user in {user for user, _ in said} | {"well-1"}}
    for user, device in said:
        # The broker acknowledges what it drops: the sender cannot know.
        mouths[user].publish(f"{wire.MQTT_ROOT}/{device}/up", b"{}", 1).wait_for_publish(10)
    mouths["well-1"].publish(f"{wire.MQTT_ROOT}/well-1/up", b"last", 1).wait_for_publish(10)
    assert over.wait(10)
    for client in (ears, *mouths.values()):
        client.disconnect()
        client.loop_stop()
    return {topic.split("/")[-2] for topic in heard} - {"well-1"}


@pytest.mark.parametrize("user", ["lifeline-ingest", "lifeline-watchdog"])
def test_the_watchdogs_canaries_come_through_on_every_partition(port: int, user: str) -> None:
    canaries = {device_of(partition) for partition in range(Kafka().partitions)}

    assert arrived(port, [(user, device) for device in sorted(canaries)]) == canaries


def test_nobody_speaks_under_the_name_of_another(port: int) -> None:
    said = [
        ("well-1", "well-2"),
        ("well-1", "canary-0"),
        ("lifeline-watchdog", "well-2"),
        ("lifeline-ingest", "well-2"),
    ]

    assert arrived(port, said) == set()
