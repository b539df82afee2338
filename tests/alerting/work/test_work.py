"""Work orders: read, understood, and the watch over the zones connected with them."""

import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import windows
from alerting.plans import Book, parse_book
from alerting.slices import Record, Slice
from alerting.topology import Topology
from alerting.turn import Turn
from alerting.work import orders, pages, watch
from alerting.work.orders import COLUMNS, Order, Written
from alerting.work.watch import window_id
from lifeline.cards import Card
from lifeline.model import Text
from tests.alerting.city import CITY
from tests.alerting.people.city import at, roster

BOOK = parse_book(
    (str(file), tomllib.loads(file.read_text("utf-8"))) for file in Path("deploy/plans").glob("*")
)
TOPOLOGY = Topology(CITY)
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = 3_600_000
CSV = """id,kind,begins,ends,zones,assets,contractor,checks,watch_h
W-1,gas-work,2026-12-01T08:00,2026-12-01T12:00,,gas/v1,城燃工程,walk-round,48
W-2,re-pressurisation,2026-12-01T12:00+08:00,2026-12-01T13:00+08:00,gas/h;water/z,,北方燃气,,
"""
TOML = """
[[order]]
id = "W-1"
kind = "gas-work"
begins = "2026-12-01T08:00"
ends = "2026-12-01T12:00"
assets = ["gas/v1"]
contractor = "城燃工程"
checks = ["walk-round"]
watch_h = 48
"""


