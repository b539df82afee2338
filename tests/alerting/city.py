"""A small city whose lifelines touch, and findings and incidents in it: what correlation needs."""

import msgspec

from alerting.incidents import Incident
from lifeline.catalog import Catalog, Channel, DeviceEntry, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Finding
from lifeline.network import Asset, Exposure, Link, Zone

START_MS = 1_700_000_000_000


def _device(name: str, asset: str, zone: str, *quantities: str) -> DeviceEntry:
    channels = tuple(Channel(q, q, "1", 0.0, 1e6) for q in quantities)
    return DeviceEntry(name, zone, asset, channel=channels)


GAS = Source(
    lifeline=Lifeline("gas"),
    zone=(Zone("gas/h", basin="hun"), Zone("gas/far")),
    asset=(
        Asset("gas/v1", "gas/h", "valve-well", exposure=Exposure(population=400, ignition=0.2)),
        Asset("gas/v2", "gas/h", "valve-well"),
        Asset("gas/v3", "gas/h", "valve-well"),
        Asset("sewer/s1", "gas/h", "sewer-well", exposure=Exposure(volume_m3=30.0)),
        Asset("sewer/s2", "gas/h", "sewer-well"),
        Asset("sewer/s3", "gas/h", "sewer-well"),
        Asset("power/p1", "gas/h", "power-well"),
        Asset("gas/alone", "gas/far", "valve-well"),
        Asset("gas/gateway", "gas/h", "gateway"),
    ),
    link=(
        Link("gas/v1", "gas/v2", kind="gas-main", length_m=100.0),
        Link("gas/v2", "gas/v3", kind="gas-main", length_m=300.0),
        Link("gas/v1", "sewer/s1", kind="adjacency", length_m=8.0),
        Link("gas/v1", "power/p1", kind="adjacency", length_m=45.0),
        Link("sewer/s1", "sewer/s2", kind="conduit", length_m=90.0),
        Link("sewer/s2", "sewer/s3", kind="conduit", length_m=90.0),
        Link("gas/gateway", "gas/v1", kind="signal"),
        Link("gas/gateway", "gas/v2", kind="signal"),
    ),
)
WATER = Source(
    lifeline=Lifeline("water"),
    zone=(Zone("water/z", basin="hun"),),
    asset=(
        Asset("water/pump", "water/z", "pump-station"),
        Asset("water/n1", "water/z", "metered-area"),
        Asset("water/n2", "water/z", "metered-area"),
        Asset("sewer/w", "water/z", "sewer-well"),
    ),
    link=(
        Link("water/n1", "gas/v2", kind="adjacency", length_m=20.0),
        Link("water/n2", "sewer/w", kind="adjacency", length_m=5.0),
    ),
)
HEAT = Source(
    lifeline=Lifeline("heating"),
    zone=(Zone("heat/z"),),
    asset=(Asset("heat/main", "heat/z"),),
    link=(Link("heat/main", "tunnel/t1", kind="adjacency", length_m=60.0),),
)
TUNNEL = Source(
    lifeline=Lifeline("tunnel"),
    zone=(Zone("tunnel/z"),),
    asset=(Asset("tunnel/t1", "tunnel/z", "power-tunnel"),),
)
BRIDGE = Source(
    lifeline=Lifeline("bridge"),
    zone=(Zone("bridge/z"),),
    asset=(Asset("bridge/span", "bridge/z", "span"), Asset("bridge/span-2", "bridge/z", "span")),
    device=(
        _device("wim", "bridge/span", "bridge/z", "gross-weight"),
        _device("dau", "bridge/span", "bridge/z", "strain"),
    ),
)
RAIN = Source(
    lifeline=Lifeline("drainage"),
    zone=(Zone("drainage/z", basin="hun"), Zone("drainage/other")),
    asset=(
        Asset("drainage/gauge", "drainage/z", "rain-gauge"),
        Asset("drainage/dry", "drainage/other", "rain-gauge"),
    ),
)
CITY = Catalog(compile_catalog([GAS, WATER, HEAT, TUNNEL, BRIDGE, RAIN]))


def finding(asset: str, hazard: str, after_s: float = 0.0, **more: object) -> Finding:
    """A finding at an asset of the city, so long after the start."""
    place = CITY.asset(asset)
    assert place is not None
    at_ms = START_MS + round(after_s * 1000)
    plain = Finding(
        id=f"{asset}|{hazard}|{at_ms}",
        phase="raised",
        zone=place.zone,
        asset=asset,
        lifeline=place.lifeline,
        channel=f"{asset}/x",
        rule="r",
        detector="threshold",
        hazard=hazard,
        grade=2,
        onset_ms=at_ms,
        at_ms=at_ms,
        received_ms=at_ms,
    )
    return msgspec.structs.replace(plain, **more)


def incident(lead: Finding, **more: object) -> Incident:
    """The open incident that a finding alone would make."""
    plain = Incident(
        id=f"I-{lead.id}",
        asset=lead.asset,
        hazard=lead.hazard,
        drill=lead.drill,
        episode=1,
        phase="open",
        zone=lead.zone,
        lifeline=lead.lifeline,
        grade=lead.grade,
        told=lead.grade,
        lane="live",
        lead=lead,
        onset_ms=lead.onset_ms,
        opened_ms=lead.onset_ms,
        updated_ms=lead.onset_ms,
        is_active=True,
    )
    return msgspec.structs.replace(plain, **more)
