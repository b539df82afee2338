"""The worker's shadows: what goes wrong in one is its own end, and of no alarm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec
import psycopg
import pytest
import structlog

from lifeline import config, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.db import Database
from lifeline.log.service import Record
from lifeline.model import Batch, Context
from streams import shadow
from streams.detect import service
from streams.detect.service import Detect
from streams.detect.shadow import service as shadows
from streams.partition import squeeze, unsqueeze
from streams.shadow import Shadow
from tests.streams.test_detect_worker import Away, NoLog, Sink
from tests.streams.test_shadow import STRICT, city, day
from tests.streams.town import START_MS, batch

ZONE = wire.partition_of("gas/east", 12)
TOML = """name = "mains"
[[rule]]
id = "high"
hazard = "gas-leak"
grade = 2
quantity = "ch4"
detector = { kind = "threshold", limit = 10.0 }
"""


class Table(Database):
    """PostgreSQL as a table that takes everything; ``broken`` for the shadow's part alone."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []
        self.broken = False
        self.rowcount = 1

    async def run(self, work: Callable[[Any], Any], deadline_s: float | None = None) -> Any:
        del deadline_s
        return work(self)

    def close(self) -> None:
        pass

    def execute(self, query: str, values: Any = ()) -> "Table":
        if self.broken and "shadow_" in query:
            raise psycopg.errors.UndefinedTable("shadow_run")
        self.statements.append((query, values))
        return self

    def fetchone(self) -> None:
        return None

    def transaction(self) -> "Table":
        return self

    cursor = transaction

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def told(self, word: str) -> list[Any]:
        return [values for query, values in self.statements if word in query]


@pytest.fixture
def detect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    return made(tmp_path, monkeypatch, TOML)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str) -> Detect:
    monkeypatch.setattr(service, "Database", lambda *_, **__: Away())
    (folder / "new.toml").write_text(toml)
    settings = config.Settings(
        catalog=config.CatalogFiles(compiled=str(folder / "catalog.bin")),
        detect=config.Detect(shadow=str(folder / "new.toml")),
    )
    worker = Detect(settings, city(), telemetry.Health(), structlog.get_logger())
    worker.publisher = Sink()  # type: ignore[assignment]
    worker.database = worker.recovery.database = Table()
    worker.recovery.reader = NoLog()
    return worker


async def give(detect: Detect, batches: list[Batch], start: int = 0) -> int:
    for offset, one in enumerate(batches, start):
        body = wire.encode_batch(one)
        await detect.readings(Record(wire.READINGS, ZONE, offset, body, None, START_MS))
    return start + len(batches)


def alarms(detect: Detect) -> list[bytes]:
    sent = detect.publisher.sent  # type: ignore[attr-defined]
    return [one.value for one in sent if one.topic == wire.FINDINGS]


def phases(detect: Detect) -> list[str]:
    """Of what readings in order have led to."""
    return [one.phase for one in detect.shadows.held[ZONE].found if one.lane == "live"]


async def test_what_is_tried_is_written_with_the_snapshot_and_never_sent(detect: Detect) -> None:
    await give(detect, day())
    await detect.close()

    table = detect.database
    assert isinstance(table, Table)
    sent = [wire.decode_finding(one) for one in alarms(detect)]
    high = [one for one in sent if one.rule == "gas.mains.high" and one.lane == "live"]
    assert min(one.onset_ms for one in high) >= START_MS + 55_000
    (version, name, *_, onset_ms, raised_ms, body) = next(
        row
        for row in table.told("into shadow_finding")
        if '"lane":"late"' not in row[-1] and '"lane":"historical"' not in row[-1]
    )
    assert name not in {one.id for one in sent}
    assert onset_ms + 40 == raised_ms <= START_MS + 45_000
    assert wire.decode_finding(body.encode()).rule == "gas.mains.high"
    run = table.told("into shadow_run")[-1]
    assert (run[0], run[1], run[2], run[3], run[7]) == (version, ZONE, "mains", 2, "")
    packed = table.told("into snapshot")[-1]["shadow"]
    again = detect.shadows._blank(ZONE)
    assert again is not None
    again.restore(unsqueeze(packed))
    assert again.run.until_ms == run[5]
    assert detect.shadows.held[ZONE].found == []