def written(**changes: Any) -> Written:
    base = Written(
        id="W-1", kind="gas-work", begins="2026-12-01T08:00", ends="2026-12-01T12:00",
        assets=("gas/v1",), contractor="城燃工程", checks=("walk-round",), watch_h=48.0,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def order(**changes: Any) -> Order:
    found = orders.understood(written(), TOPOLOGY, BOOK, SHANGHAI)
    assert isinstance(found, Order), found
    return msgspec.structs.replace(found, **changes)


def wrong(**changes: Any) -> str:
    found = orders.understood(written(**changes), TOPOLOGY, BOOK, SHANGHAI)
    assert isinstance(found, list)
    return "; ".join(found)


# As written.


@pytest.mark.feature("A-13")
def test_a_table_and_a_file_say_the_same() -> None:
    from_csv, bad = orders.read("a.csv", ("\ufeff" + CSV).encode())
    from_toml, worse = orders.read("a.toml", TOML.encode())

    assert bad == worse == []
    assert from_csv[0] == from_toml[0] == written()
    assert from_csv[1].zones == ("gas/h", "water/z")
    assert from_csv[1].watch_h == 24.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,colour\nW,red\n", "colour: known are id, kind"),
        ("a.csv", "", "(none)"),
        ("a.csv", "id,kind\nW\n", "line 2 has not as many fields"),
        ("a.csv", "id,kind\nW,gas-work,x\n", "line 2 has not as many fields"),
        ("a.csv", CSV + "W-1,gas-work,a,b,,,c,,\n", "line 4: W-1 stands there twice"),
        ("a.csv", CSV.replace("gas-work", "party"), "line 2: Invalid enum value 'party'"),
        ("a.csv", CSV.replace(",48", ",900"), "watch_h"),
        ("a.toml", "order = 3", "[[order]]"),
        ("a.toml", "x = ", "Invalid value"),
        ("a.toml", TOML + "\n[other]\n", "[[order]]"),
        ("a.toml", TOML + 'colour = "red"', "colour"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(name: str, text: str, said: str) -> None:
    _, problems = orders.read(name, text.encode())

    assert len(problems) == 1
    assert problems[0].startswith(name)
    assert said in problems[0]


def test_bytes_that_are_no_text_and_too_many_orders_are_refused() -> None:
    assert orders.read("a.csv", b"\xff\xfe")[1]
    many = "id\n" + "x\n" * (orders.ROWS_MAX + 1)
    assert "at most" in orders.read("a.csv", many.encode())[1][0]


@given(st.text(max_size=60), st.sampled_from(["a.csv", "a.toml"]))
def test_no_file_whatever_stops_the_reader(text: str, name: str) -> None:
    found, problems = orders.read(name, text.encode("utf-8", "surrogatepass"))

    assert not found
    assert all(problem.startswith(name) for problem in problems)


def test_every_column_is_a_field() -> None:
    assert set(COLUMNS) == set(Written.__struct_fields__)


# As understood.


def test_times_are_the_citys_and_the_plans_checks_cannot_be_left_out() -> None:
    found = order()

    assert found.from_ms == at("12-01 08:00") == found.until_ms - 4 * HOUR
    assert (found.lifeline, found.hazard, found.zones) == ("gas", "gas-leak", ("gas/h",))
    assert found.checks == (
        "pressure-test", "spaces-measured", "hour-later", "residents", "next-morning", "walk-round",
    )  # fmt: skip


def test_where_no_plan_demands_anything_it_is_measured_again() -> None:
    found = orders.understood(written(assets=("bridge/span",), checks=()), TOPOLOGY, BOOK, SHANGHAI)

    assert isinstance(found, Order)
    assert found.checks


def test_a_book_without_checks_still_has_one() -> None:
    plain = msgspec.structs.replace(BOOK.plans["", "*"], check=())
    bare = Book({("", "*"): plain})
    found = orders.understood(written(checks=()), TOPOLOGY, bare, SHANGHAI)

    assert isinstance(found, Order)
    assert found.checks == ("measured-again",)


def test_everything_that_is_wrong_with_an_order_is_told_at_once() -> None:
    assert wrong(zones=("x",), assets=("y",), begins="tomorrow", ends="9999-99-99") == (
        "W-1: zone x is unknown; W-1: asset y is unknown; W-1: begins: tomorrow is no time, write"
        " it as 2026-12-01T08:30; W-1: ends: 9999-99-99 is no time, write it as 2026-12-01T08:30"
    )
    assert "at least one" in wrong(assets=())
    assert "after it begins" in wrong(ends="2026-12-01T08:00")
    assert "at most 90 days" in wrong(ends="2027-12-01T08:00")


def test_gas_is_watched_for_while_it_comes_back_and_after_other_work() -> None:
    work, gas_back = order(), order(kind="re-pressurisation")

    assert (work.watch_from_ms, gas_back.watch_from_ms) == (work.until_ms, work.from_ms)
    assert work.watch_until_ms == work.until_ms + 48 * HOUR


# The watch.


@pytest.mark.feature("A-13")
def test_the_connected_zone_is_what_the_network_and_the_spaces_beside_it_reach() -> None:
    # The main goes to v2 and v3, which touch the water network; the sewer lies beside the well.
    reached = watch.connected(TOPOLOGY, order(zones=()))

    assert "sewer/s3" in reached["gas/h"]
    assert reached["water/z"] == ("water/n1",)
    assert "gas/far" not in reached
    # Of the zone where the work is, everything.
    assert watch.connected(TOPOLOGY, order())["gas/h"] == ()


class Desk:
    """A slice in which orders are taken, one after another."""

    def __init__(self) -> None:
        self.slice, self.revision = Slice(), 0
        self.known: dict[str, str] = {}
        self.said: list[str] = []

    def take(self, given: Order, now_ms: int) -> dict[str, str]:
        self.revision += 1
        places = watch.connected(TOPOLOGY, given)
        turn = Turn(self.slice, now_ms)
        self.known = watch.settle(turn, given, places, self.known, "li", self.revision, "test")
        self.said = [
            f"{effect.action} {effect.reason}"
            for effect in turn.effects
            if isinstance(effect, Record)
        ]
        return self.known

    def window(self, zone: str = "gas/h") -> windows.Window:
        return self.slice.windows[self.known[zone]]


@pytest.mark.feature("A-13")
def test_an_order_opens_a_watch_in_each_connected_zone_with_its_checks() -> None:
    desk, given = Desk(), order()

    known = desk.take(given, given.from_ms)

    assert known == {"gas/h": window_id("W-1", "gas/h"), "water/z": window_id("W-1", "water/z")}
    assert desk.said == ["open-window window-opened"] * 2
    opened = desk.window()
    assert (opened.author, opened.factor, opened.work) == ("li", 0.5, "W-1")
    assert windows.unticked(opened) == list(given.checks)
    assert not windows.runs(opened, given.until_ms - 1)
    assert windows.runs(opened, given.until_ms)
    # Beyond its time too, until it is ended.
    assert windows.runs(opened, given.watch_until_ms + HOUR)


def test_the_same_order_again_does_nothing() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)

    known = desk.take(given, given.from_ms)

    assert desk.said == []
    assert set(known) == {"gas/h", "water/z"}


def test_a_watch_that_has_not_begun_moves_with_its_order() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)

    desk.take(order(until_ms=given.until_ms + HOUR), given.from_ms)

    assert desk.said == ["move-window window-opened"] * 2
    assert desk.window().from_ms == given.until_ms + HOUR
    assert desk.slice.deadlines["window", window_id("W-1", "gas/h")] == given.watch_until_ms + HOUR


