"""The evidence package's page for people and its pictures, in Chinese and in English.  Pure."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

import msgspec
from markupsafe import Markup

from alerting.audit.anchors import stamp
from alerting.console import evidence
from alerting.console.evidence import LimitLine, Trace
from alerting.evidence.dossier import Dossier, Reading, Row
from alerting.people import times
from lifeline import words
from lifeline.model import Finding
from lifeline.words import LANGUAGES, Language

PICTURES_MAX = 6
WORDS: dict[str, tuple[str, str]] = {
    "title": ("事件证据包", "Evidence package"),
    "drill": ("【演练】", "[EXERCISE] "),
    "made": ("制作时间", "Made"),
    "incident": ("事件", "Incident"),
    "where": ("位置", "Where"),
    "zone": ("片区", "Zone"),
    "grade": ("等级", "Grade"),
    "phase": ("阶段", "Phase"),
    "verdict": ("研判结论", "Verdict"),
    "onset": ("起始", "Began"),
    "opened": ("开立", "Opened"),
    "acknowledged": ("确认", "Acknowledged"),
    "closed": ("关闭", "Closed"),
    "overridden": ("强制关闭：关闭时测值尚未恢复", "Closed over a condition that still stood"),
    "findings": ("监测发现", "Findings"),
    "rules": ("规则目录摘要", "Digest of the rules"),
    "settings": ("配置摘要", "Digest of the settings"),
    "actions": ("处置记录（审计链）", "Actions (audit chain)"),
    "notices": ("通知与回执", "Notices and receipts"),
    "charts": ("监测曲线", "Readings"),
    "readings": ("原始读数 {n} 条", "{n} raw readings"),
    "cut": ("读数过多，超出上限的部分未收入", "There were more readings than are kept"),
    "seal": (
        "第 {n} 号封条（{at}）覆盖至第 {line} 条",
        "Seal {n} of {at} covers lines up to {line}",
    ),
    "unsealed": ("尚未加封", "Not sealed yet"),
    "anchor": ("外部锚点", "Anchored outside"),
    "time": ("时间", "Time"),
    "who": ("人员", "Who"),
    "second": ("复核", "Second"),
    "what": ("操作", "What"),
    "note": ("说明", "Note"),
    "target": ("对象", "To"),
    "state": ("结果", "Outcome"),
    "tries": ("次数", "Tries"),
    "delivered": ("已送达", "Delivered"),
    "waiting": ("未送达", "Not delivered"),
    "dead": ("被拒收", "Refused"),
    "ended": ("已取消", "Ended"),
    "system": ("系统", "System"),
}
STYLE = Markup("""
body { font: 14px/1.5 system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif; color: #1b2126;
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; } tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: 3px 8px;
  border-bottom: 1px solid #d9dde1; }
