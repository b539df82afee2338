"""Doors of the API as values: what answers, who may, and their description for OpenAPI.  Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from alerting.console.gate import Handler, Route
from alerting.console.sessions import VIEWERS, Role

REF = "#/components/schemas/{name}"
SECURITY: list[dict[str, list[str]]] = [{"session": []}]
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
ALWAYS = {
    "400": "Not understood, or something that must be said is missing.",
    "401": "Nobody is signed in.",
    "403": "The role may not, or the CSRF token is missing.",
    "404": "There is no such thing.",
    "422": "The query or the body does not fit.",
    "503": "The database does not answer; try again.",
}
CHANGING = {
    "409": "Somebody was faster, or its state does not allow this.",
    "412": "It has changed since that revision.",
    "413": "The body is too large.",
    "428": "If-Match is missing.",
}


def parameter(
    where: str, name: str, why: str, *, required: bool = False, **schema: Any
) -> dict[str, Any]:
    """One parameter of a door."""
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": why,
        "schema": {"type": "string", **schema},
    }


ID = parameter("path", "id", "The incident's id.", required=True, minLength=1, maxLength=128)
TOKEN = parameter("header", "X-CSRF-Token", "`csrf` of GET /api/v1/session.", required=True)
MATCH = parameter("header", "If-Match", "The revision that was seen, as ETag.", required=True)
MAY_MATCH = {**MATCH, "required": False}
ONCE = parameter(
    "header", "Idempotency-Key", "The same key does the same thing once.", maxLength=128
)
LANGUAGE = parameter("query", "lang", "Of sentences: zh or en.", maxLength=8)
LIMIT = parameter(
    "query", "limit", "How many at most.", type="integer", minimum=1, maximum=500, default=100
)
AFTER = parameter("query", "after", "`after` of the answer before: goes on behind.", maxLength=600)


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One door of the API."""

    method: str
    path: str
    """Behind /api/v1."""
    name: str
    """Its operationId."""
    summary: str
    handler: Handler
    roles: frozenset[Role] = VIEWERS
    shown: type | None = None
    """What it answers with; None: ``media``."""
    media: str = "application/json"
    body: type | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    also: Mapping[str, str] = {}
    """Further statuses that it may answer with, and when."""
    more: type | None = None
    """What it answers with 202, where a second person must confirm."""


def route(door: Door) -> Route:
    """The route of a door, with its description."""
    return Route(
        method=door.method,
        path=f"/api/v1{door.path}",
        handler=door.handler,
        roles=door.roles,
        document=_document(door),
    )


def shown(doors: Iterable[Door]) -> tuple[type, ...]:
    """Every type that doors take or show."""
    found = [one for door in doors for one in (door.shown, door.body, door.more) if one is not None]
    return tuple(dict.fromkeys(found))


def _content(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": REF.format(name=name)}}}


def _done(door: Door) -> dict[str, Any]:
    if door.shown is not None:
        return _content("application/json", door.shown.__name__)
    is_text = door.media.startswith("text/")
    schema = {"type": "string"} if is_text else {"type": "string", "format": "binary"}
    return {door.media: {"schema": schema}}


def _document(door: Door) -> dict[str, Any]:
    who = ", ".join(sorted(door.roles))
    is_changing = door.method != "GET"
    refused = {**ALWAYS, **(CHANGING if is_changing else {}), **door.also}
    responses: dict[str, Any] = {"200": {"description": "Done.", "content": _done(door)}}
    if door.more is not None:
        responses["202"] = {
            "description": "Asked for: a second person must confirm it.",
            "content": _content("application/json", door.more.__name__),
        }
    for status, why in refused.items():
        is_problem = int(status) >= 400
        responses[status] = {
            "description": why,
            **({"content": _content("application/problem+json", "Problem")} if is_problem else {}),
        }
    made: dict[str, Any] = {
        "operationId": door.name,
        "summary": door.summary,
        "description": f"{door.summary}\n\nRoles that may: {who}.",
        "security": SECURITY,
        "parameters": [*door.parameters, *((TOKEN, ONCE) if is_changing else ()), LANGUAGE],
        "responses": responses,
    }
    if door.body is not None:
        is_needed = any(field.required for field in msgspec.structs.fields(door.body))
        content = _content("application/json", door.body.__name__)
        made["requestBody"] = {"required": is_needed, "content": content}
    return made
