"""What each vendor is given: its fields, within its limits, whatever an asset is called."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import cards
from lifeline import layouts, letters
from lifeline.cards import Card
from lifeline.grades import GRADES
from lifeline.targets import Kind, Target
from tests.alerting.test_cards import card
from tests.vendors import schemas

TARGETS = {
    "wecom": Target("t", kind="wecom", token_file="k"),
    "dingtalk": Target("t", kind="dingtalk", token_file="k", secret_file="s"),
    "feishu": Target("t", kind="feishu", token_file="k", secret_file="s"),
    "ntfy": Target("t", "http://n/", topic="duty", kind="ntfy"),
    "sms": Target("t", "http://g/", "s", kind="sms", recipients=("+8613800000000",)),
    "voice": Target("t", "http://g/", "s", kind="voice", recipients=("+8613800000000",)),
    "email": Target("t", "smtp://m", sender="a@b", kind="email", recipients=("c@d",)),
    "syslog": Target("t", "tcp://s", kind="syslog"),
    "apprise": Target("t", secret_file="s", kind="apprise", private_allowed=True),
    "mqtt": Target("t", "mqtt://m", topic="x", kind="mqtt"),
    "webhook": Target("t", "http://w/", "s"),
}
EVIL = "[点我](http://evil.example) **急** <@all> # `x` ~a~ |b| \\ @所有人 <i>\n\u202e"


def given_to(kind: str, what: Card, address: str = "") -> Any:
    return json.loads(layouts.payload(TARGETS[kind], what, address))


def huge(n: int = 2000, **changes: Any) -> Card:
    one = card(**changes)
    many = [msgspec.structs.replace(one, incident=f"i-{i}") for i in range(n)]
    return cards.bundle(many, "https://city.example/")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_target_has_its_layout(kind: str) -> None:
    made = given_to(kind, card())

    assert schemas.problem(kind, made) == ""


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("what", [huge(), huge(title="长" * 3000), card(title="长" * 9000)])
def test_nothing_is_longer_than_the_vendor_takes(kind: str, what: Card) -> None:
    long = msgspec.structs.replace(what, text="很长的说明，" * 2000)
    if not long.is_bundle:
        long = msgspec.structs.replace(long, lines=(("依据", "很长" * 9000), *long.lines))

    body = layouts.payload(TARGETS[kind], long)

    if kind not in {"webhook", "mqtt"}:
        assert schemas.problem(kind, json.loads(body)) == ""
        assert len(body) <= schemas.BYTES_MAX[kind]


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_no_name_becomes_link_mention_or_markup(kind: str) -> None:
    evil = card(title=EVIL, text=EVIL, lines=((EVIL, EVIL),), button=EVIL)

    for what in (evil, msgspec.structs.replace(evil, url=""), cards.bundle([evil, card(1)], "")):
        body = given_to(kind, what)
        for text in schemas.markdown_of(body):
            words = text.replace("**", "").replace("> ", "")
            assert not set("[]()*`#<~|\\@") & set(words), words
            assert "://" not in words


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu", "ntfy", "sms", "voice", "email"])
def test_a_drill_says_so_first_on_every_channel(kind: str) -> None:
    drill = cards.marked(card(is_drill=True))

    for what in (drill, cards.bundle([drill, card(2, is_drill=True)], "https://city.example/")):
        text = layouts.payload(TARGETS[kind], what).decode()
        assert "演练" in text


def test_what_is_spoken_has_no_address_and_asks_only_when_somebody_must_act() -> None:
    call = given_to("voice", cards.marked(card(is_drill=True)))["text"]
    told = given_to("voice", card(must_act=False))["text"]

    assert call.startswith("演练，演练。城市生命线值守通知，一级。一级燃气报警")
    assert call.endswith("请立即登录值守台确认。")
    assert "http" not in call
    assert "确认" not in told


def test_a_person_is_reached_at_his_own_address_and_a_group_at_the_targets() -> None:
    assert given_to("sms", card(), "+86139")["to"] == ["+86139"]
    assert given_to("sms", card())["to"] == ["+8613800000000"]
    assert given_to("ntfy", card(), "li")["topic"] == "li"
    assert given_to("email", card(), "li@city")["to"] == ["li@city"]


def test_the_button_opens_the_incident_on_every_messenger() -> None:
    url = card().url

    assert given_to("wecom", card())["template_card"]["card_action"] == {"type": 1, "url": url}
    assert given_to("dingtalk", card())["actionCard"]["singleURL"] == url
    assert given_to("feishu", card())["card"]["elements"][1]["actions"][0]["url"] == url
    assert given_to("ntfy", card())["actions"][0]["url"] == url
    assert given_to("sms", card())["text"].endswith(f" {url}")
    assert given_to("wecom", huge())["markdown"]["content"].endswith("(https://city.example/)")


def test_without_an_address_to_open_there_is_no_button() -> None:
    bare = card(url="")

    assert given_to("wecom", bare)["msgtype"] == "markdown"
    assert given_to("dingtalk", bare)["msgtype"] == "markdown"
    assert len(given_to("feishu", bare)["card"]["elements"]) == 1
    assert "click" not in given_to("ntfy", bare)
    assert letters.read(layouts.payload(TARGETS["email"], bare)).text.count("http") == 0


def test_the_graver_the_louder() -> None:
    priorities = [given_to("ntfy", card(grade=grade))["priority"] for grade in (1, 2, 3, 4, 5)]

    assert priorities == [5, 4, 3, 2, 2]


def test_a_head_has_the_vendors_colour_that_comes_nearest_to_the_grades() -> None:
    def head(colour: str) -> str:
        return str(given_to("feishu", card(colour=colour))["card"]["header"]["template"])

    assert [head(grade.colour) for grade in GRADES] == ["red", "orange", "yellow", "blue", "grey"]
    assert [head(c) for c in ("#FF0033", "#00A651", "#00B3B0", "#7A1FBF", "#E0199C")] == [
        "red", "green", "turquoise", "purple", "violet",
    ]  # fmt: skip


def test_a_bundle_says_how_many_there_was_no_room_for() -> None:
    content = given_to("wecom", huge())["markdown"]["content"]

    shown = content.count("> ▲一级")
    assert f"……另有 {2000 - shown} 起" in content
    assert shown > 20


@given(st.text(max_size=200), st.integers(3, 120))
def test_a_cut_text_fits_is_whole_and_a_short_one_stays(text: str, bytes_max: int) -> None:
    made = layouts.cut(text, bytes_max)

    assert len(made.encode()) <= bytes_max
    assert made == text or made.endswith("…")
    assert made.rstrip("…") in text or text.startswith(made[:-1])


@given(st.text())
def test_clean_text_is_one_line_that_shows_all_it_holds(text: str) -> None:
    made = layouts.clean(text)

    assert layouts.clean(made) == made
    assert made.isprintable() or made == ""


@given(st.lists(st.text(max_size=50), max_size=60), st.integers(200, 900))
def test_lines_fit_or_are_counted(lines: list[str], bytes_max: int) -> None:
    made = layouts.fit(lines, len(lines), bytes_max, "zh")

    assert len(made.encode()) <= bytes_max