@pytest.mark.feature("A-13")
def test_a_watch_that_runs_is_never_shortened_and_keeps_what_is_ticked() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)
    ticked = windows.Check("residents", "li", 7)
    checks = tuple(ticked if c.name == ticked.name else c for c in desk.window().checks)
    desk.slice.put_window(msgspec.structs.replace(desk.window(), checks=checks))
    begun = given.until_ms + 1

    desk.take(order(watch_h=1.0, checks=(*given.checks, "one-more")), begun)

    now = desk.window()
    assert (now.from_ms, now.until_ms) == (given.until_ms, given.watch_until_ms)
    assert ticked in now.checks
    assert "one-more" in windows.unticked(now)
    assert now.assets == ()


def test_a_cancelled_order_ends_a_watch_that_has_not_begun() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)

    desk.take(order(state="cancelled"), given.from_ms + 1)

    assert desk.said == ["end-window window-ended"] * 2
    assert desk.window().ended_ms == given.from_ms + 1


def test_a_cancelled_order_leaves_a_running_watch_to_its_checks() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)

    desk.take(order(state="cancelled"), given.until_ms)

    assert desk.said == []
    assert desk.window().ended_ms is None


def test_an_order_that_comes_back_after_its_watch_is_watched_anew() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)
    desk.take(order(state="cancelled"), given.from_ms)

    desk.take(given, given.from_ms)

    assert desk.known["gas/h"] == window_id("W-1", "gas/h", 3)
    assert desk.window().ended_ms is None


def test_zones_that_are_connected_no_more_are_left_and_what_is_past_opens_nothing() -> None:
    desk, given = Desk(), order()
    desk.take(given, given.from_ms)

    desk.take(order(assets=("gas/alone",), zones=("gas/far",)), given.from_ms)

    assert desk.slice.windows[window_id("W-1", "gas/h")].ended_ms is not None
    assert desk.window("gas/far").ended_ms is None
    late = Desk()
    assert late.take(given, given.watch_until_ms) == {}


def test_detectors_hear_of_the_order_and_of_its_end_under_one_name() -> None:
    given = order()
    places = watch.connected(TOPOLOGY, given)

    told = watch.contexts(given, places, {}, given.from_ms, 1)
    ended = watch.contexts(order(state="cancelled"), places, {"x": "w"}, given.from_ms - 9, 2)

    assert {c.zone: (c.kind, c.at_ms, c.until_ms) for c in told}["gas/h"] == (
        "work-order", given.from_ms, given.watch_until_ms,
    )  # fmt: skip
    assert {c.detail["id"] for c in (*told, *ended)} == {"work/W-1"}
    assert [c.detail["revision"] for c in ended] == [2.0] * 3
    assert all(c.at_ms == c.until_ms == given.from_ms - 9 for c in ended)


# Checks that are missing.

OVER = windows.Window(
    id="w", kind="work-watch", author="li", reason="gas-work W-1", zone="gas/h", from_ms=0,
    until_ms=at("12-01 12:00"), checks=(windows.Check("residents"),),
)  # fmt: skip
RESIDENTS = Text("走访居民", "Residents asked")


def paged(text: str, window: windows.Window = OVER) -> list[Card]:
    found = pages.pages(
        roster(), "gas", window, Text("和平", "Heping"), [RESIDENTS], "http://d/windows", at(text)
    )
    return [msgspec.json.decode(push.body, type=Card) for push in found]


def test_missing_checks_are_told_to_the_desk_in_working_hours_alone() -> None:
    by_day, by_night = paged("12-02 10:00"), paged("12-02 03:00")

    assert by_night == []
    assert by_day
    first = by_day[0]
    assert first.title in (
        "和平作业后值守已超时，必做检查未完成",
        "Heping: the watch after work is over time, checks are missing",
    )
    assert first.url == "http://d/windows"
    assert {card.language for card in by_day} <= {"zh", "en"}
    assert any("走访居民" in card.text or "Residents asked" in card.text for card in by_day)


def test_a_watch_without_missing_checks_calls_nobody() -> None:
    done = msgspec.structs.replace(OVER, checks=(windows.Check("residents", "li", 1),))

    assert paged("12-02 10:00", done) == []
