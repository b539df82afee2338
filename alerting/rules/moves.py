"""What somebody asks to be moved of the rules that run, and whether it may be.  Pure."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerting.rules.versions import Refusal, Ruleset
from lifeline import bounds
from lifeline.catalog import Catalog, DeviceEntry, Lifeline, Limit, Rule, Source
from lifeline.grades import Grading
from lifeline.model import Text

Field = Literal[
    "value", "grade", "on_delay_s", "off_delay_s", "confidence", "realarm_s", "fall_hold_s"
]
OF_RULE: tuple[Field, ...] = ("grade", "on_delay_s", "off_delay_s", "realarm_s", "fall_hold_s")
"""What a page offers of a rule."""
MOVES_MAX = 50


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number of one limit or rule, and what it is to be; of a limit ``field`` is ``value``."""

    of: Literal["limit", "rule"]
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    field: Field
    value: float


def moved(running: Ruleset, moves: Sequence[Move], grades: Grading) -> Ruleset | Refusal:
    """The rules with these numbers moved; or why one cannot be."""
    limits = {limit.id: limit for limit in running.limits}
    rules = {rule.id: rule for rule in running.rules}
    for move in moves:
        facts: dict[str, str | int] = {"id": move.id, "value": f"{move.value:g}"}
        known = limits.get(move.id) if move.of == "limit" else rules.get(move.id)
        if known is None:
            return Refusal("no-such", facts)
        if (move.field == "value") != isinstance(known, Limit):
            return Refusal("no-such-number", facts)
        try:
            made = _with(known, move)
        except msgspec.ValidationError:
            return Refusal("no-such-number", facts)
        if isinstance(made, Limit):
            limits[made.id] = made
        elif made.grade in {grade.level for grade in grades.rows}:
            rules[made.id] = made
        else:
            return Refusal("no-such-number", facts)
    return Ruleset(tuple(limits.values()), tuple(rules.values()))


def _with(known: Limit | Rule, move: Move) -> Limit | Rule:
    """The same with one number moved, checked as a file of the catalog is; ValidationError."""
    value: float = move.value
    if value == int(value):
        # A grade is a whole number, and whatever else is one may be written so.
        value = int(value)
    written = {**msgspec.to_builtins(known), move.field: value}
    return msgspec.convert(written, type(known))


def beyond(catalog: Catalog, wanted: Ruleset, grades: Grading) -> Text | None:
    """What of these rules the bounds of the program forbid in this city; None: nothing."""
    devices = tuple(
        DeviceEntry(one.name, one.zone, one.asset, channel=one.channels)
        for one in catalog.devices()
    )
    source = Source(Lifeline("rules"), device=devices, limit=wanted.limits, rule=wanted.rules)
    told = list(bounds.sentences(source, grades))
    if not told:
        return None
    return Text("；".join(one.zh for one in told), "; ".join(one.en for one in told))
