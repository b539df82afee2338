"""An incident's page says what its receivers answered and how far its cases are."""

import msgspec

from alerting.cases import Case
from alerting.desk.rows import NoticeRow
from tests.alerting.console.hall import Hall, leak
from tests.alerting.scene import T0


def test_an_incident_shows_who_has_signed_for_it_and_how_far_its_case_is() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.notices = tuple(
        NoticeRow(
            n, name, "platform", "opened", "alert", "delivered", 1, "200", T0, T0, "k", b"", words
        )
        for n, words in enumerate(((), ("accepted",), ("refused",), ("accepted", "seen")))
    )
    hall.cases = (
        Case(name, "city", "C-7", "20", "dispatched", "Zhao", T0, 2, 0),
        Case(name, "other", "", "77", "", "", 0, 1, 1),
    )

    page = hall.page(f"/incidents/{name}")
    detail = msgspec.json.decode(hall.ask("GET", f"/api/v1/incidents/{name}").body)

    for said in ("signed for", "refused by the receiver", "seen by an officer there",
                 "case C-7", "dispatched", "unmapped state 77", "case –"):  # fmt: skip
        assert said in page, said
    assert [one["stage"] for one in detail["notices"]] == [
        "delivered", "accepted", "refused", "seen",
    ]  # fmt: skip
    assert [one["strange"] for one in detail["cases"]] == [0, 1]
