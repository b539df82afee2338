"""Ingest between a real broker and a real Kafka: what is good arrives, what is not is kept."""

import asyncio
import hashlib
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from ingest import service
from lifeline import store, wire
from lifeline.commands import rejects
from lifeline.compiler import compile_catalog
from lifeline.config import Ingest, Settings
from lifeline.model import Quality
from lifeline.stack import Stack
from lifeline.telemetry import now_ms
from tests.ingest.world import SOURCE
from tests.integration.ingest_rig import device, ingesting, one, settings, tail, until

__all__ = ["settings"]  # The fixture is used by its name.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


async def test_good_readings_arrive_beside_bad_ones_and_every_reject_has_its_reason(
    settings: Settings,
) -> None:
    rubbish = [b"{", b"\xff\xfe", b"[" * 20_000, b"\x00" * 1_000_000, b'{"seq":1,"what":2}']
    wrong = [one(900, device="well-2"), one(901, channel="co2"), one(902, at_ms=now_ms() + 10**6)]
    flagged = [one(800, 500.0), one(801, 5.0, unit="ppm")]

    async with (
        tail(settings, wire.READINGS) as kept,
        tail(settings, wire.REJECTS) as refused,
        ingesting(settings),
    ):
        if True:
            with device(settings, "well-1") as well, device(settings, "well-9") as stranger:
                for seq in range(100):
                    well.send(one(seq))
                    if seq < len(rubbish):
                        well.send(rubbish[seq])
                for body in (*wrong, *flagged):
                    well.send(body)
                well.send(b'{"boot":7,"seq":802,"channel":"ch4","at_ms":%d,"value":NaN}' % now_ms())
                stranger.send(one(1))
                await kept.until(lambda: len(kept.readings()) >= 103)
                await refused.until(lambda: len(refused.rejects()) >= 9)
                wanted = {*range(100), 800, 801, 802, 900, 901, 902}
                await until(lambda: well.seqs(7) >= wanted - {900})
                digests = {h for note in well.told for h in note.get("sha256", ())}

    rows = kept.readings()
    assert {c for c, *_ in rows} == {"gas/well-1/ch4"}
    assert len(rows) == 103
    bits = sorted(q for *_, q in rows if q)
    assert bits == sorted([Quality.NON_FINITE, Quality.OUT_OF_RANGE, Quality.WRONG_UNIT])
    assert sorted(r.reason for r in refused.rejects()) == sorted(
        ["malformed"] * 5 + ["identity", "unknown-channel", "ahead", "unknown-device"]
    )
    assert {r.payload for r in refused.rejects() if r.reason == "malformed"} == set(rubbish)
    assert [r.security for r in refused.rejects() if r.reason == "identity"] == [True]
    assert {hashlib.sha256(payload).hexdigest() for payload in rubbish} <= digests
    messages = [m for r in kept.records for m in wire.decode_batch(r.value).messages]
    assert sum(m.rejected for m in messages if m.device == "well-1") == 8


async def test_nothing_is_acknowledged_while_kafka_is_away_and_all_of_it_afterwards(
    settings: Settings, stack: Stack
) -> None:
    pid = stack.pid("kafka")
    assert pid is not None

    async with tail(settings, wire.READINGS) as kept, ingesting(settings) as health:
        with device(settings, "well-1") as well:
            well.send(one(0))
            await until(lambda: well.seqs(7) == {0})
            os.kill(pid, signal.SIGSTOP)
            try:
                infos = [well.send(one(seq)) for seq in range(1, 50)]
                await until(lambda: all(info.is_published() for info in infos))
                await until(lambda: "Kafka" in health.problem, 15.0)
                while_away = well.seqs(7)
            finally:
                os.kill(pid, signal.SIGCONT)
            await until(lambda: well.seqs(7) == set(range(50)))
            await until(lambda: not health.problem)
            await kept.until(lambda: len({t for _, t, *_ in kept.readings()}) >= 50)

    assert while_away == {0}


async def test_a_process_that_ends_while_kafka_is_away_leaves_everything_with_the_broker(
    settings: Settings, stack: Stack
) -> None:
    pid = stack.pid("kafka")
    assert pid is not None

    async with tail(settings, wire.READINGS) as kept:
        with device(settings, "well-1") as well:
            async with ingesting(settings):
                os.kill(pid, signal.SIGSTOP)
                infos = [well.send(one(seq)) for seq in range(20)]
                await until(lambda: all(info.is_published() for info in infos))
                await asyncio.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            before = well.seqs(7)
            async with ingesting(settings):
                await until(lambda: well.seqs(7) == set(range(20)))
                await kept.until(lambda: len({t for _, t, *_ in kept.readings()}) == 20)

    assert before == set()


async def test_what_was_not_acknowledged_comes_again_and_nothing_is_lost_with_the_connection(
    settings: Settings, stack: Stack
) -> None:
    async with tail(settings, wire.READINGS) as kept, ingesting(settings) as health:
        with device(settings, "well-1") as well:
            for seq in range(200):
                well.send(one(seq))
                if seq == 100:
                    await asyncio.to_thread(stack.restart, "mosquitto")
                    began = time.monotonic()
                    await until(lambda: not health.problem and well.client.is_connected())
                    back_s = time.monotonic() - began
                    well.client.subscribe(f"{wire.MQTT_ROOT}/well-1/ack", qos=1)
            await until(lambda: well.seqs(7) >= set(range(101, 200)))
            # The sender's part of the promise: what was not confirmed is sent again.
            for seq in sorted(set(range(200)) - well.seqs(7)):
                well.send(one(seq))
            await until(lambda: well.seqs(7) == set(range(200)))

            def on_kafka() -> set[int]:
                batches = [wire.decode_batch(record.value) for record in kept.records]
                return {m.seq for b in batches for m in b.messages if m.device == "well-1"}

            # What came twice counts once: the rest may still be on its way to us.
            await kept.until(lambda: on_kafka() == set(range(200)))

    assert back_s < 5.0


