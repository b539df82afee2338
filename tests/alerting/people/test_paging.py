"""Pages: who gets which card, once, in his language, with what comes next."""

from typing import Any

import msgspec
import pytest

from alerting import routes
from alerting.incidents import Incident, Reason
from alerting.notices import Push, Wording
from alerting.people.paging import Paging
from alerting.people.roster import Roster
from alerting.people.rota import NightlyTest, Step
from alerting.people.times import Hours
from alerting.slices import Page
from lifeline import config
from lifeline.cards import Card
from lifeline.catalog import Asset, Catalog, Lifeline, Source, Zone
from lifeline.compiler import compile_catalog
from lifeline.grades import GRADING
from lifeline.model import Finding, Text
from lifeline.targets import Target
from tests.alerting.people.city import at, chain, desk, person, roster, rota

DAY = at("11-23 10:00")
LEAK = Finding(
    id="f1",
    phase="raised",
    zone="gas/heping",
    asset="gas/well-7",
    lifeline="gas",
    channel="gas/well-7/ch4",
    rule="gas.ch4",
    detector="threshold",
    hazard="gas-leak",
    grade=1,
    onset_ms=DAY - 5000,
    at_ms=DAY,
    received_ms=DAY,
    code="above-limit",
    value=23.4,
    unit="%LEL",
    limit=20.0,
    limit_id="gas.20lel",
)


def catalog() -> Catalog:
    gas = Source(
        Lifeline("gas", Text("燃气", "Gas")),
        zone=(Zone("gas/heping", Text("和平", "Heping")),),
        asset=(Asset("gas/well-7", "gas/heping", "well", Text("7 号阀井", "Well 7")),),
    )
    return Catalog(compile_catalog([gas]))


def incident(**changes: Any) -> Incident:
    base = Incident(
        id="11111111-2222",
        asset="gas/well-7",
        hazard="gas-leak",
        drill=False,
        episode=1,
        phase="open",
        zone="gas/heping",
        lifeline="gas",
        grade=1,
        told=1,
        lane="live",
        lead=LEAK,
        onset_ms=DAY - 5000,
        opened_ms=DAY,
        updated_ms=DAY,
        is_active=True,
        unseen_ms=DAY,
    )
    return msgspec.structs.replace(base, **changes)


def page(kind: Any = "first", step: int = 0, **changes: Any) -> Page:
    base = Page(
        incident="11111111-2222",
        revision=1,
        grade=1,
        step=step,
        kind=kind,
        reason=Reason.OPENED,
        at_ms=DAY,
        finding=LEAK,
    )
    return msgspec.structs.replace(base, **changes)


def paging(city: Roster | None = None, known: Catalog | None = None) -> Paging:
    settings = config.Router(public_url="https://city.example")
    return Paging(city or roster(), Wording(known, settings), b"secret")


def cards(pushes: list[Push]) -> list[Card]:
    return [msgspec.json.decode(push.body, type=Card) for push in pushes]


def people(pushes: list[Push]) -> list[str]:
    return list(dict.fromkeys(push.person for push in pushes))


def test_a_first_page_says_how_grave_what_where_since_why_and_who_is_next() -> None:
    pushes = paging(known=catalog()).pages(page(), incident())

    assert [(push.person, push.target, push.address) for push in pushes] == [
        ("wang", "chat", ""),
        ("wang", "sms", "1"),
    ]
    card = cards(pushes)[0]
    assert card.title == "一级燃气报警：7 号阀井 燃气泄漏"
    assert card.lines == (
        ("等级", "▲ 一级"),
        ("事由", "燃气泄漏"),
        ("地点", "7 号阀井"),
        ("始于", "2026-11-23 09:59"),
        ("依据", "gas/well-7/ch4：测值 23.4 %LEL 高于限值 20 %LEL（gas.20lel）"),
        ("下一步", "10:02 副班：值班员乙"),
    )
    assert (card.button, card.is_drill, card.colour) == ("查看", False, "#C8102E")
    assert cards(pushes)[1].button == "确认"
    assert card.text == (
        "一级燃气报警：7 号阀井 燃气泄漏。2026-11-23 09:59。"
        "gas/well-7/ch4：测值 23.4 %LEL 高于限值 20 %LEL（gas.20lel）。10:02 副班：值班员乙。"
    )
    assert (pushes[0].kind, pushes[0].reason, pushes[0].is_page) == ("page", "first", True)
    assert pushes[0].received_ms == DAY


