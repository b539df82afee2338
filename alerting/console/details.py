"""One incident as its page shows it: facts, reasons, pictures, notices, history.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from alerting import cases
from alerting.cases import Case
from alerting.console import evidence, sketch, views
from alerting.console.evidence import LimitLine, Point, Trace, number_text
from alerting.console.visit import Visit
from alerting.console.words import age, text
from alerting.desk.rows import Detail, FindingRow, Summary
from alerting.people import times
from lifeline import model, words
from lifeline.catalog import Catalog
from lifeline.explanations import FACTS
from lifeline.model import STATE_BITS, UNTITLED, Finding, Quality
from lifeline.words import Language

TABLE_ROWS = 60
UNSAID = model.Detail()
PICTURES_MAX = 6
"""Pictures on one page: an incident may hold a hundred alarms."""


@dataclass(slots=True, frozen=True)
class Picture:
    """One channel's evidence: the picture, and the same in words and numbers."""

    channel: str
    unit: str
    svg: Markup
    words: str
    age: str
    is_stale: bool
    rows: Sequence[Mapping[str, str]]


def quality_words(quality: int, language: Language) -> str:
    """The quality bits in words."""
    bits = [name for name, bit in STATE_BITS.items() if quality & bit]
    ours = (Quality.NON_FINITE, Quality.OUT_OF_RANGE, Quality.WRONG_UNIT, Quality.HISTORICAL)
    bits += [str(bit.name).lower().replace("_", "-") for bit in ours if quality & bit]
    if not bits:
        return text("detail.quality.good", language)
    return words.joined((text(f"quality.{bit}", language) for bit in bits), language)


def detail(visit: Visit, row: Detail) -> Mapping[str, Any]:
    """One incident as its page shows it."""
    one, language = row.summary, visit.language
    return {
        "id": one.id,
        "revision": one.revision,
        "grade": visit.site.grades.of(one.grade),
        "phase": one.phase,
        "verdict": one.verdict,
        "phase_words": words.phase(one.phase, language),
        "is_active": one.is_active,
        "is_drill": one.drill,
        "headline": views.headline(visit.site, one, language),
        "facts": _facts(visit, one),
        "reasons": [_reason(visit, finding, n) for n, finding in enumerate(told(row))],
        "notices": _notices(visit, row),
        "timeline": _timeline(visit, row),
    }


def told(row: Detail) -> Sequence[Finding]:
    """The findings that explain: the leading one, then the newest of each channel and rule."""
    seen = {(row.summary.lead.channel, row.summary.lead.rule)}
    told = [row.summary.lead]
    for one in sorted(row.findings, key=lambda f: -f.last_ms):
        key = (one.finding.channel, one.finding.rule)
        if one.stage != "ignored" and key not in seen:
            seen.add(key)
            told.append(one.finding)
    return told[:8]


def _facts(visit: Visit, one: Summary) -> Sequence[tuple[str, str]]:
    catalog, language, zone = visit.site.catalog, visit.language, visit.site.zone
    asset = catalog.asset(one.asset)
    zone_title = views.title(catalog.head.zone_titles.get(one.zone, UNTITLED), one.zone, language)
    lifeline = views.lifeline_title(catalog, one.lifeline, language)
    where = f"{lifeline} · {views.asset_title(catalog, one.asset, language)}"
    old = age((visit.pulse.now_ms - one.onset_ms) / 1000.0, language)
    facts = [
        (visit.say("detail.what"), words.hazard(one.hazard, language)),
        (visit.say("detail.where"), f"{where} ({one.asset})"),
        (visit.say("detail.zone"), zone_title),
    ]
    if asset is not None and asset.position is not None:
        facts.append(
            (visit.say("detail.position"), f"{asset.position[1]:.5f}, {asset.position[0]:.5f}")
        )
    facts += [
        (
            visit.say("detail.since"),
            f"{times.moment(one.onset_ms, zone)} · {visit.say('incident.age', age=old)}",
        ),
        (visit.say("detail.detected"), times.moment(one.opened_ms, zone)),
    ]
    if one.acknowledged_by and one.acknowledged_ms:
        facts.append(
            (
                words.phase("acknowledged", language),
                f"{one.acknowledged_by} · {times.moment(one.acknowledged_ms, zone)}",
            )
        )
    if one.closed_by and one.closed_ms:
        facts.append(
            (
                words.phase("closed", language),
                f"{one.closed_by} · {times.moment(one.closed_ms, zone)}",
            )
        )
    facts.append(
        (
            visit.say("detail.revision"),
            f"{one.revision} · {visit.say('incident.episode', n=one.episode)}",
        )
    )
    return facts


