"""The evidence picture: a channel's readings as an SVG step line with limits and moments.

Pure.  A value holds until the next reading and no further than three intervals: what was not
measured is hatched, never interpolated.  Values that cannot be trusted are crosses beside the line.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise

from markupsafe import Markup

from alerting.console.words import text
from alerting.people import times
from lifeline.model import UNUSABLE, Quality
from lifeline.words import Language

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 54, 34
SUSPECT = UNUSABLE | Quality.FAULT | Quality.TEST_GAS
"""Values with one of these are drawn apart from the line."""
VALUE_MAX = 1e300
GAP_INTERVALS = 3.0
POINTS_MAX = 1600
"""Corners of the line; more could not be told apart."""
MARKS_MAX = 300
"""Crosses drawn; a device that sends nothing else would otherwise make a page of megabytes."""

Point = tuple[int, float | None, int]
"""(unix ms, value or None where the device sent no finite number, quality bits)"""


@dataclass(slots=True, frozen=True)
class LimitLine:
    """A limit as drawn: its id labels the line."""

    id: str
    value: float


@dataclass(slots=True, frozen=True)
class Trace:
    """What one picture shows; times in unix ms, ``points`` oldest first."""

    channel: str
    unit: str
    interval_s: float
    points: Sequence[Point]
    limits: Sequence[LimitLine]
    from_ms: int
    until_ms: int
    onset_ms: int
    detected_ms: int
    now_ms: int

    def __post_init__(self) -> None:
        assert self.from_ms < self.until_ms
        assert self.interval_s > 0


@dataclass(slots=True, frozen=True)
class Scale:
    """Maps time and value to the picture's units."""

    from_ms: int
    until_ms: int
    low: float
    high: float

    def x(self, at_ms: float) -> float:
        """Left to right; clamped to the window."""
        share = (at_ms - self.from_ms) / (self.until_ms - self.from_ms)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Bottom to top; clamped to the plot, so that a wild value cannot leave it."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - TOP - BOTTOM), 1)


def is_suspect(point: Point) -> bool:
    """Whether a reading is drawn as a cross."""
    return point[1] is None or not math.isfinite(point[1]) or bool(point[2] & SUSPECT)


def gaps(trace: Trace) -> list[tuple[int, int]]:
    """Stretches of the window without a reading for more than three intervals, (from, until) ms."""
    limit_ms = GAP_INTERVALS * trace.interval_s * 1000.0
    end_ms = min(trace.until_ms, trace.now_ms)
    times = [trace.from_ms, *(p[0] for p in trace.points), end_ms]
    return [(before, after) for before, after in pairwise(times) if after - before > limit_ms]


def window(
    onset_ms: int, ended_ms: int | None, now_ms: int, span_s: int | None = None
) -> tuple[int, int, int]:
    """(from, until, span in s): the onset with a quarter before it, as near to now as fits."""
    until_ms = now_ms if ended_ms is None else min(now_ms, ended_ms + 120_000)
    for span in (900, 3600, 86_400):
        chosen = span_s or span
        if span_s or until_ms - onset_ms <= chosen * 750:
            break
    from_ms = until_ms - chosen * 1000
    if from_ms > onset_ms:
        # The excursion began before the window: the beginning is what is to be believed.
        from_ms = onset_ms - chosen * 250
        until_ms = from_ms + chosen * 1000
    return from_ms, until_ms, chosen


def scale_of(trace: Trace) -> Scale:
    """The scale in which every usable value and every limit is seen."""
    seen = [p[1] for p in trace.points if not is_suspect(p) and p[1] is not None]
    seen += [limit.value for limit in trace.limits]
    # A picture needs room beyond its extremes, and beside the largest floats there is none.
    seen = [min(max(value, -VALUE_MAX), VALUE_MAX) for value in seen]
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return Scale(trace.from_ms, trace.until_ms, low - pad, high + pad)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values inside [low, high], about ``count`` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough)
    first = math.ceil(low / step)
    found = [round((first + i) * step, 12) for i in range(count + 3)]
    return [value + 0.0 for value in found if low <= value <= high]


