"""Shifts from iCalendar: who, which desk, which post, and when in every time zone."""

import pytest

from alerting.people import ical
from alerting.people.check import check, is_refused
from alerting.people.reading import RosterError
from alerting.people.roster import Stray, Turn
from tests.alerting.people.city import at, desk, roster, rota
from tests.alerting.people.test_times import BERLIN

DAY_MS = 86_400_000


def file(*events: str, head: str = "") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//city//roster//", head]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20261101T000000Z"]
        lines += [*event.strip().splitlines(), "END:VEVENT"]
    text = "\r\n".join(line.strip() for line in [*lines, "END:VCALENDAR"] if line.strip())
    return f"{text}\r\n".encode()


def turns(content: bytes, begins: str, days: int = 1, name: str = "gas") -> list[Turn | Stray]:
    calendar = ical.read(content, "gas.ics", name, rota())
    found = calendar.entries(at(begins), at(begins) + days * DAY_MS)
    return sorted(found, key=lambda one: one.begins_ms if isinstance(one, Turn) else 0)


def one(event: str, begins: str = "11-23 00:00", name: str = "gas") -> Turn | Stray:
    (found,) = turns(file(event), begins, name=name)
    return found


DAY_SHIFT = "DTSTART;TZID=Asia/Shanghai:20261123T080000\nDTEND;TZID=Asia/Shanghai:20261123T200000\n"


@pytest.mark.parametrize(
    "named",
    [
        "SUMMARY:值班员甲",
        "SUMMARY:值班：值班员甲",
        "SUMMARY:Duty: officer a",
        "SUMMARY:wang",
        "SUMMARY:whatever\nATTENDEE:tel:1",
        "SUMMARY:whatever\nATTENDEE;CN=值班员甲:mailto:unknown@city.example",
    ],
)
def test_an_event_puts_on_duty_whom_its_summary_or_attendee_names(named: str) -> None:
    found = one(DAY_SHIFT + named)

    entry = f"gas.ics: {named.splitlines()[0].removeprefix('SUMMARY:')} of 2026-11-23 08:00"
    assert found == Turn("on-duty", ("wang",), at("11-23 08:00"), at("11-23 20:00"), entry)


def test_several_names_are_several_people_and_each_must_be_known() -> None:
    both = one(DAY_SHIFT + "SUMMARY:值班员甲、值班员乙、wang")
    half = one(DAY_SHIFT + "SUMMARY:值班员甲、林某")
    mail = one(DAY_SHIFT + "ATTENDEE:mailto:B@city.example\nATTENDEE:mailto:lin@city.example")
    nobody = one(DAY_SHIFT)

    assert isinstance(both, Turn)
    assert both.persons == ("wang", "zhao")
    assert isinstance(half, Stray)
    assert half.text.zh == "“林某”不是名册中的人员。"
    assert isinstance(mail, Stray)
    assert mail.text.en == "lin@city.example is no person of the roster."
    assert isinstance(nobody, Stray)
    assert nobody.text.en == "nobody is no person of the roster."
    assert nobody.entry == "gas.ics: event of 2026-11-23 08:00"


@pytest.mark.parametrize(
    ("category", "post"),
    [("副班", "second"), ("leader", "leader"), ("Gas,带班", "leader"), ("other", "on-duty")],
)
def test_categories_name_the_post(category: str, post: str) -> None:
    found = one(f"{DAY_SHIFT}SUMMARY:wang\nCATEGORIES:{category}")

    assert isinstance(found, Turn)
    assert found.post == post


def test_categories_name_the_desk_where_a_file_serves_several() -> None:
    content = file(
        f"{DAY_SHIFT}SUMMARY:wang\nCATEGORIES:gas",
        f"{DAY_SHIFT}SUMMARY:zhao\nCATEGORIES:city\nCATEGORIES:second",
        f"{DAY_SHIFT}SUMMARY:chief\nCATEGORIES:leader",
    )

    gas = turns(content, "11-23 00:00")
    city = turns(content, "11-23 00:00", name="city")

    assert [t.persons for t in gas if isinstance(t, Turn)] == [("wang",), ("chief",)]
    assert [(t.post, t.persons) for t in city if isinstance(t, Turn)] == [
        ("second", ("zhao",)),
        ("leader", ("chief",)),
    ]


