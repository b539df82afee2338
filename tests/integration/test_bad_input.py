"""Bad input through the whole chain: kept apart with its reason, all good beside it arrives."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lifeline.catalog import Channel, Source
from lifeline.model import Quality
from tests.faults import town
from tests.faults.run import now_ms
from tests.faults.sender import Sender, reading
from tests.faults.wells import Well, expect, neighbour, pass_through
from tests.faults.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HOUR_MS = 3_600_000
WELLS = 200
"""More than the tests use."""


def city() -> list[Source]:
    """Gas and water as in the fault programme; gas wells have ears, water uploads seldom."""
    gas, water = (town.source(name, WELLS) for name in ("gas", "water"))
    seldom = tuple(msgspec.structs.replace(m, upload_interval_s=1800.0) for m in water.model)
    hum = Channel("hum", "hum", "Pa", -1000.0, 1000.0, 60.0)
    shapes = (("rms", "Pa", 50.0), ("peak", "Pa", 500.0), ("frequency", "Hz", 25.0))
    ears = [
        Channel(f"hum/{name}", f"hum-{name}", unit, 0.0, high, 60.0) for name, unit, high in shapes
    ]
    hearing = tuple(msgspec.structs.replace(m, channel=(*m.channel, hum, *ears)) for m in gas.model)
    return [
        msgspec.structs.replace(gas, model=hearing),
        msgspec.structs.replace(water, model=seldom),
    ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(city(), services=("ingest", "detect", "archive", "router")) as made:
        yield made


@pytest.fixture
def sender(world: World) -> Iterator[Sender]:
    made = Sender(world)
    yield made
    made.close()


RUBBISH = {
    "nothing": b"",
    "half a message": b'{"boot":1,"seq":1,"channel":"level"',
    "a list": b"[1,2,3]",
    "text": b'"level"',
    "a channel that is a number": b'{"channel":7,"at_ms":1,"value":1.0}',
    "a value that is text": b'{"channel":"level","at_ms":1,"value":"12"}',
    "a value that is true": b'{"channel":"level","at_ms":1,"value":true}',
    "a time with a fraction": b'{"channel":"level","at_ms":1.5,"value":1.0}',
    "an unknown field": b'{"channel":"level","at_ms":1,"value":1.0,"colour":"red"}',
    "deep nesting": b"[" * 100_000,
    "deep objects": b'{"readings":' * 20_000,
    "bad UTF-8": b'{"channel":"\xff\xfe","at_ms":1,"value":1.0}',
    "a megabyte of rubbish": bytes(range(256)) * 4096,
    "a megabyte of digits": b"9" * (1 << 20),
}


def test_what_cannot_be_read_is_kept_with_its_bytes_and_acknowledged(
    world: World, sender: Sender
) -> None:
    well = Well(world)
    counted = world.metric("ingest", 'lifeline_rejects_total{reason="malformed"}')

    with neighbour(world, sender):
        for payload in RUBBISH.values():
            sender.rubbish(well.device, payload)

    kept = well.rejects()
    assert {reject["reason"] for reject in kept} == {"malformed"}
    assert Counter(base64.b64decode(r["payload"]) for r in kept) == Counter(RUBBISH.values())
    after = world.metric("ingest", 'lifeline_rejects_total{reason="malformed"}')
    assert after - counted == len(RUBBISH)
    assert well.rows() == []


def test_a_device_that_is_refused_shows_it_on_its_meter_and_as_data_quality(
    world: World, sender: Sender
) -> None:
    well = Well(world)
    sender.send(well.device, reading(now_ms(), 1.0))

    with neighbour(world, sender):
        sender.rubbish(well.device, b"{")
        sender.send(well.device, reading(now_ms() + 300_000, 1.0))
        sender.send(well.device, reading(now_ms() - 8 * 24 * HOUR_MS, 1.0))

    def metered() -> float:
        rows = world.rows(0, f"device/{well.device}/rejects")
        return sum(row.value or 0.0 for row in rows)

    expect(metered, 3.0, 40.0)
    expect(lambda: len(well.incidents("data-quality")), 1)
    assert well.pushed() == []


def test_times_outside_the_window_are_refused_by_name(world: World, sender: Sender) -> None:
    well = Well(world)
    now = now_ms()

    with neighbour(world, sender):
        sender.send(
            well.device,
            reading(now + 300_000, 1.0),
            reading(now, 2.0),
            reading(now - 8 * 24 * HOUR_MS, 3.0),
            reading(99_999_999_999_999_999_999, 4.0),
        )

    expect(lambda: [(row.at_ms, row.value) for row in well.rows()], [(now, 2.0)])
    assert sorted(reject["reason"] for reject in well.rejects()) == ["ahead", "behind"]


def test_who_is_not_known_is_refused_and_who_is_another_is_a_security_event(
    world: World, sender: Sender
) -> None:
    well, other = Well(world), Well(world)
    metric = 'lifeline_security_events_total{reason="identity"}'
    events = world.metric("ingest", metric)

    with neighbour(world, sender):
        sender.send("nobody-1", reading(now_ms(), 1.0))
        sender.send(well.device, reading(now_ms(), 1.0, channel="unheard-of"))
        assert world.metric("ingest", metric) == events
        said = {"device": other.device, "readings": [reading(now_ms(), 1.0)]}
        sender.rubbish(well.device, json.dumps(said).encode())
        sender.send(well.device, reading(now_ms(), 1.0, channel=other.channel))

    reasons = Counter(reject["reason"] for reject in well.rejects())
    assert reasons == {"unknown-channel": 1, "identity": 2}
    assert world.metric("ingest", metric) == events + 2
    assert well.rows() + other.rows() == []
    nobody = json.loads(world.run("rejects", "list", "--json", "--device", "nobody-1"))
    assert [reject["reason"] for reject in nobody] == ["unknown-device"]


BAD_VALUES = {
    "NaN": ("NaN", Quality.NON_FINITE),
    "Infinity": ("Infinity", Quality.NON_FINITE),
    "minus Infinity": ("-Infinity", Quality.NON_FINITE),
    "beyond a double": ("1e999", Quality.NON_FINITE),
    "out of range": ("5000.0", Quality.OUT_OF_RANGE),
    "a foreign unit": ('12.0,"unit":"bar"', Quality.WRONG_UNIT),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_a_value_that_cannot_be_is_a_sensor_fault_and_silences_no_alarm(
    world: World, sender: Sender, kind: str
) -> None:
    text, flag = BAD_VALUES[kind]
    alarmed, calm = Well(world), Well(world)
    begin_ms = now_ms() - 10_000
    sender.send(alarmed.device, reading(begin_ms, 70.0))
    sender.send(calm.device, reading(begin_ms, 10.0))
    expect(alarmed.is_active, True)

    with neighbour(world, sender):
        for well in (alarmed, calm):
            body = f'{{"channel":"level","at_ms":{begin_ms + 1000},"value":{text}}}'
            sender.again(well.device, body.encode())

    for well in (alarmed, calm):
        expect(lambda well=well: well.is_active("sensor-fault"), True)
    with world.database() as link:
        bits = link.execute(
            "select quality from reading r join channel c on c.id = r.channel"
            " where c.name = %s and time = to_timestamp(%s)",
            (calm.channel, (begin_ms + 1000) / 1000),
        ).fetchall()
    assert [row[0] & flag for row in bits] == [flag]
    assert alarmed.is_active(), "a bad value ended an alarm"
    sender.send(calm.device, reading(begin_ms + 2000, 70.0))
    expect(calm.is_active, True)
    expect(lambda: calm.is_over("sensor-fault"), True)
    assert [len(well.incidents()) for well in (alarmed, calm)] == [1, 1]


TONE = [0, 40, 0, -40] * 16


def test_a_block_whose_end_lies_ahead_is_refused_and_blinds_nobody(
    world: World, sender: Sender
) -> None:
    well = Well(world)

    with neighbour(world, sender):
        for rate_hz in (1e-306, 1e-20, 1e-12, 0.02):
            sender.block(well.device, "hum", TONE, rate_hz=rate_hz)
        sender.block(well.device, "hum", TONE)
        sender.settle()
        pass_through(world, sender)

    assert [reject["reason"] for reject in well.rejects()] == ["ahead"] * 4
    expect(lambda: len(world.rows(0, f"{well.asset}/hum/rms")), 1)
    assert not well.incidents("sensor-fault")


@pytest.mark.parametrize(
    ("scale", "faults"),
    [(100.0, {"rms", "peak", "frequency"}), (2.0, {"rms"})],
)
def test_a_block_that_cannot_be_is_a_sensor_fault_of_its_features(
    world: World, sender: Sender, scale: float, faults: set[str]
) -> None:
    well = Well(world)

    with neighbour(world, sender):
        sender.block(well.device, "hum", TONE, scale=scale)

    expect(lambda: well.is_active("sensor-fault"), True)
    expect(lambda: well.flagged(Quality.OUT_OF_RANGE), {f"hum/{name}" for name in faults})
    assert well.pushed() == []


def test_back_fill_opens_a_back_dated_incident_that_nobody_is_woken_for(
    world: World, sender: Sender
) -> None:
    well = Well(world)
    now = now_ms()

    with neighbour(world, sender):
        sender.send(well.device, reading(now - 2 * HOUR_MS, 70.0))
        sender.send(well.device, reading(now - 2 * HOUR_MS + 60_000, 10.0))
        pass_through(world, sender)

    expect(lambda: len(well.incidents()), 1)
    expect(lambda: set(well.lanes()), {"historical"})
    assert well.pushed() == []
    assert len(well.rows()) == 2


def test_back_fill_never_clears_a_live_alarm(world: World, sender: Sender) -> None:
    well = Well(world)
    now = now_ms()
    sender.send(well.device, reading(now, 70.0))
    expect(well.is_active, True)

    with neighbour(world, sender):
        sender.send(well.device, reading(now - 2 * HOUR_MS, 10.0))
        pass_through(world, sender)

    expect(lambda: len(well.rows()), 2)
    assert well.is_active()
    assert len(well.incidents()) == 1


def test_a_late_reading_within_a_device_is_judged_and_back_dated(
    world: World, sender: Sender
) -> None:
    well = Well(world)
    now = now_ms()
    sender.send(well.device, reading(now, 10.0))

    with neighbour(world, sender):
        sender.send(well.device, reading(now - 120_000, 70.0))
        sender.send(well.device, reading(now - 60_000, 10.0))

    expect(lambda: len(well.rows()), 3)
    expect(lambda: len(well.incidents()), 1)
    with world.database() as link:
        row = link.execute("select onset_ms from incident where asset = %s", (well.asset,))
        assert row.fetchone() == (now - 120_000,)
    assert well.lanes() == ["late"]


def test_the_same_message_twice_is_one_row_and_one_incident(world: World, sender: Sender) -> None:
    well = Well(world)

    with neighbour(world, sender):
        sent = sender.send(well.device, reading(now_ms(), 70.0))
        sender.settle()
        for _ in range(5):
            sender.again(well.device, json.dumps(sent).encode())
        pass_through(world, sender)

    expect(lambda: len(well.rows()), 1)
    assert [incident.episode for incident in well.incidents()] == [1]
    assert well.pushed() == ["alert"]


def test_of_two_values_at_one_time_the_first_stands_and_the_second_is_counted(
    world: World, sender: Sender
) -> None:
    well = Well(world)
    at_ms = now_ms()
    before = world.metric("archive", "lifeline_rows_conflicting_total")

    with neighbour(world, sender):
        sender.send(well.device, reading(at_ms, 1.0))
        expect(lambda: len(well.rows()), 1)
        sender.send(well.device, reading(at_ms, 2.0))

    expect(lambda: world.metric("archive", "lifeline_rows_conflicting_total"), before + 1)
    assert [row.value for row in well.rows()] == [1.0]


def day(well: Well, begin_ms: int, offset: float = 0.0) -> list[dict[str, Any]]:
    """A day of a device, a reading every five minutes, with one excursion at noon."""
    return [
        reading(begin_ms + n * 300_000, 70.0 if 140 <= n < 150 else 10.0 + offset + n % 7)
        for n in range(288)
    ]


def send_day(sender: Sender, well: Well, readings: list[dict[str, Any]]) -> None:
    for first in range(0, len(readings), 12):
        sender.send(well.device, *readings[first : first + 12])


def test_a_whole_day_replayed_adds_no_row_and_no_incident(world: World, sender: Sender) -> None:
    wells = [Well(world) for _ in range(3)]
    begin_ms = now_ms() - 48 * HOUR_MS
    for well in wells:
        send_day(sender, well, day(well, begin_ms))
    sender.settle()
    expect(lambda: [len(well.rows()) for well in wells], [288] * 3)
    expect(lambda: [len(well.incidents()) for well in wells], [1] * 3)
    first = [(well.rows(), well.incidents()) for well in wells]

    with neighbour(world, sender):
        for well in wells:
            send_day(sender, well, day(well, begin_ms))
        sender.settle()
        pass_through(world, sender)

    assert [(well.rows(), well.incidents()) for well in wells] == first
    assert [well.pushed() for well in wells] == [[]] * 3


def test_devices_an_hour_apart_give_the_same_rows_and_incidents(
    world: World, sender: Sender
) -> None:
    ahead, behind = Well(world, "water"), Well(world, "water")
    now = now_ms()
    minutes = [(n, 70.0 if 20 <= n < 30 else 10.0) for n in range(60)]

    with neighbour(world, sender):
        for n, value in minutes:
            sender.send(ahead.device, reading(now - HOUR_MS + n * 60_000, value))
            sender.send(behind.device, reading(now - 80 * 60_000 + n * 60_000, value))
        pass_through(world, sender)

    for well in (ahead, behind):
        expect(lambda well=well: len(well.rows()), 60)
        expect(lambda well=well: len(well.incidents("burst")), 1)
        expect(lambda well=well: set(well.lanes()), {"live"})
        assert well.pushed().count("alert") == 1


def test_what_was_refused_is_accepted_once_the_catalog_is_mended(
    world: World, sender: Sender
) -> None:
    late = "gas-00900"
    sender.send(late, reading(now_ms(), 33.0))
    sender.settle()
    catalog = world.folder / "catalog" / "later.toml"
    more = town.source("water", 1)
    moved = replace_names(more)
    catalog.write_text(town.as_toml(moved))
    try:
        world.run("catalog", "build")

        for _ in range(2):
            world.run("rejects", "replay", "--device", late, "--all")
            expect(lambda: [r.value for r in world.rows(0, "later/")], [33.0])
    finally:
        catalog.unlink()


def replace_names(source: Source) -> Source:
    """The source as a lifeline of its own with the device that was unknown."""
    device = msgspec.structs.replace(
        source.device[0], name="gas-00900", zone="later/zone", asset="later/well"
    )
    return msgspec.structs.replace(
        source,
        lifeline=msgspec.structs.replace(source.lifeline, name="later"),
        zone=(msgspec.structs.replace(source.zone[0], name="later/zone"),),
        asset=(msgspec.structs.replace(source.asset[0], name="later/well", zone="later/zone"),),
        device=(device,),
        limit=(),
        rule=(),
    )
