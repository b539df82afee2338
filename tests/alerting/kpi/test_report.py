"""The figures say the same to people, to spreadsheets, in both languages."""

import csv
import io

import msgspec
import pytest

from alerting.kpi.report import Figures, Frequent, Report, aligned, as_csv, table, top_lines
from lifeline.grades import GRADING

EAST = Figures(
    key="east",
    alarms=30,
    per_10min=0.25,
    peak_10min=14,
    flood_share=0.021,
    chattering=1,
    chatter_share=0.1,
    standing=2,
    grades={"2": 5, "10": 1, "1": 24},
    incidents=4,
    acknowledge_p50_s=75.0,
    acknowledge_p95_s=400.0,
    verify_p50_s=None,
    verify_p95_s=None,
    close_p50_s=7200.0,
    close_p95_s=9000.0,
    in_time_share=0.75,
    false_share=None,
)
REPORT = Report(
    "desk", 0, 1, (EAST, msgspec.structs.replace(EAST, key="")),
    (Frequent("east", 1, "gas/w/ch4", "gas.ch4", 12, 0.4), Frequent("", 2, "x", "y", 1, 0.02)),
)  # fmt: skip


@pytest.mark.feature("A-7")
def test_people_read_shares_and_durations() -> None:
    head, first, second = table(REPORT, "zh", GRADING)

    assert head[:2] == ["值班席", "报警数"]
    assert dict(zip(head, first, strict=True)) == {
        "值班席": "east", "报警数": "30", "每10分钟": "0.25", "10分钟峰值": "14",
        "泛滥时间占比": "2.1%", "抖动报警": "1", "超24小时": "2", "按等级": "一级:24 二级:5 10:1",
        "事件数": "4", "确认中位": "1 分 15 秒", "确认P95": "6 分 40 秒", "研判中位": "–",
        "关闭中位": "2 小时 0 分", "按时关闭率": "75.0%", "误报率": "–",
    }  # fmt: skip
    assert second[0] == "–"
    assert table(REPORT, "en", GRADING)[0][:3] == ["Desk", "Alarms", "Per 10 min"]


@pytest.mark.feature("A-7")
def test_a_spreadsheet_reads_numbers_and_a_column_a_grade() -> None:
    first, _ = csv.DictReader(io.StringIO(as_csv(REPORT)))

    assert first["desk"] == "east"
    assert float(first["acknowledge_p50_s"]) == 75.0
    assert first["verify_p50_s"] == ""
    assert list(first)[-3:] == ["grade_1", "grade_2", "grade_10"]
    assert [first[name] for name in list(first)[-3:]] == ["24", "5", "1"]


def test_columns_stand_below_each_other_in_chinese_too() -> None:
    assert aligned([["值班席", "数"], ["east", "1"]]) == ["值班席  数", "east    1"]


@pytest.mark.feature("A-7")
def test_what_comes_most_often_is_named_with_its_share() -> None:
    assert top_lines(REPORT) == [
        "east   1. gas/w/ch4  gas.ch4  12  40%",
        "–   2. x  y  1  2%",
    ]
