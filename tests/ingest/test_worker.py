"""What ingest does with a message that a mistake of ours keeps it from understanding."""

import hashlib

import msgspec
import pytest
import structlog

from ingest.mqtt.service import Publish
from ingest.service import Ingest
from lifeline import wire
from lifeline.config import Settings
from lifeline.telemetry import Health
from tests.ingest.world import city

PAYLOAD = b'{"boot":1}'


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        (b"lifeline/v1/well-1/up", "lifeline/v1/well-1/ack"),
        (b"lifeline/drill/v1/well-1/wave", "lifeline/drill/v1/well-1/ack"),
        (b"nobody's \xff", None),
    ],
)
async def test_the_device_is_told_its_sha256_once_the_message_is_in_quarantine(
    monkeypatch: pytest.MonkeyPatch, topic: bytes, told: str | None
) -> None:
    ingest = Ingest(Settings(), city(), Health(), structlog.get_logger())
    # A mistake of ours, made for the test: nothing that is known fails there.
    monkeypatch.setattr(ingest.intake, "take", lambda *_, **__: 1 // 0)

    ingest.take([Publish(topic, PAYLOAD, 9, retained=False)], ingest.acks.connect())

    (record,) = ingest.outbox._queue
    reject = wire.decode_reject(record.value)
    assert (reject.reason, reject.payload) == ("poison", PAYLOAD)
    assert reject.device == ("well-1" if told else "")
    assert reject.drill == ("drill" in str(told))
    assert ingest.acks.take_notes() == [], "not before it is durable"
    ingest.durable(record)
    body = msgspec.json.encode({"sha256": [hashlib.sha256(PAYLOAD).hexdigest()]})
    assert ingest.acks.take_notes() == ([(told, body)] if told else [])