def _reason(visit: Visit, finding: Finding, number: int) -> Mapping[str, Any]:
    say, language = visit.say, visit.language
    facts = [
        (say("detail.channel"), finding.channel),
        (say("detail.detector"), _rule(visit, finding)),
    ]
    if finding.value is not None:
        facts.append((say("detail.value"), _quantity(finding.value, finding.unit)))
    facts.append((say("detail.limit"), _limit(visit, finding)))
    facts += [
        (say("detail.score"), number_text(finding.score)),
        (say("detail.confidence"), f"{finding.confidence:.0%}"),
        (say("detail.since"), times.moment(finding.onset_ms, visit.site.zone)),
        (say("detail.quality"), quality_words(finding.quality, language)),
    ]
    if finding.contexts:
        known = (words.context(kind, language) for kind in finding.contexts)
        facts.append((say("detail.contexts"), words.joined(known, language)))
    if finding.lane != "live":
        facts.append(("", say("detail.late")))
    known_more = finding.detail or UNSAID
    facts += [words.fact(name, known_more.facts[name], language) for name in _ordered(known_more)]
    if known_more.onset_ms is not None:
        facts.append((say("detail.begun"), times.moment(known_more.onset_ms, visit.site.zone)))
    if known_more.candidates:
        facts.append((say("detail.candidates"), sketch.describe(known_more.candidates, language)))
    return {
        "sentence": words.explain(finding, language),
        "facts": facts,
        "sketches": _sketches(visit, finding, known_more, number),
    }


def _ordered(known: model.Detail) -> Sequence[str]:
    """The facts' names as the catalogue has them, size first; what it lacks behind.

    PostgreSQL keeps no order within a document.
    """
    first = [name for name in FACTS if name in known.facts]
    return [*first, *(name for name in known.facts if name not in FACTS)]


def _sketches(
    visit: Visit, finding: Finding, known: model.Detail, number: int
) -> Sequence[tuple[str, Markup]]:
    """What a detector of groups knows beyond its score, drawn: (caption, picture)."""
    catalog, language = visit.site.catalog, visit.language
    made = []
    group = next((g for g in catalog.head.groups if finding.channel.startswith(g.name)), None)
    pipes = sketch.mains(catalog.learned(group.artefact)) if group and known.candidates else None
    if pipes is not None:
        drawn = sketch.draw(pipes, known.candidates, language, number)
        made.append((visit.say("sketch.title"), drawn))
    if known.residuals:
        drawn = sketch.bars(known.residuals, language, number)
        made.append((visit.say("sketch.bars"), drawn))
    return made


def _quantity(value: float, unit: str) -> str:
    return number_text(value) if unit in ("", "1") else f"{number_text(value)} {unit}"


def _rule(visit: Visit, finding: Finding) -> str:
    known = next((r for r in visit.site.catalog.head.rules if r.id == finding.rule), None)
    parts = [f"{words.detector(finding.detector, visit.language)} v{finding.version}"]
    if known is not None:
        parts.append(views.title(known.title, "", visit.language))
    return " · ".join(part for part in (*parts, finding.rule) if part)


def _limit(visit: Visit, finding: Finding) -> str:
    if finding.limit is None:
        return visit.say("detail.no-limit")
    known = visit.site.catalog.head.limits.get(finding.limit_id)
    parts = [_quantity(finding.limit, finding.unit)]
    if known is not None:
        parts.append(views.title(known.title, "", visit.language))
    parts.append(finding.limit_id)
    clause = finding.clause or (known.clause if known else "")
    if known is not None and clause == known.clause and visit.language == "zh":
        clause = known.clause_zh or clause
    if clause:
        is_verified = known is not None and known.verified
        checked = visit.say("detail.verified") if is_verified else visit.say("detail.unverified")
        parts.append(words.bracketed(clause, checked, visit.language))
    return " · ".join(part for part in parts if part)


def _notices(visit: Visit, row: Detail) -> Sequence[Mapping[str, Any]]:
    shown = []
    for one in row.notices:
        at_ms = one.delivered_ms or one.last_ms
        is_answered = one.stage in ("accepted", "refused", "seen")
        state = one.stage if is_answered else one.state
        code = (
            f" · {one.last_code}"
            if one.last_code and state in ("waiting", "leased", "dead")
            else ""
        )
        shown.append(
            {
                "target": one.target,
                "reason": views.told_why(one.reason, visit.language),
                "state_name": state,
                "state": visit.say(f"notice.{state}") + code,
                "attempts": one.attempts,
                "at": times.second(at_ms, visit.site.zone) if at_ms else "–",
            }
        )
    return [*shown, *(_case(visit, one) for one in row.cases)]


