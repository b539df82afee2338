"""Seeded faults over what devices send: values first, then the messages on their way."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from simulators.base import Uplink
from simulators.device import Entry

ValueFault = Literal["nan", "stuck", "spike", "bias", "clock-jump"]
WayFault = Literal["drop", "duplicate", "reorder", "late", "malformed"]
VALUE_FAULTS = ("nan", "stuck", "spike", "bias", "clock-jump")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of trouble for the devices that fit ``target``.

    ``rate`` is its chance for each message.  ``amount``: for spike and bias in the channel's unit,
    for clock-jump and late in seconds (late messages stay in order among themselves), for stuck
    unused.
    """

    kind: ValueFault | WayFault
    rate: Annotated[float, Meta(ge=0, le=1)] = 0.01
    target: str = "*"
    amount: float = 60.0


@dataclass(slots=True)
class Mischief:
    """The faults, their chance and what they hold back.  The same seed spoils the same messages."""

    faults: Sequence[Fault]
    rng: np.random.Generator
    stuck: dict[tuple[str, str], float] = field(default_factory=dict)
    held: list[tuple[int, Entry]] = field(default_factory=list)
    """(release at, message) of those under way for longer."""

    def spoil(self, uplinks: Sequence[Uplink]) -> list[Uplink]:
        """The same messages with their values and clocks gone wrong; waveforms pass unharmed."""
        made = []
        for given in uplinks:
            uplink = given
            for fault in self.faults:
                if (
                    fault.kind in VALUE_FAULTS
                    and uplink.wave is None
                    and self._strikes(fault, uplink.device)
                ):
                    uplink = self._spoiled(fault, uplink)
            made.append(uplink)
        return made

    def carry(self, entries: Sequence[Entry], now_ms: int) -> list[Entry]:
        """What of these messages, and of those held back, comes out at the far end now."""
        ready = [entry for at, entry in self.held if at <= now_ms]
        self.held = [(at, entry) for at, entry in self.held if at > now_ms]
        for given in entries:
            out = [given]
            for fault in self.faults:
                if fault.kind not in VALUE_FAULTS and self._strikes(fault, given.device):
                    out = self._mangled(fault, out, now_ms)
            ready += out
        if len(ready) > 1 and any(
            f.kind == "reorder" and self._strikes(f, "*") for f in self.faults
        ):
            ready = [ready[i] for i in self.rng.permutation(len(ready))]
        return ready

    def _strikes(self, fault: Fault, device: str) -> bool:
        fits = device == "*" or fnmatch.fnmatchcase(device, fault.target)
        return fits and float(self.rng.random()) < fault.rate

    def _spoiled(self, fault: Fault, uplink: Uplink) -> Uplink:
        if not uplink.values:
            return uplink
        if fault.kind == "clock-jump":
            jumped = uplink.at_ms + round(fault.amount * 1000)
            return msgspec.structs.replace(uplink, at_ms=jumped)
        values = list(uplink.values)
        i = int(self.rng.integers(len(values)))
        key = (uplink.device, uplink.channels[i])
        if fault.kind == "nan":
            values[i] = float("nan")
        elif fault.kind == "stuck":
            values[i] = self.stuck.setdefault(key, values[i])
        else:
            sign = 1.0 if fault.kind == "bias" or self.rng.random() < 0.5 else -1.0
            values[i] += sign * fault.amount
        return msgspec.structs.replace(uplink, values=tuple(values))

    def _mangled(self, fault: Fault, entries: Sequence[Entry], now_ms: int) -> list[Entry]:
        match fault.kind:
            case "drop":
                return []
            case "duplicate":
                return [*entries, *entries]
            case "late":
                self.held += [(now_ms + round(fault.amount * 1000), entry) for entry in entries]
                return []
            case "malformed":
                return [
                    msgspec.structs.replace(e, payload=self._rubbish(e.payload)) for e in entries
                ]
        return list(entries)

    def _rubbish(self, payload: bytes) -> bytes:
        """Cut short, or with one byte changed: what a bad line makes of a message."""
        at = int(self.rng.integers(1, max(2, len(payload))))
        if self.rng.random() < 0.5:
            return payload[:at]
        return payload[:at] + bytes([int(self.rng.integers(256))]) + payload[at + 1 :]
