"""A call on a real PostgreSQL: taken on the page and at the terminal, joined, counted, ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.exchange import store as exchange
from lifeline import wire
from lifeline.__main__ import build
from lifeline.stack import Addresses
from tests.integration.console_rig import OTHER, WELL, City, act, compiled, form_of, new_city

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def town(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


@pytest.mark.feature("C-7")
async def test_a_call_opens_an_incident_once_is_joined_and_counted(
    town: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    li = await town.signed_in("li")
    now_ms = town.clock_ms()
    form = {
        "form": await form_of(li), "kind": "gas-smell", "said": "煤气味很大", "asset": WELL,
        "heard": str(now_ms), "zone": "", "ticket": "T-1", "position": "",
    }  # fmt: skip

    first = await li.post("/calls", data=form)
    again = await li.post("/calls", data=form | {"said": "again"})
    nowhere = await li.post("/calls", data=form | {"asset": "", "ticket": "T-2"})
    (incident,) = [
        row[0] for row in town.rows("select id from incident where hazard = 'gas-smell'")
    ]
    key = "Idempotency-Key"
    headers = {"X-CSRF-Token": form["form"], key: "c-1"}
    body = {"kind": "gas-smell", "said": "here too", "zone": "gas/heping"}
    by_api = [await li.post("/api/v1/calls", json=body, headers=headers) for _ in range(2)]
    file = tmp_path / "catalog.bin"
    file.write_bytes(compiled())
    monkeypatch.setenv("LIFELINE_POSTGRES_DSN", town.settings.postgres.dsn)
    monkeypatch.setenv("LIFELINE_CATALOG_COMPILED", str(file))
    run = CliRunner()
    by_command = run.invoke(
        build(), ["incident", "open", "gas!", "--at", "123.4,41.8", "--as", "li", "--ticket", "T-3"]
    )

    assert (first.status_code, again.status_code, nowhere.status_code) == (303, 303, 422)
    assert first.headers["location"] == again.headers["location"] == f"/incidents/{incident}"
    assert [one.status_code for one in by_api] == [200, 200]
    assert by_api[0].content == by_api[1].content
    assert by_command.exit_code == 0, by_command.output
    assert town.rows(
        "select count(*), min(lead ->> 'said') from incident where hazard = 'gas-smell'"
    ) == [(1, "煤气味很大")], "all of the callers are one incident"
    assert town.rows("select distinct rule from membership where incident = %s", incident) == [
        ("",), ("smell-in-zone",)
    ]  # fmt: skip
    assert town.rows(
        "select actor, channel, reason, note from audit where incident = %s and action = 'call'"
        " order by id", incident,
    ) == [
        ("li", "console", "call-taken", "煤气味很大"),
        ("li", "api", "call-taken", "here too"),
        ("li", "command", "call-taken", "gas!"),
    ]  # fmt: skip
    bodies = town.rows("select body from context_change where partner = 'hotline'")
    assert {wire.decode_context(bytes(body)).kind for (body,) in bodies} == {"hotline"}
    assert exchange.read_tables(town.settings.exchange).call
    figures = await li.get("/api/v1/kpi?by=lifeline")
    assert any(row["key"] == "gas" and row["incidents"] >= 1 for row in figures.json()["figures"])


@pytest.mark.feature("C-7")
async def test_what_was_found_on_site_ends_the_calls_of_an_incident_once(town: City) -> None:
    li = await town.signed_in("li")
    token = await form_of(li)
    form = {
        "form": token, "kind": "gas-smell", "said": "楼道里有味", "asset": OTHER,
        "heard": str(town.clock_ms()), "zone": "", "ticket": "T-9", "position": "",
    }  # fmt: skip
    taken = await li.post("/calls", data=form)
    incident = taken.headers["location"].rpartition("/")[2]
    await act(li, incident, "acknowledge")
    page = (await li.get(f"/incidents/{incident}")).text

    said = {"form": token, "note": "0 %LEL"}
    ended = await li.post(f"/incidents/{incident}/end-call", data=said)
    twice = await li.post(f"/incidents/{incident}/end-call", data=said)

    assert "楼道里有味" in page
    assert (ended.status_code, twice.status_code) == (303, 409)
    assert town.rows(
        "select count(*) from excursion where incident = %s and stage = 'active'"
        " and body ->> 'detector' = 'hotline'", incident,
    ) == [(0,)]  # fmt: skip
