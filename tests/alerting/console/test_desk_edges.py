"""What the pages show where something is not known, not there, or has gone meanwhile."""

from dataclasses import replace

import msgspec

from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_desk_forms import act, lone_alarm, on_alarm


def test_an_incident_is_shown_without_a_plan_or_a_first_alarm() -> None:
    hall = Hall()
    name = hall.take(leak(hazard="sensor-fault", grade=5))
    with_plan = hall.page(f"/incidents/{name}")
    hall.site = replace(hall.site, book=None)
    hall.slice.put_incident(msgspec.structs.replace(hall.slice.incidents[name], first_out=""))

    page = hall.page(f"/incidents/{name}")

    assert "What to do now" in with_plan
    assert "Keep people away" not in with_plan
    assert "What to do now" not in page
    assert "First out" not in page


def test_a_shelved_alarm_whose_condition_has_gone_says_no_more_that_it_stands() -> None:
    hall = Hall()
    name = hall.take(leak())
    on_alarm(hall, "shelve", note="probe", minutes="30")
    hall.take(leak(50, phase="cleared", onset_s=0))

    assert "condition still there" not in hall.page(f"/incidents/{name}")
    assert lone_alarm(hall).state == "shelved"


def test_a_card_says_the_risk_and_that_it_is_a_drill() -> None:
    hall = Hall()
    name = hall.take(leak(drill=True))
    hall.board.risks[name] = 41.5

    page = hall.page("/")

    assert "risk 41.5" in page
    assert "DRILL" in page
    assert act(hall, name, "note", note="x").status == 303
