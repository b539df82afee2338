"""A notice is a function of what it tells, and its key of the notice."""

import msgspec
import pytest

from alerting import engine
from alerting.fast import FRESH_MS, FastPath, quarantined
from alerting.incidents import Reason
from alerting.notices import Push, Wording, state_of
from alerting.policy import Policy
from alerting.slices import Slice, Tell
from alerting.windows import Window
from lifeline import wire, words
from lifeline.catalog import Asset, Catalog, Lifeline, Limit, Source, Zone
from lifeline.compiler import compile_catalog
from lifeline.config import Router, Target
from lifeline.grades import GRADING
from lifeline.model import Finding, Quality, Text
from lifeline.wire import encode_finding
from tests.alerting.scene import AT_ONCE, T0, Scene, ack, cleared, close, finding, held, raised

PLATFORM = Target("platform", "http://127.0.0.1:1/", "-")
SETTINGS = Router(targets=(PLATFORM,), public_url="https://city.example/")


def catalog() -> Catalog:
    well = Asset("gas/well-1", "gas/heping", "well", Text("1 号井", "Well 1"), (117.2, 31.8))
    source = Source(
        lifeline=Lifeline("gas", Text("燃气", "Gas")),
        zone=(Zone("gas/heping"),),
        asset=(well,),
        limit=(Limit("gas.ch4.alarm", 20.0, "%LEL", "GB 1", verified=True),),
    )
    return Catalog(compile_catalog([source]))


def told(
    findings: list[Finding], now_ms: int, slice_: Slice | None = None, settings: Router = SETTINGS
) -> list[Push]:
    slice_ = slice_ or Slice()
    wording = Wording(catalog(), settings)
    effects = [e for f in findings for e in engine.step(slice_, f, now_ms)]
    return [push for e in effects if isinstance(e, Tell) for push in wording.pushes(e)]


@pytest.mark.feature("E-1")
def test_the_first_notice_is_a_function_of_the_first_finding_alone() -> None:
    now = told([raised(0, grade=1)], T0)
    earlier = Slice()
    for record in (raised(-90), cleared(-80, onset_s=-90)):
        engine.step(earlier, record, T0 - 80_000)
    incident = next(iter(earlier.incidents))
    for action in (ack(incident), close(incident)):
        engine.act(earlier, action, T0 - 70_000, AT_ONCE)

    later = told([raised(0, grade=1)], T0 + 3_600_000, earlier)

    assert earlier.incidents[later[0].incident].episode == 2
    assert later == now


def test_test_gas_is_named_in_headline_and_explanation() -> None:
    tested = msgspec.structs.replace(raised(0, grade=1), quality=int(Quality.TEST_GAS))
    (push,) = told([tested], T0)

    notice = wire.decode_notice(push.body)

    assert notice.headline == Text(
        "【标准气测试】一级燃气报警：1 号井 燃气泄漏",
        "[TEST GAS] Critical gas alarm: Gas leak at Well 1",
    )
    assert "while the sensor reports test gas" in notice.explanation.text.en
    assert "传感器报告正在通标准气测试" in notice.explanation.text.zh
    assert notice.explanation.quality == Quality.TEST_GAS


@pytest.mark.parametrize(
    ("grade", "reason", "zh", "en"),
    [
        (1, "worsened", "升级为一级：7号井 燃气泄漏", "Now Critical: Gas leak at Well 7"),
        (5, "opened", "燃气设备异常：7号井 燃气泄漏", "Gas device: Gas leak at Well 7"),
        (5, "worsened", "燃气设备异常：7号井 燃气泄漏", "Gas device: Gas leak at Well 7"),
        (5, "reopened", "燃气设备再次异常：7号井 燃气泄漏", "Gas device again: Gas leak at Well 7"),
        (5, "closed", "已关闭：7号井 燃气泄漏", "Closed: Gas leak at Well 7"),
    ],
)
def test_a_headline_says_what_happened_and_of_a_device_that_it_is_no_alarm_of_the_city(
    grade: int, reason: str, zh: str, en: str
) -> None:
    about = raised(0, grade=grade)

    assert words.headline(about, "7号井", "zh", GRADING, reason=reason) == zh
    assert words.headline(about, "Well 7", "en", GRADING, reason=reason) == en


