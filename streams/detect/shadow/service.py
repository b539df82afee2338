"""The shadows of this process's partitions, kept from harming what is live.  A shell.

Whatever goes wrong in a shadow ends the shadow of that partition and nothing else: it is counted,
logged, and written into its run for ``lifeline shadow report``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import psycopg
import structlog
from psycopg import Connection

from detectors.plan import PlanError
from lifeline import telemetry
from lifeline.candidate import Candidate
from lifeline.catalog import Catalog, CatalogError
from lifeline.config import Settings
from lifeline.model import Batch, Context, Finding
from lifeline.store import read_candidate
from streams import shadow, store
from streams.partition import SnapshotError, squeeze, unsqueeze
from streams.shadow import Run, Shadow
from streams.window import Lanes

Log = structlog.stdlib.BoundLogger
T = TypeVar("T")

SLOW_S = 2.0
"""Processor time of one record after which a shadow is too slow to run beside alarms."""
REASON_MAX = 500


@dataclass(slots=True)
class Written:
    """What of a shadow goes into the transaction of its partition's snapshot."""

    run: Run
    found: tuple[Finding, ...]
    body: bytes | None
    """None of one that was switched off."""


@dataclass(slots=True)
class Shadows:
    """One shadow a partition at most; none where the settings name no profile."""

    settings: Settings
    log: Log
    candidate: Candidate | None = None
    held: dict[int, Shadow] = field(default_factory=dict)
    ended: dict[int, Run] = field(default_factory=dict)
    """What was switched off, and why; not begun again before the process is."""

    def take_over(self, catalog: Catalog) -> None:
        """Reads the profile for this catalog; of one that is wrong no shadow runs."""
        self.candidate = None
        file = self.settings.detect.shadow
        if not file:
            return
        try:
            self.candidate = read_candidate(catalog, Path(file))
            for number in range(self.settings.kafka.partitions):
                self._blank(number)
        except (CatalogError, PlanError, OSError) as error:
            self.candidate = None
            self.log.warning("no shadow runs", profile=file, why=str(error))
        except Exception:  # our bug, in what is only tried: alarms do not wait for it
            self.candidate = None
            self.log.exception("no shadow runs", profile=file)

    def begin(self, number: int, packed: bytes | None) -> None:
        """A partition's shadow from its snapshot, or blank; in the place of one that was there."""
        self.held.pop(number, None)
        fresh = None if number in self.ended else self._blank(number)
        if fresh is None:
            return
        self.held[number] = fresh
        if packed is None or self._beside(number, lambda one: self._resume(number, one, packed)):
            return
        again = None if number in self.ended else self._blank(number)
        if again is not None:
            self.held[number] = again

    def again(self, number: int) -> None:
        """The same shadow under a changed catalog."""
        packed = self._beside(number, Shadow.snapshot)
        self.begin(number, None if packed is None else squeeze(packed))

    def forget(self, number: int) -> None:
        """Lets go of a partition that another worker has now."""
        self.held.pop(number, None)

    def hear(self, number: int, batch: Batch, lanes: Lanes, trace: str) -> None:
        """Shows a partition's shadow what its live bank has just worked in."""
        if number not in self.held:
            return
        began_s = time.thread_time()
        self._beside(number, lambda one: one.step(batch, lanes, trace))
        spent_s = time.thread_time() - began_s
        telemetry.shadow_seconds.inc(spent_s)
        if spent_s > SLOW_S:
            self._end(number, f"one record took {spent_s:.1f} s")

    def context(self, number: int, record: Context) -> None:
        """The same for what no sensor says."""
        self._beside(number, lambda one: one.context(record))

    def to_write(self, number: int) -> Written | None:
        """What goes with the partition's next snapshot."""
        body = self._beside(number, Shadow.snapshot)
        one = self.held.get(number)
        if one is not None:
            return Written(one.run, tuple(one.found), body)
        return Written(self.ended[number], (), None) if number in self.ended else None

    def write(self, connection: Connection, number: int, what: Written) -> bool:
        """Writes it in the caller's transaction; what fails here leaves the snapshot whole."""
        try:
            with connection.transaction():
                store.keep_run(connection, number, what.run)
                store.keep_shadow_findings(connection, number, what.run.shadow, what.found)
        except psycopg.Error as error:
            self.log.warning("shadow not written", partition=number, why=str(error))
            return False
        return True

    def written(self, number: int, what: Written) -> None:
        """Forgets what is kept now, unless another shadow has taken its place meanwhile."""
        for finding in what.found:
            telemetry.shadow_findings.labels(finding.rule, finding.phase).inc()
        one = self.held.get(number)
        if one is not None and tuple(one.found[: len(what.found)]) == what.found:
            one.written(len(what.found))

    def _blank(self, number: int) -> Shadow | None:
        if self.candidate is None:
            return None
        return shadow.cast(
            self.candidate,
            number,
            self.settings.kafka.partitions,
            lateness_s=self.settings.detect.lateness_s,
        )

    def _resume(self, number: int, one: Shadow, packed: bytes) -> bool:
        """Whether the snapshot could be taken up; else ``one`` is to be thrown away."""
        try:
            blank = one.restore(unsqueeze(packed))
        except SnapshotError as error:
            self.log.warning("shadow's snapshot not usable", partition=number, why=str(error))
            return False
        for sentence in blank:
            self.log.info("shadow starts blank", partition=number, what=sentence)
        return True

    def _beside(self, number: int, work: Callable[[Shadow], T]) -> T | None:
        """What the shadow answers; whatever it raises is the end of it alone."""
        one = self.held.get(number)
        if one is None:
            return None
        try:
            return work(one)
        except Exception as error:
            self.log.exception("shadow failed", partition=number)
            self._end(number, repr(error))
        return None

    def _end(self, number: int, why: str) -> None:
        one = self.held.pop(number)
        self.ended[number] = msgspec.structs.replace(one.run, off=why[:REASON_MAX])
        telemetry.shadow_off.set(len(self.ended))
        self.log.error("shadow switched off", partition=number, why=why[:REASON_MAX])