def test_a_shift_that_recurs_is_there_on_every_day_but_those_that_are_left_out_or_moved() -> None:
    content = file(
        "DTSTART;TZID=Asia/Shanghai:20261101T200000\nDTEND;TZID=Asia/Shanghai:20261102T080000\n"
        "RRULE:FREQ=DAILY\nEXDATE;TZID=Asia/Shanghai:20261124T200000\nSUMMARY:wang",
        "DTSTART;TZID=Asia/Shanghai:20261125T210000\nDTEND;TZID=Asia/Shanghai:20261126T080000\n"
        "SUMMARY:zhao\nRECURRENCE-ID;TZID=Asia/Shanghai:20261125T200000",
    ).replace(b"UID:1", b"UID:0")

    found = [t for t in turns(content, "11-23 12:00", days=3) if isinstance(t, Turn)]

    assert [(t.persons, t.begins_ms) for t in found] == [
        (("wang",), at("11-23 20:00")),
        (("zhao",), at("11-25 21:00")),
    ]


def test_times_without_a_zone_are_the_citys_and_days_run_from_midnight_to_midnight() -> None:
    floating = one("DTSTART:20261123T080000\nDTEND:20261123T200000\nSUMMARY:wang")
    utc = one("DTSTART:20261123T000000Z\nDURATION:PT12H\nSUMMARY:wang")
    whole = one("DTSTART;VALUE=DATE:20261123\nDTEND;VALUE=DATE:20261124\nSUMMARY:wang")

    for found in (floating, utc):
        assert isinstance(found, Turn)
        assert (found.begins_ms, found.ends_ms) == (at("11-23 08:00"), at("11-23 20:00"))
    assert isinstance(whole, Turn)
    assert (whole.begins_ms, whole.ends_ms) == (at("11-23 00:00"), at("11-24 00:00"))


def test_a_shift_in_a_zone_that_moves_its_clocks_keeps_its_hours_on_the_wall() -> None:
    content = file(
        "DTSTART;TZID=Europe/Berlin:20261001T200000\nDTEND;TZID=Europe/Berlin:20261002T080000\n"
        "RRULE:FREQ=DAILY\nSUMMARY:wang"
    )

    found = [t for t in turns(content, "10-24 12:00", days=3) if isinstance(t, Turn)]

    berlin = [
        (at(f"10-{d} 20:00", BERLIN), at(f"10-{d + 1} 08:00", BERLIN)) for d in (23, 24, 25, 26)
    ]
    assert {(t.begins_ms, t.ends_ms) for t in found} <= set(berlin)
    night = next(t for t in found if t.begins_ms == berlin[1][0])
    # The night of 24 October has an hour more.
    assert night.ends_ms - night.begins_ms == 13 * 3_600_000


def test_what_is_cancelled_and_what_only_touches_the_time_is_no_turn() -> None:
    content = file(DAY_SHIFT + "SUMMARY:wang\nSTATUS:CANCELLED", DAY_SHIFT + "SUMMARY:zhao")

    assert [t.persons for t in turns(content, "11-23 19:00") if isinstance(t, Turn)] == [("zhao",)]
    assert turns(content, "11-23 20:00") == []


def test_a_desk_may_be_filled_by_a_calendar_alone_and_its_strangers_refuse_the_roster() -> None:
    daily = DAY_SHIFT.replace("20261123T200000", "20261124T080000") + "RRULE:FREQ=DAILY\n"
    good = ical.read(file(daily + "SUMMARY:wang"), "gas.ics", "gas", rota())
    bad = ical.read(
        file(daily + "SUMMARY:wang", DAY_SHIFT + "SUMMARY:林某"), "gas.ics", "gas", rota()
    )
    bare = desk("gas", crews=(), rotation=None)

    accepted = roster(desks=bare, calendars={"gas": (good,)})
    refused = roster(desks=bare, calendars={"gas": (bad,)})

    assert accepted.on_duty("gas", at("11-30 03:00")) == ("wang",)
    assert check(accepted, at("11-23 10:00")) == []
    assert is_refused(check(refused, at("11-23 10:00")))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"\xff"]
)
def test_what_is_no_calendar_is_said_with_its_file(content: bytes) -> None:
    with pytest.raises(RosterError, match=r"^gas\.ics is not iCalendar: "):
        ical.read(content, "gas.ics", "gas", rota())
