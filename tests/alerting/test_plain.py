"""What is left of the house's rules for a finding on which one of them fails."""

from dataclasses import replace

from alerting import engine
from alerting.conditions import Condition
from alerting.notices import Wording
from alerting.plain import plainer
from alerting.policy import Policy, Treatment
from alerting.slices import Slice, Tell
from lifeline import config
from lifeline.grades import GRADING, Grading
from tests.alerting.scene import T0, raised


class Broken:
    """Rules with a mistake: whatever is asked of them fails."""

    def reach(self, finding):
        raise KeyError(finding.asset)

    def candidates(self, *_, **__):
        raise KeyError("candidates")


def fails(*_):
    raise ZeroDivisionError


HOUSE = Wording(
    None,
    config.Router(),
    policy=Policy(
        correlator=Broken(),
        parents=fails,
        conditions=(Condition("x", ("y",)),),
        treatments={"gas.ch4": Treatment(latching=True)},
        is_working=fails,
    ),
    pager=fails,
)


def test_first_the_network_is_left_out_and_then_roster_and_treatments_too() -> None:
    (rules, first), (pages, last) = plainer(HOUSE)

    assert (rules, pages) == ("rules", "pages")
    assert (first.policy.correlator, first.policy.parents, first.policy.conditions) == (
        None, None, ()
    )  # fmt: skip
    assert (first.pager, first.policy.treatments) == (HOUSE.pager, HOUSE.policy.treatments)
    assert (last.pager, last.policy.treatments, last.desk_of) == (None, {}, None)
    assert last.policy.is_working(T0) in (True, False)


def test_the_alarm_its_incident_and_its_notice_stay_and_the_citys_own_grades() -> None:
    own = Grading((replace_level := GRADING.written[0], *GRADING.written[1:]))
    house = replace(HOUSE, policy=replace(HOUSE.policy, grades=own))

    for _, wording in plainer(house):
        slice_ = Slice()
        effects = engine.step(slice_, raised(0), T0, wording.policy)

        assert [e.reason for e in effects if isinstance(e, Tell)] == ["opened"]
        assert len(slice_.incidents) == 1
        assert wording.policy.grades is own
    assert replace_level.level == 1
