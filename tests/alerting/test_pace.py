"""How fast a receiver is written to, and what goes as one message."""

from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.outbox import pace
from alerting.outbox.contents import Contents
from alerting.outbox.messages import Leased, Message
from alerting.outbox.pace import PACES, Begun, Pace, Waiting, choose, pace_of
from lifeline import letters
from lifeline.cards import Card
from lifeline.grades import GRADING
from lifeline.targets import Target
from lifeline.wire import encode_notice
from tests.alerting.test_cards import card, notice

ROBOT = PACES["wecom"]
PERSON = PACES["sms"]
GROUP = Target("group", kind="wecom", token_file="k")
MAIL = Target("mail", "smtp://m", kind="email", sender="a@b")


def play(
    rule: Pace, arrivals: dict[int, list[tuple[int, str]]], until_s: int
) -> list[tuple[int, str, list[int]]]:
    """(second, address, ids) of every message, asked for twice a second."""
    waiting: list[Waiting] = []
    begun: list[Begun] = []
    sent: list[tuple[int, str, list[int]]] = []
    for half in range(until_s * 2):
        now_ms = half * 500
        if half % 2 == 0:
            for grade, address in arrivals.get(half // 2, []):
                number = 1000 * (half // 2) + len(waiting)
                waiting.append(Waiting(number, grade, address, f"i{number}"))
        for message in choose(rule, 30.0, waiting, begun, now_ms):
            begun.append(Begun(now_ms, message[0].grade, message[0].address, len(message)))
            sent.append((half // 2, message[0].address, [one.id for one in message]))
            waiting = [one for one in waiting if one not in message]
    assert waiting == []
    return sent


def test_the_first_few_go_one_by_one() -> None:
    sent = play(ROBOT, {0: [(2, "")], 3: [(2, ""), (2, "")]}, 10)

    assert [(at_s, len(ids)) for at_s, _, ids in sent] == [(0, 1), (3, 1), (3, 1)]


@pytest.mark.feature("PagerDuty, liked")
def test_a_storm_of_200_is_one_message_at_once() -> None:
    sent = play(ROBOT, {0: [(2, "")] * 200}, 40)

    assert [(at_s, len(ids)) for at_s, _, ids in sent] == [(0, 200)]


@pytest.mark.feature("PagerDuty, liked")
def test_a_storm_that_lasts_is_two_messages_a_minute_after_the_first_few() -> None:
    sent = play(ROBOT, {second: [(2, "")] for second in range(200)}, 240)

    first = [at_s for at_s, _, ids in sent if len(ids) == 1]
    bundles = [at_s for at_s, _, ids in sent if len(ids) > 1]
    assert first[:5] == [0, 1, 2, 3, 4]
    assert bundles == [34, 64, 94, 124, 154, 184] or len(bundles) <= 2 * 240 / 60
    assert sorted(i for _, _, ids in sent for i in ids) == sorted(
        set().union(*(s[2] for s in sent))
    )


def test_the_graver_does_not_wait_behind_the_lesser() -> None:
    storm = {0: [(3, "")] * 50, 5: [(3, "")] * 50, 7: [(1, "")], 8: [(1, "")]}

    sent = play(ROBOT, storm, 60)

    assert [(at_s, len(ids)) for at_s, _, ids in sent] == [(0, 50), (7, 51), (37, 1)]


@pytest.mark.feature("PagerDuty, liked")
def test_a_person_gets_one_message_and_then_one_for_all_that_came_since() -> None:
    arrivals = {0: [(2, "li")], 2: [(2, "li"), (2, "zhang")], 9: [(2, "li")]}

    sent = play(PERSON, arrivals, 60)

    assert [(at_s, who, len(ids)) for at_s, who, ids in sent] == [
        (0, "li", 1),
        (2, "zhang", 1),
        (30, "li", 2),
    ]


@pytest.mark.feature("PagerDuty, liked")
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4)), max_size=400),
    st.sampled_from([ROBOT, PERSON, Pace(3, 2)]),
)
def test_no_minute_has_more_than_its_messages_and_nothing_is_lost_or_sent_twice(
    arrivals: list[tuple[int, int]], rule: Pace
) -> None:
    by_second: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for second, grade in arrivals:
        by_second[second].append((grade, ""))

    sent = play(rule, by_second, 500)

    ids = [i for _, _, message in sent for i in message]
    assert len(ids) == len(set(ids)) == len(arrivals)
    for at_s, _, _ in sent:
        assert sum(at_s <= other < at_s + 60 for other, _, _ in sent) <= rule.per_minute


