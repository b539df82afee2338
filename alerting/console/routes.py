"""Every door of the console but sign-in's POST: method, path, roles, what answers.  Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from alerting.console import api, inbound, pages
from alerting.console.gate import Handler, Route
from alerting.console.sessions import ACTORS, VIEWERS

SECURITY: list[dict[str, list[str]]] = [{"session": []}]
REF = "#/components/schemas/{name}"
SHOWN = (
    api.IncidentList,
    api.IncidentDetail,
    api.Evidence,
    api.FeedList,
    api.SessionView,
    api.ActionDone,
    api.NoteBody,
)
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
REFUSALS = {
    "401": "Nobody is signed in.",
    "403": "The role may not, or the CSRF token is missing.",
    "422": "Not understood.",
    "503": "The database does not answer; try again.",
}


def _document(
    name: str,
    summary: str,
    shown: type,
    *,
    parameters: tuple[Mapping[str, Any], ...] = (),
    refusals: Mapping[str, str] | None = None,
    has_body: bool = False,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "security": SECURITY,
        "parameters": list(parameters),
        "responses": {
            "200": {
                "description": "Done.",
                "content": _content("application/json", shown.__name__),
            },
            **{
                status: {
                    "description": why,
                    "content": _content("application/problem+json", "Problem"),
                }
                for status, why in {**REFUSALS, **(refusals or {})}.items()
            },
        },
    }
    if has_body:
        made["requestBody"] = {
            "required": False,
            "content": _content("application/json", "NoteBody"),
        }
    return made


def _content(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": REF.format(name=name)}}}


def _parameter(
    where: str, name: str, why: str, *, required: bool = False, **schema: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": why,
        "schema": {"type": "string", **schema},
    }


ID = _parameter("path", "id", "The incident's id.", required=True, minLength=1, maxLength=128)
TOKEN = _parameter("header", "X-CSRF-Token", "`csrf` of GET /api/v1/session.", required=True)
MATCH = _parameter("header", "If-Match", "The revision that was seen, as ETag.", required=True)
ONCE = _parameter(
    "header", "Idempotency-Key", "The same key does the same thing once.", maxLength=128
)
MISSING = {"404": "There is no such incident."}
CHANGED = {
    **MISSING,
    "400": "A note is missing.",
    "409": "Somebody was faster, or the incident is not in a state for this.",
    "412": "The incident has changed since that revision.",
    "428": "If-Match is missing.",
}


def _action(name: str, summary: str, *parameters: Mapping[str, Any]) -> dict[str, Any]:
    return _document(
        name,
        summary,
        api.ActionDone,
        parameters=(ID, TOKEN, ONCE, *parameters),
        refusals=CHANGED,
        has_body=True,
    )


def _api(method: str, path: str, handler: Handler, document: dict[str, Any], **more: Any) -> Route:
    route = Route(method=method, path=f"/api/v1{path}", handler=handler, document=document, **more)
    who = ", ".join(sorted(route.roles))
    document["description"] = f"{document['summary']}\n\nRoles that may: {who}."
    return route


LIST = (
    _parameter("query", "phase", "Phases with commas between; without it all but closed."),
    _parameter("query", "lifeline", "One lifeline's name.", maxLength=128),
    _parameter(
        "query", "limit", "How many at most.", type="integer", minimum=1, maximum=500, default=100
    ),
    _parameter("query", "after", "`after` of the answer before: goes on behind it.", maxLength=128),
)

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/login", handler=pages.login, is_public=True),
    Route(method="POST", path="/language", handler=pages.language, is_public=True),
    Route(method="GET", path="/", handler=pages.incidents),
    Route(method="GET", path="/incidents/{id}", handler=pages.incident),
    Route(method="POST", path="/incidents/{id}/note", handler=pages.act("note"), roles=VIEWERS),
    Route(
        method="POST",
        path="/incidents/{id}/acknowledge",
        handler=pages.act("acknowledge"),
        roles=ACTORS,
    ),
    Route(method="POST", path="/incidents/{id}/close", handler=pages.act("close"), roles=ACTORS),
    Route(method="GET", path="/account", handler=pages.account),
    Route(method="POST", path="/logout", handler=pages.logout),
    _api("GET", "/session", api.whoami, _document("session", "Who is signed in.", api.SessionView)),
    _api("GET", "/feeds", api.feeds, _document("feeds", "How old the data are.", api.FeedList)),
    _api(
        "GET",
        "/incidents",
        api.incidents,
        _document("incidents", "Incidents, gravest first.", api.IncidentList, parameters=LIST),
    ),
    _api(
        "GET",
        "/incidents/{id}",
        api.incident,
        _document(
            "incident", "One incident.", api.IncidentDetail, parameters=(ID,), refusals=MISSING
        ),
    ),
    _api(
        "GET",
        "/incidents/{id}/readings",
        api.readings,
        _document(
            "readings", "The evidence's readings.", api.Evidence, parameters=(ID,), refusals=MISSING
        ),
    ),
    _api(
        "POST",
        "/incidents/{id}/acknowledge",
        api.act("acknowledge"),
        _action("acknowledge", "Take an incident in hand.", MATCH),
        roles=ACTORS,
    ),
    _api(
        "POST",
        "/incidents/{id}/close",
        api.act("close"),
        _action("close", "Close an incident, with a note that says why.", MATCH),
        roles=ACTORS,
    ),
    _api(
        "POST",
        "/incidents/{id}/note",
        api.act("note"),
        _action("note", "Add a note.", {**MATCH, "required": False}),
        roles=VIEWERS,
    ),
    *inbound.ROUTES,
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes' own descriptions and the schemas of what they show."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, schemas = msgspec.json.schema_components((*SHOWN, *inbound.SHOWN), ref_template=REF)
    components = made.setdefault("components", {})
    components["schemas"] = {**schemas, "Problem": PROBLEM}
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
