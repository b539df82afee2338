"""What an MQTT topic says: which device, what kind of message, drill or real."""

import re
from typing import Literal, get_args

import msgspec

from lifeline import wire

Kind = Literal["up", "wave", "state"]
KINDS: tuple[str, ...] = get_args(Kind)

_TOPIC = re.compile(
    rf"(?:{wire.MQTT_ROOT}|(?P<drill>{wire.MQTT_DRILL_ROOT}))"
    rf"/(?P<device>{wire.DEVICE_NAME})/(?P<kind>{'|'.join(KINDS)})"
)


class Topic(msgspec.Struct, frozen=True):
    """A topic that devices may write to, taken apart."""

    device: str
    kind: Kind
    drill: bool


def parse(topic: str) -> Topic | None:
    """The parts of a device's topic, or None when it is not one.

    >>> parse("lifeline/drill/v1/well-7/up")
    Topic(device='well-7', kind='up', drill=True)
    >>> parse("lifeline/v1/a/b/up") is None
    True
    """
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    return Topic(found["device"], found["kind"], found["drill"] is not None)  # type: ignore[arg-type]


def ack_topic(device: str, *, drill: bool) -> str:
    """Where ingest tells a device what is durable.

    >>> ack_topic("well-7", drill=False)
    'lifeline/v1/well-7/ack'
    """
    return f"{wire.MQTT_DRILL_ROOT if drill else wire.MQTT_ROOT}/{device}/ack"


def subscriptions() -> list[tuple[str, int]]:
    """Topic filters and their QoS.

    Readings and blocks are shared between the ingest processes.  States are not: two processes that
    each see a part would write "offline" after "online" now and then.  Each process writes all of
    them, in their order, and a row more a change costs nothing.
    """
    roots = (wire.MQTT_ROOT, wire.MQTT_DRILL_ROOT)
    shared = [(f"$share/ingest/{root}/+/{kind}", 1) for root in roots for kind in ("up", "wave")]
    return [*shared, *((f"{root}/+/state", 1) for root in roots)]
