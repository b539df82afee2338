"""The API against its own document: arbitrary requests on a real PostgreSQL, and its speed."""

from hashlib import sha256
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerting.console import app
from alerting.console.accounts import store as accounts
from alerting.console.sessions import Session
from alerting.evidence import service as evidence
from alerting.exchange import store as exchange
from tests.integration.console_rig import City, all_of

pytestmark = pytest.mark.integration

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
HOST = {"Host": "desk.city:8080"}
EXAMPLES = 8
"""A door; some sixty doors: a few hundred requests."""


class Visitor:
    """Somebody who is signed in, and the incident that he looks at."""

    def __init__(self, city: City) -> None:
        def begin(connection: Any) -> tuple[str, str, Session]:
            return accounts.begin_session(connection, "li", "", "")

        self.token, _, session = city.database.run_now(begin)
        self.csrf = session.form
        self.incident = city.leak()
        tables = city.site.wording.tables
        assert tables is not None
        city.database.run_now(lambda c: exchange.make_product(c, city.catalog, tables, 600.0))


@pytest.fixture(scope="module")
def town(request: pytest.FixtureRequest) -> City:
    made: City = request.getfixturevalue("_city")
    return made


@pytest.fixture(autouse=True)
def _unsealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody seals here: a package that waits for it would wait in vain."""
    monkeypatch.setattr(evidence, "SEALED_WITHIN_S", 0.0)


@pytest.fixture(scope="module")
def visitor(town: City) -> Visitor:
    return Visitor(town)


@pytest.fixture(scope="module")
def document(town: City) -> Any:
    application = app.create_app(town.site, town.database, town.log)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", application, headers=HOST)


def told(error: BaseException) -> str:
    """What went wrong, with what is inside a group of failures."""
    inner = getattr(error, "exceptions", ())
    return " ".join([str(error), *map(told, inner)])[:1500]


def test_whatever_is_sent_is_answered_as_the_document_says(document: Any, visitor: Visitor) -> None:
    asked: set[str] = set()
    failed: list[str] = []

    for found in document.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            headers = {**HOST, "X-CSRF-Token": visitor.csrf}
            if "/incidents/{id}" in case.path:
                case.path_parameters["id"] = visitor.incident
            stranger = case.call(headers=HOST)
            # Nobody comes in without signing in, or a signature.
            assert stranger.status_code in (400, 401, 403, 413), case.path
            answer = case.call(headers=headers, cookies={"lifeline": visitor.token})
            case.validate_response(answer, checks=CHECKS)
            asked.add(f"{case.method} {case.path}")

        try:
            ask()
        except Exception as error:  # All of them are told at once, each with its request.
            failed.append(f"{operation.label}: {told(error)}")

    assert failed == []
    assert len(asked) == len(list(document.get_all_operations()))


@pytest.mark.feature("D-21")
async def test_a_package_is_made_once_under_one_key(town: City) -> None:
    incident = town.leak()
    made = "select count(*) from audit where incident = %s and action = 'evidence'"
    browser = await town.signed_in("li")
    csrf = (await browser.get("/api/v1/session")).json()["csrf"]

    def ask(key: str) -> Any:
        headers = {"x-csrf-token": csrf, "idempotency-key": key}
        path = f"/api/v1/incidents/{incident}/evidence"
        return browser.post(path, json={}, headers=headers, timeout=30)

    together = await all_of(ask("one"), ask("one"))
    again = await ask("one")
    other = await ask("two")

    assert {a.status_code for a in (*together, again, other)} == {200}
    assert len({a.content for a in (*together, again)}) == 1
    assert again.headers["x-content-sha256"] == sha256(again.content).hexdigest()
    assert other.content != again.content, "it tells of the first"
    assert town.rows(made, incident) == [(2,)]
