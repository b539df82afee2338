"""Whether an evidence package is what was made, and its audit what was sealed.  Pure."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from alerting.audit import proof
from alerting.audit.anchors import Anchor
from alerting.audit.words import sentence as audit_sentence
from alerting.evidence.dossier import Run
from alerting.evidence.package import FORM, MANIFEST, SUMS, Chain, Manifest, sums
from lifeline.words import Language, said

SIZE_MAX = 1 << 30
"""Of all members unpacked: a package of ours has a hundredth of it."""

FLAWS: dict[str, tuple[str, str]] = {
    "no-package": ("这不是证据包：{other}", "this is no evidence package: {other}"),
    "member-twice": ("文件 {name} 在包中出现两次", "{name} is in the package twice"),
    "file-gone": ("缺少文件 {name}", "{name} is missing"),
    "file-changed": (
        "文件 {name} 被改动：与清单中的哈希不符",
        "{name} was changed: it does not fit the manifest's hash",
    ),
    "file-added": ("文件 {name} 不在清单中", "{name} is not in the manifest"),
    "sums-changed": (
        "SHA256SUMS 与清单不符：两者之一被改动",
        "SHA256SUMS does not fit the manifest: one of them was changed",
    ),
    "other-chain": (
        "操作记录与清单不符：{other}",
        "the actions are not those of the manifest: {other}",
    ),
}


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is not as it was made."""

    code: str
    name: str = ""
    other: str = ""
    audit: proof.Problem | None = None
    """What is wrong with the chain inside."""


class Checked(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong with it."""

    manifest: Manifest | None
    flaws: tuple[Flaw, ...]
    unsealed: int = 0
    """Lines that were so young when it was made that no seal in it covers them."""
    anchors: int = 0
    """How many of the given anchors are of seals in it."""
    proven: int = 0
    """How many lines of its audit these anchors prove."""


def sentence(flaw: Flaw, language: Language) -> str:
    """What is wrong, in words."""
    if flaw.audit is not None:
        return audit_sentence(flaw.audit, language)
    return said(FLAWS[flaw.code], language).format(name=flaw.name, other=flaw.other)


def check(package: bytes, anchors: Sequence[Anchor] = ()) -> Checked:
    """Everything that is wrong with a package; ``anchors`` as they lie outside."""
    try:
        members, flaws = _members(package)
        manifest = msgspec.json.decode(members.get(MANIFEST, b""), type=Manifest)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        return Checked(None, (Flaw("no-package", other=str(error)),))
    if manifest.form != FORM:
        return Checked(None, (Flaw("no-package", other=manifest.form),))
    flaws += _files(manifest, members)
    carried, problem = _carried(members.get("actions.json", b""))
    if carried is None:
        return Checked(manifest, (*flaws, Flaw("other-chain", other=problem)))
    flaws += _actions(manifest, carried)
    runs = [Run(carried.before, carried.seals), *([carried.proven] if carried.proven else [])]
    known = {seal.number for run in runs for seal in run.seals}
    inside = [one for one in anchors if one.seal in known]
    told = [*(one.anchor for one in carried.anchors), *inside]
    problems: list[proof.Problem] = []
    proven, unsealed = 0, 0
    for run in runs:
        own = {seal.number for seal in run.seals}
        # What is of neither is told once, with the newest.
        mine = [
            one for one in told if one.seal in own or (run is runs[0] and one.seal not in known)
        ]
        covered = _covered(run, manifest.incident)
        lines = carried.entries if run is runs[0] else carried.entries[:covered]
        found = proof.verify(lines, run.seals, mine, begin=_begin(run))
        problems += found.problems
        unsealed = max(unsealed, found.unsealed)
        if any(one.seal in own for one in inside):
            proven = max(proven, covered)
    flaws += [
        Flaw("chain", audit=problem)
        for problem in problems
        if problem.subject in ("", manifest.incident)
    ]
    return Checked(manifest, tuple(flaws), unsealed, len(inside), proven)


def _begin(run: Run) -> tuple[int, bytes]:
    """The number and hash of the seal before the first that is here."""
    return (run.seals[0].number - 1 if run.seals else 0), run.before


def _covered(run: Run, incident: str) -> int:
    """How many lines of the incident's chain the first of these seals covers."""
    heads = run.seals[0].heads if run.seals else ()
    return max((head.number for head in heads if head.subject == incident), default=0)


def _members(package: bytes) -> tuple[dict[str, bytes], list[Flaw]]:
    members: dict[str, bytes] = {}
    flaws: list[Flaw] = []
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        size = sum(one.file_size for one in file.infolist())
        if size > SIZE_MAX:
            raise ValueError(f"{size} bytes")
        for one in file.infolist():
            if one.filename in members:
                flaws.append(Flaw("member-twice", one.filename))
            members[one.filename] = file.read(one)
    return members, flaws


def _files(manifest: Manifest, members: dict[str, bytes]) -> Iterator[Flaw]:
    named = {file.name for file in manifest.files}
    for file in manifest.files:
        content = members.get(file.name)
        if content is None:
            yield Flaw("file-gone", file.name)
        elif hashlib.sha256(content).hexdigest() != file.sha256:
            yield Flaw("file-changed", file.name)
    for name in sorted(members.keys() - named - {MANIFEST, SUMS}):
        yield Flaw("file-added", name)
    if members.get(SUMS) != sums(members[MANIFEST], manifest.files):
        yield Flaw("sums-changed")


def _carried(content: bytes) -> tuple[Chain | None, str]:
    try:
        return msgspec.json.decode(content, type=Chain), ""
    except msgspec.DecodeError as error:
        return None, str(error)


def _actions(manifest: Manifest, carried: Chain) -> Iterator[Flaw]:
    others = {e.line.chain for e in carried.entries} - {manifest.incident}
    if others:
        yield Flaw("other-chain", other=", ".join(sorted(others)))
    for seals in (carried.seals, carried.proven.seals if carried.proven else ()):
        if seals and manifest.incident not in {head.subject for head in seals[0].heads}:
            yield Flaw("other-chain", other=f"seal {seals[0].number}")
    head = carried.entries[-1].hash.hex() if carried.entries else ""
    if (len(carried.entries), head) != (manifest.lines, manifest.head):
        yield Flaw("other-chain", other=f"{len(carried.entries)} ≠ {manifest.lines}")
