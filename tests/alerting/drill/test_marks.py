"""No exercise ever passes for real, and none holds up what is real."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import cards, engine
from alerting.actions import Act
from alerting.notices import Push, Wording
from alerting.people.paging import Paging
from alerting.policy import DEFAULT
from alerting.slices import (
    Effect,
    Label,
    Page,
    Record,
    SaveAlarm,
    SaveExcursion,
    SaveIncident,
    Slice,
    Tell,
)
from lifeline import cards as house
from lifeline import layouts
from lifeline.cards import Card
from lifeline.config import Router
from lifeline.grades import GRADING
from lifeline.model import Finding, Quality
from lifeline.targets import Target
from lifeline.wire import decode_notice
from tests.alerting.exchange.papers import TABLES
from tests.alerting.people.city import roster
from tests.alerting.people.test_paging import LEAK, catalog

FORMATS = ("json", "cap", "cap-gb")
SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTINGS = Router(
    targets=tuple(
        Target(name=name, url="http://127.0.0.1:1/x", secret_file="s", format=name)  # type: ignore[arg-type]
        for name in FORMATS
    )
)
WORDING = Wording(catalog(), SETTINGS, tables=TABLES)
PAGING = Paging(roster(), WORDING, b"secret")


def leak(well: int, hazard: str, number: int, **changes: Any) -> Finding:
    """A finding of an exercise; what it is named by is what it is about."""
    asset, onset_ms = f"gas/well-{well}", LEAK.onset_ms + 1000 * number
    name = f"{well}{hazard}{number}"
    return msgspec.structs.replace(
        LEAK, drill=True, id=name, asset=asset, channel=f"{asset}/ch4", hazard=hazard,
        onset_ms=onset_ms, **changes,
    )  # fmt: skip


findings = st.builds(
    leak,
    st.integers(7, 8),
    st.sampled_from(("gas-leak", "sensor-fault", "strange")),
    st.integers(0, 2),
    phase=st.sampled_from(("raised", "raised", "held", "cleared")),
    grade=st.integers(1, 5),
    lane=st.sampled_from(("live", "live", "late", "historical")),
    quality=st.sampled_from((0, int(Quality.TEST_GAS))),
    value=st.none() | st.floats(allow_nan=False),
    code=st.sampled_from(("above-limit", "strange")),
)
acts = st.builds(
    Act,
    action=st.sampled_from(("acknowledge", "undo", "verify", "dispatch", "arrive", "close")),
    actor=st.sampled_from(("li", "wang")),
    note=st.just("n"),
    verdict=st.sampled_from(("true", "false", "test")),
    code=st.sampled_from(("leak", "sensor", "drill")),
    task=st.just("look"),
    person=st.just("zhao"),
    override=st.booleans(),
    second=st.just("zhao"),
)


def play(events: Sequence[Finding | Act], state: Slice) -> list[Effect]:
    """What comes of it, a second between events; actions are about the newest incident."""
    made: list[Effect] = []
    for n, event in enumerate(events):
        now_ms = LEAK.at_ms + 1000 * n
        made += engine.tick(state, now_ms)
        if isinstance(event, Finding):
            made += engine.step(state, event, now_ms)
        elif state.incidents:
            about = msgspec.structs.replace(event, incident=list(state.incidents)[-1])
            made += engine.act(state, about, now_ms)[1]
    return [*made, *engine.tick(state, LEAK.at_ms + 3_600_000)]


@pytest.mark.feature("M-5")
@given(st.lists(findings | acts, min_size=1, max_size=8))
def test_no_drill_finding_yields_an_actual_nor_a_notice_or_page_without_the_mark(
    events: list[Finding | Act],
) -> None:
    state = Slice()

    effects = play(events, state)

    assert not any(isinstance(effect, Label) for effect in effects)
    assert all(incident.drill for incident in state.incidents.values())
    for effect in effects:
        if isinstance(effect, Tell):
            for push in WORDING.pushes(effect, verdict=state.incidents[effect.incident].verdict):
                marked(push)
        elif isinstance(effect, Page):
            for push in PAGING.pages(effect, state.incidents[effect.incident]):
                shown(msgspec.json.decode(push.body, type=Card))
                assert push.person in PAGING.roster.rota.drill.persons


def marked(push: Push) -> None:
    """A notice, whatever its form."""
    assert b"Actual" not in push.body
    if push.target == "json":
        told = decode_notice(push.body)
        assert told.status == "Exercise"
        assert told.headline.zh.startswith("【演练】")
        assert told.headline.en.startswith("[EXERCISE]")
        for language in ("zh", "en"):
            shown(cards.of_notice(told, language, "Asia/Shanghai", GRADING))
    else:
        assert b"<status>Exercise</status>" in push.body
        assert "【演练】".encode() in push.body


def shown(card: Card) -> None:
    """A page, or a notice to a messenger, by the ways that cannot show a colour."""
    assert card.is_drill
    whole = house.marked(card)
    mark = house.DRILL[card.language].strip()
    assert mark in whole.title
    assert mark in whole.text
    assert b"true" in layouts.sms(whole, ["1"])


drills = st.lists(findings, max_size=8)
real = st.lists(
    findings.map(lambda one: msgspec.structs.replace(one, drill=False)), min_size=1, max_size=8
)


@pytest.mark.feature("M-5")
@given(real, drills, st.randoms(use_true_random=False))
def test_what_is_real_comes_out_as_if_there_were_no_exercise(
    events: list[Finding], exercise: list[Finding], chance: Any
) -> None:
    """To the byte and the millisecond: nothing real is delayed, marked, joined or hidden."""
    mixed = list(enumerate(events))
    mixed += [(chance.randrange(len(events) + 1), event) for event in exercise]
    mixed.sort(key=lambda pair: pair[0])

    alone = timed(list(enumerate(events)))
    beside = timed(mixed)

    assert [msgspec.json.encode(e) for e in beside if not is_drill(e)] == [
        msgspec.json.encode(e) for e in alone
    ]


def timed(events: Sequence[tuple[int, Finding]]) -> list[Effect]:
    state, made = Slice(), []
    for n, event in events:
        made += engine.step(state, event, LEAK.at_ms + 1000 * n, DEFAULT)
    return [
        e for e in made if isinstance(e, SaveIncident | SaveAlarm | SaveExcursion | Tell | Page)
    ]


def is_drill(effect: Effect) -> bool:
    match effect:
        case SaveIncident(incident):
            return incident.drill
        case SaveAlarm(alarm):
            return alarm.drill
        case SaveExcursion(excursion):
            return excursion.finding.drill
        case Tell() | Page():
            return effect.finding.drill
    assert not isinstance(effect, Record)
    return False