async def test_parked_messages_are_read_by_whoever_comes_back(settings: Settings) -> None:
    async with ingesting(settings):
        pass

    with device(settings, "well-1") as well:
        for seq in range(20):
            well.send(one(seq)).wait_for_publish(5.0)
        async with tail(settings, wire.READINGS) as kept, ingesting(settings):
            await kept.until(lambda: len(kept.readings()) == 20)
            await until(lambda: well.seqs(7) == set(range(20)))


async def test_a_device_that_dies_is_offline_and_back_when_it_is_born_again(
    settings: Settings,
) -> None:
    async with tail(settings, wire.READINGS) as kept, ingesting(settings):
        with device(settings, "well-2", will=True) as well:
            well.send({"online": True}, kind="state")
            await kept.until(lambda: len(kept.readings()) == 1)
            # Closed without a word: the broker speaks the will.
            well.client.socket().close()
            await kept.until(lambda: len(kept.readings()) >= 2)

    with device(settings, "well-2") as well:
        # Retained, the will would greet the ingest of every test that follows.
        topic = f"{wire.MQTT_ROOT}/well-2/state"
        well.client.publish(topic, b"", qos=1, retain=True).wait_for_publish(5.0)
    name = "device/well-2/online"
    assert [(c, v) for c, _, v, _ in kept.readings()][:2] == [(name, 1.0), (name, 0.0)]


async def test_drills_never_share_a_record_with_what_is_real(settings: Settings) -> None:
    async with tail(settings, wire.READINGS) as kept, ingesting(settings):
        with device(settings, "well-1") as well:
            for seq in range(20):
                well.send(one(seq), root=wire.MQTT_DRILL_ROOT if seq % 2 else wire.MQTT_ROOT)
            await until(lambda: well.seqs(7) == set(range(20)))
            await kept.until(lambda: len(kept.readings()) + len(kept.readings(drill=True)) == 20)

    assert len(kept.readings(drill=True)) == 10


async def test_a_waveform_block_arrives_with_its_samples(settings: Settings) -> None:
    block = {"channel": "hum", "at_ms": now_ms(), "rate_hz": 100.0, "n": 500, "scale": 0.1}
    block |= {"encoding": "int16", "samples": bytes(1000), "boot": 7, "seq": 3}

    async with tail(settings, wire.WAVES) as waves, ingesting(settings):
        with device(settings, "well-1") as well:
            well.send(msgspec.msgpack.encode(block), kind="wave")
            await waves.until(lambda: len(waves.records) == 1)
            await until(lambda: well.seqs(7) == {3})

    wave = wire.decode_wave(waves.records[0].value)
    assert (wave.channel, wave.n, wave.samples) == ("gas/well-1/hum", 500, bytes(1000))


async def test_every_partition_hears_the_clock(settings: Settings) -> None:
    async with tail(settings, wire.READINGS) as kept, ingesting(settings):
        await kept.until(
            lambda: {r.partition for r in kept.records} == set(range(settings.kafka.partitions)),
            5.0,
        )

    assert all(len(wire.decode_batch(r.value)) == 0 for r in kept.records)


async def test_two_processes_share_the_load_and_a_device_hears_from_both(
    settings: Settings,
) -> None:
    other = msgspec.structs.replace(settings, ingest=Ingest(instance=settings.ingest.instance + 1))

    async with tail(settings, wire.READINGS) as kept:
        async with ingesting(settings), ingesting(other):
            with device(settings, "well-1") as well:
                for seq in range(300):
                    well.send(one(seq))
                await until(lambda: well.seqs(7) == set(range(300)))
                await kept.until(lambda: len(kept.readings()) == 300)
        assert len(kept.readings()) == 300


async def test_a_catalog_that_was_rebuilt_is_taken_over_and_rejects_find_their_second_chance(
    settings: Settings, tmp_path: Path
) -> None:
    alone = msgspec.structs.replace(SOURCE, device=SOURCE.device[:1])
    store.write_catalog(compile_catalog([alone]), settings.catalog.compiled)
    file = tmp_path / "lifeline.toml"
    file.write_text(
        f'[kafka]\nbootstrap = "{settings.kafka.bootstrap}"\n'
        f'[catalog]\ncompiled = "{settings.catalog.compiled}"\n'
    )
    began = now_ms()

    async with tail(settings, wire.READINGS) as kept, tail(settings, wire.REJECTS) as refused:
        async with ingesting(settings):
            with device(settings, "well-2") as late:
                late.send(one(1))
                await refused.until(lambda: len(refused.records) == 1)
                store.write_catalog(compile_catalog([SOURCE]), settings.catalog.compiled)
                await asyncio.sleep(2 * service.CATALOG_S)
                late.send(one(2))
                await kept.until(lambda: len(kept.readings()) == 1)
        since = ["--since", str(_iso(began)), "--config", str(file), "--json"]
        runs = [
            msgspec.json.decode(
                (await asyncio.to_thread(CliRunner().invoke, rejects.app, [*words, *since])).stdout
            )
            for words in (["list"], ["replay"], ["replay"], ["replay", "--all"])
        ]
        await kept.until(lambda: len(kept.readings()) == 3)

    listed, first, second, again = runs
    assert [row["reason"] for row in listed] == ["unknown-device"]
    assert (first["accepted"], second["accepted"], again["accepted"]) == (1, 0, 1)
    assert second["before"] == 1
    assert len(set(kept.readings())) == 2, "the same row twice, and keyed it is one"


def _iso(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ms / 1000))
