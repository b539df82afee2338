"""A city with grades of its own sees them wherever a grade is shown, told or counted."""

import io
import zipfile
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec
import pytest
from lxml import etree

from alerting import cap, cards, windows
from alerting.book.store import policy as policy_from
from alerting.console import palette
from alerting.drill import report, scoring
from alerting.drill.scenarios import FREE
from alerting.incidents import Reason
from alerting.notices import Push, Wording
from alerting.outbox.contents import Contents
from alerting.outbox.messages import Leased, Message
from alerting.people import check, sheet
from alerting.people.paging import Paging
from alerting.people.service import read_roster
from alerting.policy import Clocks, clocks_of, policy_of
from alerting.rulegraph import Rules
from alerting.rules import versions
from alerting.slices import Tell
from alerting.work import pages
from lifeline.cards import Card
from lifeline.catalog import CatalogError, Lifeline, Rule, Source
from lifeline.compiler import compile_catalog
from lifeline.config import Router
from lifeline.grades import GRADING, Grading
from lifeline.life import Life
from lifeline.model import Text
from lifeline.targets import Target
from lifeline.words import Language
from tests.alerting.console.hall import Hall, leak
from tests.alerting.drill.test_scoring import T0 as DRILL_MS
from tests.alerting.drill.test_scoring import course, reported
from tests.alerting.exchange.papers import TABLES, schema
from tests.alerting.people.city import at, chain, roster
from tests.alerting.people.test_handover import fresh
from tests.alerting.people.test_paging import incident, page
from tests.alerting.people.test_sheet import html
from tests.alerting.scene import T0, finding, raised
from tests.alerting.test_layouts import TARGETS
from tests.alerting.test_notices import catalog as gas
from tests.alerting.work.test_work import OVER, RESIDENTS
from tests.flood import FLOOD, settings

SHANGHAI = ZoneInfo("Asia/Shanghai")
LAWS = ("一级", "二级", "三级", "四级", "Critical", "Major", "Moderate", "Minor")
RULE = Rule("r", "gas-leak", 1, {"kind": "threshold", "limit": 1.0}, quantity="ch4")


def notices(*targets: Target, grade: int = 1) -> list[Push]:
    """The first notice of a leak, as these targets are sent it."""
    policy = policy_of(FLOOD, Life(), [])
    wording = Wording(gas(), Router(targets=targets), policy=policy, tables=TABLES)
    tell = Tell("i-1", raised(0, grade=grade), Reason.OPENED, T0, 0, is_first=True)
    return wording.pushes(tell)


def lacks(text: str, *words: str) -> bool:
    return not any(word in text for word in words)


# The desk's pages.


@pytest.mark.feature("A-4")
def test_the_queue_and_the_incidents_page_show_names_and_colours_of_the_city() -> None:
    hall = Hall(grades=FLOOD.written)
    name = hall.take(leak(0, grade=1))
    hall.take(leak(1, grade=3, asset="gas/other", channel="gas/other/ch4"))

    for path in ("/", f"/incidents/{name}"):
        text = hall.page(path, headers={"accept-language": "zh"})
        assert '<span class="grade g1"><span class="shape" aria-hidden="true">▲</span> 红色' in text
        assert "红色燃气报警" in text
        assert '<link rel="stylesheet" href="/static/grades.css">' in text
        assert lacks(text, *LAWS, "style=")
    queue = hall.page("/", headers={"accept-language": "zh"})
    for level, word in ((1, "红色"), (2, "橙色"), (3, "黄色"), (5, "设备")):
        assert f'<option value="{level}">{word}</option>' in queue
    assert '<option value="4"' not in queue
    assert '<option value="3" selected>' in hall.page("/", query={"grade": "3"})
    assert "selected" not in hall.page("/", query={"grade": "4"})
    shown = msgspec.json.decode(hall.ask("GET", f"/api/v1/incidents/{name}").body)["incident"]
    assert shown["grade"] == {"level": 1, "zh": "红色", "en": "Red"}
    assert shown["headline"]["en"].startswith("Red gas alarm")


def test_the_style_sheet_has_the_citys_colours_and_readable_words_on_them() -> None:
    text = palette.css(FLOOD)

    light, dark = text.split("@media screen and (prefers-color-scheme: dark)")
    assert ".g1 { --grade: #D0021B; --on-grade: #FFFFFF; }" in light
    assert ".g3 { --grade: #E8B800; --on-grade: #000000; }" in light
    assert ".g5 { --grade: initial; --on-grade: initial; --edge: #6B7280; }" in light
    assert ".g1 { --grade: #FF6B70; --on-grade: #000000; }" in dark
    assert ".g2 { --grade: #C05A00;" in dark, "the same where none is set for a dark ground"
    assert ".g4" not in text


