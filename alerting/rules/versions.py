"""Rules and limits as one reviewed whole: what differs, who must agree, what may follow.  Pure.

A version holds every rule and limit of the city.  It is made against the ones that run: should
others have come into force meanwhile, it is refused, because it would take theirs back unseen.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from lifeline.bounds import is_life_safety
from lifeline.catalog import Head, Limit, Rule, Source
from lifeline.grades import Grading
from lifeline.model import CANARY, Text

SUBJECT = "rules"
"""The chain of the audit that every step is written in."""
State = Literal["proposed", "approved", "scheduled", "applied", "replaced", "withdrawn", "stale"]
Step = Literal["approve", "schedule", "apply", "replace", "withdraw", "overtake"]
TRANSITIONS: dict[State, dict[Step, State]] = {
    "proposed": {"approve": "approved", "withdraw": "withdrawn", "overtake": "stale"},
    "approved": {"schedule": "scheduled", "withdraw": "withdrawn", "overtake": "stale"},
    "scheduled": {
        # Another time for the same.
        "schedule": "scheduled",
        "apply": "applied",
        "withdraw": "withdrawn",
        "overtake": "stale",
    },
    "applied": {"replace": "replaced"},
    "replaced": {},
    "withdrawn": {},
    "stale": {},
}
TEXTS = frozenset(("title", "clause", "clause_zh", "verified"))
"""What changes no alarm."""


class Ruleset(msgspec.Struct, frozen=True):
    """Every rule and limit, the canary's left out: they are the program's own."""

    limits: tuple[Limit, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def digest(self) -> str:
        """The same for the same rules and limits, whatever their order."""
        parts = (
            sorted(self.limits, key=lambda limit: limit.id),
            sorted(self.rules, key=lambda rule: rule.id),
        )
        packed = msgspec.json.encode(parts, order="deterministic")
        return hashlib.blake2b(packed, digest_size=12).hexdigest()


class Change(msgspec.Struct, frozen=True):
    """One thing that differs: of a rule or a limit, what was and what is."""

    of: Literal["rule", "limit"]
    id: str
    what: Literal["new", "gone", "changed"]
    is_life_safety: bool
    field: str = ""
    before: Any = None
    after: Any = None
    unit: str = ""
    """Of a limit that moved."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version with its whole life; times unix ms, by PostgreSQL's clock."""

    number: int
    digest: str
    base: str
    """The digest of the rules that ran when it was proposed."""
    author: str
    note: str
    at_ms: int
    is_life_safety: bool
    """Whether it needs a second person."""
    state: State
    approved_by: str = ""
    approved_ms: int | None = None
    effective_ms: int | None = None
    scheduled_by: str = ""
    applied_ms: int | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why a step was not taken: a key of ``alerting.rules.words`` and its facts."""

    code: str
    facts: Mapping[str, str | int | Text] = {}


def of_sources(sources: Sequence[Source]) -> Ruleset:
    """The rules as they are written."""
    return Ruleset(
        tuple(limit for source in sources for limit in source.limit),
        tuple(rule for source in sources for rule in source.rule),
    )


def of_head(head: Head) -> Ruleset:
    """The rules as they are compiled."""
    own = tuple(rule for rule in head.rules if rule.hazard != CANARY)
    canarys = {rule.limit for rule in head.rules if rule.hazard == CANARY}
    canarys -= {rule.limit for rule in own}
    return Ruleset(tuple(lim for lim in head.limits.values() if lim.id not in canarys), own)


def differences(before: Ruleset, after: Ruleset, grades: Grading) -> tuple[Change, ...]:
    """What differs, limits first, in the order of their names."""
    return tuple(_limits(before, after, grades)) + tuple(_rules(before, after, grades))


def _limits(before: Ruleset, after: Ruleset, grades: Grading) -> Iterator[Change]:
    rules = (*before.rules, *after.rules)
    vital = {rule.limit for rule in rules if is_life_safety(rule, grades) and rule.limit}
    old, new = ({limit.id: limit for limit in one.limits} for one in (before, after))
    for name in sorted({*old, *new}):
        a, b = old.get(name), new.get(name)
        if a is None:
            b = new[name]
            yield Change("limit", name, "new", name in vital, after=b.value, unit=b.unit)
            continue
        if b is None:
            yield Change("limit", name, "gone", name in vital, before=a.value, unit=a.unit)
            continue
        for field, was, now in _fields(a, b):
            is_vital = name in vital and field not in TEXTS
            unit = b.unit if field == "value" else ""
            yield Change("limit", name, "changed", is_vital, field, was, now, unit)


def _rules(before: Ruleset, after: Ruleset, grades: Grading) -> Iterator[Change]:
    old, new = ({rule.id: rule for rule in one.rules} for one in (before, after))
    for name in sorted({*old, *new}):
        a, b = old.get(name), new.get(name)
        is_vital = any(one is not None and is_life_safety(one, grades) for one in (a, b))
        if a is None or b is None:
            yield Change("rule", name, "new" if a is None else "gone", is_vital)
            continue
        for field, was, now in _fields(a, b):
            if field == "detector":
                yield from _detector(name, was, now, is_life_safety=is_vital)
            else:
                is_felt = is_vital and field not in TEXTS
                yield Change("rule", name, "changed", is_felt, field, was, now)


def _detector(
    name: str, was: dict[str, Any], now: dict[str, Any], *, is_life_safety: bool
) -> Iterator[Change]:
    for key in sorted({*was, *now}):
        if was.get(key) != now.get(key):
            yield Change(
                "rule", name, "changed", is_life_safety, f"detector.{key}",
                was.get(key), now.get(key),
            )  # fmt: skip


def _fields(a: msgspec.Struct, b: msgspec.Struct) -> Iterator[tuple[str, Any, Any]]:
    for field in a.__struct_fields__:
        was, now = getattr(a, field), getattr(b, field)
        if was != now:
            yield field, was, now


def is_grave(changes: Sequence[Change]) -> bool:
    """Whether lives depend on one of these changes: a second person must agree."""
    return any(change.is_life_safety for change in changes)


def after(version: Version, step: Step) -> State | None:
    """The state after a step; None where there is no such transition."""
    return TRANSITIONS[version.state].get(step)


def refused(
    version: Version, step: Step, actor: str, running: str, *, effective_ms: int = 0,
    now_ms: int = 0,
) -> Refusal | None:  # fmt: skip
    """Why a person may not take a step with a version; None when he may.

    ``running`` is the digest of the rules in force.
    """
    number: dict[str, str | int] = {"number": version.number}
    if step == "approve" and actor == version.author:
        return Refusal("same-person", number)
    if step == "schedule" and version.state == "proposed":
        return Refusal("needs-approval", number)
    if after(version, step) is None:
        return Refusal("wrong-state", {**number, "state": version.state})
    if step != "withdraw" and version.base != running:
        return Refusal("stale", number)
    if step == "schedule" and effective_ms < now_ms:
        return Refusal("past", number)
    return None
