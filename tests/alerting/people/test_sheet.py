"""The hand-over sheet in both languages, as a page for print and as a spreadsheet."""

import io
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import jinja2
import msgspec
import pytest

from alerting.people import handover, sheet
from alerting.people.check import check
from alerting.people.handover import Handover
from lifeline.words import Language
from tests.alerting.people.city import person, roster
from tests.alerting.people.test_handover import FACTS, ITEMS, NOW, done, fresh

TEMPLATES = Path(__file__).parents[3] / "alerting" / "console" / "templates"


def shown(handed: Handover, language: Language = "zh") -> sheet.SheetView:
    city = roster(persons=person("wang", addresses={"sms": "1", "voice": "1"}))
    problems = check(city, NOW)
    places = {"gas/well-7": "7 号阀井"}
    return sheet.view(handed, city, problems, language, lambda asset: places.get(asset, asset))


def html(view: sheet.SheetView) -> str:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("handover.html")
    return page.render(sheet=view)


@pytest.mark.feature("C-4")
def test_the_sheet_says_everything_that_the_next_shift_must_know() -> None:
    half = done(handover.accept(fresh(), "zhao.b", ITEMS[0], NOW))
    signed = done(handover.sign(half, "wang", NOW))

    view = shown(signed)

    assert view.facts == (
        ("值班席", "燃气值班席"),
        ("时间", "2026-11-23 19:50"),
        ("本班", "2026-11-23 08:00 – 2026-11-23 19:50"),
        ("交班人", "值班员甲"),
        ("接班人", "值班员乙"),
    )
    assert view.counts == (("新事件", 5), ("已确认", 4), ("已关闭", 3), ("未结", 2))
    incidents, shelved, faulty, gaps = view.tables
    assert incidents.rows == (
        (
            "▲ 一级",
            "燃气泄漏",
            "7 号阀井",
            "已确认",
            "2026-11-23 14:00",
            "值班员甲",
            "2026-11-23 20:10 催办",
            "crew on its way",
            "2026-11-23 19:50",
        ),
        (
            "■ 三级",
            "供水不足",
            "gas/well-8",
            "待确认",
            "2026-11-23 15:00",
            "无",
            "复核清单",
            "",
            "待接收",
        ),
    )
    assert shelved.rows[0][3:] == ("lin", "2026-11-23 19:50", "待接收")
    assert faulty.rows[0][1] == "传感器故障"
    assert "值班员甲 没有 chat 的联系方式" in gaps.rows[0][0]
    assert view.notes == "valve 3 is stiff"
    assert view.signatures == (
        ("交班人", "值班员甲", "2026-11-23 19:50 已签"),
        ("接班人", "值班员乙", "未签"),
    )
    assert not view.is_done


def test_an_incident_without_a_next_step_and_a_shelf_without_an_end_have_a_dash() -> None:
    bare = msgspec.structs.replace(FACTS.incidents[0], next_kind="", next_ms=None, asset="x")
    endless = msgspec.structs.replace(FACTS.shelved[0], until_ms=None)
    facts = msgspec.structs.replace(FACTS, incidents=(bare,), shelved=(endless,))
    unknown = msgspec.structs.replace(fresh(facts), desk="closed-down")

    view = shown(unknown, "en")

    assert view.tables[0].rows[0][6] == "–"
    assert view.tables[1].rows[0][4] == "–"
    assert view.facts[0] == ("Desk", "closed-down")


@pytest.mark.parametrize(("language", "lang"), [("zh", "zh-CN"), ("en", "en")])
def test_the_page_shows_all_of_it_and_no_hostile_note_runs(language: Language, lang: str) -> None:
    evil = done(handover.annotate(fresh(), "wang", "<script>alert(1)</script>"))
    view = shown(evil, language)

    text = html(view)

    assert f'<html lang="{lang}">' in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    for table in view.tables:
        for cell in (*table.heads, *(c for row in table.rows for c in row)):
            assert str(jinja2.filters.escape(cell)) in text


def test_an_empty_shift_says_none_and_not_nothing() -> None:
    facts = handover.Facts(at_ms=NOW, since_ms=NOW, opened=0, closed=0, acknowledged=0)
    begun = handover.begin("h", "gas", "wang", "zhao.b", facts)
    assert isinstance(begun, Handover)

    text = html(sheet.view(begun, roster(), [], "en"))

    assert text.count("None") == 5


@pytest.mark.feature("C-4")
def test_the_spreadsheet_holds_the_same_words_and_no_formula() -> None:
    evil = done(handover.annotate(fresh(), "wang", "=HYPERLINK(1)"))
    view = shown(evil)

    book = sheet.workbook(view)

    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        strings = ET.fromstring(parts.read("xl/sharedStrings.xml"))
        page = parts.read("xl/worksheets/sheet1.xml").decode()
    held = {"".join(node.itertext()) for node in strings}
    wanted = {cell for table in view.tables for row in table.rows for cell in row if cell}
    assert wanted <= held
    assert "=HYPERLINK(1)" in held
    assert not re.search(r"<f[ >]", page)


def test_the_same_sheet_is_the_same_file() -> None:
    assert sheet.workbook(shown(fresh())) == sheet.workbook(shown(fresh()))