def test_a_page_is_in_the_language_of_whoever_gets_it() -> None:
    pushes = paging(known=catalog()).pages(page("escalate", 1), incident())

    (card,) = cards(pushes)
    assert people(pushes) == ["zhao"]
    assert card.title == "Critical gas alarm: Gas leak at Well 7 (Escalated)"
    assert card.lines[1] == ("What", "Gas leak")
    assert card.lines[-1] == ("Next", "10:05 leader: Chief")
    assert card.button == "Acknowledge"
    assert pushes[0].received_ms == 0
    assert card.text.endswith("(gas.20lel). 10:05 leader: Chief.")


def test_the_same_page_has_the_same_key_and_bytes_and_every_other_another_key() -> None:
    one = paging()

    again = one.pages(page(), incident())
    others = [
        *one.pages(page("remind"), incident()),
        *one.pages(page(revision=2), incident()),
        *one.pages(page("escalate", 1), incident()),
    ]

    assert one.pages(page(), incident()) == again
    keys = [push.key for push in (*again, *others)]
    assert len(set(keys)) == len(keys)
    own = [push for push in (*again, *others) if push.address]
    assert len({card.url for card in cards(own)}) == len(own)


@pytest.mark.feature("OnCall #1931")
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, "10:02 副班：值班员乙"),
        (2, "10:10 上级值班席：市级值班员"),
        (3, "10:15 本席全员"),
        (4, "已是最后一步"),
        (9, "已是最后一步"),
    ],
)
def test_what_comes_next_is_counted_from_when_it_began_to_wait(step: int, expected: str) -> None:
    late = page("escalate" if step else "remind", step, at_ms=DAY + 60_000)
    in_chinese = person("zhao", language="zh")

    found = cards(paging(roster(persons=in_chinese)).pages(late, incident()))

    assert dict(found[0].lines)["下一步"] == expected


def test_an_incident_that_does_not_say_since_when_it_waits_waits_from_now() -> None:
    found = cards(paging().pages(page(at_ms=DAY + 60_000), incident(unseen_ms=None)))

    assert dict(found[0].lines)["下一步"] == "10:03 副班：值班员乙"


def test_of_a_list_that_comes_next_the_time_is_said_and_of_an_empty_post_its_name() -> None:
    third = cards(paging().pages(page(grade=3), incident(grade=3)))[0]
    nobody = roster(desks=desk("gas", standing={}))
    second = cards(paging(nobody).pages(page(grade=2), incident(grade=2)))[0]

    assert dict(third.lines)["下一步"] == "10:30 列入复核清单"
    assert dict(second.lines)["下一步"] == "10:05 带班领导"


def test_when_everybody_is_called_because_nobody_can_be_the_page_says_so() -> None:
    steps = (Step(0, "on-duty", ("pigeon",)),)

    found = cards(paging(roster(chains=chain(1, steps=steps))).pages(page(), incident()))

    assert dict(found[0].lines)["下一步"] == "已是最后一步"
    assert "按预案无人可达，现呼叫所有人" in [text for _, text in found[0].lines]


@pytest.mark.feature("OnCall #4761")
def test_a_person_who_has_taken_it_for_himself_is_reminded_no_more_but_told_of_what_is_new() -> (
    None
):
    own = frozenset(("wang",))

    assert paging().pages(page("remind"), incident(), own) == []
    assert people(paging().pages(page("escalate", 4), incident(), own)) == [
        "chief",
        "zhao",
        "city-officer",
    ]
    risen = page(revision=2, reason=Reason.WORSENED)
    assert people(paging().pages(risen, incident(), own)) == ["wang"]
    assert cards(paging().pages(risen, incident(), own))[0].title.startswith("升级为一级")


