"""A girder bridge: vehicles over bending modes, an overloaded truck, a loss of stiffness."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import signal

from lifeline.catalog import Device
from lifeline.model import Floats
from simulators.base import (
    DAY_S,
    Cadence,
    Scenario,
    Truth,
    Uplink,
    WaveBlock,
    cadence,
    locals_of,
    readings,
)  # fmt: skip

G = 9.81
RATE_HZ = 50.0
"""The rate of a Chinese lifeline centre's bridge toolkit (lifeline_bridge_project_docs): ample, for
f1 is 1.4 to 3.7 Hz."""
STEP_S = 1.0 / RATE_HZ
SPAN_M = 30.0
MASS_KG_M = 12_000.0
F1_HZ = 2.6
"""The textbook value for a 30 m span, f1 = π/(2 L²) √(EI/m), at 10 °C."""
MODES = np.array([1.0, 2.0])
DAMPING = 0.01
SPEED_M_S = 15.0
FIBRE_M = 1.0
"""Distance of the strain gauges from the neutral axis."""
HEADWAY_S = 3.5
"""Longer than a crossing: one vehicle is on the span at a time."""
TEMPERATURE_EFFECT_K = 1e-3
"""Relative loss of frequency per kelvin above 10 °C; the slope below zero differs (bilinear model,
research.unipd.it 11577/3597598)."""
AMBIENT_N = 1500.0
"""Modal force of wind and distant traffic, standard deviation per sample."""
COUNTS_MS2 = 1e-4
SAMPLE_KIND = "<i2"


def stiffness_n_m2(f1_hz: float = F1_HZ) -> float:
    """EI of the simply supported span from f1 = (π/2L²)·√(EI/m)."""
    return MASS_KG_M * (2.0 * SPAN_M**2 * f1_hz / math.pi) ** 2


def frequency_hz(celsius: float, lost: float) -> float:
    """First bending frequency at a deck temperature when a fraction of EI is ``lost``.

    >>> round(frequency_hz(10.0, 0.35) / F1_HZ, 3)  # √0.65
    0.806
    """
    warmth = 1.0 - TEMPERATURE_EFFECT_K * (celsius - 10.0)
    return F1_HZ * warmth * math.sqrt(1.0 - lost)


def mode_shape(position: Floats) -> Floats:
    """φ_n at relative positions: one row a position, one column a mode."""
    shapes: Floats = np.sin(np.pi * np.outer(position, MODES))
    return shapes


def modal_coefficients(f1_hz: float) -> list[tuple[Floats, Floats]]:
    """For each mode the digital filter (b, a) from modal force (N) to modal displacement (m).

    q'' + 2ζωq' + ω²q = p/M with M = mL/2; discretised by zero-order hold, so that it is exact for a
    force held over a sample and stable for any frequency.  In closed form (Åström and Wittenmark,
    Computer-Controlled Systems): a matrix exponential a block was most of the demo city's work.
    """
    mass = MASS_KG_M * SPAN_M / 2.0
    made = []
    for n in MODES:
        omega = 2.0 * math.pi * f1_hz * float(n * n)
        damped = omega * math.sqrt(1.0 - DAMPING**2)
        decay = math.exp(-DAMPING * omega * STEP_S)
        even = decay * math.cos(damped * STEP_S)
        odd = decay * math.sin(damped * STEP_S) * DAMPING * omega / damped
        gain = np.array([0.0, 1.0 - even - odd, decay**2 + odd - even]) / (mass * omega**2)
        made.append((gain, np.array([1.0, -2.0 * even, decay**2])))
    return made


@dataclass(slots=True)
class Span:
    """The moving span: modal filters, vehicles on it, what the instruments last said."""

    rng: np.random.Generator
    filter_state: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    last: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    """The two newest modal displacements, for the second difference that is the acceleration."""
    load_n: float = 0.0
    entered_s: float = -1e9
    next_entry_s: float = 2.0
    now_s: float = 0.0
    overload_t: float = 0.0
    weighed: list[float] = field(default_factory=list)

    def run(self, n: int, f1_hz: float) -> tuple[Floats, Floats]:
        """Modal displacements (m) and accelerations (m/s²) of ``n`` more samples, modes in rows."""
        force = self._traffic(n) + AMBIENT_N * self.rng.normal(size=(2, n))
        moved = np.empty((2, n))
        for k, (b, a) in enumerate(modal_coefficients(f1_hz)):
            moved[k], self.filter_state[k] = signal.lfilter(b, a, force[k], zi=self.filter_state[k])
        track = np.concatenate([self.last, moved], axis=1)
        self.last = track[:, -2:].copy()
        return moved, np.diff(track, 2, axis=1) / STEP_S**2

    def _traffic(self, n: int) -> Floats:
        times = self.now_s + STEP_S * np.arange(n)
        self.now_s += STEP_S * n
        force = np.zeros((2, n))
        while True:
            along = (times - self.entered_s) * SPEED_M_S / SPAN_M
            on_span = (along >= 0) & (along <= 1)
            shape = np.sin(np.pi * np.outer(MODES, along))
            force += np.where(on_span, self.load_n * shape, 0.0)
            if self.next_entry_s >= self.now_s:
                return force
            self._enter()

    def _enter(self) -> None:
        """The next vehicle drives on, over the weigh-in-motion strip."""
        # Log-normal gross weights of lorries; 45 t is what obeys the posted 49 t with some care.
        tonnes = min(float(self.rng.lognormal(2.6, 0.55)), 45.0)
        if self.overload_t:
            tonnes, self.overload_t = self.overload_t, 0.0
        self.load_n = tonnes * 1000.0 * G
        self.entered_s = self.next_entry_s
        self.next_entry_s += HEADWAY_S + float(self.rng.exponential(3.0))
        self.weighed.append(tonnes)


@dataclass(slots=True)
class Bridge:
    """One instrumented span: vibration in real time, temperature in the city's physics time."""

    daus: Sequence[Device]
    scales: Sequence[Device]
    accelerometers: Sequence[Device]
    span: Span
    rng: np.random.Generator
    clock: Cadence
    made_ms: int
    """Up to when the vibration has been computed."""
    band: Floats
    band_state: Floats
    block: list[Floats] = field(default_factory=list)
    block_ms: int = 0
    lost: float = 0.0
    extreme: Floats = field(default_factory=lambda: np.zeros(2))
    """Modal displacements where mid-span was lowest since the instruments last spoke."""

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """An overloaded truck is next on the bridge, or the girder loses stiffness."""
        if scenario.what not in ("overload", "stiffness-loss") or not self.daus:
            return None
        device = self.daus[0]
        if scenario.what == "overload":
            size = self.span.overload_t = scenario.size or 120.0
            detail: dict[str, float | str] = {"gross_t": size}
        else:
            size = self.lost = scenario.size or 0.35
            detail = {"stiffness_lost": size, "frequency_hz": round(frequency_hz(10.0, size), 3)}
        return Truth(
            scenario.what, device.lifeline, device.zone, device.asset, scenario.what, at_ms,
            at_ms + round((scenario.until_s - scenario.at_s) * 1000), scenario.deadline_s, detail,
        )  # fmt: skip

    def end(self, scenario: Scenario, asset: str) -> None:
        """A strengthened girder; an overload ends by itself."""
        if scenario.what == "stiffness-loss" and asset:
            self.lost = 0.0

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """Runs the vibration up to now in whole samples and sends what is due."""
        assert dt_s >= 0, "physics time goes forwards"
        swing = math.sin(2.0 * math.pi * (day_s / DAY_S - 0.4))
        celsius = 12.0 + 6.0 * swing
        due = self.clock.due(at_ms)
        sent: list[Uplink] = []
        if len(due):
            self._vibrate(at_ms, celsius)
            sent += [self._dau(i, at_ms, celsius) for i in due]
            sent += self._waves()
        return sent + self._weigh(at_ms)

    def _vibrate(self, at_ms: int, celsius: float) -> None:
        n = max(0, int((at_ms - self.made_ms) * RATE_HZ / 1000.0))
        if not n:
            return
        if not self.block:
            self.block_ms = self.made_ms
        self.made_ms += round(n * 1000.0 / RATE_HZ)
        moved, acceleration = self.span.run(n, frequency_hz(celsius, self.lost))
        lowest = int(np.argmax(mode_shape(np.array([0.5])) @ moved))
        self.extreme = moved[:, lowest]
        if self.accelerometers:
            at = mode_shape(self._stations()) @ acceleration
            filtered, self.band_state = signal.sosfilt(self.band, at, axis=1, zi=self.band_state)
            self.block.append(filtered)

    def _stations(self) -> Floats:
        # At mid-span the second mode is still: its neighbours hear a little of it.
        return 0.5 - 0.04 * np.arange(len(self.accelerometers), dtype=float)

    def _dau(self, i: int, at_ms: int, celsius: float) -> Uplink:
        device = self.daus[i]
        names = tuple(c.local for c in device.channels)
        warm = celsius - 12.0
        n_strain = sum(name.startswith("strain") for name in names)
        n_sag = sum(name.startswith("deflection") for name in names)
        where_strain = np.linspace(0.35, 0.65, max(n_strain, 1))
        where_sag = np.linspace(0.25, 0.75, max(n_sag, 1))
        # Curvature of mode n is (nπ/L)²φ_n; strain is curvature times the distance to the fibre.
        curvature = mode_shape(where_strain) @ ((MODES * np.pi / SPAN_M) ** 2 * self.extreme)
        strain = 1e6 * FIBRE_M * curvature + 4.0 * warm + self.rng.normal(0, 1.0, len(where_strain))
        sag = 1000.0 * (mode_shape(where_sag) @ self.extreme) + 0.1 * warm
        sag += self.rng.normal(0, 0.05, len(where_sag))
        strains, sags = iter(strain.round(1)), iter(sag.round(2))
        values = []
        for name in names:
            if name.startswith("strain"):
                values.append(float(next(strains)))
            elif name.startswith("deflection"):
                values.append(float(next(sags)))
            elif name.startswith("tilt"):
                values.append(round(0.02 + 0.0005 * warm + 0.0008 * float(self.rng.normal()), 4))
            else:
                values.append(round(celsius + 0.1 * float(self.rng.normal()), 2))
        return Uplink(device.name, at_ms, names, tuple(values))

    def _weigh(self, at_ms: int) -> list[Uplink]:
        weighed, self.span.weighed = self.span.weighed, []
        sent = []
        # One message a vehicle; two vehicles of one instant would share channel and time, so the
        # heavier of them is told: headway makes this a matter of a coarse grid alone.
        for device in self.scales if weighed else ():
            # Dynamic weighing errs by 10 to 20 % (Hangzhou city news, 2019-10-19); this strip is a
            # good one, 4 %.
            error = float(np.clip(self.rng.normal(0, 0.04), -0.1, 0.1))
            gross = max(weighed) * (1.0 + error)
            values = np.array([gross, 0.32 * gross]).round(2)
            sent.append(readings(device, at_ms, ("gross-weight", "axle-load"), values))
        return sent

    def _waves(self) -> list[Uplink]:
        if not self.accelerometers:
            return []
        have = sum(part.shape[1] for part in self.block)
        # Every accelerometer of a span samples together: the first one's interval is the block's.
        length = round(self.accelerometers[0].channels[0].interval_s * RATE_HZ)
        if have < length:
            return []
        samples = np.concatenate(self.block, axis=1)
        sent = []
        for i, device in enumerate(self.accelerometers):
            local = locals_of(device, [device.channels[0].local])[0]
            noisy = samples[i, :length] + self.rng.normal(0, 2e-4, length)
            counts = np.clip(np.rint(noisy / COUNTS_MS2), -32768, 32767).astype(SAMPLE_KIND)
            wave = WaveBlock(RATE_HZ, length, COUNTS_MS2, 0.0, "int16", counts.tobytes())
            sent.append(Uplink(device.name, self.block_ms, local, wave=wave))
        rest = samples[:, length:]
        self.block = [rest] if rest.shape[1] else []
        self.block_ms += round(length * 1000.0 / RATE_HZ)
        return sent


def bridge(
    daus: Sequence[Device], scales: Sequence[Device], accelerometers: Sequence[Device],
    rng: np.random.Generator, start_ms: int, pace: float,
) -> Bridge:  # fmt: skip
    """The span behind these devices; its accelerometers pass 0.16 to 10 Hz."""
    band = signal.butter(2, [0.16, 10.0], btype="bandpass", fs=RATE_HZ, output="sos")
    state = np.zeros((band.shape[0], len(accelerometers), 2))
    span = Span(rng)
    clock = cadence(daus, start_ms, pace)
    clock.next_ms = np.full_like(clock.next_ms, start_ms + int(clock.interval_ms.min()))
    return Bridge(daus, scales, accelerometers, span, rng, clock, start_ms, band, state)
