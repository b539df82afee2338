"""Every document is valid CAP 1.2, chained, in the right voice, and the same bytes again."""

import re

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from alerting import cap, cap_profile
from alerting.exchange import reading
from alerting.exchange.tables import Issuer, Tables
from lifeline import wire
from lifeline.grades import GRADING
from lifeline.model import Quality, Text
from tests.alerting.exchange.papers import TABLES, explanation, notice, notices, schema

SCHEMA = schema()
N = {"c": cap.NAMESPACE}


def told(one: wire.Notice, chain: tuple[str, ...] = (), tables: Tables = TABLES) -> bytes:
    return cap.document(one, cap.names_of(one, "platform", tables), chain, tables, GRADING)


def at(body: bytes, path: str) -> list[str]:
    root = etree.fromstring(body)
    return [
        node.text or "" for node in root.findall("/".join(f"c:{p}" for p in path.split("/")), N)
    ]


@pytest.mark.feature("E-3", "M-5")
@given(notices(), st.booleans(), st.booleans(), st.sampled_from((TABLES, Tables())))
def test_every_document_is_valid_and_no_drill_is_ever_actual(
    one: wire.Notice, has_chain: bool, is_profile: bool, tables: Tables
) -> None:
    chain = ("s,a,2024-01-01T00:00:00+08:00", "s,b,2024-01-01T00:00:01+08:00") * has_chain
    assume(cap.type_of(one, chain) is not None)
    names = (cap_profile if is_profile else cap).names_of(one, "platform", tables)

    body = cap.document(one, names, chain, tables, GRADING)

    root = etree.fromstring(body)
    SCHEMA.assertValid(root)
    assert body == cap.document(one, names, chain, tables, GRADING)
    assert at(body, "status") == [one.status]
    assert (at(body, "references") != []) == bool(chain)
    assert not re.search(r"[\s,<&]", at(body, "identifier")[0] + at(body, "sender")[0])
    assert at(body, "info/language") == ["zh-CN", "en-US"]


@given(notices())
def test_a_drill_is_an_exercise_in_every_document_of_its_chain(one: wire.Notice) -> None:
    drill = msgspec.structs.replace(one, status="Exercise")

    for chain in ((), ("s,a,t",)):
        if cap.type_of(drill, chain) is not None:
            body = told(drill, chain)
            assert at(body, "status") == ["Exercise"]
            assert b">Actual<" not in body


def chained(*steps: wire.Notice) -> list[bytes]:
    chain: tuple[str, ...] = ()
    made = []
    for one in steps:
        names = cap.names_of(one, "platform", TABLES)
        made.append(cap.document(one, names, chain, TABLES, GRADING))
        chain = (*chain, cap.reference_of(one, names, TABLES))
    return made


@pytest.mark.feature("E-3")
def test_a_true_event_begins_with_an_alert_and_ends_with_the_all_clear() -> None:
    bodies = chained(
        notice(),
        notice(kind="update", reason="worsened", at_ms=1_700_000_060_000),
        notice(kind="update", reason="returned", revision=5, at_ms=1_700_000_120_000),
        notice(kind="end", reason="closed", revision=6, verdict="true", at_ms=1_700_000_180_000),
    )

    assert [at(body, "msgType")[0] for body in bodies] == ["Alert", "Update", "Update", "Update"]
    assert at(bodies[0], "info/responseType") == ["Evacuate", "Avoid"] * 2
    assert at(bodies[3], "info/responseType") == ["AllClear"] * 2
    assert [at(body, "info/urgency")[0] for body in bodies] == [
        "Immediate", "Immediate", "Past", "Past",
    ]  # fmt: skip
    assert at(bodies[3], "info/instruction") == []
    assert at(bodies[3], "info/certainty") == ["Observed"] * 2


@pytest.mark.feature("E-3")
def test_each_document_names_all_before_it_by_sender_identifier_and_time() -> None:
    bodies = chained(
        notice(),
        notice(kind="update", reason="worsened"),
        notice(kind="end", reason="closed", revision=7),
    )

    named = [
        ",".join((at(body, "sender")[0], at(body, "identifier")[0], at(body, "sent")[0]))
        for body in bodies
    ]

    assert at(bodies[0], "references") == []
    assert at(bodies[1], "references") == [named[0]]
    assert at(bodies[2], "references") == [f"{named[0]} {named[1]}"]
    assert len({at(body, "identifier")[0] for body in bodies}) == 3


@pytest.mark.feature("E-3")
@pytest.mark.parametrize("verdict", ["false", "test"])
def test_only_what_was_false_is_cancelled(verdict: str) -> None:
    end = notice(kind="end", reason="closed", revision=3, verdict=verdict)

    body = told(end, ("s,a,t",))

    assert at(body, "msgType") == ["Cancel"]
    assert at(body, "note") == [f"closed: {verdict}"]
    assert at(body, "info/certainty") == ["Unlikely"] * 2
    for other in ("", "true", "unknown"):
        again = msgspec.structs.replace(end, verdict=other)
        assert at(told(again, ("s,a,t",)), "msgType") == ["Update"]


def test_what_was_merged_goes_on_and_is_never_all_clear() -> None:
    merged = notice(kind="end", reason="merged", revision=4, verdict="false", merged_into="other")

    body = told(merged, ("s,a,t",))

    assert at(body, "msgType") == ["Update"]
    assert at(body, "info/responseType") == ["Evacuate", "Avoid"] * 2
    assert at(body, "info/urgency") == ["Immediate"] * 2
    assert at(body, "incidents")[0].split()[1:] == ["other"]
    assert b"<valueName>mergedInto</valueName><value>other</value>" in body


