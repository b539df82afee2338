"""An audit as it grows in a busy minute, and everything that somebody might do to it."""

import random
from dataclasses import dataclass, field

import msgspec

from alerting.audit import chain
from alerting.audit.anchors import Anchor
from alerting.audit.chain import Entry, Head, Line, Seal
from alerting.audit.proof import Proof, verify

BEGUN_US = 1_800_000_000_000_000
SECOND_US = 1_000_000


@dataclass(slots=True)
class Ledger:
    """Chains, seals and the anchors that lie outside."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    seals: list[Seal] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    now_us: int = BEGUN_US

    def write(self, *lines: Line) -> None:
        heads = {name: (rows[-1].number, rows[-1].hash) for name, rows in self.entries.items()}
        for entry in chain.extend(heads, lines, self.now_us):
            self.entries.setdefault(entry.line.chain, []).append(entry)

    def seal(self) -> None:
        sealed = {head.subject: head for one in self.seals for head in one.heads}
        heads = [
            Head(name, rows[-1].number, rows[-1].hash)
            for name, rows in self.entries.items()
            if name not in sealed or sealed[name].number < rows[-1].number
        ]
        self.now_us += SECOND_US
        if heads:
            self.seals.append(
                chain.seal(self.seals[-1] if self.seals else None, heads, self.now_us)
            )

    def anchor(self) -> None:
        self.now_us += SECOND_US
        last = self.seals[-1]
        self.anchors.append(Anchor(last.number, self.now_us, last.hash))

    def proof(self) -> Proof:
        rows = [entry for name in sorted(self.entries) for entry in self.entries[name]]
        return verify(rows, self.seals, self.anchors)

    def codes(self) -> set[str]:
        return {problem.code for problem in self.proof().problems}


def line(incident: str, n: int, **changes: object) -> Line:
    base = Line(
        incident=incident,
        at_ms=BEGUN_US // 1000 + n,
        actor=("router", "li", "wang")[n % 3],
        action=("open", "acknowledge", "note")[n % 3],
        reason="noted",
        note=f"看过了 {n}",
        channel="console",
        revision=n + 1,
    )
    return msgspec.structs.replace(base, **changes)


def grown(chance: random.Random) -> Ledger:
    """Some chains, sealed every second or so, the last seal anchored a while later."""
    ledger = Ledger()
    names = [f"incident-{n}" for n in range(chance.randint(2, 6))]
    for n in range(chance.randint(6, 30)):
        ledger.write(line(chance.choice(names), n))
        if chance.random() < 0.5:
            ledger.seal()
        if chance.random() < 0.2 and ledger.seals:
            ledger.anchor()
    ledger.seal()
    ledger.now_us += 61 * SECOND_US
    ledger.anchor()
    return ledger


def relinked(rows: list[Entry]) -> list[Entry]:
    """The same lines with numbers and hashes made anew: what a skilled hand would leave."""
    made: list[Entry] = []
    before = chain.GENESIS
    for number, row in enumerate(rows, 1):
        before = chain.hash_of(before, row.line, number, row.written_us)
        made.append(Entry(number, row.written_us, before, row.line))
    return made


def change(ledger: Ledger, chance: random.Random) -> str:
    """One line says something else, with or without its hashes made anew."""
    rows = ledger.entries[chance.choice(sorted(ledger.entries))]
    at = chance.randrange(len(rows))
    row = rows[at]
    what = chance.choice(("actor", "note", "at_ms", "revision", "written", "detail", "hash"))
    match what:
        case "written":
            rows[at] = msgspec.structs.replace(row, written_us=row.written_us - 1)
        case "hash":
            rows[at] = msgspec.structs.replace(row, hash=chance.randbytes(32))
        case "at_ms" | "revision":
            value = getattr(row.line, what) + 1
            rows[at] = msgspec.structs.replace(
                row, line=msgspec.structs.replace(row.line, **{what: value})
            )
        case _:
            value = getattr(row.line, what) + "x"
            rows[at] = msgspec.structs.replace(
                row, line=msgspec.structs.replace(row.line, **{what: value})
            )
    if what != "hash" and chance.random() < 0.5:
        rows[:] = relinked(rows)
    return what


def delete(ledger: Ledger, chance: random.Random) -> str:
    """A line, a tail or a whole chain is gone, with or without the rest made anew."""
    name = chance.choice(sorted(ledger.entries))
    rows = ledger.entries[name]
    what = chance.choice(("one", "tail", "chain"))
    match what:
        case "one":
            del rows[chance.randrange(len(rows))]
            if chance.random() < 0.5:
                rows[:] = relinked(rows)
        case "tail":
            del rows[chance.randrange(len(rows)) :]
        case "chain":
            rows.clear()
    if not rows:
        del ledger.entries[name]
    return what


def insert(ledger: Ledger, chance: random.Random) -> str:
    """A line that nobody wrote then, in a chain, at its end, or in one of its own."""
    name = chance.choice([*sorted(ledger.entries), "incident-never"])
    rows = ledger.entries.setdefault(name, [])
    at = chance.randint(0, len(rows))
    written_us = BEGUN_US + chance.randint(0, ledger.now_us - BEGUN_US - 61 * SECOND_US)
    rows.insert(at, Entry(at + 1, written_us, chance.randbytes(32), line(name, 99)))
    if chance.random() < 0.7:
        rows[:] = relinked(rows)
    return "inserted"


def truncate(ledger: Ledger, chance: random.Random) -> str:
    """The end of a chain is cut off and written anew, its hashes right."""
    name = chance.choice(sorted(ledger.entries))
    rows = ledger.entries[name]
    at = chance.randrange(len(rows))
    n = len(rows)
    del rows[at:]
    for number in range(at, chance.choice((n, n, n + 1))):
        rows.append(Entry(number + 1, ledger.now_us, b"", line(name, number, actor="mallory")))
    rows[:] = relinked(rows)
    return "truncated"


def rewrite(ledger: Ledger, chance: random.Random) -> str:
    """One word changes, and every hash after it, seals too: only the anchor knows."""
    while change(ledger, chance) == "hash":
        pass  # A hash alone would be made right again.
    for rows in ledger.entries.values():
        rows[:] = relinked(rows)
    sealed: list[Seal] = []
    for old in ledger.seals:
        heads = [
            Head(h.subject, h.number, ledger.entries[h.subject][h.number - 1].hash)
            for h in old.heads
        ]
        sealed.append(chain.seal(sealed[-1] if sealed else None, heads, old.sealed_us))
    ledger.seals[:] = sealed
    return "rewritten"


def cut_seals(ledger: Ledger, chance: random.Random) -> str:
    """The last seals, and the lines that they cover, are gone as if they had never been."""
    keep = chance.randrange(len(ledger.seals))
    del ledger.seals[keep:]
    sealed = {head.subject: head.number for one in ledger.seals for head in one.heads}
    for name in list(ledger.entries):
        del ledger.entries[name][sealed.get(name, 0) :]
        if not ledger.entries[name]:
            del ledger.entries[name]
    return "cut"


def break_seal(ledger: Ledger, chance: random.Random) -> str:
    """A seal says something else, or is gone from among the others, or stands there twice."""
    at = chance.randrange(len(ledger.seals))
    one = ledger.seals[at]
    match chance.choice(("time", "head", "gone", "twice")):
        case "time":
            ledger.seals[at] = msgspec.structs.replace(one, sealed_us=one.sealed_us + 1)
        case "head":
            first = msgspec.structs.replace(one.heads[0], hash=chance.randbytes(32))
            ledger.seals[at] = msgspec.structs.replace(one, heads=(first, *one.heads[1:]))
        case "gone":
            del ledger.seals[at]
        case _:
            ledger.seals.insert(at, one)
    return "seal"


TAMPERINGS = (change, delete, insert, truncate, rewrite, cut_seals, break_seal)
