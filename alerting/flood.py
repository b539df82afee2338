"""When alarms come faster than one desk can read: few groups, and the gravest always on top.  Pure.

More than ten alarms in ten minutes switch a desk's flood on, fewer than five switch it off (the
usual figures of ISA-18.2 and IEC 62682).  In a flood, alarms are grouped by where they are on the
network under the one that came first; never more than ten groups in any ten minutes.  What is of
the top grade is in no group: it has a lane of its own, by risk.  Nothing is dropped: everything
taken is in the lane, in a group, or, without a flood, stands by itself.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

WINDOW_MS = 600_000
ON_ABOVE = 10
OFF_BELOW = 5
GROUPS_MAX = 10
NEAR_M = 500.0
"""Along the network: what is so near to a member of a group belongs to the group."""
REST = "rest"


class Network(Protocol):
    """Who knows how far things are apart."""

    def within(self, asset: str, radius_m: float) -> dict[str, float]:
        """The assets no farther along the network, with metres."""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as a desk gets it."""

    alarm: str
    incident: str
    asset: str
    zone: str
    lifeline: str
    grade: int
    risk: float
    onset_ms: int
    """Event time: what came first is decided by it, not by what was heard first."""

    @property
    def rank(self) -> tuple[int, float, int, str]:
        """Sorts the gravest, riskiest, earliest first."""
        return (self.grade, -self.risk, self.onset_ms, self.alarm)


class Line(msgspec.Struct, frozen=True):
    """A group as a desk shows it: one line."""

    name: str
    """The asset of its first-out, or ``rest`` for what is near nothing else."""
    first_out: Raised
    """The earliest of all that were ever in it, however late it was heard of."""
    worst: Raised
    """The gravest and riskiest that stands."""
    standing: tuple[str, ...]
    """Alarms, by name."""
    incidents: int
    assets: int
    raises: int
    """How often any of them was raised."""


class View(msgspec.Struct, frozen=True):
    """What a desk shows at one moment: all that stands is in ``top``, a group or ``single``."""

    is_flood: bool
    highest: Raised | None
    """The riskiest of all that stands: always on top, also where it is in a group."""
    top: tuple[Raised, ...]
    """Of the top grade, the highest risk first: in no group."""
    groups: tuple[Line, ...]
    """The worst first; none without a flood."""
    single: tuple[Raised, ...]
    """Everything else by itself, where there is no flood."""


@dataclass(slots=True)
class _Group:
    first_out: Raised
    last_ms: int
    standing: dict[str, Raised] = field(default_factory=dict)
    raises: int = 0


@dataclass(slots=True)
class Desk:
    """The flood of one desk; time never runs backwards for it."""

    network: Network
    top_grade: int = 1
    is_flood: bool = False
    _recent: deque[int] = field(default_factory=lambda: deque(maxlen=ON_ABOVE + 1))
    _standing: dict[str, Raised] = field(default_factory=dict)
    _groups: dict[str, _Group] = field(default_factory=dict)
    _of_alarm: dict[str, str] = field(default_factory=dict)
    _of_asset: dict[str, str] = field(default_factory=dict)
    _now_ms: int = 0

    def take(self, one: Raised, now_ms: int) -> None:
        """One alarm raised, or raised again."""
        now_ms = self.look(now_ms)
        self._recent.append(now_ms)
        self._standing[one.alarm] = one
        if self.is_flood:
            self._place(one, now_ms)
        elif self._in_window(now_ms) > ON_ABOVE:
            self.is_flood = True
            for standing in sorted(self._standing.values(), key=lambda r: (r.onset_ms, r.alarm)):
                self._place(standing, now_ms)

    def clear(self, alarm: str, now_ms: int) -> None:
        """An alarm stands no more: it is over, or its incident is closed."""
        self.look(now_ms)
        self._standing.pop(alarm, None)
        self._leave(alarm)

    def look(self, now_ms: int) -> int:
        """Lets time pass: a flood ends, and groups in which nothing stands; the desk's own time."""
        now_ms = self._now_ms = max(now_ms, self._now_ms)
        if self.is_flood and self._in_window(now_ms) < OFF_BELOW:
            self.is_flood = False
            self._groups.clear()
            self._of_alarm.clear()
            self._of_asset.clear()
        for name in [
            name
            for name, group in self._groups.items()
            # Kept for the window even when empty: a group that goes and comes is a second one.
            if not group.standing and group.last_ms <= now_ms - WINDOW_MS
        ]:
            del self._groups[name]
            self._of_asset = {a: n for a, n in self._of_asset.items() if n != name}
        return now_ms

    def _in_window(self, now_ms: int) -> int:
        return sum(at_ms > now_ms - WINDOW_MS for at_ms in self._recent)

    def _leave(self, alarm: str) -> None:
        name = self._of_alarm.pop(alarm, None)
        if name is not None:
            del self._groups[name].standing[alarm]

    def _place(self, one: Raised, now_ms: int) -> None:
        if one.grade <= self.top_grade:
            self._leave(one.alarm)
            return
        name = self._of_alarm.get(one.alarm) or self._chosen(one)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(one, now_ms)
        group.first_out = min(group.first_out, one, key=lambda r: (r.onset_ms, r.alarm))
        group.last_ms = now_ms
        group.raises += 1
        group.standing[one.alarm] = one
        self._of_alarm[one.alarm] = name
        self._of_asset.setdefault(one.asset, name)

    def _chosen(self, one: Raised) -> str:
        """The group of what is near along the network, a new one, or of its zone or lifeline."""
        known = self._of_asset.get(one.asset)
        if known is not None:
            return known
        for asset in self.network.within(one.asset, NEAR_M):
            if asset in self._of_asset:
                return self._of_asset[asset]
        if len(self._groups) < GROUPS_MAX - 1:
            return one.asset
        firsts = [(name, g.first_out) for name, g in self._groups.items() if name != REST]
        alike = [name for name, first in firsts if first.zone == one.zone]
        alike += [name for name, first in firsts if first.lifeline == one.lifeline]
        return alike[0] if alike else REST

    def view(self, now_ms: int) -> View:
        """What the desk shows now."""
        self.look(now_ms)
        standing = sorted(self._standing.values(), key=lambda r: r.rank)
        top = [one for one in standing if one.grade <= self.top_grade]
        return View(
            is_flood=self.is_flood,
            highest=min(standing, key=lambda r: (-r.risk, r.rank), default=None),
            top=tuple(sorted(top, key=lambda r: (-r.risk, r.rank))),
            groups=tuple(self._lines()),
            single=() if self.is_flood else tuple(standing[len(top) :]),
        )

    def _lines(self) -> list[Line]:
        lines = [
            Line(
                name=name,
                first_out=group.first_out,
                worst=min(group.standing.values(), key=lambda r: r.rank),
                standing=tuple(sorted(group.standing)),
                incidents=len({one.incident for one in group.standing.values()}),
                assets=len({one.asset for one in group.standing.values()}),
                raises=group.raises,
            )
            for name, group in self._groups.items()
            if group.standing
        ]
        return sorted(lines, key=lambda line: (line.worst.rank, line.name))
