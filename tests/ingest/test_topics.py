"""Topics: every kind is subscribed to, in the city and in drills, and only work is shared."""

from ingest.topics import subscriptions
from lifeline import wire


def test_what_is_work_is_shared_and_what_a_device_is_everybody_hears() -> None:
    filters = dict(subscriptions())

    shared = {f for f in filters if f.startswith("$share/ingest/")}
    assert set(filters.values()) == {1}
    assert {f.removeprefix("$share/ingest/") for f in shared} == {
        f"{root}/+/{kind}"
        for root in (wire.MQTT_ROOT, wire.MQTT_DRILL_ROOT)
        for kind in ("up", "wave")
    }
    assert set(filters) - shared == {f"{wire.MQTT_ROOT}/+/state", f"{wire.MQTT_DRILL_ROOT}/+/state"}
