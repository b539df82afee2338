"""One incident as one file: a ZIP with everything, its manifest and its sums.  Pure.

The same dossier makes the same bytes: members in order, no times of their own.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from alerting.audit.anchors import stamp
from alerting.audit.chain import Entry, Seal
from alerting.evidence import summary
from alerting.evidence.dossier import Dossier, Placed, Row, Run
from lifeline.words import LANGUAGES

FORM = "lifeline-evidence/1"
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_ZIP_BEGINS = (1980, 1, 1, 0, 0, 0)


class File(msgspec.Struct, frozen=True):
    """One member of the package."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a package, and of what state it speaks."""

    form: str
    incident: str
    made_ms: int
    software: str
    catalog: str
    settings: str
    lines: int
    """Of the incident's audit chain."""
    head: str
    """The hash of the last of them."""
    seal: int
    """The seal that covers the newest line that is covered; 0: none yet."""
    readings: int
    is_cut: bool
    files: tuple[File, ...]


class Chain(msgspec.Struct, frozen=True):
    """The audit of the incident as the package carries it."""

    entries: tuple[Entry, ...]
    before: bytes
    seals: tuple[Seal, ...]
    anchors: tuple[Placed, ...]
    proven: Run | None = None
    """The seals up to the newest anchor, where those above are younger than it."""


def make(dossier: Dossier, zone: tzinfo) -> bytes:
    """The package; ``zone`` is the city's time, in which its summary and pictures speak."""
    members = {
        "incident.json": pretty(dossier.incident),
        "alarms.json": pretty(dossier.alarms),
        "findings.json": pretty(dossier.findings),
        "rules.json": pretty({"catalog": dossier.catalog, **dossier.rules}),
        "readings.csv": _readings(dossier),
        "spans.json": pretty(dossier.spans),
        "receipts.json": pretty(dossier.receipts),
        "actions.json": pretty(_chain(dossier)),
        "actions.csv": _actions(dossier),
        **_notices(dossier),
        **summary.charts(dossier, zone),
    }
    for language in LANGUAGES:
        members[f"summary.{language}.html"] = summary.page(dossier, language, zone).encode()
    files = tuple(
        File(name, len(members[name]), hashlib.sha256(members[name]).hexdigest())
        for name in sorted(members)
    )
    manifest = Manifest(
        form=FORM,
        incident=dossier.incident["id"],
        made_ms=dossier.made_ms,
        software=dossier.software,
        catalog=dossier.catalog,
        settings=dossier.settings,
        lines=len(dossier.entries),
        head=dossier.entries[-1].hash.hex() if dossier.entries else "",
        seal=dossier.seals[0].number if dossier.seals else 0,
        readings=len(dossier.readings),
        is_cut=dossier.is_cut,
        files=files,
    )
    first = pretty(manifest)
    return _zip({MANIFEST: first, SUMS: sums(first, files), **dict(sorted(members.items()))})


def sums(manifest: bytes, files: tuple[File, ...]) -> bytes:
    """The sums as ``sha256sum -c`` reads them: of the manifest and every other file."""
    own = hashlib.sha256(manifest).hexdigest()
    lines = [f"{own}  {MANIFEST}", *(f"{file.sha256}  {file.name}" for file in files)]
    return "".join(f"{line}\n" for line in lines).encode()


def pretty(value: Any) -> bytes:
    """JSON that people can read, and that is the same for the same value."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _ZIP_BEGINS)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            member.external_attr = 0o100644 << 16
            file.writestr(member, content)
    return out.getvalue()


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    # With the mark that makes spreadsheets read it as UTF-8.
    return ("\ufeff" + out.getvalue()).encode()


def _readings(dossier: Dossier) -> bytes:
    known = dossier.channels
    return _table(
        ("channel", "time", "at_ms", "value", "unit", "quality"),
        [
            (
                r.channel,
                stamp(r.at_ms * 1000),
                r.at_ms,
                "" if r.value is None else repr(r.value),
                known[r.channel].unit if r.channel in known else "",
                r.quality,
            )
            for r in dossier.readings
        ],
    )


def _chain(dossier: Dossier) -> Row:
    carried = Chain(dossier.entries, dossier.before, dossier.seals, dossier.anchors, dossier.proven)
    found: Row = msgspec.to_builtins(carried)
    return found


def _actions(dossier: Dossier) -> bytes:
    return _table(
        ("number", "written", "at_ms", "actor", "second", "action", "reason", "note", "channel",
         "revision", "alarm", "detail", "hash"),
        [
            (
                e.number, stamp(e.written_us), e.line.at_ms, _plain(e.line.actor),
                _plain(e.line.second), e.line.action, e.line.reason, _plain(e.line.note),
                e.line.channel, e.line.revision, e.line.alarm, _plain(e.line.detail), e.hash.hex(),
            )
            for e in dossier.entries
        ],
    )  # fmt: skip


def _plain(text: str) -> str:
    """What people wrote, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _notices(dossier: Dossier) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    rows: list[Row] = []
    for number, told in enumerate(dossier.notices, 1):
        name = f"notices/{number:04d}.{_kind(told.body)}"
        members[name] = told.body
        rows.append({**told.row, "body": name, "attempts": list(told.attempts)})
    return {"notices.json": pretty(rows), **members}


def _kind(body: bytes) -> str:
    first = body.lstrip()[:1]
    return "json" if first in (b"{", b"[") else "xml" if first == b"<" else "bin"
