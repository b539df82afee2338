"""Holds a ledger against what the chain kept and told: rows in, violations out.  Pure.

The checks are numbered as in the programme: C1 nothing acknowledged is lost, C2 nothing stands
twice, C3 every planted leak is one incident, C4 every incident was told, with one body under one
key, C5 in time, C6 nothing was invented, C7 the audit is what was sealed and anchored,
C8 nothing ended by itself, R every service was back in time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults.ledger import Leak, Ledger, Sent

GRADE_FAULT = 5
"""Sensor faults and silent gateways: kept and shown, told to nobody."""
LIST_MAX = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table of readings; ``value`` is None for SQL's null."""

    channel: str
    at_ms: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Incident:
    """One row of the table of incidents, as far as it is judged."""

    id: str
    asset: str
    hazard: str
    episode: int
    lifeline: str
    grade: int
    opened_ms: int


@dataclass(frozen=True, slots=True)
class Push:
    """One request that the receiver accepted."""

    key: str
    sha256: str
    incident: str
    asset: str
    hazard: str
    kind: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Exit:
    """An end of a process that the programme saw; ``cause`` is '' when nobody had ended it."""

    service: str
    at_ms: int
    status: str
    cause: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a fault its target worked again; None: not within the limit of waiting."""

    target: str
    fault: str
    seconds: float | None
    bound_s: float


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: the check that saw it, and one sentence."""

    check: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.what}"


@dataclass(slots=True)
class Evidence:
    """Everything that is known after a run."""

    ledger: Ledger
    rows: Sequence[Row]
    incidents: Sequence[Incident]
    pushes: Sequence[Push]
    exits: Sequence[Exit] = ()
    recoveries: Sequence[Recovery] = ()
    audit: Sequence[str] = ()
    """What is wrong with the audit, a sentence each."""
    excused: frozenset[str] = field(default_factory=frozenset)
    """Assets of which other runs on the same servers may have incidents."""


def check(evidence: Evidence) -> list[Violation]:
    """Every broken promise, each kind told once with its first examples; [] when all were kept."""
    return [
        *lost(evidence.ledger, evidence.rows),
        *doubled(evidence.rows),
        *missed(evidence.ledger.leaks, evidence.incidents),
        *untold(evidence.ledger.leaks, evidence.incidents, evidence.pushes),
        *late(evidence.ledger.leaks, evidence.pushes),
        *invented(evidence.ledger.leaks, evidence.incidents, evidence.excused),
        *_told("C7", "the audit is not what it was", evidence.audit),
        *ended(evidence.exits),
        *slow(evidence.recoveries),
    ]


def lost(ledger: Ledger, rows: Sequence[Row]) -> list[Violation]:
    """C1: what the sender was told to forget is stored, with the value that it had."""
    stored: dict[tuple[str, int], set[float | None]] = defaultdict(set)
    for row in rows:
        stored[row.channel, row.at_ms].add(row.value)
    acked = [sent for sent in ledger.sent if sent.key in ledger.acked]
    gone = [sent for sent in acked if (sent.channel, sent.at_ms) not in stored]
    other = [
        sent
        for sent in acked
        if (found := stored.get((sent.channel, sent.at_ms))) and sent.value not in found
    ]
    return [
        *_told("C1", "acknowledged readings are not stored", [_name(s) for s in gone]),
        *_told("C1", "readings are stored with another value", [_name(s) for s in other]),
    ]


def doubled(rows: Sequence[Row]) -> list[Violation]:
    """C2: one row for a channel and a time."""
    counts = Counter((row.channel, row.at_ms) for row in rows)
    twice = [f"{channel} at {at_ms} x{n}" for (channel, at_ms), n in counts.items() if n > 1]
    return _told("C2", "readings are stored more than once", twice)


def missed(leaks: Sequence[Leak], incidents: Sequence[Incident]) -> list[Violation]:
    """C3: each planted leak is exactly one incident of its asset and hazard."""
    found = Counter((i.asset, i.hazard) for i in incidents)
    planted = Counter((leak.asset, leak.hazard) for leak in leaks)
    assert all(n == 1 for n in planted.values()), "the plan has two leaks for one asset and hazard"
    counts = {cause: found[cause] for cause in planted}
    none = [f"{asset} {hazard}" for (asset, hazard), n in counts.items() if n == 0]
    many = [f"{asset} {hazard} x{n}" for (asset, hazard), n in counts.items() if n > 1]
    return [
        *_told("C3", "planted leaks became no incident", none),
        *_told("C3", "planted leaks became several incidents", many),
    ]