code { overflow-wrap: anywhere; } img { max-width: 100%; break-inside: avoid; }
.drill, .over { color: #c8102e; font-weight: 650; }
""")
PICTURE_STYLE = Markup("""<style>
svg { background: #fff; }
text { font: 12px system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif; fill: #56616b; }
.grid { stroke: #d9dde1; } .axis-line, .axis-tick { stroke: #8a949d; }
.line { fill: none; stroke: #27313b; stroke-width: 1.8; }
.limit { stroke: #c8102e; stroke-width: 1.4; stroke-dasharray: 7 4; } .limit-word { fill: #c8102e; }
.onset { stroke: #8a949d; stroke-width: 1.2; stroke-dasharray: 2 3; }
.detected { stroke: #1b2126; stroke-width: 1.4; } .detected-word { fill: #1b2126; }
.gap-ground { fill: #f5f6f7; } .gap-stroke { stroke: #b9c0c7; stroke-width: 3; }
.stale-word { fill: #c8102e; } .bad { fill: none; stroke: #c8102e; stroke-width: 1.8; }
</style>""")


def say(key: str, language: Language, **values: object) -> str:
    """The words of that key."""
    return words.said(WORDS[key], language).format(**values)


def charts(dossier: Dossier, zone: tzinfo) -> dict[str, bytes]:
    """The pictures of the incident's own channels, each in both languages, by their names."""
    made: dict[str, bytes] = {}
    for number, trace in enumerate(_traces(dossier), 1):
        for language in LANGUAGES:
            drawn = evidence.draw(trace, language, zone, number)
            alone = str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            alone = alone.replace("<defs>", f"{PICTURE_STYLE}<defs>", 1)
            made[f"charts/{number}.{language}.svg"] = alone.encode()
    return made


def _traces(dossier: Dossier) -> Iterator[Trace]:
    findings = [msgspec.convert(row["body"], Finding) for row in dossier.findings]
    by_channel: dict[str, list[Reading]] = {}
    for one in dossier.readings:
        by_channel.setdefault(one.channel, []).append(one)
    incident = dossier.incident
    from_ms, until_ms, _ = evidence.window(
        incident["onset_ms"], incident["calm_ms"] or incident["closed_ms"], dossier.made_ms
    )
    own = [name for name, known in dossier.channels.items() if known.is_own and name in by_channel]
    for name in own[:PICTURES_MAX]:
        causes = [f for f in findings if f.channel == name]
        limits = {f.limit_id or f.rule: f.limit for f in causes}
        yield Trace(
            channel=name,
            unit=dossier.channels[name].unit,
            interval_s=dossier.channels[name].interval_s,
            points=[
                (r.at_ms, r.value, r.quality)
                for r in by_channel[name]
                if from_ms <= r.at_ms <= until_ms
            ],
            limits=[LimitLine(key, limit) for key, limit in limits.items() if limit is not None],
            from_ms=from_ms,
            until_ms=until_ms,
            onset_ms=min((f.onset_ms for f in causes), default=incident["onset_ms"]),
            detected_ms=min((f.at_ms for f in causes), default=incident["opened_ms"]),
            now_ms=dossier.made_ms,
        )


def page(dossier: Dossier, language: Language, zone: tzinfo) -> str:
    """The page: what happened, who did what, who was told, the pictures."""
    incident = dossier.incident
    drill = say("drill", language) if incident["drill"] else ""
    pictures = [
        Markup('<p><img src="{}" alt="{}"></p>').format(f"charts/{n}.{language}.svg", trace.channel)
        for n, trace in enumerate(_traces(dossier), 1)
    ]
    parts = [
        Markup('<h1><span class="drill">{}</span>{} {}</h1>').format(
            drill, say("title", language), incident["id"]
        ),
        _pairs(_facts(dossier, language, zone)),
        _heading("findings", language),
        _list(
            words.explain(msgspec.convert(r["body"], Finding), language) for r in dossier.findings
        ),
        _heading("actions", language),
        _table(
            ("time", "who", "second", "what", "note"), _actions(dossier, language, zone), language
        ),
        Markup("<p>{}</p>").format(_sealed(dossier, language)),
        _heading("notices", language),
        _table(
            ("target", "what", "state", "tries", "time"), _told(dossier, language, zone), language
        ),
        _heading("charts", language),
        Markup("<p>{}{}</p>").format(
            say("readings", language, n=len(dossier.readings)),
            f" · {say('cut', language)}" if dossier.is_cut else "",
        ),
        *pictures,
    ]
    return Markup(
        '<!doctype html>\n<html lang="{}"><head><meta charset="utf-8"><title>{} {}</title>'
        "<style>{}</style></head>\n<body>{}</body></html>\n"
    ).format(
        "zh-CN" if language == "zh" else "en",
        say("title", language),
        incident["id"],
        STYLE,
        Markup("\n").join(parts),
    )


def _facts(dossier: Dossier, language: Language, zone: tzinfo) -> Iterator[tuple[str, str]]:
    incident = dossier.incident
    title = dossier.title.said(language)
    yield say("made", language), times.moment(dossier.made_ms, zone)
    yield say("incident", language), words.hazard(incident["hazard"], language)
    where = f"{title} ({incident['asset']})" if title else incident["asset"]
    yield say("where", language), where
    yield say("zone", language), incident["zone"]
    named = dossier.grade.zh if language == "zh" else dossier.grade.en
    yield say("grade", language), named or str(incident["grade"])
    yield say("phase", language), words.phase(incident["phase"], language)
    if incident["verdict"]:
        code = words.verdict_code(incident["verdict_code"], language)
        yield say("verdict", language), f"{words.verdict(incident['verdict'], language)} · {code}"
    yield say("onset", language), times.moment(incident["onset_ms"], zone)
    yield say("opened", language), times.moment(incident["opened_ms"], zone)
    for key in ("acknowledged", "closed"):
        if incident[f"{key}_ms"] is not None:
            at = times.moment(incident[f"{key}_ms"], zone)
            yield say(key, language), f"{incident[f'{key}_by']} · {at}"
    if incident["overridden"]:
        yield say("closed", language), f"{say('overridden', language)} · {incident['second']}"
    yield say("rules", language), dossier.catalog
    yield say("settings", language), dossier.settings


def _actions(dossier: Dossier, language: Language, zone: tzinfo) -> Iterator[Sequence[str]]:
    for entry in dossier.entries:
        line = entry.line
        actor = say("system", language) if line.actor == "router" else line.actor
        what = words.reason(line.reason or line.action, language)
        yield times.moment(line.at_ms, zone), actor, line.second, what, line.note


def _sealed(dossier: Dossier, language: Language) -> str:
    if not dossier.seals:
        return say("unsealed", language)
    seal = dossier.seals[0]
    name = dossier.incident["id"]
    line = next((h.number for h in seal.heads if h.subject == name), 0)
    parts = [say("seal", language, n=seal.number, at=stamp(seal.sealed_us), line=line)]
    parts += [
        f"{say('anchor', language)}: {one.place} {stamp(one.anchor.at_us)}"
        for one in dossier.anchors
    ]
    return " · ".join(parts)


def _told(dossier: Dossier, language: Language, zone: tzinfo) -> Iterator[Sequence[str]]:
    receipts: dict[int, list[Row]] = {}
    for receipt in dossier.receipts:
        receipts.setdefault(receipt["outbox"], []).append(receipt)
    for told in dossier.notices:
        row = told.row
        state = next(
            (key for key in ("delivered", "dead", "ended") if row[f"{key}_at"] is not None),
            "waiting",
        )
        answers = [
            f"{r['word']} {r['by']} {times.moment(r['at_ms'], zone)}"
            for r in receipts.get(row["id"], ())
        ]
        yield (
            " ".join(filter(None, (row["target"], row["person"]))),
            words.reason(row["reason"], language),
            " · ".join([say(state, language), *answers]),
            str(row["attempts"]),
            str(row["delivered_at"] or row["created"]),
        )


def _heading(key: str, language: Language) -> Markup:
    return Markup("<h2>{}</h2>").format(say(key, language))


def _pairs(facts: Iterator[tuple[str, str]]) -> Markup:
    rows = (Markup("<tr><th>{}</th><td>{}</td></tr>").format(*fact) for fact in facts)
    return Markup("<table>{}</table>").format(Markup("").join(rows))


def _list(lines: Iterator[str]) -> Markup:
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<ol>{}</ol>").format(items)


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]], language: Language) -> Markup:
    head = Markup("").join(Markup("<th>{}</th>").format(say(key, language)) for key in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)