def runs(trace: Trace) -> list[list[Point]]:
    """The usable readings, split wherever one is suspect or missing: each is one unbroken line."""
    limit_ms = GAP_INTERVALS * trace.interval_s * 1000.0
    found: list[list[Point]] = []
    last_ms: int | None = None
    for point in trace.points:
        if is_suspect(point):
            last_ms = None
            continue
        if last_ms is None or point[0] - last_ms > limit_ms:
            found.append([])
        found[-1].append(point)
        last_ms = point[0]
    return found


def thin(points: Sequence[Point], step: int) -> Sequence[Point]:
    """Readings that look the same: the first, lowest, highest and last of each ``step`` of them."""
    if step <= 4:
        return points
    kept: list[Point] = []
    for start in range(0, len(points), step):
        part = points[start : start + step]
        ends = {part[0], part[-1], min(part, key=_value), max(part, key=_value)}
        kept += sorted(ends, key=lambda p: p[0])
    return kept


def _value(point: Point) -> float:
    return point[1] if point[1] is not None else math.nan


def draw(trace: Trace, language: Language, zone: tzinfo, number: int) -> Markup:
    """The picture; ``number`` keeps the ids of several pictures on one page apart."""
    scale = scale_of(trace)
    parts = [
        *_frame(trace, scale, zone),
        *_gap_marks(trace, scale, language, number),
        *_limit_lines(trace, scale),
        *_moments(trace, scale, language, zone),
        *_line(trace, scale),
        *_crosses(trace, scale),
        *_nothing(trace, language),
    ]
    head = Markup(
        '<svg class="trace" viewBox="0 0 {w} {h}" role="img" aria-labelledby="t{n} d{n}">'
        '<title id="t{n}">{title}</title><desc id="d{n}">{desc}</desc>'
        '<defs><pattern id="gap{n}" width="7" height="7" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="gap-ground" width="7" height="7"></rect>'
        '<line class="gap-stroke" x1="0" y1="0" x2="0" y2="7"></line></pattern></defs>'
    ).format(
        w=WIDTH,
        h=HEIGHT,
        n=number,
        title=text("evidence.title", language, channel=trace.channel, unit=trace.unit),
        desc=describe(trace, language, zone),
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def describe(trace: Trace, language: Language, zone: tzinfo) -> str:
    """The picture in words, for those who do not see it."""
    good = [p for p in trace.points if not is_suspect(p) and p[1] is not None]
    lines = [
        text(
            "evidence.span",
            language,
            n=len(trace.points),
            start=times.second(trace.from_ms, zone),
            end=times.second(trace.until_ms, zone),
        )
    ]
    if good:
        top = max(good, key=_value)
        lines.append(
            text(
                "evidence.range",
                language,
                low=number_text(min(map(_value, good))),
                high=number_text(_value(top)),
                unit=trace.unit,
                at=times.second(top[0], zone),
                last=number_text(_value(good[-1])),
            )
        )
    lines += [
        text(
            "evidence.limit", language, id=limit.id, value=number_text(limit.value), unit=trace.unit
        )
        for limit in trace.limits
    ]
    lines.append(
        text(
            "evidence.moments",
            language,
            onset=times.second(trace.onset_ms, zone),
            detected=times.second(trace.detected_ms, zone),
        )
    )
    bad = len(trace.points) - len(good)
    lines.append(text("evidence.bad", language, bad=bad, gaps=len(gaps(trace))))
    return " ".join(lines)


def number_text(value: float | None) -> str:
    """A value as shown: four significant digits, never in exponent form within six decades."""
    if value is None or not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3e}"
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def _frame(trace: Trace, scale: Scale, zone: tzinfo) -> Iterator[Markup]:
    bottom = HEIGHT - BOTTOM
    for value in ticks(scale.low, scale.high):
        y = scale.y(value)
        yield Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"></line>').format(
            LEFT, y, WIDTH - RIGHT, y
        )
        yield _label("axis", LEFT - 8, y + 4, number_text(value), "end")
    yield _label("axis", LEFT - 8, TOP - 28, trace.unit, "end")
    span_ms = scale.until_ms - scale.from_ms
    for i in range(5):
        at_ms = scale.from_ms + span_ms * i // 4
        anchor = "start" if i == 0 else "end" if i == 4 else "middle"
        x = scale.x(at_ms)
        yield Markup('<line class="axis-tick" x1="{}" y1="{}" x2="{}" y2="{}"></line>').format(
            x, bottom, x, bottom + 5
        )
        yield _label("axis", x, bottom + 20, times.second(at_ms, zone), anchor)
    yield Markup('<line class="axis-line" x1="{}" y1="{}" x2="{}" y2="{}"></line>').format(
        LEFT, bottom, WIDTH - RIGHT, bottom
    )