@pytest.mark.feature("OnCall #3111")
@pytest.mark.parametrize(
    ("kind", "at_text", "is_paged"),
    [
        ("first", "11-23 03:00", True),
        ("remind", "11-23 03:00", False),
        ("escalate", "11-23 03:00", False),
        ("progress", "11-23 03:00", False),
        ("progress", "11-22 10:00", False),  # Sunday
        ("unsigned", "11-23 03:00", True),
        ("remind", "11-23 09:00", True),
    ],
)
def test_lower_grades_wake_nobody_at_night_without_new_evidence(
    kind: str, at_text: str, *, is_paged: bool
) -> None:
    wanted = page(kind, grade=3, at_ms=at(at_text))

    assert bool(paging().pages(wanted, incident(grade=3))) is is_paged


def test_the_two_top_grades_are_paged_at_any_hour() -> None:
    for kind in ("first", "remind", "escalate", "progress"):
        for grade in (1, 2):
            wanted = page(kind, grade=grade, at_ms=at("11-22 03:00"))
            assert paging().pages(wanted, incident(grade=grade))


def test_a_grade_that_is_only_listed_and_a_canary_page_nobody() -> None:
    assert paging().pages(page(grade=4), incident(grade=4)) == []
    assert paging().pages(page(), incident(lifeline="canary")) == []


def test_without_progress_whoever_took_it_is_asked_first_and_once() -> None:
    taken = incident(phase="acknowledged", acknowledged_by="zhao.b")
    own = incident(phase="acknowledged", acknowledged_by="wang")

    pushes = paging().pages(page("progress"), taken)

    assert people(pushes) == ["zhao", "wang"]
    assert people(paging().pages(page("progress"), own)) == ["wang"]
    assert len(paging().pages(page("progress"), own)) == 2
    card = cards(pushes)[-1]
    assert card.title.endswith("（处置无进展）")
    assert card.button == "我已收到"
    assert "下一步" not in dict(card.lines)


def test_whoever_took_it_is_left_alone_when_he_is_unknown_asleep_or_not_in_the_exercise() -> None:
    asleep = roster(persons=person("zhao", quiet=(Hours("09:00", "11:00"),)))
    taken = incident(phase="acknowledged", acknowledged_by="zhao.b", grade=2)
    drill = msgspec.structs.replace(taken, drill=True)
    stranger = msgspec.structs.replace(taken, acknowledged_by="lin")
    wanted = page("progress", grade=2)

    assert people(paging(asleep).pages(wanted, taken)) == ["wang"]
    assert people(paging().pages(wanted, stranger)) == ["wang"]
    assert people(paging().pages(wanted, drill)) == ["wang"]


def test_an_exercise_is_marked_on_every_page_and_calls_the_drill_roster_alone() -> None:
    leak = msgspec.structs.replace(LEAK, drill=True)
    wanted = page("escalate", 4, finding=leak)

    pushes = paging().pages(wanted, incident(drill=True, lead=leak))

    assert people(pushes) == ["wang"]
    (card,) = cards(pushes)
    assert card.is_drill
    assert card.title.startswith("【演练】")
    assert card.text.startswith("【演练】")


def test_somebody_called_in_by_hand_gets_a_page_by_every_way_each_time() -> None:
    one = paging()
    zhao = one.roster.persons["zhao"]

    pushes = one.call(incident(), zhao, DAY)

    assert [push.target for push in pushes] == ["chat", "mail", "sms", "voice"]
    assert {push.reason for push in pushes} == {"call"}
    assert cards(pushes)[0].title.endswith("(Called in)")
    assert not {p.key for p in pushes} & {p.key for p in one.call(incident(), zhao, DAY + 1)}


