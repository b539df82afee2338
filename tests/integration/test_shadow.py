"""A profile tried beside the live one, killed on the way: written once, sent never, reported."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from lifeline import store
from lifeline.__main__ import build
from lifeline.compiler import compile_catalog
from lifeline.stack import Addresses
from tests.integration.rig import Rig, findings, publish, rig, wait_for
from tests.integration.test_detect import NOW_MS, leaks
from tests.streams.test_shadow import MAINS, source
from tests.streams.test_shadows import TOML
from tests.streams.town import batch

pytestmark = pytest.mark.integration
DONE = "select 1 from shadow_run where until_ms >= %s and exists (select 1 from shadow_finding)"


@pytest.mark.feature("S-4")
def test_what_a_shadow_raised_is_kept_over_a_kill_and_reported_beside_what_was_live(
    addresses: Addresses, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text(TOML.replace("10.0", "39.0"))
    with rig(addresses, tmp_path, timescale=False) as city:
        store.write_catalog(compile_catalog([source(MAINS)]), str(tmp_path / "catalog.bin"))
        batches = leaks(0, 120)
        first = city.start("detect", LIFELINE_DETECT_SHADOW=str(tmp_path / "new.toml"))
        city.wait_ready(first)
        publish(city, batches[:60])
        wait_for(lambda: ticked(city, NOW_MS + 59_020), 20, "the shadow's findings")
        city.kill(first)
        publish(city, batches[60:])
        again = city.start("detect", LIFELINE_DETECT_SHADOW=str(tmp_path / "new.toml"))
        wait_for(lambda: ticked(city, NOW_MS + 119_020), 30, "the whole time")
        assert city.end(again) == 0
        live = [one for one in findings(city) if one.rule == "gas.mains.high"]
        raised = {one.id: one for one in live if one.phase == "raised"}
        for one in raised.values():
            city.rows(
                "insert into excursion (id, alarm, stage, lane, grade, onset_ms, last_ms,"
                " cleared_ms, incident, would_open, body) values (%s, 'k', 'over', 'live', 3, %s,"
                " %s, %s, 'i', '', %s) returning 1",
                one.id,
                one.onset_ms,
                one.at_ms,
                one.at_ms + 5000,
                msgspec.json.encode(one).decode(),
            )

        kept = city.rows("select rule, channel, raised_ms, cleared_ms from shadow_finding")
        told = report(city.dsn, tmp_path, "--json")
        shown = report(city.dsn, tmp_path)

    assert sorted(kept) == sorted(
        ("gas.mains.high", one.channel, one.received_ms, one.at_ms + 5000)
        for one in raised.values()
    )
    assert len(raised) == 6
    (made,) = msgspec.json.decode(told)
    assert made["counts"] == {"lost": 0, "gained": 0, "later": 0, "earlier": 0, "same": 2}
    assert (made["profile"], made["sensors"], made["lost"], made["off"]) == ("mains", 2, 0, [])
    assert [(one["old"], one["new"]) for one in made["rules"]] == [(6, 6)]
    assert "same 2" in shown


def ticked(city: Rig, now_ms: int) -> bool:
    """Whether all until then is written; with a snapshot, and that with the next record."""
    publish(city, [batch([], received_ms=now_ms, messages=[])])
    return bool(city.rows(DONE, now_ms))


def report(dsn: str, folder: Path, *words: str) -> str:
    file = folder / "lifeline.toml"
    file.write_text(f'[postgres]\ndsn = "{dsn}"\n[catalog]\ncompiled = "{folder}/catalog.bin"\n')
    done = CliRunner().invoke(build("shadow"), ["shadow", "report", "--config", str(file), *words])
    assert done.exit_code == 0, done.output
    return done.output
