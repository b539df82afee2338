"""What programs get and do at the API, with the records in memory."""

import pytest
from fastapi import FastAPI

from alerting.console.routes import describe
from alerting.desk.rows import NoticeRow
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_doors import header, json_of, points
from tests.alerting.scene import T0
from tests.integration.console_rig import WELL


def test_programs_see_the_same() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.stored = {f"{WELL}/ch4": points()}
    hall.notices = (
        NoticeRow(1, name, "p", "opened", "alert", "dead", 1, "500", T0, None, "k", b""),
    )

    who = json_of(hall.ask("GET", "/api/v1/session"))
    feeds = json_of(hall.ask("GET", "/api/v1/feeds"))
    first = json_of(hall.ask("GET", "/api/v1/incidents", query={"limit": "1"}))
    rest = json_of(hall.ask("GET", "/api/v1/incidents", query={"after": name, "phase": "open"}))
    one = hall.ask("GET", f"/api/v1/incidents/{name}")
    same = hall.ask("GET", f"/api/v1/incidents/{name}", headers={"if-none-match": '"1"'})
    drawn = json_of(hall.ask("GET", f"/api/v1/incidents/{name}/readings"))

    assert who == {"name": "li", "role": "officer", "csrf": "form-li"}
    assert feeds["feeds"][0]["lifeline"] == "gas"
    assert (first["incidents"][0]["id"], first["after"]) == (name, name)
    assert (rest["incidents"], rest["after"]) == ([], None)
    assert (header(one, "ETag"), json_of(one)["notices"][0]["last_code"]) == ('"1"', "500")
    assert (same.status, same.body) == (304, b"")
    assert len(drawn["series"][0]["points"]) == 5


@pytest.mark.parametrize("query", [{"limit": "0"}, {"phase": "broken"}, {"nonsense": "1"}])
def test_a_query_that_does_not_fit_is_refused(query: dict[str, str]) -> None:
    assert Hall().ask("GET", "/api/v1/incidents", query=query).status == 422


def test_a_programs_action_names_its_revision_and_is_done_once_under_a_key() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.take(leak(1, name="worse", grade=1, rule="gas.50"))
    door = f"/api/v1/incidents/{name}"
    key = {"if-match": 'W/"2"', "idempotency-key": "k"}

    steps = [
        hall.ask("POST", f"{door}/acknowledge"),
        hall.ask("POST", f"{door}/acknowledge", body=b"{"),
        hall.ask("POST", f"{door}/acknowledge", body=b'{"note": "\\u0000"}'),
        hall.ask("POST", f"{door}/acknowledge", headers={"if-match": '"1"'}),
        hall.ask("POST", f"{door}/acknowledge", headers={"idempotency-key": "k" * 129}),
        hall.ask("POST", f"{door}/acknowledge", headers=key),
        hall.ask("POST", f"{door}/acknowledge", headers=key),
        hall.ask("POST", f"{door}/acknowledge", headers={**key, "if-match": '"3"'}),
        hall.ask(
            "POST",
            f"{door}/close",
            headers={"if-match": '"3"'},
            body=b'{"note": "x", "verdict": "true", "code": "leak"}',
        ),
    ]

    assert [one.status for one in steps] == [428, 422, 422, 412, 422, 200, 200, 422, 409]
    assert steps[5].body == steps[6].body
    assert [one.actor for one in hall.audit if one.actor != "router"] == ["li"]


def test_the_document_describes_the_doors_and_is_made_once() -> None:
    made = describe(app := FastAPI(title="t", version="1"))

    assert "IncidentList" in made["components"]["schemas"]
    assert describe(app) is made
