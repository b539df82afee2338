"""Cards: what a person is shown of one page, whatever way it comes to him.  Pure."""

from typing import Literal

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One line of a card: what it is about, and what is so."""

    label: str
    text: str


class Button(msgspec.Struct, frozen=True):
    """What a person can press; the address shows, and only what is pressed there acts."""

    label: str
    url: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a page, in one language.  Every way out shows of it what it can."""

    title: str
    """With its mark where it is an exercise or a test: no way out can forget that."""
    grade: int
    grade_word: str
    colour: str
    shape: str
    lines: tuple[Line, ...]
    button: Button | None = None
    language: Literal["zh", "en"] = "zh"
    drill: bool = False
    plain: str = ""
    """All of it as one short text, for SMS and voice: without colour, shape and address."""


_decode = msgspec.json.Decoder(Card).decode


def encode(card: Card) -> bytes:
    """The card as the outbox keeps it: the same card, the same bytes."""
    return msgspec.json.encode(card)


def decode(body: bytes) -> Card:
    """The card again."""
    return _decode(body)
