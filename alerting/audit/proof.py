"""Whether the audit is what it was: every line, chain, seal and anchor looked at.  Pure.

What a chain alone cannot show (its end cut off and written anew, or all of it) is shown by the
seals, and what the seals cannot show by the anchors, which lie outside.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from alerting.audit.anchors import Anchor, stamp
from alerting.audit.chain import GENESIS, Entry, Seal, hash_of, root_of, seal_hash

SLACK_US = 60_000_000
"""A line is sealed a second after it was written; a transaction may take its time to commit."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is not as it was; ``code`` is a key of ``alerting.audit.words``."""

    code: str
    subject: str = ""
    number: int = 0
    """Of the line in its chain, or of the seal."""
    other: str = ""


class Proof(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong with it."""

    problems: tuple[Problem, ...]
    lines: int
    chains: int
    seals: int
    anchors: int
    unsealed: int
    """Lines so young that no seal covers them yet."""
    unanchored: int
    """Lines that no anchor proves: all, where there is none."""
    anchored_us: int | None
    """When the newest anchor was made."""


@dataclass(slots=True)
class _Seen:
    """What the seals say of the chains, and when they said it."""

    heads: dict[str, list[tuple[int, int, bytes]]] = field(default_factory=dict)
    """Chain -> (head's number, seal, hash), as sealed."""
    hashes: dict[int, bytes] = field(default_factory=dict)
    until_us: dict[int, int] = field(default_factory=dict)
    """Seal -> the newest moment at which it was known to be the last."""
    last: int = 0


@dataclass(slots=True)
class _Count:
    lines: int = 0
    unsealed: int = 0
    unanchored: int = 0
    chains: set[str] = field(default_factory=set)


def verify(
    entries: Iterable[Entry],
    seals: Iterable[Seal],
    anchors: Sequence[Anchor],
    begin: tuple[int, bytes] | None = None,
) -> Proof:
    """Everything that is wrong; ``entries`` by chain and number, ``seals`` by number.

    Where only a part of the seals is here, ``begin`` is the number and the hash of the one before
    them, and they may come without the heads of other chains than those to be proved.
    """
    seen, count = _Seen(), _Count()
    seen.last, before = begin or (0, GENESIS)
    found = _seals(seals, seen, before, is_part=begin is not None)
    problems = [*found, *_anchors(anchors, seen)]
    anchored = max((a.seal for a in anchors), default=0)
    chain: list[Entry] = []
    for entry in entries:
        if chain and entry.line.chain != chain[0].line.chain:
            problems += _chain(chain, seen, anchored, count)
            chain = []
        chain.append(entry)
    if chain:
        problems += _chain(chain, seen, anchored, count)
    problems += [
        Problem("chain-gone", subject, sealed[-1][0], str(sealed[-1][1]))
        for subject, sealed in seen.heads.items()
        if subject not in count.chains
    ]
    return Proof(
        problems=tuple(problems),
        lines=count.lines,
        chains=len(count.chains),
        seals=len(seen.hashes),
        anchors=len(anchors),
        unsealed=count.unsealed,
        unanchored=count.unanchored,
        anchored_us=max((a.at_us for a in anchors), default=None),
    )


def _seals(
    seals: Iterable[Seal], seen: _Seen, before: bytes, *, is_part: bool
) -> Iterator[Problem]:
    for seal in seals:
        if seal.number > seen.last + 1:
            yield Problem("seals-gone", "", seen.last + 1, str(seal.number - 1))
        elif seal.number <= seen.last:
            yield Problem("seal-twice", "", seal.number)
        elif seal.hash != seal_hash(before, seal.number, seal.sealed_us, seal.count, seal.root):
            yield Problem("seal-changed", "", seal.number)
        is_bare = is_part and not seal.heads
        if not is_bare and (len(seal.heads), root_of(seal.heads)) != (seal.count, seal.root):
            yield Problem("heads-changed", "", seal.number)
        for head in seal.heads:
            seen.heads.setdefault(head.subject, []).append((head.number, seal.number, head.hash))
        seen.last, before = seal.number, seal.hash
        seen.hashes[seal.number] = seal.hash
        seen.until_us[seal.number] = seal.sealed_us


def _anchors(anchors: Sequence[Anchor], seen: _Seen) -> Iterator[Problem]:
    told: set[int] = set()
    for anchor in sorted(anchors):
        known = seen.hashes.get(anchor.seal)
        if known == anchor.hash:
            seen.until_us[anchor.seal] = max(seen.until_us[anchor.seal], anchor.at_us)
        elif anchor.seal not in told:
            told.add(anchor.seal)
            code = "anchor-other" if known is not None else "anchor-without-seal"
            yield Problem(code, "", anchor.seal, stamp(anchor.at_us))


def _chain(chain: Sequence[Entry], seen: _Seen, anchored: int, count: _Count) -> Iterator[Problem]:
    subject = chain[0].line.chain
    count.lines += len(chain)
    count.chains.add(subject)
    yield from _links(chain)
    by_number = {entry.number: entry for entry in chain}
    sealed = sorted(seen.heads.get(subject, []))
    for number, seal, made in sealed:
        found = by_number.get(number)
        if found is None:
            yield Problem("sealed-line-gone", subject, number, str(seal))
        elif found.hash != made:
            yield Problem("sealed-line-other", subject, number, str(seal))
    numbers = [number for number, _, _ in sealed]
    for entry in chain:
        at = bisect_left(numbers, entry.number)
        if at == len(sealed):
            yield from _unsealed(entry, seen, count)
            count.unanchored += 1
            continue
        seal = sealed[at][1]
        count.unanchored += seal > anchored
        # A line of that time would have been in an earlier seal.
        earlier_us = seen.until_us.get(seal - 1)
        if earlier_us is not None and earlier_us > entry.written_us + SLACK_US:
            yield Problem("back-dated", subject, entry.number, stamp(earlier_us))


def _links(chain: Sequence[Entry]) -> Iterator[Problem]:
    subject = chain[0].line.chain
    number, before = 0, GENESIS
    for entry in chain:
        if entry.number > number + 1:
            yield Problem("lines-gone", subject, number + 1, str(entry.number - 1))
        elif entry.number <= number:
            yield Problem("line-twice", subject, entry.number)
        elif entry.hash != hash_of(before, entry.line, entry.number, entry.written_us):
            yield Problem("line-changed", subject, entry.number)
        number, before = entry.number, entry.hash


def _unsealed(entry: Entry, seen: _Seen, count: _Count) -> Iterator[Problem]:
    count.unsealed += 1
    until_us = seen.until_us.get(seen.last)
    if until_us is not None and until_us > entry.written_us + SLACK_US:
        yield Problem("never-sealed", entry.line.chain, entry.number, stamp(until_us))
