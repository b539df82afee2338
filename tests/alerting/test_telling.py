"""A target is told in its own form, of its own desks, and its documents name those before them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from alerting import cap
from alerting.fast import FastPath
from alerting.incidents import Reason
from alerting.notices import Chains, Judged, Push, Wording
from alerting.slices import Tell
from lifeline import wire
from lifeline.config import Router
from lifeline.targets import Target
from tests.alerting.exchange.papers import TABLES
from tests.alerting.scene import T0, raised
from tests.alerting.test_notices import catalog

URL = "http://127.0.0.1:1/"
FORMS = tuple(Target(form, URL, "-", format=form) for form in ("json", "cap", "cap-gb", "case"))


def wording(*targets: Target) -> Wording:
    return Wording(catalog(), Router(targets=targets or FORMS), tables=TABLES)


def tell(reason: Reason = Reason.OPENED, revision: int = 0, second: float = 0) -> Tell:
    finding = raised(second, grade=1, name=f"f{second:g}")
    return Tell("i1", finding, reason, T0 + round(second * 1000), revision, is_first=not second)


def kind_of(push: Push) -> str:
    return etree.fromstring(push.body).findtext("c:msgType", "", {"c": cap.NAMESPACE})


def test_each_target_is_told_in_its_own_form_under_its_own_key() -> None:
    json, plain, profile, case = wording().pushes(tell())

    assert wire.decode_notice(json.body).incident == "i1"
    assert plain.identifier.startswith("lifeline-")
    assert len(profile.identifier) == 31
    assert msgspec.json.decode(case.body)["schema"] == "case/1"
    assert (json.identifier, json.reference, case.reference) == ("", "", "")
    assert plain.reference.split(",")[1] == plain.identifier
    assert len({push.key for push in (json, plain, profile, case)}) == 4


def test_the_first_alert_is_the_same_bytes_under_the_same_key_whoever_makes_it() -> None:
    assert wording().pushes(tell()) == wording().pushes(tell(), {("other", "cap"): ("s,a,t",)})


def test_documents_of_an_incident_are_chained_by_target() -> None:
    chains: Chains = {}
    city = wording()

    first = city.pushes(tell(), chains)
    second = city.pushes(tell(Reason.WORSENED, second=9), chains)
    end = city.pushes(tell(Reason.CLOSED, 7, second=99), chains, "true")

    assert [kind_of(pushes[1]) for pushes in (first, second, end)] == ["Alert", "Update", "Update"]
    assert chains["i1", "cap"] == tuple(pushes[1].reference for pushes in (first, second, end))
    assert chains["i1", "cap-gb"] == tuple(p[2].reference for p in (first, second, end))
    assert b">AllClear<" in end[1].body
    assert set(chains) == {("i1", "cap"), ("i1", "cap-gb")}


def test_the_same_telling_again_leaves_its_chain_as_it_is() -> None:
    chains: Chains = {}
    city = wording()
    city.pushes(tell(), chains)
    before = dict(chains)

    city.pushes(tell(), chains)

    assert chains == before


def test_a_verdict_is_told_by_who_was_there_and_never_by_a_finding() -> None:
    chains: Chains = {("i1", "cap"): ("s,a,t",)}

    of_finding = wording().pushes(tell(Reason.WORSENED, second=9), chains, "false")
    of_officer = wording().pushes(tell(Reason.CLOSED, 7, second=9), chains, "false")

    assert wire.decode_notice(of_finding[0].body).verdict == ""
    assert wire.decode_notice(of_officer[0].body).verdict == "false"
    assert kind_of(of_officer[1]) == "Cancel"


def test_who_was_sent_no_document_is_sent_none_of_the_end() -> None:
    pushes = wording().pushes(tell(Reason.CLOSED, 7, second=9))

    assert [push.target for push in pushes] == ["json", "case"]


def test_a_target_of_some_desks_is_told_of_their_incidents_alone() -> None:
    near, far = (
        Target(name, URL, "-", desks=desks)
        for name, desks in (("heping", ("heping",)), ("tiexi", ("tiexi", "hunnan")))
    )
    city = wording(near, far, Target("city", URL, "-"))

    def told() -> list[str]:
        return [push.target for push in city.pushes(tell())]

    of_tables = told()
    city.desk_of = lambda lifeline, zone: "hunnan" if (lifeline, zone) else ""
    of_roster = told()
    city.desk_of = lambda _lifeline, _zone: ""

    assert of_tables == told() == ["heping", "city"]
    assert of_roster == ["tiexi", "city"]


def test_a_wording_knows_whether_documents_are_chained_and_who_must_sign() -> None:
    signing = Target("platform", URL, "-", sign_within_s=60.0)

    assert wording().is_chained
    assert not wording(signing).is_chained
    assert wording(signing, *FORMS).sign_within_s == {"platform": 60.0}


def test_past_a_lost_database_the_chain_is_that_of_the_outage() -> None:
    fast = FastPath(wording(FORMS[1]), grade=1)
    fast.begin(T0)

    first = fast.take([raised(0, grade=1, name="f0")], T0)
    fast.begin(T0)
    again = fast.take([raised(0, grade=1, name="f0", asset="gas/well-2")], T0)

    assert [kind_of(push) for push in (*first, *again)] == ["Alert", "Alert"]
    assert len(fast.chains) == 1


@given(
    st.integers(1, 4),
    st.sampled_from(("gas-leak", "flood", "new")),
    st.sampled_from((Reason.OPENED, Reason.WORSENED, Reason.RETURNED, Reason.CLOSED)),
    st.integers(0, 0xFF),
    st.sampled_from(("", "true", "false", "test", "unknown")),
    st.booleans(),
)
def test_no_drill_is_ever_told_as_actual_in_any_form(
    grade: int, hazard: str, reason: Reason, quality: int, verdict: Judged, has_chain: bool
) -> None:
    finding = raised(0, grade=grade, hazard=hazard, quality=quality, drill=True)
    revision = 0 if reason in (Reason.OPENED, Reason.WORSENED) else 5
    chains: Chains = {("i1", form): ("s,a,t",) for form in ("cap", "cap-gb") if has_chain}

    pushes = wording().pushes(Tell("i1", finding, reason, T0, revision), chains, verdict)

    assert pushes
    for push in pushes:
        assert b"Actual" not in push.body
        assert b"Exercise" in push.body
        assert "【演练】".encode() in push.body