def test_a_notice_says_what_where_how_grave_and_why_in_both_languages() -> None:
    (push,) = told([raised(0, grade=1)], T0)

    notice = wire.decode_notice(push.body)

    assert (notice.kind, notice.reason, notice.status) == ("alert", "opened", "Actual")
    assert notice.asset == wire.NoticeAsset("gas/well-1", Text("1 号井", "Well 1"), (117.2, 31.8))
    assert notice.headline == Text(
        "一级燃气报警：1 号井 燃气泄漏", "Critical gas alarm: Gas leak at Well 1"
    )
    assert notice.explanation.verified
    assert notice.explanation.text.en.endswith("is above the limit of 20 %LEL (gas.ch4.alarm)")
    assert notice.link == f"https://city.example/incidents/{push.incident}"


def test_a_drill_is_an_exercise_and_says_so() -> None:
    (push,) = told([raised(0, drill=True)], T0)

    notice = wire.decode_notice(push.body)

    assert notice.status == "Exercise"
    assert notice.headline.zh.startswith("【演练】")
    assert notice.headline.en.startswith("[EXERCISE]")


def test_another_body_has_another_key() -> None:
    (one,) = told([raised(0)], T0)
    (other,) = told([raised(0, value=99.0)], T0)

    assert one.incident == other.incident
    assert one.key != other.key


@pytest.mark.parametrize(
    ("lifeline", "grade", "expected"),
    [
        ("gas", 1, ["platform", "gas-desk"]),
        ("gas", 4, ["platform"]),
        ("gas", 5, []),
        ("water", 1, ["platform"]),
        ("canary", 4, ["watchdog"]),
    ],
)
def test_targets_are_told_by_lifeline_and_grade(
    lifeline: str, grade: int, expected: list[str]
) -> None:
    gas = msgspec.structs.replace(PLATFORM, name="gas-desk", lifelines=("gas",), grade_max=2)
    dog = msgspec.structs.replace(PLATFORM, name="watchdog")
    settings = Router(targets=(PLATFORM, gas, dog))

    pushes = told([raised(0, lifeline=lifeline, grade=grade)], T0, settings=settings)

    assert [p.target for p in pushes] == expected


def test_without_postgresql_the_gravest_are_pushed_once_as_the_outbox_will_hold_them() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    minor, grave = raised(0), raised(5, grade=1, rule="gas.ch4.50")
    slice_ = Slice()
    normal = [told([f], T0 + 99_000, slice_) for f in (minor, grave)]

    pushed = [fast.take([f], T0 + 6000) for f in (minor, grave, grave)]
    fast.begin(T0 + 7000)
    again = fast.take([minor, grave], T0 + 7000)

    assert pushed == [[], normal[1], []]
    assert again == []


def test_without_postgresql_old_news_and_what_began_before_are_not_pushed() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    fast.begin(T0 + 50_000)

    assert fast.take([raised(0, grade=1)], T0 + FRESH_MS + 1) == []
    assert fast.take([held(60, grade=1), cleared(70, grade=1)], T0 + 70_000) == []
    assert fast.take([finding(80, grade=1, lane="historical")], T0 + 80_000) == []


def test_an_outage_does_not_tell_a_leak_anew_because_an_older_reading_of_it_comes_late() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)

    assert fast.take([finding(80, grade=1, lane="late")], T0 + 90_000) == []


def test_without_postgresql_an_on_delay_still_counts() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    delayed = raised(0, grade=1, on_delay_s=5.0)

    before = fast.take([delayed], T0)
    after = fast.take([], T0 + 5000)

    assert before == []
    assert [p.kind for p in after] == ["alert"]
    assert after == told([delayed, held(5, on_delay_s=5.0, grade=1)], T0 + 9000)


class Fault:
    """What belongs together, with a fault of its own at one asset."""

    def reach(self, finding: Finding) -> None:
        raise ZeroDivisionError(finding.asset)


def faulty() -> Wording:
    return Wording(catalog(), SETTINGS, policy=Policy(correlator=Fault()))  # type: ignore[arg-type]


