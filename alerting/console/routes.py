"""Every door of the console but sign-in's POST: method, path, roles, what answers.  Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from alerting.actions import ON_ALARMS
from alerting.console import (
    boards,
    desk,
    documents,
    exercises,
    forms,
    inbound,
    linked,
    pages,
    queue,
    rules,
    telephone,
    work,
)
from alerting.console.doors import DOORS
from alerting.console.doors.incidents import ACTIONS
from alerting.console.gate import Handler, Route
from alerting.console.sessions import ACTORS


def _get(path: str, handler: Handler, **more: Any) -> Route:
    return Route(method="GET", path=path, handler=handler, **more)


def _post(path: str, handler: Handler, **more: Any) -> Route:
    return Route(method="POST", path=path, handler=handler, **{"roles": ACTORS, **more})


PAGES: tuple[Route, ...] = (
    _get("/login", pages.login, is_public=True),
    Route(method="POST", path="/language", handler=pages.language, is_public=True),
    _get("/", queue.queue),
    _post("/acknowledge", queue.acknowledge_many, body_bytes_max=256 * 1024),
    _get("/incidents/{id}", desk.incident),
    *(
        _post(f"/incidents/{{id}}/{action}", forms.incident(action), roles=roles)
        for action, _, _, roles in ACTIONS
    ),
    Route(method="POST", path="/incidents/{id}/stop-own", handler=forms.stop_own),
    _post("/incidents/{id}/call", forms.call_in),
    _post("/incidents/{id}/evidence", forms.evidence),
    _get("/calls", telephone.form),
    _post("/calls", telephone.take),
    _post("/incidents/{id}/end-call", telephone.end),
    _get("/alarms", boards.alarms),
    *(_post(f"/alarms/{action}", forms.alarm(action)) for action in ON_ALARMS),
    _get("/windows", boards.window_list),
    _post("/windows", forms.open_window),
    _post("/windows/{id}/check", forms.window("check")),
    _post("/windows/{id}/end", forms.window("end-window")),
    _get("/proposals", boards.proposals),
    _post("/proposals/{id}/approve", forms.approve),
    _get("/letters", boards.letters),
    _post("/letters/{id}/resend", forms.resend),
    _post("/incidents/{id}/steps", exercises.tick),
    _get("/drills", exercises.drill_list),
    _post("/drills", exercises.start),
    _post("/drills/stop", exercises.stop),
    _get("/work", work.order_list),
    _post("/work", work.take),
    _post("/work/cancel", work.cancel),
    _get("/rules", rules.version_list),
    _post("/rules", rules.propose),
    _get("/rules/{id}", rules.version),
    _post("/rules/{id}/approve", rules.take("approve")),
    _post("/rules/{id}/schedule", rules.take("schedule")),
    _post("/rules/{id}/withdraw", rules.take("withdraw")),
    _post("/rules/{id}/rollback", rules.roll_back),
    _get("/roster", boards.roster),
    _post("/handovers", forms.begin_handover),
    _get("/handovers/{id}", boards.handover),
    _get("/handovers/{id}/sheet", boards.sheet),
    *(
        _post(f"/handovers/{{id}}/{action}", forms.handover(action))
        for action in ("accept", "notes", "sign")
    ),
    _get("/l/{token}", linked.look, is_public=True),
    Route(method="POST", path="/l/{token}", handler=linked.press, is_public=True),
    Route(method="POST", path="/l/{token}/support", handler=linked.support, is_public=True),
    _get("/account", pages.account),
    Route(method="POST", path="/logout", handler=pages.logout),
)
ROUTES: tuple[Route, ...] = (
    *PAGES,
    *(documents.route(door) for door in DOORS),
    *inbound.ROUTES,
)


def _plain(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Schemas by names without dots: two types of one name bear their modules' too."""
    text = msgspec.json.encode(schemas).decode()
    for name in (one for one in schemas if "." in one):
        *_, module, own = name.split(".")
        text = text.replace(f'"{name}"', f'"{module.capitalize()}{own}"')
        text = text.replace(f'schemas/{name}"', f'schemas/{module.capitalize()}{own}"')
    made: dict[str, Any] = msgspec.json.decode(text)
    return made


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes' own descriptions and the schemas of what they show."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    types = (*documents.shown(DOORS), *inbound.SHOWN)
    _, schemas = msgspec.json.schema_components(types, ref_template=documents.REF)
    components = made.setdefault("components", {})
    components["schemas"] = {**_plain(schemas), "Problem": documents.PROBLEM}
    cookie = {"type": "apiKey", "in": "cookie", "name": "__Host-lifeline"}
    components["securitySchemes"] = {
        "session": {
            **cookie,
            "description": "Sign in at /login; `lifeline` where there is no TLS.",
        },
        "partner": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Lifeline-Signature",
            "description": "HMAC-SHA256 over `timestamp.body`; keys are in `exchange.partners`.",
        },
    }
    app.openapi_schema = made
    return made
