"""One card: what a person is told of an incident, or of many, in one language.  Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lifeline.cards import Card, Words, marked
from lifeline.grades import Grading
from lifeline.wire import Malformed, Notice, decode_notice
from lifeline.words import Language

_SUMMARY: Words = {"zh": "【汇总】", "en": "Summary: "}
_COUNTED: Words = {"zh": "{n} 起：{grades}", "en": "{n} incidents: {grades}"}
_BETWEEN: Words = {"zh": "、", "en": ", "}
_DRILLS_TOO: Words = {"zh": "；另有演练 {n} 起", "en": "; and {n} of an exercise"}
_STOP: Words = {"zh": "。", "en": ". "}
_OPEN: Words = {"zh": "查看并处理", "en": "Open"}
_DESK: Words = {"zh": "打开值守台", "en": "Open the desk"}
_TEST: Words = {"zh": "通道测试，无需处理", "en": "Test of this channel, nothing to do"}
_TEST_TEXT: Words = {
    "zh": "这是一条测试消息。收到即表示此通道可用。",
    "en": "This is a test. If you read it, this channel works.",
}
_UNREADABLE: Words = {
    "zh": "{grade}事件，详情无法显示，请查看值守台",
    "en": "{grade}: its details cannot be shown, see the desk",
}
_LABELS: dict[Language, tuple[str, str, str, str]] = {
    "zh": ("等级", "地点", "开始", "依据"),
    "en": ("Grade", "Place", "Since", "Why"),
}


_card = msgspec.json.Decoder(Card)


def read(body: bytes, language: Language, zone: str, grades: Grading, *, is_page: bool) -> Card:
    """The card that an outbox row holds; raises Malformed."""
    if not is_page:
        return of_notice(decode_notice(body), language, zone, grades)
    try:
        return marked(_card.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a card: {error}") from error


def of_notice(notice: Notice, language: Language, zone: str, grades: Grading) -> Card:
    """A notice as a card, times as in the time zone ``zone``, in the colours of the city."""
    grade = grades.of(notice.grade.level)
    word = _in(notice.grade, language)
    headline = notice.headline.said(language)
    why = notice.explanation.text.said(language)
    began = datetime.fromtimestamp(notice.onset_ms / 1000, ZoneInfo(zone))
    values = (
        f"{grade.shape}{word}",
        notice.asset.title.said(language),
        began.strftime("%m-%d %H:%M:%S"),
        why,
    )
    return marked(
        Card(
            title=headline,
            grade=notice.grade.level,
            grade_word=word,
            colour=grade.colour,
            shape=grade.shape,
            lines=tuple(zip(_LABELS[language], values, strict=True)),
            button=_OPEN[language],
            url=notice.link,
            is_drill=notice.status == "Exercise",
            language=language,
            text=f"{headline}{_STOP[language]}{why}{_STOP[language]}".strip(),
            incident=notice.incident,
            must_act=notice.kind == "alert" or notice.reason in {"worsened", "reopened"},
        )
    )


def of_unreadable(
    grade_level: int, incident: str, language: Language, url: str, grades: Grading
) -> Card:
    """What is told in place of a row that cannot be read: that something is, and how grave."""
    grade = grades.of(grade_level)
    word = grades.word(grade_level, language)
    title = _UNREADABLE[language].format(grade=word)
    return Card(
        title=title,
        grade=grade_level,
        grade_word=word,
        colour=grade.colour,
        shape=grade.shape,
        lines=(),
        button=_DESK[language],
        url=url,
        is_drill=False,
        language=language,
        text=f"{title}{_STOP[language]}".strip(),
        incident=incident,
    )


def of_test(language: Language, url: str, grades: Grading) -> Card:
    """The card with which a channel is tried: it looks like an alarm to nobody."""
    grade = grades.of(grades.device)
    return Card(
        title=_TEST[language],
        grade=grade.level,
        grade_word=_in(grade, language),
        colour=grade.colour,
        shape=grade.shape,
        lines=(),
        button=_DESK[language],
        url=url,
        is_drill=False,
        language=language,
        text=_TEST_TEXT[language],
        must_act=False,
    )


def bundle(cards: Sequence[Card], url: str, *, is_bare: bool = False) -> Card:
    """Many cards as one: how many of which grade, the gravest first, each incident once.

    ``is_bare`` leaves the counts alone, for a vendor that has refused the words.
    """
    language = cards[0].language
    told: dict[str, Card] = {}
    for number, card in enumerate(sorted(cards, key=lambda c: (c.is_drill, c.grade))):
        told.setdefault(card.incident or str(number), marked(card))
    real = [card for card in told.values() if not card.is_drill]
    drills = [card for card in told.values() if card.is_drill]
    counted = _counted(real or drills, language)
    if real and drills:
        counted += _DRILLS_TOO[language].format(n=len(drills))
    first = (real or drills)[0]
    return marked(
        Card(
            title=_SUMMARY[language] + counted,
            grade=first.grade,
            grade_word=first.grade_word,
            colour=first.colour,
            shape=first.shape,
            lines=()
            if is_bare
            else tuple((f"{c.shape}{c.grade_word}", c.title) for c in told.values()),
            button=_DESK[language],
            url=url,
            is_drill=not real,
            language=language,
            text=_SUMMARY[language]
            + counted
            + _STOP[language]
            + ("" if is_bare else f"{first.title}{_STOP[language]}".rstrip()),
            is_bundle=True,
            must_act=any(card.must_act for card in told.values()),
        )
    )


def _counted(cards: Iterable[Card], language: Language) -> str:
    counts = Counter((c.grade, c.shape, c.grade_word) for c in cards)
    words = (f"{shape}{word} {n}" for (_, shape, word), n in sorted(counts.items()))
    total = sum(counts.values())
    return _COUNTED[language].format(n=total, grades=_BETWEEN[language].join(words))


def _in(text: Any, language: Language) -> str:
    return str(text.zh if language == "zh" else text.en)