def test_a_leak_with_which_the_engine_fails_is_told_by_itself_in_the_same_bytes() -> None:
    fast, leak = FastPath(faulty(), grade=1), raised(5, grade=1)

    pushes, faults = fast.pass_by([raised(0), leak], T0 + 6000)
    again, _ = fast.pass_by([leak], T0 + 7000)

    assert pushes == told([leak], T0 + 99_000)
    assert again == []
    assert [type(one) for one in faults] == [ZeroDivisionError] * 2


def test_an_outage_begins_whatever_fails_at_what_was_in_its_delay() -> None:
    leak = raised(0, grade=2, on_delay_s=5.0)
    policy = Policy(grades=Fault())  # type: ignore[arg-type]
    fast = FastPath(Wording(catalog(), SETTINGS, policy=policy), grade=2)
    fast.heard([leak])

    pushes = fast.begin(T0 + 1000)

    assert pushes == []
    assert fast.delayed == {}


def test_a_finding_in_quarantine_is_told_to_who_must_act_without_an_incident() -> None:
    leak, wording = raised(5, grade=1), Wording(catalog(), SETTINGS)
    body = encode_finding(leak)

    pushes = quarantined(wording, body, 1)

    assert [msgspec.structs.replace(p, incident="") for p in told([leak], T0)] == pushes
    assert quarantined(wording, body, 0) == []
    assert quarantined(wording, b"{", 1) == []
    assert quarantined(wording, encode_finding(raised(5, grade=1, lane="late")), 1) == []


def test_a_window_that_was_open_before_an_outage_hides_in_it_too() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    leak = raised(5, grade=1)
    fast.windows = [
        Window(
            id="w1", kind="maintenance", author="li", reason="valve works", zone=leak.zone,
            from_ms=T0 - 1000, until_ms=T0 + 60_000,
        )
    ]  # fmt: skip

    fast.begin(T0)

    assert fast.take([leak], T0 + 6000) == []


def test_what_an_outage_met_in_its_on_delay_is_pushed_as_the_outbox_will_hold_it() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    delayed = {"grade": 1, "on_delay_s": 30.0}
    over = raised(1, channel="gas/well-1/ch4-b", **delayed)
    told_before = raised(-90, channel="gas/well-1/ch4-c", **delayed)
    fast.heard([raised(0, grade=2, on_delay_s=30.0), raised(0, **delayed), over, told_before])
    fast.heard([cleared(2, onset_s=1, channel="gas/well-1/ch4-b", **delayed), raised(3, grade=1)])

    fast.begin(T0 + 10_000)
    pushed = fast.take([], T0 + 40_000)

    assert pushed == told([raised(0, **delayed), held(30, **delayed)], T0 + 99_000)
    assert len(pushed) == 1


def test_what_lasts_through_its_on_delay_in_an_outage_is_pushed_though_its_raise_was_missed() -> (
    None
):
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    fast.begin(T0 + 10_000)

    pushed = [fast.take([held(s, grade=1, on_delay_s=30.0)], T0 + s * 1000) for s in (60, 120, 600)]

    assert [len(one) for one in pushed] == [1, 0, 0]


def test_an_outage_hands_over_what_was_committed_and_accepted_by_nobody() -> None:
    fast = FastPath(Wording(catalog(), SETTINGS), grade=1)
    (grave,) = told([raised(0, grade=1)], T0)
    (other,) = told([raised(1, grade=1, name="other")], T0)
    (minor,) = told([raised(0, grade=2)], T0)
    by_a_person = msgspec.structs.replace(grave, key="ack", received_ms=0)

    fast.owe([grave, minor, by_a_person, other])
    fast.settle([other.key, "unknown"])

    assert fast.begin(T0) == [grave]


def test_the_citys_feed_tells_an_incident_as_it_stands() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack())])
    incident = scene.newest()

    state = state_of(incident, Reason.ACKNOWLEDGED, T0 + 6000)

    assert (state.incident, state.phase, state.reason) == (
        incident.id,
        "acknowledged",
        "acknowledged",
    )
    assert (state.acknowledged_by, state.revision, state.stamped_ms) == ("li", 2, T0 + 6000)
