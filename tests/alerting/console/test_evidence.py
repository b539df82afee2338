"""The evidence picture shows what was measured, and nothing that was not."""

import math
import re
from datetime import timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerting.console import evidence
from alerting.console.evidence import LimitLine, Point, Trace
from lifeline.model import Quality

T0 = 1_800_000_000_000
CHINA = timezone(timedelta(hours=8))


def trace(points: list[Point], **more: object) -> Trace:
    given = {
        "channel": "gas/well-0001/ch4",
        "unit": "%LEL",
        "interval_s": 5.0,
        "points": points,
        "limits": [LimitLine("gas.ch4.20lel", 20.0)],
        "from_ms": T0,
        "until_ms": T0 + 900_000,
        "onset_ms": T0 + 300_000,
        "detected_ms": T0 + 310_000,
        "now_ms": T0 + 900_000,
    }
    return Trace(**{**given, **more})  # type: ignore[arg-type]


def steady(start: int = 0, end: int = 181, value: float = 5.0) -> list[Point]:
    return [(T0 + i * 5000, value + i % 2, 0) for i in range(start, end)]


def drawn(one: Trace) -> ET.Element:
    return ET.fromstring(str(evidence.draw(one, "en", CHINA, 3)))


def of_class(picture: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in picture.iter() if e.get("class") == name]


def test_the_limit_is_labelled_with_its_id() -> None:
    picture = drawn(trace(steady()))

    (label,) = of_class(picture, "limit-word")
    assert label.text == "gas.ch4.20lel = 20 %LEL"


def test_onset_and_detection_are_marked_with_their_moments() -> None:
    picture = drawn(trace(steady()))

    assert of_class(picture, "onset-word")[0].text == "onset 16:05:00"
    assert of_class(picture, "detected-word")[0].text == "detected 16:05:10"
    onset, detected = of_class(picture, "onset")[0], of_class(picture, "detected")[0]
    assert float(onset.get("x1", "")) < float(detected.get("x1", ""))


def test_a_moment_outside_the_window_is_not_drawn() -> None:
    picture = drawn(trace(steady(), onset_ms=T0 - 1, detected_ms=T0))

    assert of_class(picture, "onset") == []
    assert len(of_class(picture, "detected")) == 1


def test_a_gap_is_hatched_and_no_line_crosses_it() -> None:
    whole = steady()
    one = trace(whole[:60] + whole[90:])

    picture = drawn(one)

    (gap,) = of_class(picture, "gap")
    left = float(gap.get("x", ""))
    right = left + float(gap.get("width", ""))
    path = of_class(picture, "line")[0].get("d", "")
    assert path.count("M") == 2
    xs = [float(x) for x in re.findall(r"[MH](-?[\d.]+)", path)]
    assert not [x for x in xs if left + 0.2 < x < right - 0.2]
    assert evidence.gaps(one) == [(whole[59][0], whole[90][0])]


def test_silence_up_to_now_is_a_gap_too() -> None:
    assert evidence.gaps(trace(steady(0, 100))) == [(T0 + 99 * 5000, T0 + 900_000)]
    assert evidence.gaps(trace([])) == [(T0, T0 + 900_000)]


def test_the_future_is_no_gap() -> None:
    assert evidence.gaps(trace(steady(0, 100), now_ms=T0 + 500_000)) == []


def test_untrusted_values_are_crosses_and_do_not_stretch_the_scale() -> None:
    bad: list[Point] = [
        (T0 + 100_001, 1e30, int(Quality.OUT_OF_RANGE)),
        (T0 + 200_001, None, int(Quality.NON_FINITE)),
        (T0 + 300_001, 6.0, int(Quality.FAULT)),
    ]
    one = trace(sorted(steady() + bad))

    picture = drawn(one)

    assert len(of_class(picture, "bad")) == 3
    assert evidence.scale_of(one).high < 30
    assert "e+30" not in of_class(picture, "line")[0].get("d", "")


def test_the_picture_says_in_words_what_it_shows() -> None:
    words = evidence.describe(trace(steady()), "en", CHINA)

    assert "181 readings" in words
    assert "Lowest 5, highest 6 %LEL" in words
    assert "Limit gas.ch4.20lel: 20 %LEL" in words
    assert "Onset 16:05:00, detected 16:05:10" in words
    assert drawn(trace(steady())).findtext("{*}desc") == words


def test_without_readings_the_picture_says_so() -> None:
    assert of_class(drawn(trace([])), "stale-word")[0].text == "no readings in this window"


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;", "]]>"]
)
def test_names_stay_text(evil: str) -> None:
    one = trace(steady(), channel=evil, unit=evil, limits=[LimitLine(evil, 1.0)])

    picture = drawn(one)

    assert not [e for e in picture.iter() if e.tag in ("script", "img")]
    assert of_class(picture, "limit-word")[0].text == f"{evil} = 1 {evil}"


numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.tuples(st.integers(T0, T0 + 900_000), numbers, st.integers(0, 0xFFFF)), max_size=60
    ),
    st.lists(st.floats(-1e12, 1e12), max_size=3),
)
def test_whatever_was_sent_the_picture_stays_inside_its_frame(
    points: list[Point], limits: list[float]
) -> None:
    ordered = sorted({p[0]: p for p in points}.values(), key=lambda p: p[0])

    picture = drawn(trace(ordered, limits=[LimitLine("l", value) for value in limits]))

    for element in picture.iter():
        for key in ("x", "x1", "x2", "y", "y1", "y2"):
            value = float(element.get(key, "0"))
            assert math.isfinite(value)
            assert -20 <= value <= evidence.WIDTH + 20
    for line in of_class(picture, "line"):
        assert "nan" not in line.get("d", "")
        assert "inf" not in line.get("d", "")


def test_many_readings_make_a_picture_of_bounded_size_that_keeps_the_peak() -> None:
    many: list[Point] = [(T0 + i * 90, 5.0, 0) for i in range(10_000)]
    many[4321] = (many[4321][0], 19.0, 0)
    one = trace(many, interval_s=0.1)

    text = str(evidence.draw(one, "zh", CHINA, 0))

    assert len(text) < 60_000
    assert f"V{evidence.scale_of(one).y(19.0)}" in text


@pytest.mark.parametrize(
    ("onset_s", "ended_s", "now_s", "span_s", "expected"),
    [
        (0, None, 60, None, (-840, 60, 900)),
        (0, None, 2000, None, (-1600, 2000, 3600)),
        (0, 100, 50_000, None, (-680, 220, 900)),
        (0, None, 200_000, None, (-21_600, 64_800, 86_400)),
        (0, None, 5000, 900, (-225, 675, 900)),
    ],
)
def test_the_window_always_holds_the_onset(
    onset_s: int,
    ended_s: int | None,
    now_s: int,
    span_s: int | None,
    expected: tuple[int, int, int],
) -> None:
    ended_ms = None if ended_s is None else ended_s * 1000

    from_ms, until_ms, span = evidence.window(onset_s * 1000, ended_ms, now_s * 1000, span_s)

    assert (from_ms // 1000, until_ms // 1000, span) == expected


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    high = low + width
    assume(width > 1e-9 * abs(low))

    found = evidence.ticks(low, high)

    assert 1 <= len(found) <= 8
    assert all(low <= value <= high for value in found)
