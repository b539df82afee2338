"""Pictures of streams for the report: signal, score, limit, truth and alarms, as SVG by hand."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_sets.running import Ran
from calibration.recording import Recording

WIDTH, LANE, SCORE = 1000, 48, 60
POINTS = 600
SIGNALS_MAX = 4
SIGNAL = LANE * SIGNALS_MAX
COLOURS = ("#1f5fbf", "#6b7280", "#0f766e", "#7c3aed")
SCORE_MAX = 2.0
LEGEND = (
    "Shaded: what is known to have happened. Orange: alarms. Black: highest score; dashed: its"
    " limit."
)
STYLE = """body{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:1060px}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ddd;padding:.2rem .6rem;
text-align:left;vertical-align:top}svg{width:100%;height:auto;background:#fafafa}
h2{margin-top:2.5rem}.k{color:#6b7280}"""


def picture(recording: Recording, ran: Ran) -> str:
    """One stream: up to four signals, the highest score with its limit, truth and alarms."""
    n = max(len(recording), 1)
    parts = [f'<svg viewBox="0 0 {WIDTH} {SIGNAL + SCORE}" role="img">']
    shown = _shown(recording)
    for event in recording.events or ():
        a, b = _x(max(event.row, 0), n), _x(min(event.end + 1, n), n)
        # What is about one column that is drawn stands in its lane; what is about all, over all.
        lanes = [k for k, c in enumerate(shown) if recording.columns[c] == event.place]
        top, high = (LANE * lanes[0], LANE) if lanes else (0, SIGNAL)
        colour = "#1f5fbf" if event.kind == "leak" else "#c8102e"
        label = html.escape(f"{event.kind} {event.place}")
        parts.append(
            f'<rect x="{a:.1f}" y="{top}" width="{max(b - a, 1):.1f}" height="{high}"'
            f' fill="{colour}" opacity="{0.25 if lanes else 0.08}"><title>{label}</title></rect>'
        )
    for k, column in enumerate(shown):
        line = _line(recording.values[:, column], LANE - 6, LANE * k + 3.0)
        name = html.escape(recording.columns[column])
        parts.append(
            f'<path d="{line}" fill="none" stroke="{COLOURS[k]}" stroke-width="0.8"/>'
            f'<text x="4" y="{LANE * k + 11}" font-size="9" fill="{COLOURS[k]}">{name}</text>'
        )
    parts.append(_scored(recording, ran))
    for alarm in ran.alarms[:500]:
        x = _x(alarm.row, n)
        told = f"{alarm.kind} {alarm.channel}{alarm.pipe} row {alarm.row}"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{SIGNAL + SCORE}" stroke="#b85000"'
            f' stroke-width="1"><title>{html.escape(told)}</title></line>'
        )
    return "".join([*parts, "</svg>"])


def _shown(recording: Recording) -> list[int]:
    """The columns drawn: those that an event is about, else spread over all."""
    about = {event.place for event in recording.events or ()}
    named = [k for k, column in enumerate(recording.columns) if column in about]
    spread = np.linspace(0, len(recording.columns) - 1, SIGNALS_MAX).astype(int).tolist()
    return list(dict.fromkeys([*named, *spread]))[:SIGNALS_MAX]


def _x(row: float, n: int) -> float:
    return WIDTH * row / n


def _line(values: NDArray[np.float64], height: float, top: float) -> str:
    """A path through the least and largest of each piece, scaled to its own range."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ""
    low, high = np.quantile(finite, [0.001, 0.999]).tolist()
    span = (high - low) or 1.0
    pieces = np.array_split(values, min(POINTS, len(values)))
    points = []
    for k, piece in enumerate(pieces):
        kept = piece[np.isfinite(piece)]
        if not len(kept):
            continue
        x = WIDTH * (k + 0.5) / len(pieces)
        for value in dict.fromkeys((float(kept.min()), float(kept.max()))):
            y = top + height * (1 - (min(max(value, low), high) - low) / span)
            points.append(f"{x:.1f},{y:.1f}")
    return "M" + "L".join(points)


def _scored(recording: Recording, ran: Ran) -> str:
    """The highest score of all rules, cut at twice the limit, with the limit."""
    n = max(len(recording), 1)
    top, height = SIGNAL + 5, SCORE - 10
    best = np.zeros(min(POINTS, n))
    at_ms = recording.at_ms
    for clocked in ran.clocked:
        if clocked.at_ms:
            rows = np.searchsorted(at_ms, np.array(clocked.at_ms))
            piece = np.minimum(rows * len(best) // n, len(best) - 1)
            scores = np.nan_to_num(np.array(clocked.scores), nan=0.0)
            np.maximum.at(best, piece, np.clip(scores, 0.0, SCORE_MAX))
    points = [
        f"{WIDTH * (k + 0.5) / len(best):.1f},{top + height * (1 - value / SCORE_MAX):.1f}"
        for k, value in enumerate(best.tolist())
    ]
    limit = top + height * (1 - 1 / SCORE_MAX)
    return (
        f'<line x1="0" x2="{WIDTH}" y1="{limit:.1f}" y2="{limit:.1f}" stroke="#c8102e"'
        f' stroke-dasharray="4 4" stroke-width="0.8"/>'
        f'<path d="M{"L".join(points)}" fill="none" stroke="#111" stroke-width="0.8"/>'
    )


def page(scores: Mapping, streams: Sequence[tuple[str, str, Mapping[str, float], str]]) -> str:
    """The whole report."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Detection</title>',
        f"<style>{STYLE}</style><h1>Detection</h1>",
        f'<p class="k">{LEGEND}</p>',
    ]
    parts.append(_goals(scores["goals"]))
    for name, one in scores["sets"].items():
        parts.append(f"<h2>{html.escape(name)}</h2>{_table(one['score'] or {})}")
        parts.append(
            f'<p class="k">{one["streams"]} streams, {one["rows"]} rows, {one["us_per_row"]} µs a'
            f" row; {html.escape(str(one['detectors']))}</p>"
        )
        for stream, why in one["problems"].items():
            parts.append(f"<p>{html.escape(stream)}: {html.escape(why)}</p>")
        for of, stream, own, drawn in streams:
            if of == name and drawn:
                told = "  ".join(
                    f"{key} {value:.4g}" for key, value in own.items() if value is not None
                )
                parts.append(
                    f"<h3>{html.escape(stream)}</h3><p class='k'>{html.escape(told)}</p>{drawn}"
                )
    return "".join(parts) + "</html>\n"


def _goals(goals: Sequence[Mapping]) -> str:
    """What is asked and what is reached."""
    colours = {"moonshot": "#0f766e", "gate": "#1f5fbf", "missed": "#c8102e"}
    heads = ("goal", "set", "figure", "sense", "gate", "moonshot", "score", "state")
    cells = ["".join(f"<th>{head}</th>" for head in heads)]
    for goal in goals:
        colour = colours.get(goal["state"], "#6b7280")
        told = "".join(f"<td>{'–' if goal[h] is None else html.escape(str(goal[h]))}</td>"
                       for h in heads)  # fmt: skip
        cells.append(f'<tr style="color:{colour}">{told}')
    return f"<table><tr>{'</tr><tr>'.join(cells[:1])}</tr>{'</tr>'.join(cells[1:])}</tr></table>"


def _table(figures: Mapping[str, float | None]) -> str:
    if not figures:
        return "<p>not scored</p>"
    cells = "".join(
        f"<tr><th>{html.escape(key)}</th><td>{'–' if value is None else f'{value:.5g}'}</td></tr>"
        for key, value in figures.items()
    )
    return f"<table>{cells}</table>"
