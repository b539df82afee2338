"""Stored readings out of the archive again, with the desk's words."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from calibration import store as recordings
from lifeline.__main__ import build
from lifeline.catalog import (
    Asset,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.profiles import Profile, expanded
from lifeline.stack import Addresses
from lifeline.store import write_catalog
from tests.integration.people_rig import Register, register

pytestmark = pytest.mark.integration
START_S = 1_780_000_200
"""On the grid of five minutes."""
ROWS = 600


def packed() -> bytes:
    low = {"kind": "threshold", "limit": 35.0, "side": "below"}
    profile = Profile("mains", rule=(Rule("low", "leak", 3, low, "head"),))
    channel = Channel("p", "head", "m", -10.0, 200.0, 300.0)
    source = Source(
        lifeline=Lifeline("water"),
        zone=(Zone("a"),),
        asset=(Asset("a/x", "a"),),
        device=(DeviceEntry("d1", "a", "a/x", channel=(channel,)),),
        group=(Group("a/all", "a", ("a/x/p",), 300.0, profile="mains"),),
    )
    return compile_catalog([expanded(source, {"mains": profile})])


@pytest.fixture(scope="module")
def city(addresses: Addresses) -> Iterator[Register]:
    with register(addresses) as made:
        made.rows("create table reading_all partition of reading default")
        made.rows("insert into channel (name, lifeline, unit) values ('a/x/p', 'water', 'm')")
        made.rows(
            "insert into reading select c.id, to_timestamp(%s + 300 * i), case"
            " when i between 100 and 110 then 30 when i between 400 and 410 then 38 else 50 end, 0"
            " from channel c, generate_series(0, %s) i",
            START_S,
            ROWS - 1,
        )
        for name, row, verdict in (("one", 100, "true"), ("two", 300, "false")):
            made.rows(
                "insert into label values (%s, 'i', 'k', 'a/x/p', 'r', 'threshold', 'leak', 3,"
                " %s, %s, 'leak', 'li', 0)",
                name,
                (START_S + 300 * row) * 1000,
                verdict,
            )
            made.rows(
                "insert into excursion (id, alarm, stage, lane, grade, onset_ms, last_ms,"
                " cleared_ms, incident, would_open, body) values (%s, 'k', 'over', 'live', 3, %s,"
                " %s, %s, 'i', '', '{}')",
                name,
                (START_S + 300 * row) * 1000,
                (START_S + 300 * (row + 10)) * 1000,
                (START_S + 300 * (row + 11)) * 1000,
            )
        yield made


@pytest.fixture
def config(city: Register, tmp_path: Path) -> Path:
    write_catalog(packed(), str(tmp_path / "catalog.bin"))
    file = tmp_path / "lifeline.toml"
    file.write_text(
        f'[postgres]\ndsn = "{city.settings.postgres.dsn}"\n'
        f'[catalog]\ncompiled = "{tmp_path}/catalog.bin"\n'
    )
    return file


def run(config: Path, *words: str) -> tuple[int, str]:
    span = ("--from", "2026-05-28T00:00+00:00", "--to", "2026-06-01T00:00+00:00")
    done = CliRunner().invoke(build(words[0]), [*words, *span, "--config", str(config)])
    return done.exit_code, done.output


def test_what_the_desk_found_goes_out_with_its_readings(config: Path, tmp_path: Path) -> None:
    status, told = run(config, "labels", "export", "--out", str(tmp_path / "history"))

    (made,) = recordings.recordings([tmp_path / "history"])
    assert (status, "a/all" in told) == (0, True)
    assert made.quantities == ("head",)
    (event,) = made.events or ()
    assert (event.kind, event.end - event.row, event.place) == ("leak", 11, "a/x/p")
    assert made.values[event.row, 0] == 30.0
    assert (made.values[:, 0] == 38.0).sum() == 11


def test_a_group_that_is_not_there_is_named(config: Path, tmp_path: Path) -> None:
    status, told = run(
        config, "labels", "export", "--out", str(tmp_path / "h"), "--group", "a/none"
    )

    assert status == 2
    assert "a/none is none of a/all" in told


def profile_of(folder: Path, limit: float) -> str:
    file = folder / f"{limit:g}.toml"
    file.write_text(
        'name = "mains"\n[[rule]]\nid = "low"\nhazard = "leak"\ngrade = 3\nquantity = "head"\n'
        f'detector = {{ kind = "threshold", limit = {limit}, side = "below" }}\n'
    )
    return str(file)


@pytest.mark.feature("D-22")
def test_another_profile_says_what_it_would_gain_and_what_it_would_lose(
    config: Path, tmp_path: Path
) -> None:
    loses, lost = run(config, "whatif", "--profile", profile_of(tmp_path, 20.0))
    gains, gained = run(config, "whatif", "--profile", profile_of(tmp_path, 45.0))
    same, told = run(config, "whatif", "--profile", profile_of(tmp_path, 35.0), "--json")

    assert (loses, gains, same) == (1, 0, 0), (lost, gained, told)
    assert [line.split()[0] for line in lost.splitlines()[1:2]] == ["lost"]
    assert lost.splitlines()[1].endswith("True")
    assert "lost 0, gained 1, later 0, earlier 0, same 1" in gained
    made = msgspec.json.decode(told)
    assert made["counts"] == {"lost": 0, "gained": 0, "later": 0, "earlier": 0, "same": 1}
    assert made["old"]["digest"] == made["new"]["digest"]


def test_a_profile_that_watches_nothing_here_is_told(config: Path, tmp_path: Path) -> None:
    file = Path(profile_of(tmp_path, 20.0))
    file.write_text(file.read_text().replace("mains", "pipes"))

    status, told = run(config, "whatif", "--profile", str(file))

    assert status == 2
    assert "profile pipes watches no group: groups name mains" in told
