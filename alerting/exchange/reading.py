"""CAP documents from outside, read so that none of them can do harm.  Pure.

No document type, no entity, no network, no other encoding, a bound on size: what breaks one of
these is refused before anything of it is believed.
"""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec
from lxml import etree

XML_BYTES_MAX = 256 * 1024
NAMESPACES = tuple(f"urn:oasis:names:tc:emergency:cap:1.{n}" for n in (2, 1))
ENCODING = re.compile(r"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)")


class Unreadable(ValueError):
    """Not a document that we take; the sentence says why."""


class Area(msgspec.Struct, frozen=True):
    """One area: its description, its codes as (name, value)."""

    title: str
    geocodes: tuple[tuple[str, str], ...] = ()


class Info(msgspec.Struct, frozen=True):
    """What one information block says."""

    event: str
    language: str = ""
    severity: str = "Unknown"
    codes: tuple[tuple[str, str], ...] = ()
    headline: str = ""
    onset_ms: int = 0
    expires_ms: int = 0
    areas: tuple[Area, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """A CAP document as far as we use it; times in unix ms, 0 where none is given."""

    identifier: str
    sender: str
    sent_ms: int
    status: str
    kind: str
    """``msgType``."""
    note: str = ""
    references: tuple[tuple[str, str, str], ...] = ()
    """(sender, identifier, sent)"""
    info: tuple[Info, ...] = ()


def parse(payload: bytes) -> etree._Element:
    """The root of a harmless document; raises Unreadable."""
    if len(payload) > XML_BYTES_MAX:
        raise Unreadable(f"longer than {XML_BYTES_MAX} bytes")
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    named = ENCODING.search(text[:200])
    if named is not None and named[1].lower() != "utf-8":
        raise Unreadable(f"declares encoding {named[1]}: UTF-8 alone is read")
    # Before the parser sees it: the cheapest way to be safe from entities is to have none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("has a document type")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False,
        dtd_validation=False, huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"not XML: {error}") from error


def document(payload: bytes) -> Document:
    """What a CAP 1.1 or 1.2 document says; raises Unreadable."""
    root = parse(payload)
    namespace = next((n for n in NAMESPACES if root.tag == f"{{{n}}}alert"), None)
    if namespace is None:
        raise Unreadable("not a CAP alert")
    identifier = _text(root, "identifier", namespace)
    if not identifier:
        raise Unreadable("has no identifier")
    return Document(
        identifier=identifier,
        sender=_text(root, "sender", namespace),
        sent_ms=ms_of(_text(root, "sent", namespace)),
        status=_text(root, "status", namespace),
        kind=_text(root, "msgType", namespace),
        note=_text(root, "note", namespace),
        references=tuple(references_of(_text(root, "references", namespace))),
        info=tuple(_info(one, namespace) for one in root.iterfind(f"{{{namespace}}}info")),
    )


def references_of(text: str) -> Iterator[tuple[str, str, str]]:
    """The documents that a ``references`` names; what is none is passed over."""
    for one in text.split():
        match one.split(","):
            case [sender, identifier, sent]:
                yield sender, identifier, sent


def ms_of(text: str) -> int:
    """Unix ms of a CAP time; 0 for '', raises Unreadable for anything else."""
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unreadable(f"not a time: {text[:40]}") from error
    if at.tzinfo is None:
        raise Unreadable(f"the time {text[:40]} names no offset")
    return round(at.timestamp() * 1000)


def _info(node: etree._Element, namespace: str) -> Info:
    return Info(
        event=_text(node, "event", namespace),
        language=_text(node, "language", namespace),
        severity=_text(node, "severity", namespace) or "Unknown",
        codes=tuple(_pairs(node, "eventCode", namespace)),
        headline=_text(node, "headline", namespace),
        onset_ms=ms_of(_text(node, "onset", namespace) or _text(node, "effective", namespace)),
        expires_ms=ms_of(_text(node, "expires", namespace)),
        areas=tuple(
            Area(_text(one, "areaDesc", namespace), tuple(_pairs(one, "geocode", namespace)))
            for one in node.iterfind(f"{{{namespace}}}area")
        ),
    )


def _pairs(node: etree._Element, name: str, namespace: str) -> Iterator[tuple[str, str]]:
    for one in node.iterfind(f"{{{namespace}}}{name}"):
        yield _text(one, "valueName", namespace), _text(one, "value", namespace)


def _text(node: etree._Element, name: str, namespace: str) -> str:
    return (node.findtext(f"{{{namespace}}}{name}") or "").strip()