def _case(visit: Visit, case: Case) -> Mapping[str, Any]:
    """A case of another system as a line among the notices: what became of what it was told."""
    step = case.step if case.step in cases.STEPS else "strange"
    return {
        "target": case.system,
        "reason": visit.say("case.title", number=case.number or "–"),
        "state_name": "dead" if step == "strange" else step,
        "state": visit.say(f"case.{step}", code=case.state),
        "attempts": case.messages,
        "at": times.second(case.at_ms, visit.site.zone) if case.at_ms else "–",
    }


def _timeline(visit: Visit, row: Detail) -> Sequence[Mapping[str, str]]:
    return [
        {
            "at": times.day_second(one.at_ms, visit.site.zone),
            "iso": views.iso(one.at_ms),
            "actor": one.actor if views.is_person(one.actor) else visit.say("timeline.system"),
            "action": words.reason(one.reason or one.action, visit.language),
            # Of a page it is the number of a step, which its deadline tells better.
            "note": "" if one.action == "page" else one.note,
        }
        for one in row.audit
    ]


def traces(
    visit: Visit, row: Detail, found: Mapping[str, Sequence[Point]], from_ms: int, until_ms: int
) -> Sequence[Trace]:
    """What is drawn for an incident: one trace a channel, with the limits exceeded there."""
    made: list[Trace] = []
    for name, causes in channels(visit.site.catalog, row).items():
        known = visit.site.catalog.find(name)
        lead = causes[0].finding
        points = {p[0]: p for cause in causes for p in _own(cause.finding, name)}
        # What is archived is the record; the finding's own readings fill in while it is behind.
        points |= {p[0]: p for p in found.get(name, ())}
        unit = known[1].unit if known else lead.unit
        # Of a leak that came back, the moments that this window can show.
        begun = [c.finding for c in causes if c.finding.onset_ms >= from_ms]
        begun = begun or [c.finding for c in causes]
        limits = {
            c.finding.limit_id or c.finding.rule: c.finding.limit
            for c in causes
            if c.finding.limit is not None and c.finding.channel == name and c.finding.unit == unit
        }
        made.append(
            Trace(
                channel=name,
                unit=unit,
                interval_s=known[1].interval_s if known else 60.0,
                points=[points[at] for at in sorted(points) if from_ms <= at <= until_ms],
                limits=[
                    LimitLine(key, value) for key, value in limits.items() if value is not None
                ],
                from_ms=from_ms,
                until_ms=until_ms,
                onset_ms=min(f.onset_ms for f in begun),
                detected_ms=min(f.at_ms for f in begun),
                now_ms=visit.pulse.now_ms,
            )
        )
    return made


def _own(finding: Finding, channel: str) -> Sequence[Point]:
    return finding.evidence if finding.channel == channel else ()


def channels(catalog: Catalog, row: Detail) -> Mapping[str, Sequence[FindingRow]]:
    """The channels whose readings are evidence, and the findings that each caused; at most six."""
    groups = {group.name: group.channels for group in catalog.head.groups}
    found: dict[str, list[FindingRow]] = {}
    for one in sorted(
        row.findings, key=lambda f: (f.finding.id != row.summary.lead.id, f.finding.onset_ms)
    ):
        if one.stage == "ignored":
            continue
        for name in groups.get(one.finding.channel, (one.finding.channel,)):
            found.setdefault(name, []).append(one)
    return dict(list(found.items())[:PICTURES_MAX])


def pictures(visit: Visit, made: Sequence[Trace]) -> Sequence[Picture]:
    """The traces drawn, with their text alternatives; channels without a reading are left out."""
    return [_picture(visit, trace, number) for number, trace in enumerate(made) if trace.points]


def _picture(visit: Visit, trace: Trace, number: int) -> Picture:
    zone, language = visit.site.zone, visit.language
    old_s = max(0.0, (trace.now_ms - trace.points[-1][0]) / 1000.0)
    is_present = trace.until_ms >= trace.now_ms
    rows = [
        {
            "at": times.second(at_ms, zone),
            "value": number_text(value),
            "quality": quality_words(quality, language),
        }
        for at_ms, value, quality in reversed(trace.points[-TABLE_ROWS:])
    ]
    return Picture(
        channel=trace.channel,
        unit=trace.unit,
        svg=evidence.draw(trace, language, zone, number),
        words=evidence.describe(trace, language, zone),
        age=visit.say("evidence.newest", age=age(old_s, language)) if is_present else "",
        is_stale=is_present and old_s > evidence.GAP_INTERVALS * trace.interval_s,
        rows=rows,
    )
