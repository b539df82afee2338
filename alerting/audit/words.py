"""What is wrong with the audit, in words: Chinese and English.  Pure."""

import re

from alerting.audit.proof import Problem, Proof
from lifeline.words import Language, said

PROBLEMS: dict[str, tuple[str, str]] = {
    "line-changed": (
        "{place} 的第 {number} 条记录被改动：内容与其哈希不符",
        "{place}, line {number}: changed, it does not fit its hash",
    ),
    "lines-gone": (
        "{place} 缺少第 {number} 至 {other} 条记录",
        "{place}, lines {number} to {other}: missing",
    ),
    "line-twice": (
        "{place} 的第 {number} 条记录重复出现",
        "{place}, line {number}: there twice",
    ),
    "sealed-line-gone": (
        "{place} 的第 {number} 条记录已不存在，而第 {other} 号封条含有它",
        "{place}, line {number}: gone, though seal {other} holds it",
    ),
    "sealed-line-other": (
        "{place} 的第 {number} 条记录被重写：与第 {other} 号封条中的哈希不符",
        "{place}, line {number}: written anew, seal {other} holds another hash",
    ),
    "chain-gone": (
        "{place} 的全部记录（至第 {number} 条）已不存在，而第 {other} 号封条含有它",
        "{place}: all its lines up to {number} are gone, though seal {other} holds them",
    ),
    "back-dated": (
        "{place} 的第 {number} 条记录是倒填的：{other} 时它还不存在",
        "{place}, line {number}: back-dated, at {other} it was not there",
    ),
    "never-sealed": (
        "{place} 的第 {number} 条记录从未加封，而 {other} 时本应已加封",
        "{place}, line {number}: never sealed, though it should have been by {other}",
    ),
    "seals-gone": (
        "缺少第 {number} 至 {other} 号封条",
        "seals {number} to {other}: missing",
    ),
    "seal-twice": ("第 {number} 号封条重复出现", "seal {number}: there twice"),
    "seal-changed": (
        "第 {number} 号封条被改动：与其哈希不符",
        "seal {number}: changed, it does not fit its hash",
    ),
    "heads-changed": (
        "第 {number} 号封条所含的链头被改动",
        "seal {number}: the heads that it holds were changed",
    ),
    "anchor-other": (
        "第 {number} 号封条被重写：{other} 的外部锚点记有另一哈希",
        "seal {number}: written anew, the anchor of {other} outside has another hash",
    ),
    "anchor-without-seal": (
        "第 {number} 号封条已不存在，而 {other} 的外部锚点记有它",
        "seal {number}: gone, though the anchor of {other} outside names it",
    ),
}
_INCIDENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INCIDENT, _OTHER = ("事件", "incident"), ("记录链", "chain")
_SUMMARY = (
    "{chains} 条链共 {lines} 条记录，{seals} 个封条，{anchors} 个外部锚点",
    "{lines} lines in {chains} chains, {seals} seals, {anchors} anchors from outside",
)
_YOUNG = (
    "其中 {unsealed} 条尚未加封，{unanchored} 条尚无锚点证明",
    "{unsealed} lines are not sealed yet, {unanchored} are not proved by an anchor",
)
_BARE = (
    "未提供锚点：若全部重写，无法发现",
    "no anchor was given: that all was written anew could not be seen",
)


def sentence(problem: Problem, language: Language) -> str:
    """What is wrong, naming incident and line.

    >>> sentence(Problem("line-changed", "1a439d32-bf11-51ae-8571-d1c013753264", 3), "en")
    'incident 1a439d32-bf11-51ae-8571-d1c013753264, line 3: changed, it does not fit its hash'
    """
    place = said(_INCIDENT if _INCIDENT_ID.fullmatch(problem.subject) else _OTHER, language)
    return said(PROBLEMS[problem.code], language).format(
        place=f"{place} {problem.subject}", number=problem.number, other=problem.other
    )


def summary(proof: Proof, language: Language) -> str:
    """What was looked at, in one line."""
    parts = [said(_SUMMARY, language)]
    if not proof.anchors:
        parts.append(said(_BARE, language))
    elif proof.unsealed or proof.unanchored:
        parts.append(said(_YOUNG, language))
    facts = {name: getattr(proof, name) for name in Proof.__struct_fields__}
    return said(("；", "; "), language).join(parts).format(**facts)
