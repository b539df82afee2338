"""Holds a ledger against what the chain kept and told: rows in, violations out.  Pure.

The checks are numbered as in the programme: C1 nothing acknowledged is lost, C2 nothing stands
twice, C3 every planted leak is one incident, C4 every incident was told, with one body under one
key, C5 in time, C6 nothing was invented, C7 the audit is what was sealed and anchored,
C8 nothing ended by itself, C9 people were called, and nobody about what he had taken, C10 what the
desk signed for is kept once, R every service was back in time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.ledger import Leak, Ledger, Sent

GRADE_FAULT = 5
"""Sensor faults and silent gateways: kept and shown, told to nobody."""
LIST_MAX = 5
ON_ITS_WAY_MS = 30_000
"""Who has not answered is called again and again: the last page of a run need not have arrived."""


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
class Page:
    """One row of the outbox that calls a person."""

    key: str
    incident: str
    kind: str
    """``first``, ``remind``, ``escalate`` …"""
    created_ms: int
    is_overtaken: bool
    is_stopped: bool
    """Held or ended: nobody need be called any more."""


@dataclass(frozen=True, slots=True)
class Call:
    """One time that a person's telephone rang; ``is_answered`` when the gateway accepted it."""

    key: str
    sha256: str
    at_ms: int
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Calls:
    """What people were told, and what they had answered."""

    pages: Sequence[Page] = ()
    calls: Sequence[Call] = ()
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    """Incident -> when the desk said to its officer that it is his, unix ms."""
    taken: Sequence[str] = ()
    """Incidents, once for every line of the audit that says that somebody acknowledged them."""
    clocks: Sequence[tuple[str, str]] = ()
    """Incidents, and which clock for who has not answered runs."""
    signed: Sequence[str] = ()
    """Keys of notices, as the desk told the platform that it has the receipt."""
    receipts: Sequence[str] = ()
    """The same as the tables have them."""
    seen_ms: int = 1 << 62
    """When this was read: what was decided a moment ago may still be on its way."""


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
    people: Calls | None = None
    """None where nobody is called."""
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
        *([] if evidence.people is None else called(evidence.incidents, evidence.people)),
        *([] if evidence.people is None else bothered(evidence.people)),
        *([] if evidence.people is None else unkept(evidence.people)),
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
    """C4: every incident was accepted; one key has one body; none is unknown."""
    planted = {(leak.asset, leak.hazard) for leak in leaks}
    told = {push.incident for push in pushes if push.kind == "alert"}
    silent = [i.asset for i in incidents if is_grave(i) and i.id not in told]
    torn = _torn((push.key, push.sha256) for push in pushes)
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


def is_grave(incident: Incident) -> bool:
    """Whether people and the platform must be told of it."""
    return incident.lifeline != "canary" and incident.grade < GRADE_FAULT


def _torn(told: Iterable[tuple[str, str]]) -> list[str]:
    bodies: dict[str, set[str]] = defaultdict(set)
    for key, sha256 in told:
        bodies[key].add(sha256)
    return [f"key {key[:12]} has {len(kinds)}" for key, kinds in bodies.items() if len(kinds) > 1]


def called(incidents: Sequence[Incident], people: Calls) -> list[Violation]:
    """C9: somebody was called about every incident, unless it was taken before; one body a key."""
    rung = {call.key for call in people.calls if call.is_answered}
    answered = {page.incident for page in people.pages if page.key in rung}
    silent = [
        i.asset
        for i in incidents
        if is_grave(i) and i.id not in answered and i.id not in people.acknowledged
    ]
    stopped = {page.key for page in people.pages if page.is_stopped}
    unheard = [
        f"{page.kind} of {page.incident}"
        for page in people.pages
        if page.key not in rung
        and page.key not in stopped
        and page.created_ms < people.seen_ms - ON_ITS_WAY_MS
    ]
    torn = _torn((call.key, call.sha256) for call in people.calls)
    return [
        *_told("C9", "incidents called nobody", silent),
        *_told("C9", "pages never arrived", unheard),
        *_told("C9", "one key of a page had several bodies", torn),
    ]


def bothered(people: Calls) -> list[Violation]:
    """C9: no page is leased after an acknowledgement, no clock runs, and it happened once.

    A page that was on its way may still arrive, once, and is marked overtaken.
    """
    taken_ms = people.acknowledged
    late: list[str] = []
    for page in people.pages:
        after = [
            call.at_ms
            for call in people.calls
            if call.key == page.key and call.at_ms > taken_ms.get(page.incident, call.at_ms)
        ]
        if len(after) > page.is_overtaken:
            late.append(f"{page.kind} of {page.incident}, {after[0] - taken_ms[page.incident]} ms")
    new = [
        f"{page.kind} of {page.incident}"
        for page in people.pages
        if page.kind in {"remind", "escalate"}
        and page.created_ms > taken_ms.get(page.incident, page.created_ms)
    ]
    running = [f"{kind} of {incident}" for incident, kind in people.clocks if incident in taken_ms]
    times = Counter(people.taken)
    often = [f"{incident} x{times[incident]}" for incident in taken_ms if times[incident] != 1]
    return [
        *_told("C9", "pages were leased after an acknowledgement", late),
        *_told("C9", "pages were decided after an acknowledgement", new),
        *_told("C9", "clocks run for what is acknowledged", running),
        *_told("C9", "acknowledgements are not in the audit once", often),
    ]


def unkept(people: Calls) -> list[Violation]:
    """C10: every receipt that the desk accepted is in its tables, once."""
    kept = Counter(people.receipts)
    gone = [f"key {key[:12]} x{kept[key]}" for key in set(people.signed) if kept[key] != 1]
    return _told("C10", "receipts are not kept once", gone)


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
        if (i.asset, i.hazard) not in planted and is_grave(i) and i.asset not in excused
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