# What goes out.


def test_a_card_has_the_citys_name_sign_and_colour_in_every_messenger() -> None:
    (push,) = notices(Target("city", "https://c.example", "-"))

    made = cards.read(push.body, "zh", "Asia/Shanghai", FLOOD, is_page=False)

    assert (made.grade_word, made.colour, made.shape) == ("红色", "#D0021B", "▲")
    assert made.title == "红色燃气报警：1 号井 燃气泄漏"
    assert made.lines[0] == ("等级", "▲红色")


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu", "ntfy", "sms", "email"])
def test_every_messenger_says_the_citys_word_also_of_what_it_cannot_show(kind: str) -> None:
    (push,) = notices(Target("city", "https://c.example", "-"))
    row = Leased(1, "k", push.body, "i-1", "city", 0, 0, 0, 1, False, "", "zh")
    contents = Contents("https://city.example", "Asia/Shanghai", FLOOD)

    for one in (row, msgspec.structs.replace(row, body=b"?")):
        _, body = contents.of(TARGETS[kind], Message((one,)))
        told = str(msgspec.json.decode(body))
        assert "红色" in told
        assert lacks(told, *LAWS)


@pytest.mark.feature("E-3")
def test_an_alert_in_cap_has_the_citys_words_colours_and_severities() -> None:
    (push,) = notices(Target("platform", "https://p.example", "-", format="cap"), grade=2)

    alert = etree.fromstring(push.body)

    schema().assertValid(alert)
    names = {"c": cap.NAMESPACE}
    assert alert.xpath("//c:info/c:headline/text()", namespaces=names) == [
        "橙色燃气报警：1 号井 燃气泄漏", "Orange gas alarm: Gas leak at Well 1",
    ]  # fmt: skip
    assert alert.xpath("//c:info/c:severity/text()", namespaces=names) == ["Severe", "Severe"]
    assert alert.xpath("//c:info/c:urgency/text()", namespaces=names) == ["Expected", "Expected"]
    for name, told in (("gradeName", ["橙色", "Orange"]), ("gradeColour", ["#C05A00", "#C05A00"])):
        path = f"//c:parameter[c:valueName='{name}']/c:value/text()"
        assert alert.xpath(path, namespaces=names) == told
    assert lacks(push.body.decode(), *LAWS)


def test_whoever_is_told_of_the_city_is_told_of_its_last_grade_and_of_no_device() -> None:
    every = Target("city", "https://c.example", "-")
    some = Target("top", "https://c.example", "-", grade_max=1)
    shop = Target("shop", "https://c.example", "-", grade_max=5)

    def told(grade: int) -> list[str]:
        return [push.target for push in notices(every, some, shop, grade=grade)]

    assert (told(1), told(3), told(5)) == (
        ["city", "top", "shop"], ["city", "shop"], ["shop"],
    )  # fmt: skip


def test_a_page_to_a_person_is_in_the_citys_words() -> None:
    paging = Paging(roster(grades=FLOOD), Wording(None, Router()), b"secret")

    pushes = paging.pages(page(), incident())

    card = msgspec.json.decode(pushes[0].body, type=Card)
    assert (card.grade_word, card.colour, card.title[:6]) == ("红色", "#D0021B", "红色燃气报警")
    assert dict(card.lines)["等级"] == "▲ 红色"


# The shift, work, exercises.


@pytest.mark.feature("C-4")
@pytest.mark.parametrize(("language", "words"), [("zh", "红色 黄色"), ("en", "Red Yellow")])
def test_the_sheet_of_a_shift_shows_names_and_colours(language: Language, words: str) -> None:
    view = sheet.view(fresh(), roster(grades=FLOOD), [], language)

    text, book = html(view), zipfile.ZipFile(io.BytesIO(sheet.workbook(view)))

    first, second = words.split()
    assert f'<span class="grade g1">▲ {first}</span>' in text
    assert f'<span class="grade g3">■ {second}</span>' in text
    assert '<link rel="stylesheet" href="/static/grades.css">' in text
    assert lacks(text, *LAWS, "style=")
    assert f"▲ {first}" in book.read("xl/sharedStrings.xml").decode()
    styles = book.read("xl/styles.xml").decode()
    assert "FFD0021B" in styles
    assert "FFE8B800" in styles