@pytest.mark.feature("S-4")
async def test_a_shadow_that_fails_ends_alone_and_says_why(
    detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = made(tmp_path, monkeypatch, "")
    offset = await give(detect, day(seconds=50))

    def fall(*_: object) -> None:
        raise ZeroDivisionError("of the new detector")

    monkeypatch.setattr(Shadow, "step", fall)
    await give(detect, day()[100:], offset)
    await give(alone, [*day(seconds=50), *day()[100:]])
    await detect.close()

    assert alarms(detect) == alarms(alone) != []
    assert ZONE not in detect.shadows.held
    assert "of the new detector" in detect.shadows.ended[ZONE].off
    table = detect.database
    assert isinstance(table, Table)
    assert "of the new detector" in table.told("into shadow_run")[-1][7]
    assert table.told("into snapshot")[-1]["shadow"] is None
    detect.shadows.begin(ZONE, None)
    detect.shadows.context(ZONE, Context("gas/east", "rain", 0, 1))
    assert ZONE not in detect.shadows.held, "until the process is begun anew"


async def test_a_shadow_that_is_too_slow_is_switched_off(
    detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "SLOW_S", -1.0)

    await give(detect, day(seconds=2))

    assert detect.shadows.ended[ZONE].off.startswith("one record took")


async def test_where_its_tables_fail_the_live_snapshot_is_kept_all_the_same(
    detect: Detect,
) -> None:
    table = detect.database
    assert isinstance(table, Table)
    table.broken = True

    await give(detect, day())
    await detect.close()

    assert table.told("into snapshot")
    assert phases(detect) == ["raised", "cleared"]


async def test_it_goes_on_under_a_changed_catalog_and_with_the_snapshot(detect: Detect) -> None:
    offset = await give(detect, day(seconds=50))
    detect.catalog = changed()
    detect.shadows.take_over(detect.catalog)
    await give(detect, day()[100:], offset)

    one = detect.shadows.held[ZONE]
    assert phases(detect) == ["raised", "cleared"]
    packed = detect.shadows.to_write(ZONE)
    assert packed is not None
    assert packed.body is not None
    detect.shadows.begin(ZONE, squeeze(packed.body))
    assert detect.shadows.held[ZONE].run == one.run
    detect.shadows.begin(ZONE, b"rubbish")
    assert detect.shadows.held[ZONE].run.since_ms == 0, "blank, and running"
    detect.assigned({wire.READINGS: set()})
    assert detect.shadows.held == {}


def changed() -> Catalog:
    return city(msgspec.structs.replace(STRICT, far_per_sensor_year=1.0))


@pytest.mark.parametrize(
    "toml",
    [
        "name = 3",
        TOML.replace('"mains"', '"pipes"'),
        TOML.replace("threshold", "oracle"),
        TOML.replace("limit = 10.0", 'limit = 10.0, width = "a"'),
    ],
)
async def test_a_wrong_profile_casts_no_shadow_and_detect_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str
) -> None:
    detect = made(tmp_path, monkeypatch, toml)

    await give(detect, day())
    await detect.close()

    assert detect.shadows.candidate is None
    assert alarms(detect)
    table = detect.database
    assert isinstance(table, Table)
    assert table.told("into shadow_run") == []


async def test_a_bug_before_the_first_record_casts_no_shadow_and_detect_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(*_: object, **__: object) -> None:
        raise ZeroDivisionError("while it was made")

    monkeypatch.setattr(shadow, "cast", fall)
    detect = made(tmp_path, monkeypatch, TOML)

    await give(detect, day())

    assert detect.shadows.candidate is None
    assert alarms(detect)


async def test_a_drill_is_not_shadowed(detect: Detect) -> None:
    drill = batch([("gas/well-1/ch4", START_MS, 90.0)])
    headers = wire.headers(wire.READINGS, drill=True)
    record = Record(wire.READINGS, ZONE, 0, wire.encode_batch(drill), headers, START_MS)

    await detect.readings(record)

    assert alarms(detect)
    assert detect.shadows.held[ZONE].run.since_ms == 0


async def test_a_live_detector_that_fails_is_counted_and_what_others_say_goes_on(
    detect: Detect,
) -> None:
    offset = await give(detect, day(seconds=50)[:1])
    kept = next(iter(detect.kept.values()))
    kept.state.bank.failed.append(("gas.shape", "gas.shape on gas/all: ZeroDivisionError()"))
    await give(detect, [*day(seconds=50)[1:], *day()[100:]], offset)

    assert phases(detect) == ["raised", "cleared"]
    assert telemetry.detectors_failed.labels("gas.shape")._value.get() == 1
