"""What is said when the chain falls silent, and when it is back.  Pure."""

import msgspec

from lifeline.cards import Card, Words
from lifeline.grades import Grading
from lifeline.words import Language
from watchdog.canary import Verdict

_TITLE: Words = {"zh": "监测链路中断", "en": "The monitoring chain is silent"}
_BACK: Words = {"zh": "监测链路已恢复", "en": "The monitoring chain is back"}
_BUTTON: Words = {"zh": "知道了", "en": "Understood"}
_WORD: Words = {"zh": "自检", "en": "Self-test"}


class Silence(msgspec.Struct, frozen=True):
    """What the watchdog tells its own targets."""

    schema: str
    kind: str
    """``silence`` or ``return``."""
    partitions: tuple[int, ...]
    since_ms: int
    at_ms: int
    zh: str
    en: str


def said_of(verdict: Verdict, ahead_ms: int) -> Silence:
    """What is said of it; ``ahead_ms`` is by how much the wall's clock is ahead of the watch's."""
    silent = list(map(str, verdict.silent))
    which = ", ".join(silent)
    zh = (
        f"监测链路中断：数据分区 {'、'.join(silent)} 的自检读数未到达，期间可能漏报。"
        if verdict.silent
        else "监测链路已恢复：所有数据分区的自检读数均已到达。"
    )
    en = (
        f"The monitoring chain is silent on partitions {which}: alarms may be missing."
        if verdict.silent
        else "The monitoring chain is back: the canaries of every partition arrive."
    )
    kind = "silence" if verdict.silent else "return"
    since_ms, at_ms = verdict.since_ms + ahead_ms, verdict.at_ms + ahead_ms
    return Silence("silence/1", kind, verdict.silent, since_ms, at_ms, zh, en)


def card_of(silence: Silence, language: Language, grades: Grading) -> Card:
    """The same for people: silence is as grave as the gravest that it may hide."""
    is_silent = silence.kind == "silence"
    grade = grades.of(1 if is_silent else grades.device)
    said = silence.zh if language == "zh" else silence.en
    return Card(
        title=(_TITLE if is_silent else _BACK)[language],
        grade=grade.level,
        grade_word=_WORD[language],
        colour=grade.colour,
        shape=grade.shape,
        lines=(("", said),),
        button=_BUTTON[language],
        url="",
        is_drill=False,
        language=language,
        text=said,
        must_act=False,
    )
