"""A card as each vendor takes it.  Pure.

A card has plain words alone: what an asset is called can become neither a link nor a mention nor
a heading, and nothing is longer than the vendor's documents allow, cut between two characters.
"""

import colorsys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from lifeline.cards import DRILL, Card, Words
from lifeline.letters import Letter
from lifeline.targets import Target
from lifeline.words import Language

_MORE: Words = {"zh": "……另有 {n} 起", "en": "… and {n} more"}
_COLON: Words = {"zh": "：", "en": ": "}
_HOUSE: Words = {"zh": "城市生命线", "en": "Urban lifeline"}
_SPOKEN: Words = {
    "zh": "{drill}城市生命线值守通知，{grade}。{text}{ask}",
    "en": "{drill}Urban lifeline duty desk, {grade}. {text}{ask}",
}
_ASK: Words = {"zh": "请立即登录值守台确认。", "en": " Please acknowledge it at the desk now."}
_SPOKEN_DRILL: Words = {"zh": "演练，演练。", "en": "Exercise, exercise. "}
# What would be markup to one messenger or another, as the full-width character that reads the same.
_MARKUP = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in "*_[]()`#<>~|\\@&"})
_NO_LINK = ("://", ":／／")

WECOM_TITLE, WECOM_TEXT, WECOM_VALUE, WECOM_ROWS = 26, 112, 26, 6
WECOM_MARKDOWN_BYTES = 4096
DINGTALK_TITLE, DINGTALK_BUTTON, DINGTALK_TEXT_BYTES = 64, 20, 5000
FEISHU_TITLE, FEISHU_TEXT_BYTES = 100, 15_000
"""Of 20 KB for the whole request."""
NTFY_TITLE_BYTES, NTFY_TEXT_BYTES = 250, 4000
"""Of 4,096: what is longer becomes an attachment that nobody opens at night."""
SUBJECT_BYTES, LETTER_BYTES = 200, 60_000
SMS_CHARACTERS, VOICE_CHARACTERS = 500, 200
NTFY_PRIORITY = {1: 5, 2: 4, 3: 3}
FEISHU_COLOURS = (
    (15, "red"),
    (42, "orange"),
    (70, "yellow"),
    (165, "green"),
    (195, "turquoise"),
    (255, "blue"),
    (290, "purple"),
    (340, "violet"),
    (361, "red"),
)
"""Of its own names for the heads of cards, up to which hue each is the nearest."""
PALE = 0.25
"""What has less saturation is grey."""

_json = msgspec.json.Encoder()


def payload(target: Target, card: Card, address: str = "") -> bytes:
    """The card as this kind of target takes it, for a person's address where there is one."""
    to = [address] if address else list(target.recipients)
    match target.kind:
        case "wecom":
            return wecom(card)
        case "dingtalk":
            return dingtalk(card)
        case "feishu":
            return feishu(card)
        case "ntfy":
            return ntfy(card, address or target.topic)
        case "sms":
            return sms(card, to)
        case "voice":
            return voice(card, to)
        case "email" | "syslog" | "apprise":
            return _json.encode(letter(card, to))
        case _:
            return _json.encode(card)


def wecom(card: Card) -> bytes:
    """A text notice card with a jump; what has many lines, as markdown."""
    if card.is_bundle or not card.url:
        return _json.encode(
            {"msgtype": "markdown", "markdown": {"content": _markdown(card, WECOM_MARKDOWN_BYTES)}}
        )
    rows = [
        {"keyname": short(label, 5), "value": short(value, WECOM_VALUE)}
        for label, value in card.lines[:WECOM_ROWS]
    ]
    jump = {"type": 1, "title": short(card.button, 13), "url": card.url}
    body: dict[str, Any] = {
        "card_type": "text_notice",
        "source": {"desc": _HOUSE[card.language], "desc_color": 2 if card.grade == 1 else 0},
        "main_title": {
            "title": short(card.title, WECOM_TITLE),
            "desc": short(f"{card.shape}{card.grade_word}", 30),
        },
        "sub_title_text": short(card.text, WECOM_TEXT),
        "horizontal_content_list": rows,
        "jump_list": [jump],
        "card_action": {"type": 1, "url": card.url},
    }
    return _json.encode({"msgtype": "template_card", "template_card": body})


