"""Lines of the audit as chains of hashes, sealed together: how they are made.  Pure.

Every subject (an incident, or a word such as ``house``) has a chain of its own, so that two
incidents never wait for each other.  The heads of all chains that have grown are sealed together
every second, and the seals are one chain: who wants to change a line must change every seal after
it, and the last of those is known outside.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

GENESIS = bytes(32)
"""What stands before the first line of a chain, and before the first seal."""
HOUSE = "house"
"""The chain of what belongs to no incident: sign-ins, configuration, the roster."""
FORM = "1"
"""Changes with the canonical bytes; migrations write the same in SQL."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept: who did what, when, from where and why."""

    incident: str = ""
    """It is the chain too; without one ``subject`` says which, and else it is the house's."""
    subject: str = ""
    at_ms: int
    actor: str
    action: str
    reason: str = ""
    note: str = ""
    channel: str
    revision: int = 0
    alarm: str = ""
    """The alarm that it is about, where it is about one."""
    second: str = ""
    """Who confirmed it, where two had to."""
    detail: str = ""
    """More facts as text, e.g. a JSON object: what was set to what."""

    def __post_init__(self) -> None:
        assert not (self.incident and self.subject)

    @property
    def chain(self) -> str:
        """The chain that it belongs to."""
        return self.incident or self.subject or HOUSE


class Entry(msgspec.Struct, frozen=True):
    """A line in its place; ``written_us`` is PostgreSQL's clock when it was put there."""

    number: int
    written_us: int
    hash: bytes
    line: Line


class Head(msgspec.Struct, frozen=True, order=True):
    """How far a chain was when it was sealed."""

    subject: str
    number: int
    hash: bytes


class Seal(msgspec.Struct, frozen=True):
    """One seal over the chains that had grown; ``heads`` sorted, the rest makes its hash."""

    number: int
    sealed_us: int
    count: int
    root: bytes
    hash: bytes
    heads: tuple[Head, ...] = ()


def _packed(*words: str) -> bytes:
    """Words with their lengths, so that no two lists of words have the same bytes."""
    encoded = [word.encode() for word in words]
    return b"".join(len(word).to_bytes(4, "big") + word for word in encoded)


def canonical(line: Line, number: int, written_us: int) -> bytes:
    r"""The bytes of a line that its hash is made of.

    >>> canonical(Line(at_ms=1, actor="li", action="note", channel="console"), 1, 2)[:14]
    b'\x00\x00\x00\x011\x00\x00\x00\x05house'
    """
    return _packed(
        FORM,
        line.chain,
        str(number),
        str(written_us),
        line.incident,
        str(line.at_ms),
        line.actor,
        line.action,
        line.reason,
        line.note,
        line.channel,
        str(line.revision),
        line.alarm,
        line.second,
        line.detail,
    )


def hash_of(before: bytes, line: Line, number: int, written_us: int) -> bytes:
    """The hash of a line after the one whose hash was ``before``."""
    return hashlib.sha256(before + canonical(line, number, written_us)).digest()


def extend(
    heads: Mapping[str, tuple[int, bytes]], lines: Iterable[Line], written_us: int
) -> list[Entry]:
    """The lines as the next entries of their chains; ``heads``: chain -> (number, hash)."""
    ends = dict(heads)
    made: list[Entry] = []
    for line in lines:
        number, before = ends.get(line.chain, (0, GENESIS))
        entry = Entry(number + 1, written_us, hash_of(before, line, number + 1, written_us), line)
        ends[line.chain] = (entry.number, entry.hash)
        made.append(entry)
    return made


def root_of(heads: Iterable[Head]) -> bytes:
    """One hash over all heads, in their order."""
    packed = (_packed(h.subject, str(h.number), h.hash.hex()) for h in sorted(heads))
    return hashlib.sha256(b"".join(packed)).digest()


def seal_hash(before: bytes, number: int, sealed_us: int, count: int, root: bytes) -> bytes:
    """The hash of a seal after the one whose hash was ``before``."""
    packed = _packed(FORM, str(number), str(sealed_us), str(count), root.hex())
    return hashlib.sha256(before + packed).digest()


def seal(last: Seal | None, heads: Sequence[Head], sealed_us: int) -> Seal:
    """The next seal, over these heads."""
    assert heads
    number, before = (last.number + 1, last.hash) if last else (1, GENESIS)
    root = root_of(heads)
    made = seal_hash(before, number, sealed_us, len(heads), root)
    return Seal(number, sealed_us, len(heads), root, made, tuple(sorted(heads)))
