"""Where a leak may be, drawn: the mains with their probability, and what each sensor shows.  Pure.

The mains' shape comes from what was calibrated for the group that found it: arrays ``pipe`` (names)
and ``pipe_xy`` (metres; start and end of each).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from alerting.console.words import text
from lifeline.model import Floats
from lifeline.words import Language, joined

WIDTH, HEIGHT, MARGIN = 680, 420, 24
NAMED = 3
"""Pipes whose names are written beside them; more would cover each other."""
SHADES = ((0.2, "likely"), (0.05, "possible"), (0.0, "faint"))
"""Least probability of each kind of line, the gravest first."""
BARS_MAX = 16
BAR_HEIGHT = 18
SIGMA_FULL = 12.0
"""A bar as long as this is far; lesser ones are not drawn longer than they are."""
NAME_WIDTH, FIGURE_WIDTH = 190, 52
SPREAD = 2.5
"""The sketch shows so much more than the pipes where it may be lie apart: the streets around."""
SHARE_SHOWN = 0.4
"""And at least this share of the network, so that one sees which part of it this is."""
LABEL_WIDTH, LABEL_HEIGHT = 120, 15


@dataclass(slots=True, frozen=True)
class Mains:
    """The pipes of one network, as they lie."""

    names: Sequence[str]
    ends: Floats
    """(n, 4): x and y of both ends, metres, y to the north."""


def mains(learned: Mapping[str, NDArray[Any]]) -> Mains | None:
    """The mains that a calibration knows; None where it knew no network."""
    if "pipe" not in learned or "pipe_xy" not in learned:
        return None
    ends = np.asarray(learned["pipe_xy"], np.float64)
    return Mains([str(name) for name in learned["pipe"].tolist()], ends)


def draw(
    pipes: Mains, candidates: Sequence[tuple[str, float]], language: Language, number: int
) -> Markup:
    """The map sketch; ``number`` keeps the ids of several pictures on one page apart."""
    at = {name: i for i, name in enumerate(pipes.names)}
    known = [(name, p) for name, p in candidates if name in at]
    place = _placer(frame(pipes.ends, pipes.ends[[at[name] for name, _ in known]]))
    ground = "".join(_path(place(pipes.ends[i])) for i in range(len(pipes.names)))
    parts = [Markup('<path class="main" d="{}"></path>').format(ground)]
    # The most probable last: nothing is drawn over it.
    for name, probability in sorted(known, key=lambda one: one[1]):
        parts.append(
            Markup('<path class="main {}" d="{}"><title>{}</title></path>').format(
                shade(probability), _path(place(pipes.ends[at[name]])), f"{name} {probability:.0%}"
            )
        )
    named = [(place(pipes.ends[at[name]]), f"{name} {p:.0%}") for name, p in known[:NAMED]]
    parts += _labels(named)
    said = describe(candidates, language)
    return _svg("map", HEIGHT, number, text("sketch.title", language), said, parts)


def describe(candidates: Sequence[tuple[str, float]], language: Language) -> str:
    """The sketch in words, for those who do not see it."""
    named = joined((f"{name} {p:.0%}" for name, p in candidates[:5]), language)
    return text("sketch.words", language, pipes=named)


def shade(probability: float) -> str:
    """How strongly a pipe is drawn.

    >>> shade(0.5), shade(0.1), shade(0.01)
    ('likely', 'possible', 'faint')
    """
    return next(kind for least, kind in SHADES if probability >= least)


def bars(residuals: Sequence[tuple[str, float]], language: Language, number: int) -> Markup:
    """How far each sensor stands from what was expected, the farthest first."""
    shown = sorted(residuals, key=lambda one: -abs(one[1]))[:BARS_MAX]
    height = BAR_HEIGHT * (len(shown) + 1) + 12
    middle, reach = (NAME_WIDTH + WIDTH) / 2, (WIDTH - NAME_WIDTH) / 2 - FIGURE_WIDTH
    parts = [
        Markup('<line class="axis-line" x1="{x}" y1="4" x2="{x}" y2="{y}"></line>').format(
            x=middle, y=height - 4
        ),
        *_bars(shown, middle, reach),
    ]
    said = "; ".join(f"{name} {sigma:+.1f}" for name, sigma in shown)
    return _svg("bars", height, number, text("sketch.bars", language), said, parts)


def _bars(shown: Sequence[tuple[str, float]], middle: float, reach: float) -> Iterator[Markup]:
    full = max([SIGMA_FULL, *(abs(sigma) for _, sigma in shown)])
    short = shortened([name for name, _ in shown])
    for row, (name, (_, sigma)) in enumerate(zip(short, shown, strict=True)):
        y = 8 + row * BAR_HEIGHT
        width = reach * abs(sigma) / full
        x = middle if sigma > 0 else middle - width
        kind = "bar far" if abs(sigma) >= SIGMA_FULL / 4 else "bar"
        yield Markup(
            '<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"></rect>'
        ).format(kind, x, y, max(width, 0.5), BAR_HEIGHT - 5)
        yield _label(NAME_WIDTH - 8, y + 11, name, "end")
        past = x + width + 6 if sigma > 0 else x - 6
        yield _label(past, y + 11, f"{sigma:+.1f}", "start" if sigma > 0 else "end")


def shortened(names: Sequence[str]) -> Sequence[str]:
    """The names without the folders that all of them share.

    >>> shortened(["water/z/head-01", "water/z/flow"]), shortened(["water/z/flow"])
    (['head-01', 'flow'], ['flow'])
    """
    folders = [name.split("/")[:-1] for name in names]
    shared = 0
    while (
        folders
        and all(len(one) > shared for one in folders)
        and (len({one[shared] for one in folders}) == 1)
    ):
        shared += 1
    return ["/".join(name.split("/")[shared:]) for name in names]


def frame(ends: Floats, likely: Floats) -> Floats:
    """The corners of what is drawn: the pipes where it may be and the streets around them."""
    whole = ends.reshape(-1, 2)
    low, high = whole.min(axis=0), whole.max(axis=0)
    if len(likely) == 0:
        return np.concatenate([low, high])[None]
    points = likely.reshape(-1, 2)
    span = np.maximum(np.ptp(points, axis=0) * SPREAD, (high - low) * SHARE_SHOWN)
    span = np.minimum(span, high - low)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    # Moved back inside where it would show the empty land beyond the last street.
    first = np.clip(centre - span / 2, low, high - span)
    return np.concatenate([first, first + span])[None]


def _labels(named: Sequence[tuple[tuple[float, float, float, float], str]]) -> Iterator[Markup]:
    """Names beside their pipes, inside the picture and none over another."""
    taken: list[tuple[float, float]] = []
    for (x1, y1, x2, y2), words in named:
        x = min((x1 + x2) / 2 + 7, WIDTH - LABEL_WIDTH)
        y = min(max((y1 + y2) / 2 - 7, LABEL_HEIGHT), HEIGHT - LABEL_HEIGHT)
        away = LABEL_HEIGHT if y < HEIGHT / 2 else -LABEL_HEIGHT
        while any(abs(x - a) < LABEL_WIDTH and abs(y - b) < LABEL_HEIGHT for a, b in taken):
            y += away
        taken.append((x, y))
        yield _label(x, y, words)


def _placer(ends: Floats) -> Any:
    """From metres to the picture, the same scale both ways, north up."""
    points = ends.reshape(-1, 2)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    scale = min((WIDTH - 2 * MARGIN) / max(span[0], 1.0), (HEIGHT - 2 * MARGIN) / max(span[1], 1.0))
    left = (WIDTH - scale * span[0]) / 2
    base = (HEIGHT + scale * span[1]) / 2

    def place(four: Floats) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = four.tolist()
        return (
            round(left + scale * (x1 - low[0]), 1),
            round(base - scale * (y1 - low[1]), 1),
            round(left + scale * (x2 - low[0]), 1),
            round(base - scale * (y2 - low[1]), 1),
        )

    return place


def _path(four: tuple[float, float, float, float]) -> str:
    x1, y1, x2, y2 = four
    return f"M{x1} {y1}L{x2} {y2}"


def _svg(
    kind: str, height: int, number: int, title: str, said: str, parts: Sequence[Markup]
) -> Markup:
    head = Markup(
        '<svg class="trace sketch" viewBox="0 0 {w} {h}" role="img"'
        ' aria-labelledby="{k}t{n} {k}d{n}"><title id="{k}t{n}">{title}</title>'
        '<desc id="{k}d{n}">{said}</desc>'
    ).format(w=WIDTH, h=height, k=kind, n=number, title=title, said=said)
    return head + Markup("").join(parts) + Markup("</svg>")


def _label(x: float, y: float, words: str, anchor: str = "start") -> Markup:
    return Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, words
    )
