"""A warning switches what it is for, where it is for, and ends when it is cancelled."""

from typing import Any

import msgspec
import pytest

from alerting.exchange import reading, regimes
from alerting.exchange.reading import Unreadable
from alerting.exchange.regimes import Warned
from alerting.exchange.tables import Place, Regime
from lifeline.model import Context

NOW = 1_700_000_000_000
HOUR = 3_600_000
RAIN = Regime(("11B03", "暴雨", "rain"), "heavy-rain", hours=12.0)
FROST = Regime(("frost",), "frozen-ground", lifelines=("gas",))
GALE = Regime(("gale",), "gale", severities=("Severe",), zones=("bridge/one",))
ZONES = (("gas/heping", "gas"), ("gas/tiexi", "gas"), ("bridge/one", "bridge"))
PLACES = {"gas/heping": Place("210102"), "gas/tiexi": Place("210106")}


def warned(**changes: Any) -> Warned:
    made = Warned(
        "w1", "weather", "Alert", "Actual", ("暴雨橙色预警",), "Severe", "雨", (), (), NOW, 0, 0
    )
    return msgspec.structs.replace(made, **changes)


def zones_of(one: Warned, *known: Regime) -> list[str]:
    made = regimes.switches(one, known or (RAIN, FROST, GALE), ZONES, PLACES, NOW)
    return [switch.zone for switch in made]


@pytest.mark.feature("E-7")
@pytest.mark.parametrize(
    ("changes", "zones"),
    [
        ({}, ["gas/heping", "gas/tiexi", "bridge/one"]),
        ({"geocodes": ("210102",)}, ["gas/heping", "bridge/one"]),
        ({"geocodes": ("210102001",)}, ["gas/heping", "bridge/one"]),
        ({"geocodes": ("210100",)}, ["gas/heping", "gas/tiexi", "bridge/one"]),
        ({"geocodes": ("210000", "x")}, ["gas/heping", "gas/tiexi", "bridge/one"]),
        ({"geocodes": ("110000",)}, ["bridge/one"]),
        ({"geocodes": ("FIPS",)}, ["gas/heping", "gas/tiexi", "bridge/one"]),
        ({"events": ("11B0301", "x")}, ["gas/heping", "gas/tiexi", "bridge/one"]),
        ({"events": ("Frost tonight",)}, ["gas/heping", "gas/tiexi"]),
        ({"events": ("gale",)}, ["bridge/one"]),
        ({"events": ("gale",), "severity": "Minor"}, []),
        ({"events": ("earthquake",)}, []),
        ({"kind": "Cancel"}, []),
        ({"status": "Exercise"}, []),
        ({"status": "Test"}, []),
        ({"expires_ms": NOW}, []),
    ],
)
def test_a_warning_switches_the_zones_that_it_is_for(changes: dict, zones: list[str]) -> None:
    assert zones_of(warned(**changes)) == zones


def test_a_regime_holds_as_long_as_the_warning_says_and_else_its_own_hours() -> None:
    (said,) = regimes.switches(warned(expires_ms=NOW + HOUR), (RAIN,), ZONES[:1], PLACES, NOW)
    (own,) = regimes.switches(warned(onset_ms=NOW + HOUR), (RAIN,), ZONES[:1], PLACES, NOW)
    (bound,) = regimes.switches(warned(expires_ms=NOW * 2), (RAIN,), ZONES[:1], PLACES, NOW)
    (now,) = regimes.switches(warned(sent_ms=0), (RAIN,), ZONES[:1], PLACES, NOW)

    assert said.context == Context(
        "gas/heping", "heavy-rain", NOW, NOW + HOUR,
        {"id": "weather/w1/heavy-rain", "revision": 1.0, "regime": "heavy-rain", "warning": "w1",
         "severity": "Severe"},
    )  # fmt: skip
    assert own.context.until_ms == NOW + 13 * HOUR
    assert bound.context.until_ms == NOW + regimes.HOURS_MAX * HOUR
    assert now.context.at_ms == NOW


def test_the_same_warning_makes_the_same_switches_by_name() -> None:
    first = regimes.switches(warned(), (RAIN,), ZONES, PLACES, NOW)
    again = regimes.switches(warned(), (RAIN,), ZONES, PLACES, NOW + 1)

    assert [one.id for one in first] == [one.id for one in again]
    assert len({one.id for one in first}) == len(ZONES)


@pytest.mark.feature("E-7")
def test_what_ends_takes_the_place_of_what_it_ends() -> None:
    (on,) = regimes.switches(warned(onset_ms=NOW + HOUR), (RAIN,), ZONES[:1], PLACES, NOW)

    (off,) = regimes.ends([on.context], NOW + 5)

    assert off.context.detail == {**on.context.detail, "revision": 2.0}
    assert (off.context.at_ms, off.context.until_ms) == (NOW + 5, NOW + 5)
    assert off.id != on.id
    assert regimes.ends([off.context], NOW) == []
    assert regimes.ends([on.context], on.context.until_ms) == []


CAP = f"""<alert xmlns="{reading.NAMESPACES[0]}"><identifier>w1</identifier>
<sender>weather</sender><sent>2023-11-15T06:13:20+08:00</sent><status>Actual</status>
<msgType>%s</msgType><references>%s</references>%s</alert>"""
INFO = """<info><language>%s</language><event>%s</event><severity>Severe</severity>
<eventCode><valueName>c</valueName><value>11B03</value></eventCode>
<effective>2023-11-15T06:13:20+08:00</effective><expires>2023-11-15T09:13:20+08:00</expires>
<headline>h</headline><area><areaDesc>a</areaDesc>
<geocode><valueName>g</valueName><value>210102</value></geocode></area></info>"""


@pytest.mark.feature("E-7")
def test_a_cap_warning_is_read_in_all_its_languages() -> None:
    body = CAP % ("Update", "s,w0,t", INFO % ("zh-CN", "暴雨") + INFO % ("en", "rain"))

    assert regimes.read(body.encode()) == Warned(
        "w1", "weather", "Update", "Actual", ("11B03", "暴雨", "rain"), "Severe", "h",
        ("210102",), ("w0",), NOW, NOW, NOW + 3 * HOUR,
    )  # fmt: skip


def test_the_json_form_says_the_same() -> None:
    body = b'{"id":"w","event":"rain","kind":"Cancel","references":["w1"],"sent_ms":5}'

    found = regimes.read(body)

    assert (found.kind, found.references, found.events) == ("Cancel", ("w1",), ("rain",))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ((CAP % ("Ack", "", INFO % ("a", "b"))).encode(), "msgType Ack"),
        ((CAP % ("", "", INFO % ("a", "b"))).encode(), "msgType missing"),
        ((CAP % ("Alert", "", "")).encode(), "no info"),
        ((CAP % ("Cancel", "", "")).encode(), "cancels nothing"),
        (b'{"id":"w"}', "missing required field"),
        (b'{"id":"w","event":"\\u0000"}', "NUL"),
        (b'{"id":"w","event":"e","more":1}', "unknown field"),
        (b'{"a":' * 5000, "."),
    ],
)
def test_each_wrong_warning_is_refused_with_a_sentence(payload: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        regimes.read(payload)


def test_a_cancellation_needs_no_info() -> None:
    assert regimes.read((CAP % ("Cancel", "s,w0,t", "")).encode()).references == ("w0",)
