"""What the platform's stand-in makes of CAP documents and cases, and what it answers.  Pure.

It shares no code with the side that writes the documents: two readings of one standard.
"""

import json
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from lxml import etree

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
NAMES: Any = {None: NAMESPACE}
CASE_KEYS = frozenset(("incident", "asked", "main", "sub", "unit", "headline", "at_ms"))
Word = Literal["ack", "error", "seen"]
CAP_WORDS: dict[str, str] = {"ack": "Ack", "error": "Error"}
JSON_WORDS: dict[Word, str] = {"ack": "accepted", "error": "refused", "seen": "seen"}
FIRST = ("Alert",)
LATER = ("Update", "Cancel")


def cap_problem(body: bytes, known: Container[str], schema: etree.XMLSchema | None = None) -> str:
    """Why a document is not to be taken; '' when it is.  ``known`` are references seen before."""
    if b"<!DOCTYPE" in body:
        return "the document has a document type"
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        return f"the body is not XML: {error}"
    if root.tag != f"{{{NAMESPACE}}}alert":
        return "the body is not a CAP 1.2 alert"
    if schema is not None:
        try:
            schema.assertValid(root)
        except etree.DocumentInvalid as error:
            return f"the schema refuses it: {error}"
    kind, named = _text(root, "msgType"), _text(root, "references").split()
    if kind not in (*FIRST, *LATER):
        return f"msgType {kind or 'missing'} is none that we take"
    if (kind in LATER) != bool(named):
        return f"an {kind} {'needs' if kind in LATER else 'has no'} references"
    strange = [one for one in named if one not in known]
    return f"it refers to {strange[0]}, which never came" if strange else ""


def cap_reference(body: bytes) -> str:
    """How a document is referred to: sender, identifier, time."""
    root = etree.fromstring(body)
    return ",".join(_text(root, name) for name in ("sender", "identifier", "sent"))


def later(
    path: str,
    key: str,
    body: bytes,
    words: Sequence[Word],
    states: Sequence[str],
    number: int,
    now_s: int,
) -> Iterator[tuple[str, bytes]]:
    """What is said later of what was accepted: (door of the exchange, body), in order."""
    if path == "/cases":
        for n, state in enumerate(states, number):
            yield "cases", case_answer(body, state, n, now_s)
    if path == "/incidents":
        for n, word in enumerate(words, number):
            if word != "seen" and body.startswith(b"<"):
                yield "receipts", cap_answer(cap_reference(body), CAP_WORDS[word], n, now_s)
            else:
                yield "receipts", json_answer(key, JSON_WORDS[word], n, now_s)


def cap_answer(reference: str, kind: str, number: int, now_s: int) -> bytes:
    """An Ack or Error for a document, as CAP."""
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap=NAMES)
    sent = datetime.fromtimestamp(now_s, UTC).isoformat("T", "seconds").replace("+00:00", "-00:00")
    for name, text in (
        ("identifier", f"answer-{now_s}-{number}"),
        ("sender", "platform"),
        ("sent", sent),
        ("status", "Actual"),
        ("msgType", kind),
        ("scope", "Private"),
        ("addresses", reference.partition(",")[0]),
        ("note", "taken on" if kind == "Ack" else "told to refuse"),
        ("references", reference),
    ):
        etree.SubElement(root, f"{{{NAMESPACE}}}{name}").text = text
    made: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return made


def json_answer(key: str, word: str, number: int, now_s: int) -> bytes:
    """What is said of what came under this key, as JSON."""
    said = {"id": f"{word}-{now_s}-{number}", "word": word, "key": key, "by": "值班员",
            "at_ms": now_s * 1000}  # fmt: skip
    return json.dumps(said).encode()


def case_problem(body: bytes) -> str:
    """Why a case is not to be taken; '' when it is."""
    try:
        case = json.loads(body)
    except (ValueError, RecursionError) as error:
        return f"the body is not JSON: {error}"
    if not isinstance(case, dict) or case.get("schema") != "case/1":
        return "the body is not a case/1"
    missing = CASE_KEYS - case.keys()
    return f"the case lacks {', '.join(sorted(missing))}" if missing else ""


def case_answer(body: bytes, state: str, number: int, now_s: int) -> bytes:
    """That our case of this incident is in a state now."""
    incident = json.loads(body)["incident"]
    said = {
        "id": f"case-{now_s}-{number}",
        "incident": incident,
        "state": state,
        "number": f"C-{incident[:8]}",
        "person": "网格员",
        "at_ms": now_s * 1000 + number,
    }
    return json.dumps(said).encode()


def _text(root: etree._Element, name: str) -> str:
    return (root.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()