def _gap_marks(trace: Trace, scale: Scale, language: Language, number: int) -> Iterator[Markup]:
    for start_ms, end_ms in gaps(trace):
        x, width = scale.x(start_ms), scale.x(end_ms) - scale.x(start_ms)
        yield Markup(
            '<rect class="gap" fill="url(#gap{})" x="{}" y="{}" width="{:.1f}" height="{}"></rect>'
        ).format(number, x, TOP, max(width, 0.5), HEIGHT - TOP - BOTTOM)
        if width > 64:
            yield _label(
                "gap-word",
                x + width / 2,
                (TOP + HEIGHT - BOTTOM) / 2,
                text("evidence.gap", language),
                "middle",
            )


def _limit_lines(trace: Trace, scale: Scale) -> Iterator[Markup]:
    for limit in trace.limits:
        y = scale.y(limit.value)
        yield Markup('<line class="limit" x1="{}" y1="{}" x2="{}" y2="{}"></line>').format(
            LEFT, y, WIDTH - RIGHT, y
        )
        words = f"{limit.id} = {number_text(limit.value)} {trace.unit}"
        yield _label("limit-word", LEFT + 6, y - 5 if y > TOP + 16 else y + 14, words, "start")


def _moments(trace: Trace, scale: Scale, language: Language, zone: tzinfo) -> Iterator[Markup]:
    for kind, at_ms, row in (("onset", trace.onset_ms, 0), ("detected", trace.detected_ms, 1)):
        if not trace.from_ms <= at_ms <= trace.until_ms:
            continue
        x = scale.x(at_ms)
        words = text(f"evidence.{kind}", language, at=times.second(at_ms, zone))
        yield Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"></line>').format(
            kind, x, TOP - 36 + 20 * row, x, HEIGHT - BOTTOM
        )
        # Near the right edge the words stand to the left of their line.
        is_near_end = x > WIDTH - RIGHT - 170
        yield _label(
            f"{kind}-word",
            x - 5 if is_near_end else x + 5,
            TOP - 28 + 20 * row,
            words,
            "end" if is_near_end else "start",
        )


def _line(trace: Trace, scale: Scale) -> Iterator[Markup]:
    step = len(trace.points) // (POINTS_MAX // 4)
    path: list[str] = []
    for run in runs(trace):
        places = [(scale.x(p[0]), scale.y(_value(p))) for p in thin(run, step)]
        path.append(f"M{places[0][0]} {places[0][1]}h1")
        path += [f"H{x}V{y}" for x, y in places[1:]]
    if path:
        yield Markup('<path class="line" d="{}"></path>').format("".join(path))


def _crosses(trace: Trace, scale: Scale) -> Iterator[Markup]:
    bad = [p for p in trace.points if is_suspect(p)]
    for at_ms, value, _ in bad[-MARKS_MAX:]:
        x = scale.x(at_ms)
        is_placed = value is not None and math.isfinite(value)
        y = scale.y(value) if is_placed and value is not None else HEIGHT - BOTTOM - 6
        yield Markup('<path class="bad" d="M{} {}l8 8m0 -8l-8 8"></path>').format(
            round(x - 4, 1), round(y - 4, 1)
        )


def _nothing(trace: Trace, language: Language) -> Iterator[Markup]:
    if not trace.points:
        yield _label("stale-word", WIDTH / 2, HEIGHT / 2, text("evidence.none", language), "middle")


def _label(kind: str, x: float, y: float, words: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, round(x, 1), round(y, 1), anchor, words
    )
