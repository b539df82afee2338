"""A profile that is tried changes nothing that is live, and says what it would have done."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.plan import compile_plan
from lifeline import artefact, wire
from lifeline.candidate import artefact_of, exchanged
from lifeline.catalog import Catalog, CatalogError, Group, Rule, Source, parse_source
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Context, Finding, Message
from lifeline.profiles import Profile, expanded
from streams import shadow
from streams.partition import Partition, SnapshotError, blank
from streams.shadow import Shadow, cast
from tests.streams.town import GAS, START_MS, batch

HIGH = {"kind": "threshold", "limit": 20.0}
ODD = {"kind": "half_space", "window": 32, "trees": 5, "patience": 1}
MAINS = Profile(
    "mains",
    rule=(
        Rule("odd", "gas-leak", 3, ODD),
        Rule("high", "gas-leak", 2, HIGH, "ch4"),
    ),
)
STRICT = msgspec.structs.replace(
    MAINS, rule=(MAINS.rule[0], Rule("high", "gas-leak", 2, HIGH | {"limit": 10.0}, "ch4"))
)
LEARNED = artefact.pack(artefact.Artefact("mains", {}, {"scale": np.array([1.0])}))


def source(profile: Profile = MAINS) -> Source:
    """The town, whose pair of wells takes a profile."""
    plain = parse_source("gas.toml", GAS)
    group = msgspec.structs.replace(plain.group[0], profile="mains")
    other = Group("gas/others", "gas/east", ("gas/well-5/ch4", "gas/well-6/ch4"), 10.0)
    warm = Group("gas/warm", "gas/east", ("gas/well-0/temp", "gas/well-1/temp"), 10.0)
    rare = Rule("gas.warm", "h", 3, ODD, groups=("gas/warm",))
    whole = msgspec.structs.replace(plain, group=(group, other, warm), rule=(*plain.rule, rare))
    return expanded(whole, {"mains": profile})


def city(profile: Profile = MAINS) -> Catalog:
    return Catalog(compile_catalog([source(profile)]))


CITY = city()
PLAN = compile_plan(CITY.head.rules, CITY.head.limits)


def live() -> Partition:
    return blank(CITY, PLAN, 0, 1, lateness_s=3600.0, held_s=60.0)


def tried(profile: Profile = MAINS) -> Shadow:
    made = cast(exchanged(CITY, profile, {}), 0, 1, lateness_s=3600.0)
    assert made is not None
    return made


def day(seed: int = 1, seconds: int = 120) -> list[Batch]:
    """Wells that leak now and then, some readings late, some missing; a tick every second."""
    rng = random.Random(seed)
    made: list[Batch] = []
    for second in range(seconds):
        at = START_MS + second * 1000
        rows: list[tuple[str, int, float]] = []
        table: list[Message] = []
        of: list[int] = []
        for well in range(3):
            if rng.random() < 0.2:
                continue
            is_high = well == 1 and 40 <= second < 80
            late = rng.choice((5000, 7_200_000)) if rng.random() < 0.1 else 0
            value = 15.0 + 10.0 * (second >= 60) if is_high else 1.0 + rng.random()
            rows += [(f"gas/well-{well}/ch4", at - late, value), (f"gas/well-{well}/temp", at, 1.0)]
            of += [len(table)] * 2
            table.append(Message(f"G{well}", 1, second))
        made.append(batch(rows, received_ms=at + 40, messages=table, of=of))
        made.append(batch([], received_ms=at + 500, messages=[]))
    return made


def run(part: Partition, beside: Shadow | None, batches: list[Batch]) -> list[Finding]:
    told: list[Finding] = []
    for one in batches:
        outcome = part.step(one)
        told += outcome.findings
        if beside is not None and outcome.heard is not None:
            beside.step(*outcome.heard)
    return told


def gist(findings: list[Finding]) -> list[tuple[str, str, str, int]]:
    return [(one.id, one.rule, one.phase, one.at_ms) for one in findings]


@pytest.mark.feature("S-4")
@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(1, 139))
def test_beside_a_shadow_what_is_live_says_and_remembers_the_same_bytes(
    seed: int, cut: int
) -> None:
    alone, watched = live(), live()
    beside, resumed = tried(STRICT), tried(STRICT)
    batches = day(seed, 70)

    plain = run(alone, None, batches)
    told = run(watched, beside, batches[:cut])
    packed = beside.snapshot()
    assert resumed.restore(packed) == []
    assert resumed.snapshot() == packed
    after = watched.snapshot()
    told += run(watched, beside, batches[cut:])
    again = live()
    again.restore(after)
    run(again, resumed, batches[cut:])

    assert [wire.encode_finding(one) for one in told] == [wire.encode_finding(f) for f in plain]
    assert watched.snapshot() == alone.snapshot()
    assert resumed.snapshot() == beside.snapshot()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_profile_finds_in_the_shadow_what_it_finds_live(seed: int) -> None:
    beside = tried()

    told = run(live(), beside, day(seed))

    ours = [one for one in told if one.rule.startswith("gas.mains.") and one.phase != "held"]
    assert ours
    assert gist(beside.found) == gist(ours)
    assert {one.lane for one in ours} >= {"live", "historical"}
    assert [(f.score, f.lane) for f in beside.found] == [(f.score, f.lane) for f in ours]


@pytest.mark.feature("S-4")
def test_a_stricter_profile_finds_it_earlier_and_its_run_says_what_it_watched() -> None:
    beside, same = tried(STRICT), tried()
    part = live()

    for one in day():
        heard = part.step(one).heard
        assert heard is not None
        beside.step(*heard)
        same.step(*heard)

    first = next(f for f in beside.found if f.rule == "gas.mains.high")
    usual = next(f for f in same.found if f.rule == "gas.mains.high")
    assert (usual.at_ms - first.at_ms) / 1000 == pytest.approx(20, abs=3)
    assert beside.run.sensors == 2
    assert (beside.run.since_ms, beside.run.until_ms) == (START_MS + 40, START_MS + 119_500)
    beside.written(1)
    assert beside.found[0].phase == "cleared" or beside.found[0] is not first


def test_readings_of_others_and_of_drills_are_none_of_its_business() -> None:
    part, beside = live(), tried(STRICT)
    others = batch([("gas/well-5/ch4", START_MS, 90.0)], received_ms=START_MS)

    told = run(part, beside, [others])
    drill = part.step(batch([("gas/well-1/ch4", START_MS, 90.0)]), drill=True)

    assert told
    assert beside.found == []
    assert beside.bank.channels == 0
    assert drill.heard is None


def test_only_its_own_channels_in_a_batch_are_seen_as_they_are() -> None:
    part, beside = live(), tried()
    only = batch([("gas/well-0/ch4", START_MS, 90.0), ("gas/well-1/ch4", START_MS, 1.0)])

    run(part, beside, [only])

    assert [one.channel for one in beside.found] == ["gas/well-0/ch4"]


def test_a_device_that_sits_in_two_groups_has_one_watermark_in_the_shadow_too() -> None:
    part, beside = live(), tried()
    temp, ch4 = "gas/well-0/temp", "gas/well-0/ch4"

    rows = [(temp, START_MS + 25_000, 1.0), (ch4, START_MS + 5000, 90.0), (ch4, START_MS, 1.0)]
    run(part, beside, [batch([row]) for row in rows])

    assert part.grid.state()["plots"] == beside.grid.state()["plots"]
    assert part.grid.state()["watermark_ms"] == beside.grid.state()["watermark_ms"]
    assert beside.run.sensors == 2
    assert set(beside.bank.groups) <= {"gas/pair"}


def test_a_bad_value_is_the_live_banks_to_tell() -> None:
    part, beside = live(), tried()

    told = run(part, beside, [batch([("gas/well-0/ch4", START_MS, np.nan)], quality=256)])

    assert [one.rule for one in told] == ["sensor.bad-value"]
    assert beside.found == []


def test_it_knows_the_regimes_that_hold() -> None:
    beside = tried()
    record = Context("gas/east", "rain", START_MS, START_MS + 1000)

    beside.context(record)

    assert beside.bank.contexts("gas/east", START_MS) == (record,)


def test_what_waits_has_an_end_and_what_is_lost_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadow, "FOUND_MAX", 1)
    beside = tried()

    run(live(), beside, day())

    assert len(beside.found) == 1
    assert beside.found[0].phase == "cleared"
    assert beside.run.lost > 0


def test_another_version_begins_anew_and_rubbish_is_refused() -> None:
    beside = tried()
    run(live(), beside, day())
    packed = beside.snapshot()
    other = tried(STRICT)

    assert other.restore(packed) == []
    assert other.found == []
    newer = msgspec.msgpack.encode({**msgspec.msgpack.decode(packed), "v": 9})
    for bad, why in ((newer, "version 9"), (b"rubbish", "not a shadow"), (packed[:-9], "not a")):
        with pytest.raises(SnapshotError, match=why):
            tried().restore(bad)


def test_on_a_partition_without_its_groups_there_is_no_shadow() -> None:
    number = wire.partition_of("gas/east", 12)

    there = [cast(exchanged(CITY, MAINS, {}), k, 12, lateness_s=1.0) for k in range(12)]

    assert [k for k, one in enumerate(there) if one is not None] == [number]


def test_the_same_profile_gives_the_same_rules_in_the_same_order() -> None:
    same = exchanged(CITY, MAINS, {})

    assert same.catalog.head == CITY.head
    assert [rule.id for rule in same.rules] == ["gas.mains.odd", "gas.mains.high"]
    assert same.digest == exchanged(city(), MAINS, {}).digest


def test_a_group_that_had_no_rules_by_its_profile_gets_them_behind_the_others() -> None:
    bare = city(msgspec.structs.replace(MAINS, rule=()))

    made = exchanged(bare, MAINS, {})

    assert [rule.id for rule in made.catalog.head.rules] == [
        rule.id for rule in (*bare.head.rules, *made.rules)
    ]
    assert len(made.rules) == 2


def test_what_was_calibrated_for_it_takes_the_place_of_what_is_live() -> None:
    file = artefact_of(CITY.head.groups[0])

    made = exchanged(CITY, MAINS, {file: LEARNED, "of-nobody.art": b""})

    assert file == "gas__pair.art"
    assert made.groups[0].artefact == file
    assert made.catalog.learned(file)["scale"].tolist() == [1.0]
    assert made.catalog.learned("") == {}
    assert made.digest != exchanged(CITY, MAINS, {}).digest
    assert CITY.head.groups[0].artefact == ""


def test_a_profile_that_watches_nothing_and_a_damaged_artefact_are_told() -> None:
    with pytest.raises(CatalogError, match="pipes watches no group: groups name mains"):
        exchanged(CITY, msgspec.structs.replace(MAINS, name="pipes"), {})
    plain = Catalog(compile_catalog([parse_source("gas.toml", GAS)]))
    with pytest.raises(CatalogError, match="groups name none"):
        exchanged(plain, MAINS, {})
    with pytest.raises(CatalogError, match=r"gas__pair.art: not an artefact"):
        exchanged(CITY, MAINS, {"gas__pair.art": b"rubbish"})


def test_a_detector_that_fails_in_a_shadow_ends_the_shadow() -> None:
    beside = tried(STRICT)
    beside.bank.failed.append(("gas.mains.high", "gas.mains.high on mains: ZeroDivisionError()"))

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        beside.step(batch([], received_ms=START_MS, messages=[]), np.zeros(0, np.int8))
