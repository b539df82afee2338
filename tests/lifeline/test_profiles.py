"""Profiles spread over groups, artefacts carried by the catalog."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from lifeline import artefact, store
from lifeline.artefact import Artefact, ArtefactError
from lifeline.catalog import (
    Asset,
    Catalog,
    CatalogError,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog, problems_of
from lifeline.profiles import Profile, expanded, parse_profile, unknown

HEAD = Channel("p1", "head", "m", -10.0, 200.0)
FLOW = Channel("q", "inflow", "m3/h", -10.0, 2000.0)
WATER = Source(
    lifeline=Lifeline("water"),
    zone=(Zone("water/a"),),
    asset=(Asset("water/a/net", "water/a"),),
    model=(Model("logger", (HEAD,)),),
    device=(DeviceEntry("L-1", "water/a", "water/a/net", "logger", channel=(FLOW,)),),
    group=(
        Group(
            "water/a/all",
            "water/a",
            ("water/a/net/p1", "water/a/net/q"),
            profile="mains",
            artefact="mains.art",
        ),
    ),
)
MAINS = Profile(
    "mains",
    rule=(
        Rule("odd", "leak", 3, {"kind": "half_space"}),
        Rule("low", "leak", 3, {"kind": "threshold", "limit": 1.0, "side": "below"}, "head"),
        Rule("any", "fault", 5, {"kind": "flatline"}, "*"),
        Rule("level", "leak", 3, {"kind": "flatline"}, "tank-level"),
    ),
)
LEARNED = Artefact(
    "mains",
    {"years": 1.0},
    {"scale": np.array([[0.5, 1.0]], np.float32), "pipes": np.array(["p1", "p257"])},
)


def test_a_profile_puts_its_rules_over_the_groups_that_name_it_and_over_their_channels() -> None:
    whole = expanded(WATER, {"mains": MAINS})

    assert [(r.id, r.quantity, r.channels, r.groups) for r in whole.rule] == [
        ("water.mains.odd", "", (), ("water/a/all",)),
        ("water.mains.low", "", ("water/a/net/p1",), ()),
        ("water.mains.any", "", ("water/a/net/p1", "water/a/net/q"), ()),
    ]


def test_a_source_without_profiles_is_left_as_it_was() -> None:
    plain = msgspec.structs.replace(WATER, group=())

    assert expanded(plain, {"mains": MAINS}) is plain


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    assert expanded(WATER, {}).rule == ()
    assert unknown([WATER], {"mains": MAINS}) == []
    assert unknown([WATER], {"pipes": MAINS}) == [
        "lifeline water: group water/a/all names the profile mains, which is none of pipes"
    ]
    assert unknown([WATER], {})[0].endswith("which is none of none")


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"name": "x", "colour": 1}, "f.toml: unknown field `colour`"),
        (
            {
                "name": "x",
                "rule": [
                    {
                        "id": "r",
                        "hazard": "h",
                        "grade": 3,
                        "detector": {"kind": "rate"},
                        "groups": ["g"],
                    }
                ],
            },
            "f.toml: rule r names channels or groups, which the catalog's groups do",
        ),
    ],
)
def test_a_wrong_profile_is_told_with_its_place(tree: dict[str, Any], told: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_profile("f.toml", tree)

    assert caught.value.problems == (told,)


def test_a_profile_is_read_as_it_is_written() -> None:
    assert parse_profile("f.toml", {"name": "x", "far_per_sensor_year": 1}).name == "x"


def test_an_artefact_comes_back_as_it_was_and_the_same_content_is_the_same_bytes() -> None:
    packed = artefact.pack(LEARNED)

    made = artefact.unpack(packed)

    assert (made.profile, made.facts, made.version) == ("mains", {"years": 1.0}, 1)
    assert np.array_equal(made.arrays["scale"], LEARNED.arrays["scale"])
    assert made.arrays["scale"].dtype == np.float32
    assert made.arrays["pipes"].tolist() == ["p1", "p257"]
    assert artefact.pack(made) == packed
    with pytest.raises(ValueError, match="read-only"):
        made.arrays["scale"][0] = 2.0


def test_bytes_that_are_no_artefact_are_told_apart() -> None:
    packed = artefact.pack(LEARNED)
    body = msgspec.msgpack.encode(("x", {}, {"a": ("<f8", [3], b"")}, 1))

    for wrong in (b"no", packed[:-1] + b"\0", artefact.MAGIC + artefact._digest(body) + body):
        with pytest.raises(ArtefactError):
            artefact.unpack(wrong)
    saved = artefact._Saved("x", {}, {"a": artefact._Array("<f8", (3,), b"")}, 1)
    short = artefact._encode(saved)
    with pytest.raises(ArtefactError, match="cannot reshape"):
        artefact.unpack(artefact.MAGIC + artefact._digest(short) + short)


def test_the_compiled_catalog_carries_what_its_groups_learned() -> None:
    source = msgspec.structs.replace(WATER, learned={"mains.art": artefact.pack(LEARNED)})

    city = Catalog(compile_catalog([expanded(source, {"mains": MAINS})]))

    assert city.learned("mains.art")["scale"].tolist() == [[0.5, 1.0]]
    assert city.learned("") == {}
    assert city.head.groups[0].artefact == "mains.art"


def test_an_artefact_that_is_missing_damaged_or_of_another_profile_does_not_compile() -> None:
    other = artefact.pack(msgspec.structs.replace(LEARNED, profile="pipes"))

    told = [
        problems_of([msgspec.structs.replace(WATER, learned=learned)])
        for learned in ({}, {"mains.art": b"x"}, {"mains.art": other})
    ]

    assert told == [
        [
            (
                "lifeline water: group water/a/all names the artefact mains.art, which is not"
                " there: make it with `lifeline calibrate mains`"
            )
        ],
        ["lifeline water: artefact mains.art: not an artefact: make one with `lifeline calibrate`"],
        ["lifeline water: artefact mains.art was made for the profile pipes, not mains"],
    ]


def test_profiles_and_artefacts_lie_beside_the_lifelines(tmp_path: Path) -> None:
    lifelines, profiles = tmp_path / "lifelines", tmp_path / "profiles"
    lifelines.mkdir()
    profiles.mkdir()
    (profiles / "mains.toml").write_text(
        'name = "mains"\n[[rule]]\nid = "odd"\nhazard = "leak"\ngrade = 3\n'
        'detector = { kind = "half_space" }\n'
    )
    (profiles / "wrong.toml").write_text("name = 1\n")
    (profiles / "torn.toml").write_text("name =\n")
    (profiles / "mains.art").write_bytes(artefact.pack(LEARNED))
    (lifelines / "water.toml").write_text(
        '[lifeline]\nname = "water"\n[[zone]]\nname = "a"\n[[group]]\nname = "a/all"\nzone = "a"\n'
        'channels = []\nprofile = "mains"\nartefact = "mains.art"\n'
    )

    sources, problems = store.survey_sources((str(lifelines),))

    assert [text.rpartition("/")[2].partition(":")[0] for text in problems] == [
        "torn.toml",
        "wrong.toml",
    ]
    assert [rule.id for rule in sources[0].rule] == ["water.mains.odd"]
    assert artefact.unpack(sources[0].learned["mains.art"]).profile == "mains"
