"""One card: what a person is told, in his language, drills marked, many as one."""

import msgspec
import pytest

from alerting import cards
from lifeline.cards import Card
from lifeline.grades import GRADING
from lifeline.model import Text
from lifeline.wire import (
    Explanation,
    Malformed,
    Notice,
    NoticeAsset,
    NoticeGrade,
    encode_notice,
)

ZONE = "Asia/Shanghai"
WHY = Text("甲烷 23 %LEL 高于限值 20 %LEL", "CH4 23 %LEL is above the limit of 20 %LEL")


def notice(**changes: object) -> Notice:
    base = Notice(
        incident="i-1",
        kind="alert",
        reason="opened",
        status="Actual",
        sender="urban-lifeline",
        lifeline="gas",
        lifeline_title=Text("燃气", "Gas"),
        zone="gas/east",
        asset=NoticeAsset("gas/well-1", Text("1 号井", "Well 1"), None),
        hazard="gas-leak",
        hazard_title=Text("燃气泄漏", "Gas leak"),
        grade=NoticeGrade(1, "一级", "Critical"),
        onset_ms=1_763_714_400_000,
        detected_ms=1_763_714_401_000,
        at_ms=1_763_714_401_000,
        revision=0,
        headline=Text("一级燃气报警：1 号井 燃气泄漏", "Critical gas alarm: Gas leak at Well 1"),
        explanation=Explanation(
            "f", "threshold", 1, "r", "above-limit", "c", 23.0, "%LEL", 20.0, "", "", False, 1.0,
            1.0, 0, "", WHY, (),
        ),
        link="https://city.example/incidents/i-1",
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def card(n: int = 0, **changes: object) -> Card:
    made = cards.of_notice(notice(incident=f"i-{n}"), "zh", ZONE, GRADING)
    return msgspec.structs.replace(made, **changes)


def test_a_card_says_what_how_grave_where_since_when_and_why_in_either_language() -> None:
    zh, en = (cards.of_notice(notice(), language, ZONE, GRADING) for language in ("zh", "en"))

    assert zh.title == "一级燃气报警：1 号井 燃气泄漏"
    assert zh.lines == (
        ("等级", "▲一级"),
        ("地点", "1 号井"),
        ("开始", "11-21 16:40:00"),
        ("依据", WHY.zh),
    )
    assert (zh.button, zh.url) == ("查看并处理", "https://city.example/incidents/i-1")
    assert en.lines[1:3] == (("Place", "Well 1"), ("Since", "11-21 16:40:00"))
    assert en.text == f"Critical gas alarm: Gas leak at Well 1. {WHY.en}."
    assert zh.text == f"{zh.title}。{WHY.zh}。"
    assert (zh.must_act, zh.is_drill) == (True, False)


@pytest.mark.parametrize(
    ("reason", "must_act"), [("worsened", True), ("returned", False), ("closed", False)]
)
def test_only_what_calls_for_somebody_asks_him_to_act(reason: str, must_act: bool) -> None:
    made = cards.of_notice(notice(kind="update", reason=reason), "zh", ZONE, GRADING)

    assert made.must_act == must_act


@pytest.mark.parametrize(
    ("language", "headline", "title"),
    [
        ("zh", "一级", "【演练】一级"),
        ("zh", "【演练】一级", "【演练】一级"),
        ("en", "Critical", "[EXERCISE] Critical"),
        ("en", "[EXERCISE] Critical", "[EXERCISE] Critical"),
    ],
)
def test_a_drill_is_marked_once_in_title_and_text(
    language: cards.Language, headline: str, title: str
) -> None:
    drill = notice(status="Exercise", headline=Text(headline, headline))

    made = cards.of_notice(drill, language, ZONE, GRADING)

    assert made.title == title
    assert made.text.startswith(title)


def test_a_row_holds_a_notice_or_a_persons_card_and_nothing_else() -> None:
    page = card(3)

    assert cards.read(msgspec.json.encode(page), "en", ZONE, GRADING, is_page=True) == page
    read = cards.read(encode_notice(notice()), "zh", ZONE, GRADING, is_page=False)
    assert read.title == page.title
    for body in (b"{}", b"\xff", b"[" * 100_000):
        for is_page in (True, False):
            with pytest.raises(Malformed):
                cards.read(body, "zh", ZONE, GRADING, is_page=is_page)


def test_many_become_one_with_counts_by_grade_and_the_gravest_first() -> None:
    many = [card(n, grade=2, shape="◆", grade_word="二级", title=f"二级 {n}") for n in range(4)]
    many += [card(9, title="一级 9"), card(1, title="一级 1")]

    made = cards.bundle(many, "https://city.example")

    assert made.title == "【汇总】5 起：▲一级 2、◆二级 3"
    assert [value for _, value in made.lines] == ["一级 9", "一级 1", "二级 0", "二级 2", "二级 3"]
    assert (made.grade, made.url, made.button) == (1, "https://city.example", "打开值守台")
    assert made.text == "【汇总】5 起：▲一级 2、◆二级 3。一级 9。"


def test_cards_without_an_incident_are_counted_one_by_one() -> None:
    made = cards.bundle([card(1, incident=""), card(2, incident="")], "")

    assert made.title == "【汇总】2 起：▲一级 2"


def test_a_vendor_that_refused_the_words_gets_the_counts_alone() -> None:
    made = cards.bundle([card(1, title="敏感"), card(2)], "", is_bare=True)

    assert made.lines == ()
    assert made.text == "【汇总】2 起：▲一级 2。"


def test_drills_never_pass_for_real_in_a_bundle_nor_hide_it() -> None:
    drill = cards.marked(card(1, is_drill=True))

    mixed = cards.bundle([drill, card(2, grade=3, title="真")], "")
    drills = cards.bundle([drill, card(3, is_drill=True)], "")

    assert mixed.title == "【汇总】1 起：▲一级 1；另有演练 1 起"
    assert [value for _, value in mixed.lines] == ["真", drill.title]
    assert not mixed.is_drill
    assert drills.is_drill
    assert drills.title == "【演练】【汇总】2 起：▲一级 2"
    assert all(value.startswith("【演练】") for _, value in drills.lines)


def test_a_test_card_calls_for_nobody() -> None:
    made = cards.of_test("zh", "https://city.example", GRADING)

    assert made.title == "通道测试，无需处理"
    assert not made.must_act


def test_a_grade_that_the_table_lacks_is_shown_as_the_least() -> None:
    made = cards.of_notice(notice(grade=NoticeGrade(7, "七级", "Seven")), "zh", ZONE, GRADING)

    assert (made.shape, made.grade_word) == ("○", "七级")


def test_what_cannot_be_read_is_told_all_the_same() -> None:
    made = cards.of_unreadable(1, "i-1", "zh", "https://city.example/", GRADING)

    assert made.title == "一级事件，详情无法显示，请查看值守台"
    assert (made.grade, made.incident, made.must_act) == (1, "i-1", True)