def test_a_missing_check_is_told_in_the_mildest_grade_that_calls_somebody() -> None:
    def told(grades: Grading, *paged: int) -> Card:
        chains = tuple(msgspec.structs.replace(chain(1)[0], grade=level) for level in paged)
        desk = roster(grades=grades, chains=chains)
        found = pages.pages(
            desk, "gas", OVER, Text("和平", "Heping"), [RESIDENTS], "http://d", at("12-02 10:00")
        )
        return msgspec.json.decode(found[0].body, type=Card)

    mild, only_top = told(FLOOD, 1, 2, 3), told(FLOOD, 1, 2)

    assert (mild.grade, mild.colour, mild.shape) == (3, "#E8B800", "■")
    assert mild.grade_word in ("黄色", "Yellow")
    assert only_top.grade == 2


def test_an_exercise_is_scored_by_the_clocks_that_called_people() -> None:
    clocks = policy_of(FLOOD, Life(), []).clocks
    taken = course(acknowledged_ms=DRILL_MS + 60_000, verified_ms=DRILL_MS + 450_000)

    def marks(by: Mapping[int, Clocks]) -> dict[str, float]:
        (one,) = scoring.score(FREE, [taken], by).scored
        return {mark.aspect: mark.points for mark in one.marks}

    own, laws = marks(clocks), marks(clocks_of(GRADING))

    assert (own["acknowledged"], own["verified"]) == (25.0, 15.0)
    assert (laws["acknowledged"], laws["verified"]) == (16.67, 7.5)
    made = scoring.score(FREE, [taken], clocks)
    assert "红色 燃气泄漏" in report.as_html(reported(made), "zh", SHANGHAI, FLOOD)


# Rules, roster, order.


def test_bounds_and_second_persons_follow_the_citys_top_grades() -> None:
    def vital(grades: Grading, level: int) -> bool:
        before, after = (
            versions.Ruleset((), (msgspec.structs.replace(RULE, grade=level, realarm_s=s),))
            for s in (0.0, 60.0)
        )
        return versions.is_grave(versions.differences(before, after, grades))

    wider = Grading(tuple(msgspec.structs.replace(one, is_top=True) for one in FLOOD.written))

    assert [vital(FLOOD, level) for level in (1, 2, 3)] == [True, True, False]
    assert vital(wider, 3)


def test_a_rule_of_a_grade_that_the_city_lacks_does_not_compile() -> None:
    source = Source(
        Lifeline("gas"),
        rule=(Rule("r", "gas-leak", 4, {"kind": "silence"}, quantity="meter.seen"),),
    )

    assert compile_catalog([source])
    with pytest.raises(CatalogError, match="grade 4, which the grading table lacks"):
        compile_catalog([source], FLOOD)


def test_the_roster_is_called_by_the_citys_names_and_must_be_fast_for_its_top_grades() -> None:
    shipped = read_roster(settings('[people]\nroster = "deploy/roster.toml"\n'))
    slow = tuple(
        msgspec.structs.replace(one, remind_s=301) if one.grade == 2 else one
        for one in roster().rota.chains
    )

    assert shipped.grades == FLOOD
    problems = check.check(roster(grades=FLOOD, chains=slow), at("11-23 10:00"), days=1)
    (found,) = [one for one in problems if one.code == "slow-chain"]
    assert found.is_grave
    assert found.text.zh.startswith("橙色的呼叫预案过慢")
    assert found.text.en.startswith("The chain of grade 2 Orange is too slow")


def test_a_chain_of_a_grade_that_the_city_lacks_is_told() -> None:
    chains = (*chain(1), msgspec.structs.replace(chain(3)[2], grade=4))

    found = check.check(roster(grades=FLOOD, chains=chains), at("11-23 10:00"), days=1)

    (told,) = [one for one in found if one.code == "no-grade"]
    assert (told.grade, told.is_grave) == (4, False)
    assert told.text.zh == "呼叫预案写有等级 4，但 [[grades]] 中没有它。"


def test_work_sharpens_what_happens_in_the_city_and_leaves_devices_alone() -> None:
    watch = msgspec.structs.replace(OVER, zone="gas/heping", from_ms=0)

    def grade(level: int, grades: Grading) -> int:
        return windows.sharpened([watch], finding(0, grade=level), grades).grade

    six = Grading(tuple(msgspec.structs.replace(FLOOD.of(2), level=n + 1) for n in range(6)))
    assert [grade(level, FLOOD) for level in (1, 2, 3, 5)] == [1, 1, 2, 5]
    assert [grade(level, six) for level in (6, 7)] == [5, 7]


def test_the_settings_table_is_the_one_that_decides() -> None:
    wanted = settings()

    made = policy_from(wanted, gas(), Rules())

    assert made.grades == wanted.grading == FLOOD
    assert made.clocks_for(1).escalate_s == (240.0,)
    assert made.correlator.grades == FLOOD  # type: ignore[union-attr]
