"""A small city for the tests of ingest: two wells in two zones, and a wide logger."""

from ingest.intake import Intake, Taken
from ingest.quality import Directory, Window
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Lifeline,
    Model,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog

NOW_MS = 1_700_000_000_000
WINDOW = Window(120_000, 7 * 86_400_000)
PARTITIONS = 3
WIDE = 40

SOURCE = Source(
    lifeline=Lifeline("gas"),
    zone=(Zone("gas/a"), Zone("gas/b")),
    asset=(Asset("gas/well-1", "gas/a"), Asset("gas/well-2", "gas/b"), Asset("gas/hall", "gas/b")),
    model=(
        Model(
            "well",
            (
                Channel("ch4", "methane", "%LEL", 0.0, 100.0),
                Channel("temperature", "temperature", "°C", -40.0, 85.0),
                Channel("hum", "sound", "Pa", -100.0, 100.0),
            ),
        ),
        Model("logger", tuple(Channel(f"c{n}", "pressure", "kPa", 0.0, 10.0) for n in range(WIDE))),
    ),
    device=(
        DeviceEntry("well-1", "gas/a", "gas/well-1", "well"),
        DeviceEntry("well-2", "gas/b", "gas/well-2", "well"),
        DeviceEntry("logger", "gas/b", "gas/hall", "logger"),
    ),
)


def city() -> Catalog:
    return Catalog(compile_catalog([SOURCE]))


def intake() -> Intake:
    return Intake(Directory(city(), PARTITIONS), WINDOW)


def taken(
    payload: bytes,
    *,
    device: str = "well-1",
    kind: str = "up",
    received_ms: int = NOW_MS,
    retained: bool = False,
    drill: bool = False,
) -> Taken:
    root = "lifeline/drill/v1" if drill else "lifeline/v1"
    topic = f"{root}/{device}/{kind}".encode()
    return intake().take(topic, payload, received_ms, retained=retained)


def reasons(found: Taken) -> dict[str, int]:
    return {reject.reason: n for reject, n in found.rejects}