def test_who_was_told_nothing_is_not_told_of_its_end() -> None:
    assert cap.type_of(notice(kind="end", reason="closed"), ()) is None
    assert cap.type_of(notice(kind="update", reason="acknowledged"), ()) is None
    assert cap.type_of(notice(kind="update", reason="worsened"), ()) == "Alert"


def test_a_long_chain_names_its_first_and_its_newest() -> None:
    chain = tuple(f"s,{n},t" for n in range(100))

    (named,) = at(told(notice(kind="update", reason="returned", revision=9), chain), "references")

    assert named.split()[0] == "s,0,t"
    assert named.split()[-1] == "s,99,t"
    assert len(named.split()) == cap.REFERENCES_MAX


@pytest.mark.parametrize(
    ("confidence", "quality", "said"),
    [
        (0.99, 0, "Observed"), (0.9, 0, "Likely"), (0.5, 0, "Possible"), (0.01, 0, "Unlikely"),
        (0.99, int(Quality.TEST_GAS), "Possible"),
    ],
)  # fmt: skip
def test_certainty_is_the_rules_confidence_until_an_officer_has_spoken(
    confidence: float, quality: int, said: str
) -> None:
    one = notice(explanation=explanation(confidence=confidence, quality=quality))

    assert at(told(one), "info/certainty") == [said, said]


@pytest.mark.parametrize(
    ("level", "severity", "urgency"),
    [
        (1, "Extreme", "Immediate"), (2, "Severe", "Immediate"), (3, "Moderate", "Expected"),
        (4, "Minor", "Future"), (9, "Unknown", "Unknown"),
    ],
)  # fmt: skip
def test_severity_and_urgency_are_those_of_the_grade(
    level: int, severity: str, urgency: str
) -> None:
    body = told(notice(grade=wire.NoticeGrade(level, "z", "e")))

    assert at(body, "info/severity") == [severity] * 2
    assert at(body, "info/urgency") == [urgency] * 2


def test_the_place_is_a_circle_where_it_is_known_and_else_the_zones_outline() -> None:
    asset = wire.NoticeAsset("gas/well-1", Text("1 号井", "Well 1"), None)
    there, somewhere = told(notice()), told(notice(asset=asset))
    nowhere = told(notice(asset=asset, zone="unknown"))

    assert at(there, "info/area/circle") == ["41.800000,123.400000 0.150"] * 2
    assert at(there, "info/area/polygon") == []
    assert at(somewhere, "info/area/polygon")[0].split()[0] == "41.700000,123.300000"
    assert at(nowhere, "info/area/circle") == at(nowhere, "info/area/polygon") == []
    assert at(nowhere, "info/area/geocode/value") == ["210100"] * 2
    assert at(there, "info/area/areaDesc") == ["1 号井", "Well 1"]


def test_the_explanation_travels_as_parameters() -> None:
    body = told(notice(verdict="true"))
    names, values = at(body, "info/parameter/valueName"), at(body, "info/parameter/value")

    found = dict(zip(names, values, strict=True))

    assert found["rule"] == "gas.ch4"
    assert (found["value"], found["limit"], found["unit"]) == ("23.4", "20", "%LEL")
    assert (found["clause"], found["clauseVerified"]) == ("GB 1", "false")
    assert found["evidence"] == "1700000000000 23.4 0"
    assert found["verdict"] == "true"
    assert at(body, "info/eventCode/value") == ["12D00"] * 2


@pytest.mark.feature("E-4")
def test_times_bear_the_issuers_offset_and_never_a_z() -> None:
    utc = msgspec.structs.replace(TABLES, issuer=Issuer(offset_minutes=0))

    assert at(told(notice()), "sent") == ["2023-11-15T06:13:22+08:00"]
    assert at(told(notice(), tables=utc), "sent") == ["2023-11-14T22:13:22-00:00"]


def test_our_own_reader_understands_what_we_write() -> None:
    bodies = chained(notice(), notice(kind="update", reason="worsened"))

    first, second = (reading.document(body) for body in bodies)

    assert (first.kind, second.kind) == ("Alert", "Update")
    assert [name for _, name, _ in second.references] == [first.identifier]
    assert first.info[0].event == "燃气泄漏"
    assert first.info[1].areas[0].geocodes == (("GB/T 2260", "210102"),)
    assert first.sent_ms == 1_700_000_002_000


@pytest.mark.feature("E-4")
def test_the_profile_has_31_characters_of_issuer_time_and_number() -> None:
    one = notice()
    names = cap_profile.names_of(one, "platform", TABLES)
    body = cap.document(one, names, (), TABLES, GRADING)

    (identifier,) = at(body, "identifier")

    assert len(identifier) == 31
    assert re.fullmatch(r"210100123004(1\d)_20231115061322_\d", identifier)
    assert at(body, "sender") == ["21010012300410"]
    assert at(body, "code") == ["GB/T 35965.1-2018 style, clause text unverified"]
    assert not TABLES.issuer.verified


@pytest.mark.feature("E-4")
def test_the_profiles_names_are_functions_of_the_telling_alone() -> None:
    one = notice()
    others = {
        cap_profile.names_of(notice(incident=f"i{n}"), "platform", TABLES).identifier
        for n in range(200)
    }

    assert cap_profile.names_of(one, "p", TABLES) == cap_profile.names_of(one, "p", TABLES)
    assert len(others) > 80  # of the hundred names that a second has with ten extensions
