"""A recording through the path of production: catalog, windows, bank; findings out.  Pure.

Calibration counts false alarms with it, what-if compares profiles, the bench judges detectors.
"""

from collections.abc import Iterator

import numpy as np

from calibration.recording import Recording
from detectors.plan import Plan, compile_plan
from lifeline.catalog import Catalog, Channel, DeviceEntry, Group, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Finding, Message
from lifeline.network import Asset, Zone
from lifeline.profiles import Profile, expanded
from streams.partition import Partition, blank

NAME = "rehearsal"
ROWS_AT_ONCE = 64
"""The bank gives the same findings however rows are cut into batches: more at once is quicker."""
FOREVER_S = 1e9
ARTEFACT = f"{NAME}.art"


def catalog_of(recording: Recording, profile: Profile, artefact: bytes = b"") -> Catalog:
    """A catalog in memory: one zone, one device, one group of all columns under the profile."""
    zone, asset = f"{NAME}/zone", f"{NAME}/asset"
    channels = tuple(
        Channel(f"c{k}", quantity, "-", -1e12, 1e12, interval_s=recording.step_s, name=column)
        for k, (column, quantity) in enumerate(
            zip(recording.columns, recording.quantities, strict=True)
        )
    )
    group = Group(
        f"{NAME}/group",
        zone,
        recording.columns,
        recording.step_s,
        asset,
        profile=profile.name,
        artefact=ARTEFACT if artefact else "",
    )
    source = Source(
        lifeline=Lifeline(NAME),
        zone=(Zone(zone),),
        asset=(Asset(asset, zone),),
        device=(DeviceEntry(NAME, zone, asset, channel=channels),),
        group=(group,),
        learned={ARTEFACT: artefact} if artefact else {},
    )
    return Catalog(compile_catalog([expanded(source, {profile.name: profile})]))


def prepared(catalog: Catalog, held_s: float = FOREVER_S) -> tuple[Partition, Plan]:
    """A blank partition of such a catalog, and its plan; what is held is asked for if wanted."""
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    part = blank(catalog, plan, 0, 1, lateness_s=FOREVER_S, held_s=held_s)
    for plot in part.grid.plots:
        # Rows come many at a time, from one device: its own watermark closes the cells.
        plot.patience_ms = round(FOREVER_S * 1000)
    return part, plan


def batches(recording: Recording, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Batch]:
    """The rows as batches; what is NaN was never said."""
    at_ms, values = recording.at_ms, recording.values
    names = list(recording.columns)
    width = len(names)
    said = np.isfinite(values)
    for start in range(0, len(recording), rows_at_once):
        stop = min(start + rows_at_once, len(recording))
        keep = said[start:stop].reshape(-1)
        if not keep.any():
            continue
        times = np.repeat(at_ms[start:stop], width)[keep]
        n = len(times)
        yield Batch(
            received_ms=int(times[-1]),
            channels=names,
            messages=[Message(NAME, 1, start)],
            channel=np.tile(np.arange(width, dtype=np.int32), stop - start)[keep],
            at_ms=times,
            value=values[start:stop].reshape(-1)[keep],
            quality=np.zeros(n, np.uint16),
            received=times,
            message=np.zeros(n, np.int32),
        )


def findings_of(
    part: Partition, recording: Recording, rows_at_once: int = ROWS_AT_ONCE
) -> list[Finding]:
    """What the profile's rules found: raised and cleared, in order, without the built-in rules."""
    found: list[Finding] = []
    for batch in batches(recording, rows_at_once):
        outcome = part.step(batch)
        assert not outcome.failed, outcome.failed[0][1]
        if outcome.derived is not None:
            part.step(outcome.derived)
        found += [one for one in outcome.findings if one.rule.startswith(f"{NAME}.")]
    return found