def dingtalk(card: Card) -> bytes:
    """An action card with one button; without an address to open, markdown."""
    title = short(card.title, DINGTALK_TITLE)
    if not card.url:
        text = _markdown(card, DINGTALK_TEXT_BYTES)
        return _json.encode({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
    body = {
        "title": title,
        "text": _markdown(msgspec.structs.replace(card, url=""), DINGTALK_TEXT_BYTES),
        "singleTitle": short(card.button, DINGTALK_BUTTON),
        "singleURL": card.url,
    }
    return _json.encode({"msgtype": "actionCard", "actionCard": body})


def feishu(card: Card) -> bytes:
    """An interactive card whose words are plain text; the channel adds time and signature."""
    text = _text(card, clean, FEISHU_TEXT_BYTES)
    elements: list[dict[str, Any]] = [
        {"tag": "div", "text": {"tag": "plain_text", "content": text}},
    ]
    if card.url:
        button = {
            "tag": "button",
            "text": {"tag": "plain_text", "content": clean(card.button)},
            "url": card.url,
            "type": "primary",
        }
        elements.append({"tag": "action", "actions": [button]})
    title = {"tag": "plain_text", "content": short(card.title, FEISHU_TITLE)}
    body = {
        "config": {"wide_screen_mode": True},
        "header": {"title": title, "template": feishu_colour(card.colour)},
        "elements": elements,
    }
    return _json.encode({"msg_type": "interactive", "card": body})


def feishu_colour(colour: str) -> str:
    """The vendor's name that comes nearest to a grade's colour.

    >>> [feishu_colour(c) for c in ("#C8102E", "#B85000", "#F2C200", "#1F5FBF", "#6B7280")]
    ['red', 'orange', 'yellow', 'blue', 'grey']
    """
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    if saturation < PALE:
        return "grey"
    return next(name for until, name in FEISHU_COLOURS if hue * 360 < until)


def ntfy(card: Card, topic: str) -> bytes:
    """A message with priority by grade; a touch opens the incident."""
    body: dict[str, Any] = {
        "topic": topic,
        "title": cut(clean(card.title), NTFY_TITLE_BYTES),
        "message": _text(card, clean, NTFY_TEXT_BYTES),
        "priority": NTFY_PRIORITY.get(card.grade, 2),
        "tags": ["rotating_light"] if card.grade == 1 else [],
    }
    if card.url:
        view = {"action": "view", "label": clean(card.button), "url": card.url, "clear": True}
        body |= {"click": card.url, "actions": [view]}
    return _json.encode(body)


def sms(card: Card, to: Sequence[str]) -> bytes:
    """What the gateway is asked to write: plain words and the address, to these numbers."""
    room = SMS_CHARACTERS - len(card.url) - 1
    text = f"{short(card.text, room)} {card.url}".strip()
    return _json.encode({"kind": "sms", "to": to, "text": text, "drill": card.is_drill})


def voice(card: Card, to: Sequence[str]) -> bytes:
    """What the gateway is asked to say: words alone, an exercise named first and twice."""
    mark = DRILL[card.language].strip()
    text = clean(card.text).removeprefix(mark).strip()
    said = _SPOKEN[card.language].format(
        drill=_SPOKEN_DRILL[card.language] if card.is_drill else "",
        grade=clean(card.grade_word),
        text=short(text, VOICE_CHARACTERS),
        ask=_ASK[card.language] if card.must_act else "",
    )
    return _json.encode({"kind": "voice", "to": to, "text": said, "drill": card.is_drill})


def letter(card: Card, to: Sequence[str]) -> Letter:
    """The card in plain words, for what has no cards: e-mail, syslog, Apprise."""
    link = f"\n{card.url}" if card.url else ""
    return Letter(
        to=tuple(to),
        subject=cut(clean(f"{card.shape}{card.title}"), SUBJECT_BYTES),
        text=_text(card, clean, LETTER_BYTES, after=link),
        grade=card.grade,
        incident=card.incident,
    )


def clean(text: str) -> str:
    """The text on one line, without characters that are not to be seen."""
    seen = (" " if c.isspace() else c for c in text if c.isspace() or not _is_hidden(c))
    return " ".join("".join(seen).split())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}


def plain(text: str) -> str:
    """The same, with nothing in it that a messenger takes for markup, mention or link.

    >>> plain("[1#井](http://x) *急* @all")
    '［1＃井］（http:／／x） ＊急＊ ＠all'
    """
    return clean(text).translate(_MARKUP).replace(*_NO_LINK)


def short(text: str, characters_max: int) -> str:
    """The text, cleaned and cut to so many characters, which shows."""
    text = clean(text[: 4 * characters_max])
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


def cut(text: str, bytes_max: int) -> str:
    """The text cut to so many bytes of UTF-8, between two characters, which shows.

    >>> cut("燃气泄漏", 9), cut("燃气", 6)
    ('燃气…', '燃气')
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return text
    return data[: max(0, bytes_max - len("…".encode()))].decode("utf-8", "ignore") + "…"


def fit(lines: Iterable[str], total: int, bytes_max: int, language: Language) -> str:
    """The lines that there is room for, and how many of the ``total`` there was none for."""
    room = bytes_max - len(_MORE[language].format(n=total).encode()) - 1
    taken: list[str] = []
    for line in (cut(line, bytes_max // 2) for line in lines):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        taken.append(line)
    if len(taken) < total:
        taken.append(_MORE[language].format(n=total - len(taken)))
    return "\n".join(taken)


def _text(
    card: Card, said: Callable[[str], str], bytes_max: int, before: str = "", after: str = ""
) -> str:
    """The lines of a card, or its text where it has none, between two others."""
    colon = " " if card.is_bundle else _COLON[card.language]
    rows = card.lines or (("", card.text),)
    said_rows = (
        f"{before}{said(label)}{colon if label else ''}{said(value)}" for label, value in rows
    )
    return fit(said_rows, len(rows), bytes_max - len(after.encode()), card.language) + after


def _markdown(card: Card, bytes_max: int) -> str:
    link = f"\n[{plain(card.button)}]({_target(card.url)})" if card.url else ""
    title = f"**{cut(plain(card.shape + card.title), bytes_max // 4)}**\n"
    # Messengers join lines that no quote or list sets apart.
    room = bytes_max - len(title.encode())
    return title + _text(card, plain, room, before="> ", after=link)


def _target(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29").replace(" ", "%20")
