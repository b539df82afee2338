"""What an incident's page says of the ground it stands on: rule and limit, in its language."""

from dataclasses import replace
from importlib.resources import files

import msgspec
import numpy as np
import pytest

from alerting.desk.rows import NoticeRow
from alerting.incidents import Reason
from alerting.slices import Record
from lifeline.artefact import Artefact, pack
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Model,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import Detail, Text
from lifeline.store import read_sources
from tests.alerting.console.hall import Hall, leak
from tests.alerting.scene import T0


@pytest.mark.parametrize(
    ("language", "rule", "limit"),
    [
        (
            "zh",
            "限值 v1 · 相邻空间甲烷 · gas.ch4",
            "20 %LEL · 甲烷超限 · gas.20lel · GB 1第2.3条（条文已核对）",
        ),
        (
            "en",
            "Limit v1 · Methane next door · gas.ch4",
            "20 %LEL · Methane high · gas.20lel · GB 1 2.3 (clause verified)",
        ),
    ],
)
def test_rule_and_limit_are_named_in_the_language_of_the_page(
    language: str, rule: str, limit: str
) -> None:
    hall = Hall()
    name = hall.take(leak())

    page = hall.page(f"/incidents/{name}", query={"lang": language})

    assert rule in page
    assert limit in page


def test_a_rule_and_a_limit_that_the_catalog_lacks_go_by_their_names() -> None:
    hall = Hall()
    name = hall.take(leak(rule="gas.gone", limit_id="gas.none"))

    page = hall.page(f"/incidents/{name}")

    assert "Limit v1 · gas.gone" in page
    assert "20 %LEL · gas.none" in page


@pytest.mark.parametrize("lifeline", ["bridge", "gas", "heating", "water"])
def test_every_shipped_limit_has_its_title_and_its_clause_in_both_languages(lifeline: str) -> None:
    (source,) = read_sources((str(files("deploy") / "lifelines" / f"{lifeline}.toml"),))

    assert source.limit
    assert [one.id for one in source.limit if not (one.clause_zh and one.title.zh)] == []


def test_a_number_of_messages_is_shown_without_the_unit_one() -> None:
    hall = Hall()
    name = hall.take(leak(unit="1", value=23.0, limit=20.0, limit_id="", rule="device.gaps"))

    page = hall.page(f"/incidents/{name}")

    assert "<dd>23</dd>" in page
    assert "<dd>20</dd>" in page


def zone_with_mains() -> Catalog:
    """One metered area whose calibration knows two pipes."""
    learned = pack(
        Artefact(
            "", {},
            {"pipe": np.array(["p1", "p2"]), "pipe_xy": np.array([[0.0, 0, 9, 0], [9, 0, 9, 9]])},
        )
    )  # fmt: skip
    head = Channel("head", "head", "m", 0.0, 100.0, 5.0)
    return Catalog(
        compile_catalog(
            [
                Source(
                    Lifeline("water", Text("供水", "Water")),
                    zone=(Zone("water/z", Text("片区", "Area")),),
                    asset=(Asset("water/z/mains", "water/z", "metered-area"),),
                    model=(Model("m", (head,)),),
                    device=(DeviceEntry("l1", "water/z", "water/z/mains", "m"),),
                    group=(Group("water/z", "water/z", ("water/z/mains/head",), artefact="z.art"),),
                    learned={"z.art": learned},
                )
            ]
        )
    )


@pytest.mark.parametrize(("language", "size"), [("zh", "漏量"), ("en", "Size")])
def test_a_leak_in_the_network_shows_its_pipes_its_size_and_what_each_sensor_says(
    language: str, size: str
) -> None:
    hall = Hall()
    hall.site = replace(hall.site, catalog=zone_with_mains())
    detail = Detail(
        onset_ms=T0 - 3_600_000, facts={"own": 1.0, "lost_m3": 3.0, "size_m3_h": 12.0},
        candidates=(("p2", 0.7), ("p1", 0.2)), residuals=(("water/z/mains/head", -6.0),),
    )  # fmt: skip
    name = hall.take(leak(channel="water/z", asset="water/z/mains", zone="water/z", detail=detail))

    page = hall.page(f"/incidents/{name}", query={"lang": language})

    assert 'class="main likely"' in page
    assert "p2 70%" in page
    assert "-6.0" in page
    assert f"<dt>{size}</dt><dd>12 m³/h</dd>" in page
    assert page.index("12 m³/h") < page.index("3 m³<") < page.index("<dt>own</dt>")


def test_a_group_without_a_calibrated_network_names_the_pipes_and_draws_none() -> None:
    hall = Hall()
    name = hall.take(leak(detail=Detail(candidates=(("p2", 0.7),))))

    page = hall.page(f"/incidents/{name}", query={"lang": "en"})

    assert "Most probable pipes: p2 70%" in page
    assert "sketch" not in page


def test_why_somebody_was_told_is_said_in_words_also_of_a_page() -> None:
    hall = Hall()
    name = hall.take(leak())
    row = NoticeRow(7, name, "sms", "remind", "page", "delivered", 1, "0", T0, T0, "k", b"")
    hall.notices = (row, msgspec.structs.replace(row, reason="opened"))
    one = hall.slice.incidents[name]
    hall.audit.append(
        Record(name, one.zone, T0, "router", "page", Reason.REMINDED, "0", "router", 1)
    )

    page = hall.page(f"/incidents/{name}", query={"lang": "zh"})

    assert "<td>提醒</td>" in page
    assert "<td>新事件</td>" in page
    assert "无人确认，已提醒" in page
    assert '<blockquote class="note">0</blockquote>' not in page