def test_what_reached_nobody_is_tried_again_at_once_within_the_vendors_count() -> None:
    failed = [Begun(0, 1, "li", is_failed=True)]
    one = Waiting(1, 1, "li", "i")

    assert choose(PERSON, 30.0, [one], failed, 500) == [[one]]
    assert choose(PERSON, 30.0, [one], failed * PERSON.per_minute, 500) == []


def test_a_target_may_set_its_own_pace_and_a_machine_has_none() -> None:
    slow = msgspec.structs.replace(GROUP, per_minute=6)

    assert pace_of(slow) == Pace(6, 5)
    assert pace_of(msgspec.structs.replace(MAIL, per_minute=2)) == Pace(2, 1, is_personal=True)
    assert pace_of(Target("w", "http://w/", "s", per_minute=6)) is None
    assert choose(Pace(0, 5), 30.0, [Waiting(1, 1, "", "i")], [], 0) == []


def test_one_incident_told_to_several_of_a_group_is_one_message_of_the_robot() -> None:
    three = [Waiting(n, 1, f"person-{n}", "i-1") for n in range(3)]

    assert choose(ROBOT, 30.0, [*three, Waiting(9, 1, "", "i-2")], [], 0) == [
        three,
        [Waiting(9, 1, "", "i-2")],
    ]
    assert len(choose(PERSON, 30.0, three, [], 0)) == 3
    elsewhere = [Begun(0, 1, f"person-{n}") for n in range(5)]
    assert choose(ROBOT, 30.0, three, elsewhere, 500) == [], "a robot has one pace for all"


def row(n: int, body: bytes = b"", **changes: object) -> Leased:
    base = Leased(n, f"k{n}", body or encode_notice(notice(incident=f"i{n}")), f"i{n}", "group",
                  0, 0, 0, 1, False, "", "")  # fmt: skip
    return msgspec.structs.replace(base, **changes)


CONTENTS = Contents("https://city.example/", "Asia/Shanghai", GRADING)


def test_a_machine_gets_the_bytes_of_the_row() -> None:
    webhook = Target("w", "http://w/", "s")

    assert CONTENTS.of(webhook, Message((row(1, b"raw"),))) == ("k1", b"raw")
    with pytest.raises(AssertionError, match="one by one"):
        CONTENTS.of(webhook, Message((row(1), row(2))))


def test_a_person_gets_his_card_in_his_language_at_his_address() -> None:
    page = msgspec.json.encode(card(title="To Li"))

    key, body = CONTENTS.of(
        MAIL, Message((row(1, page, is_page=True, address="li@c", language="en"),))
    )
    letter = letters.read(body)

    assert key == "k1"
    assert (letter.to, letter.subject) == (("li@c",), "▲To Li")
    english = letters.read(CONTENTS.of(MAIL, Message((row(1, language="en"),)))[1])
    assert english.subject.startswith("▲Critical gas alarm")


def test_several_rows_are_one_message_under_a_key_of_theirs_alone() -> None:
    rows = (row(1), row(2))
    key, body = CONTENTS.of(GROUP, Message(rows))
    again, _ = CONTENTS.of(GROUP, Message(rows[::-1]))

    assert key == again
    assert key not in {"k1", "k2"}
    assert "【汇总】2 起" in body.decode()


def test_several_rows_of_one_incident_are_the_newest_card_and_no_summary() -> None:
    rows = (row(1), row(2, incident="i1", body=encode_notice(notice(incident="i1", link="x"))))

    key, body = CONTENTS.of(GROUP, Message(rows))

    assert key == "k2"
    assert "汇总" not in body.decode()
    assert '"url":"x"' in body.decode()


def test_what_was_refused_goes_again_as_mere_counts() -> None:
    body = CONTENTS.of(GROUP, Message((row(1), row(2, refusals=1))))[1].decode()

    assert "【汇总】2 起：▲一级 2" in body
    assert "井" not in body


def test_a_row_that_cannot_be_read_is_told_as_something_of_that_grade() -> None:
    body = CONTENTS.of(GROUP, Message((row(1, b"{"),)))[1].decode()

    assert "一级事件，详情无法显示" in body


def test_a_bundle_of_pages_keeps_what_each_says() -> None:
    pages = tuple(
        row(n, msgspec.json.encode(card(n, title=f"page {n}")), is_page=True) for n in (1, 2)
    )

    body = CONTENTS.of(GROUP, Message(pages))[1].decode()

    assert "page 1" in body
    assert "page 2" in body


def test_a_card_is_what_a_page_holds() -> None:
    assert msgspec.json.decode(msgspec.json.encode(card()), type=Card) == card()
    assert pace.ROWS_MAX > 1000
