"""One incident with everything that belongs to it, as its package is made."""

import random
from typing import Any

import msgspec

from alerting.audit import chain
from alerting.audit.anchors import Anchor
from alerting.evidence.dossier import Dossier, Measured, Placed, Reading, Told
from lifeline.model import Finding, Text
from tests.alerting.audit.ledgers import Ledger, line

INCIDENT = "1a439d32-bf11-51ae-8571-d1c013753264"
ONSET_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def finding(channel: str = "gas/well-0/ch4", **changes: Any) -> Finding:
    base = Finding(
        id="f1",
        phase="raised",
        zone="gas/east",
        asset="gas/well-0",
        lifeline="gas",
        channel=channel,
        rule="gas.ch4",
        detector="threshold",
        hazard="gas-leak",
        grade=1,
        onset_ms=ONSET_MS,
        at_ms=ONSET_MS + 5000,
        received_ms=ONSET_MS + 5100,
        code="above-limit",
        value=23.0,
        unit="%LEL",
        limit=20.0,
        limit_id="gas.20lel",
    )
    return msgspec.structs.replace(base, **changes)


def row(**changes: Any) -> dict[str, Any]:
    base = {
        "id": INCIDENT, "asset": "gas/well-0", "hazard": "gas-leak", "drill": False,
        "zone": "gas/east", "grade": 1, "phase": "closed", "verdict": "true",
        "verdict_code": "leak", "onset_ms": ONSET_MS, "opened_ms": ONSET_MS + 6000,
        "acknowledged_by": "li", "acknowledged_ms": ONSET_MS + 60_000, "calm_ms": None,
        "closed_by": "li", "closed_ms": ONSET_MS + 20 * MINUTE_MS, "overridden": False,
        "second": "",
    }  # fmt: skip
    return base | changes


def told(number: int, body: bytes, **changes: Any) -> Told:
    base = {
        "id": number, "target": "platform", "person": "", "reason": "opened", "attempts": 1,
        "delivered_at": "2027-01-15T08:00:08+00:00", "dead_at": None, "ended_at": None,
        "created": "2027-01-15T08:00:07+00:00",
    }  # fmt: skip
    return Told(base | changes, body, ({"code": "delivered 200", "latency_ms": 12},))


def ledger(n: int = 5) -> Ledger:
    """The incident's chain among others, sealed and anchored."""
    made = Ledger()
    made.write(line("other", 0))
    made.seal()
    made.write(*(line(INCIDENT, k, note="=cmd()" if k == 2 else "seen") for k in range(n)))
    made.seal()
    made.write(line("other", 1))
    made.seal()
    made.anchor()
    return made


def dossier(made: Ledger | None = None, **changes: Any) -> Dossier:
    made = made or ledger()
    chance = random.Random(1)
    readings = [
        Reading(name, ONSET_MS + k * MINUTE_MS, None if k == 7 else chance.random() * 30, 0)
        for name in ("gas/well-0/ch4", "gas/well-0/temp")
        for k in range(-30, 30)
    ]
    last = made.seals[-1]
    bare = [msgspec.structs.replace(one, heads=()) for one in made.seals[2:]]
    base = Dossier(
        incident=row(),
        alarms=({"key": "threshold|gas-leak|gas/well-0/ch4", "state": "normal"},),
        findings=({"id": "f1", "stage": "over", "body": msgspec.to_builtins(finding())},),
        notices=(
            told(1, b'{"incident": 1}'),
            told(2, b"<alert/>", delivered_at=None, target="wecom", person="li"),
            told(3, b"SMS", delivered_at=None, dead_at="2027-01-15T08:01:00+00:00"),
            told(4, b"", delivered_at=None, ended_at="2027-01-15T08:01:00+00:00"),
        ),
        receipts=({"outbox": 1, "word": "accepted", "by": "platform", "at_ms": ONSET_MS + 9000},),
        entries=tuple(made.entries[INCIDENT]),
        before=made.seals[0].hash,
        seals=(made.seals[1], *bare),
        anchors=(Placed("desk:audit.log", Anchor(last.number, made.now_us, last.hash)),),
        channels={
            "gas/well-0/ch4": Measured("%LEL", 60.0, True),
            "gas/well-0/temp": Measured("Cel", 60.0, False),
        },
        readings=tuple(readings),
        spans={"gas/well-0/ch4": [(ONSET_MS - 3_600_000, ONSET_MS + 3_600_000)]},
        rules={"rules": [{"id": "gas.ch4"}], "limits": []},
        catalog="abc",
        settings="def",
        software="0.1.0",
        made_ms=ONSET_MS + 40 * MINUTE_MS,
        title=Text("七号井", "Well 7"),
        grade=Text("一级", "Critical"),
    )
    return msgspec.structs.replace(base, **changes)


def lengthened(made: Ledger) -> Ledger:
    """The same with a line that no seal covers yet."""
    heads = {INCIDENT: (made.entries[INCIDENT][-1].number, made.entries[INCIDENT][-1].hash)}
    made.entries[INCIDENT] += chain.extend(heads, [line(INCIDENT, 9)], made.now_us)
    return made
