"""Rules and limits on their pages: what differs, who must agree, from when it holds."""

import msgspec
import pytest

from alerting.console.visit import Answer
from tests.alerting.console.hall import Hall
from tests.alerting.console.town import RUNNING


def post(hall: Hall, path: str, who: str = "li", **form: str) -> Answer:
    return hall.ask("POST", path, who, form=form)


MOVED = {"what": "limit:value:ch4", "value": "25", "note": "protocol of 20 November"}


@pytest.mark.feature("O-4")
def test_a_limit_is_proposed_by_one_approved_by_another_and_put_in_force_at_a_time() -> None:
    hall = Hall()

    proposed = post(hall, "/rules", **MOVED)
    own = hall.page("/rules/1")
    others = hall.page("/rules/1", who="boss")
    early = post(hall, "/rules/1/schedule")
    refused = post(hall, "/rules/1/approve")
    approved = post(hall, "/rules/1/approve", who="boss")
    scheduled = post(hall, "/rules/1/schedule", effective="2026-12-01T02:00")

    assert dict(proposed.headers)["Location"] == "/rules/1"
    assert "[life safety] limit ch4 moved: 20 → 25 %LEL." in own
    assert "somebody else must approve it" in own
    assert 'action="/rules/1/approve"' not in own
    assert 'action="/rules/1/approve"' in others
    assert [early.status, refused.status] == [409, 409]
    assert "another person must approve it" in refused.body.decode()
    assert [approved.status, scheduled.status] == [303, 303]
    assert (hall.city.kept.state, hall.city.kept.effective_ms) == ("scheduled", 1796061600000)
    page = hall.page("/rules/1", query={"lang": "zh"})
    assert "2026-12-01 02:00 · li" in page
    assert "批准人" in page
    assert "boss · " in page
    assert set(hall.city.channels) == {"console"}


def test_the_list_shows_every_version_and_what_can_be_moved_as_it_stands() -> None:
    hall = Hall()

    page = hall.page("/rules", query={"lang": "zh"})
    looking = hall.page("/rules", who="wang")

    assert '<option value="limit:value:ch4">ch4 · 20 %LEL</option>' in page
    assert '<option value="rule:grade:leak">leak · 等级 · 2</option>' in page
    assert "涉及人身安全" in page
    assert '<a href="/rules/1">Version 1</a>' in looking
    assert 'action="/rules"' not in looking


def test_a_version_is_withdrawn_and_an_earlier_one_proposed_again() -> None:
    hall = Hall()

    withdrawn = post(hall, "/rules/1/withdraw")
    page = hall.page("/rules/1")
    again = post(hall, "/rules/1/rollback", who="boss")

    assert (withdrawn.status, again.status) == (303, 303)
    assert 'action="/rules/1/rollback"' in page
    assert 'action="/rules/1/withdraw"' not in page
    assert (hall.city.kept.state, hall.city.kept.author) == ("proposed", "boss")
    hall.city.kept = msgspec.structs.replace(hall.city.kept, state="applied", applied_ms=1)
    applied = hall.page("/rules/1")
    assert "In force since" in applied
    assert '<form class="act"' not in applied.split("<main")[1]


def test_what_the_form_does_not_offer_is_refused() -> None:
    hall = Hall()

    wrong = [
        post(hall, "/rules", **{**MOVED, **changed})
        for changed in (
            {"what": ""}, {"what": "limit:grade:ch4"}, {"what": "rule:value:leak"},
            {"what": "limit:value:"}, {"value": "much"}, {"value": "nan"}, {"note": " "},
        )
    ]  # fmt: skip
    strange = post(hall, "/rules", **{**MOVED, "what": "limit:value:x"})

    assert {answer.status for answer in wrong} == {400}
    assert strange.status == 409
    assert "There is no x in the rules" in strange.body.decode()
    assert "protocol of 20 November" in strange.body.decode()
    assert post(hall, "/rules/1/schedule", who="li", effective="soon").status == 400
    assert post(hall, "/rules/2/rollback").status == 404
    assert hall.ask("GET", "/rules/2").status == 404


def test_programs_read_what_runs_move_numbers_and_roll_back() -> None:
    hall = Hall()

    def ask(path: str, body: object) -> Answer:
        return hall.ask("POST", f"/api/v1{path}", body=msgspec.json.encode(body))

    running = hall.ask("GET", "/api/v1/limits")
    move = {"of": "limit", "id": "ch4", "field": "value", "value": 25}
    made = ask("/rules", {"note": "why", "moves": [move]})
    empty = ask("/rules", {"note": "why", "moves": []})
    strange = ask("/rules", {"note": "why", "moves": [{**move, "id": "x"}]})
    back = ask("/rules/1/rollback", {})

    assert msgspec.json.decode(running.body, type=type(RUNNING)).digest == RUNNING.digest
    assert msgspec.json.decode(made.body)["state"] == "proposed"
    assert (empty.status, strange.status, back.status) == (422, 409, 200)
    assert ask("/rules/9/rollback", {}).status == 404
    assert set(hall.city.channels) == {"api"}