def test_a_test_page_looks_like_no_alarm_and_goes_by_the_ways_that_are_tried() -> None:
    city = roster(test=NightlyTest(targets=("sms", "mail")))

    pushes = paging(city).tests(rota().persons, "nightly-2026-11-23", DAY)

    assert [(push.person, push.target) for push in pushes] == [
        ("wang", "sms"),
        ("zhao", "sms"),
        ("zhao", "mail"),
        ("chief", "sms"),
        ("city-officer", "sms"),
    ]
    chinese, english = cards(pushes)[:2]
    assert chinese.title == "【测试】夜间呼叫测试"
    assert english.title == "[TEST] Test page"
    assert "没有险情" in chinese.text
    assert chinese.button == "我已收到"
    assert {(p.incident, p.kind, p.grade, p.is_page) for p in pushes} == {("", "test", 9, True)}


def test_without_a_choice_every_way_is_tried_and_the_same_run_has_the_same_keys() -> None:
    one = paging()
    zhao = [one.roster.persons["zhao"]]

    pushes = one.tests(zhao, "run", DAY)

    assert [push.target for push in pushes] == ["mail", "sms", "voice"]
    assert one.tests(zhao, "run", DAY) == pushes
    assert one.tests(zhao, "other", DAY)[0].key != pushes[0].key


def test_what_a_hazard_does_not_say_its_lifeline_does() -> None:
    burst = msgspec.structs.replace(LEAK, hazard="burst")
    zhao = roster(persons=person("wang", language="en"))

    assert cards(paging().pages(page(finding=burst), incident()))[0].lines[1][1] == "燃气 爆管"
    assert cards(paging(zhao).pages(page(finding=burst), incident()))[0].lines[1] == (
        "What",
        "Gas: Pipe burst",
    )


def test_in_a_group_nobody_can_act_as_the_one_who_is_called() -> None:
    targets = msgspec.convert(
        [
            {"name": "chat", "kind": "wecom", "token_file": "x"},
            {"name": "sms", "kind": "sms", "url": "https://sms.example", "secret_file": "x"},
        ],
        tuple[Target, ...],
    )
    mentioned = roster(persons=person("wang", addresses={"chat": "13", "sms": "1"}))
    settings = config.Router(public_url="https://city.example", targets=targets)
    one = Paging(mentioned, Wording(None, settings), b"secret")

    group, own = cards(one.pages(page(), incident()))

    assert (group.button, group.url) == ("查看", "https://city.example/incidents/11111111-2222")
    assert own.button == "确认"
    assert own.url.startswith("https://city.example/l/")
    tried = one.tests([mentioned.persons["wang"]], "run", DAY)
    assert [push.target for push in tried] == ["sms"]


@pytest.mark.parametrize(("recipients", "is_told"), [((), False), (("138",), True)])
def test_a_way_without_recipients_of_its_own_is_the_rosters_alone(
    recipients: tuple[str, ...], *, is_told: bool
) -> None:
    sms = Target("sms", "https://s.example", "x", kind="sms", recipients=recipients)

    assert routes.wants(sms, "gas", 1, GRADING) is is_told


def test_a_grade_and_a_place_that_nobody_has_named_are_told_by_what_they_are() -> None:
    ninth = (*chain(3), msgspec.structs.replace(rota().chains[0], grade=4))

    found = cards(
        paging(roster(chains=ninth), catalog()).pages(
            page(grade=4, finding=msgspec.structs.replace(LEAK, asset="gas/well-9")),
            incident(grade=4),
        )
    )

    assert dict(found[0].lines)["等级"] == "● 四级"
    assert dict(found[0].lines)["地点"] == "gas/well-9"
    eighth = tuple(msgspec.structs.replace(one, grade=8) for one in ninth)
    unnamed = paging(roster(chains=eighth), catalog())
    assert cards(unnamed.pages(page(grade=8), incident()))[0].grade_word == "8"