def untold(
    leaks: Sequence[Leak], incidents: Sequence[Incident], pushes: Sequence[Push]
) -> list[Violation]:
    """C4: every planted incident was accepted; one key has one body; none is unknown."""
    planted = {(leak.asset, leak.hazard) for leak in leaks}
    told = {push.incident for push in pushes if push.kind == "alert"}
    silent = [i.asset for i in incidents if (i.asset, i.hazard) in planted and i.id not in told]
    bodies: dict[str, set[str]] = defaultdict(set)
    for push in pushes:
        bodies[push.key].add(push.sha256)
    torn = [f"key {key[:12]} has {len(kinds)}" for key, kinds in bodies.items() if len(kinds) > 1]
    known = {i.id for i in incidents}
    stray = sorted({p.incident for p in pushes if p.incident not in known})
    alerts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for push in pushes:
        if push.kind == "alert" and (push.asset, push.hazard) in planted:
            alerts[push.asset, push.hazard].add(push.key)
    several = [f"{asset} {hazard} x{len(k)}" for (asset, hazard), k in alerts.items() if len(k) > 1]
    return [
        *_told("C4", "incidents were never announced", silent),
        *_told("C4", "one key had several bodies", torn),
        *_told("C4", "pushes name incidents that do not exist", stray),
        *_told("C4", "incidents were announced under several keys", several),
    ]


def first_pushes(leaks: Sequence[Leak], pushes: Sequence[Push]) -> dict[Leak, int]:
    """When each planted leak was first accepted, unix ms; without those that never were."""
    first: dict[tuple[str, str], int] = {}
    for push in pushes:
        if push.kind != "alert":
            continue  # That it is over is no news for who never heard that it began.
        cause = (push.asset, push.hazard)
        first[cause] = min(first.get(cause, push.at_ms), push.at_ms)
    return {leak: at for leak in leaks if (at := first.get((leak.asset, leak.hazard))) is not None}


def late(leaks: Sequence[Leak], pushes: Sequence[Push]) -> list[Violation]:
    """C5: the first push of each planted leak was accepted before its deadline."""
    slow_ones = [
        f"{leak.asset} after {(at - leak.onset_ms) / 1000:.1f} s"
        for leak, at in first_pushes(leaks, pushes).items()
        if at > leak.deadline_ms
    ]
    return _told("C5", "pushes came too late", slow_ones)


def invented(
    leaks: Sequence[Leak], incidents: Sequence[Incident], excused: frozenset[str]
) -> list[Violation]:
    """C6: no incident without a planted cause; the canary's and devices' own faults aside."""
    planted = {(leak.asset, leak.hazard) for leak in leaks}
    causeless = [
        f"{i.asset} {i.hazard} grade {i.grade}"
        for i in incidents
        if (i.asset, i.hazard) not in planted
        and i.lifeline != "canary"
        and i.grade < GRADE_FAULT
        and i.asset not in excused
    ]
    return _told("C6", "incidents have no planted cause", causeless)


def ended(exits: Sequence[Exit]) -> list[Violation]:
    """C8: no process ended but those that the programme ended."""
    strange = [f"{e.service} with {e.status} at {e.at_ms}" for e in exits if not e.cause]
    return _told("C8", "processes ended by themselves", strange)


def slow(recoveries: Sequence[Recovery]) -> list[Violation]:
    """R: every target was back within its bound."""
    over = [
        f"{r.target} after {r.fault}: "
        + ("not at all" if r.seconds is None else f"{r.seconds:.1f} s of {r.bound_s:g}")
        for r in recoveries
        if r.seconds is None or r.seconds > r.bound_s
    ]
    return _told("R", "were not back in time", over)


def _name(sent: Sent) -> str:
    return f"{sent.channel} at {sent.at_ms} (boot {sent.boot}, seq {sent.seq})"


def _told(check_name: str, sentence: str, examples: Iterable[str]) -> list[Violation]:
    found = list(examples)
    if not found:
        return []
    more = f" and {len(found) - LIST_MAX} more" if len(found) > LIST_MAX else ""
    return [Violation(check_name, f"{len(found)} {sentence}: {'; '.join(found[:LIST_MAX])}{more}")]
