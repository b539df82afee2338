"""Every label that is asked for exists, in both languages, with the same values."""

import re
import string
from pathlib import Path

import pytest

from alerting.console import details, words
from alerting.console.words import WORDS, age, text
from lifeline.model import Quality

HERE = Path(words.__file__).parent
ASKED = re.compile(r"""\b(?:say|text)\(\s*f?['"]([^'"]+)['"](\s*~)?""")
BUILT = re.compile(
    r"""f?"((?:problem|login|detail|action|timeline|evidence|feed|incident|quality|notice|list|queue|link|case|call)\.[a-z0-9.{}_-]+)\""""
)


def asked() -> set[tuple[str, bool]]:
    found: set[tuple[str, bool]] = set()
    for file in (*HERE.glob("templates/*.html"), *HERE.rglob("*.py")):
        if file.name in ("words.py", "labels.py"):
            continue
        source = file.read_text()
        found |= {(m[1].split("{")[0], "{" in m[1] or bool(m[2])) for m in ASKED.finditer(source)}
        built = [m[1] for m in BUILT.finditer(source) if not m[1].endswith(".html")]
        found |= {(key.split("{")[0], "{" in key) for key in built}
    return found


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_key_that_is_asked_for_exists() -> None:
    missing = [
        key
        for key, is_prefix in asked()
        if not (any(k.startswith(key) for k in WORDS) if is_prefix else key in WORDS)
    ]

    assert len(asked()) > 60
    assert missing == []


def test_no_word_is_left_that_nobody_asks_for() -> None:
    exact = {key for key, is_prefix in asked() if not is_prefix}
    prefixes = tuple(key for key, is_prefix in asked() if is_prefix)
    own = {"age.s", "age.min", "age.h", "age.d"}

    unused = [k for k in WORDS if k not in exact | own and not k.startswith(prefixes)]

    assert unused == []


@pytest.mark.parametrize("key", sorted(WORDS))
def test_both_languages_say_something_with_the_same_values(key: str) -> None:
    zh, en = WORDS[key]

    assert zh.strip()
    assert en.strip()
    assert fields(zh) == fields(en)


def test_an_unknown_key_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        text("no.such.key", "en")


def test_ages_are_told_in_the_units_that_matter() -> None:
    assert age(-5, "en") == "0 s"
    assert age(59.9, "en") == "59 s"
    assert age(60, "zh") == "1 分 0 秒"
    assert age(86_399, "en") == "23 h 59 min"
    assert age(200_000, "zh") == "2 天 7 小时"


def test_several_qualities_are_joined_as_each_language_joins_words() -> None:
    quality = int(Quality.FAULT | Quality.OUT_OF_RANGE)

    assert details.quality_words(quality, "zh") == "传感器故障、超出物理量程"
    assert details.quality_words(quality, "en") == "sensor fault, out of physical range"
