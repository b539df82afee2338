"""One card: what a person is told, in one language, before any vendor's form of it.  Pure."""

import msgspec

from lifeline.words import Language

Lines = tuple[tuple[str, str], ...]
Words = dict[Language, str]

DRILL: Words = {"zh": "【演练】", "en": "[EXERCISE] "}


class Card(msgspec.Struct, frozen=True):
    """What a person is told, in one language: the body of a page, and what a notice becomes."""

    title: str
    grade: int
    grade_word: str
    colour: str
    shape: str
    lines: Lines
    """Label and value."""
    button: str
    url: str
    is_drill: bool
    language: Language
    text: str
    """One or two plain sentences, for SMS and voice."""
    incident: str = ""
    is_bundle: bool = False
    must_act: bool = True
    """It asks for an acknowledgement, and does not only tell."""


def marked(card: Card) -> Card:
    """The card with the mark of an exercise before title and text, once, when it is one."""
    if not card.is_drill:
        return card
    mark = DRILL[card.language]
    title, text = (t if t.startswith(mark.strip()) else mark + t for t in (card.title, card.text))
    return msgspec.structs.replace(card, title=title, text=text)
