"""The console's web server: reads requests, asks the database, writes answers.  A shell.

Everything that decides stands in ``gate``, ``pages`` and ``api``; here are sockets, clocks,
randomness and limits on every wait.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from urllib.parse import parse_qsl

import msgspec
import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from psycopg import Connection
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerting.console import gate, inbound, pages, palette, sessions, store
from alerting.console.accounts.service import Door
from alerting.console.gate import Route
from alerting.console.ground.service import Ground, make_site
from alerting.console.routes import ROUTES, describe
from alerting.console.sessions import Sender
from alerting.console.visit import Answer, Call, Problem, Site
from alerting.evidence import service as evidence
from alerting.house.service import House
from alerting.ledger.store import Contended, contended
from lifeline import crashpoints, telemetry
from lifeline.catalog import Catalog
from lifeline.config import ConfigError, Settings
from lifeline.db import SERVICE_ROLE, Database
from lifeline.errors import Unavailable
from lifeline.telemetry import Health

Log = structlog.stdlib.BoundLogger
BODY_BYTES_MAX = 64 * 1024
BODY_S = 10.0
FIELDS_MAX = 500
"""Two for each incident of a full list, and the rest of its form."""
TRIES = 5
PRUNE_S = 60.0
CHECK_S = 2.0
HEADERS = (
    "accept-language",
    "x-csrf-token",
    "if-match",
    "if-none-match",
    "idempotency-key",
    *inbound.SIGNED_HEADERS,
)


def create_app(site: Site, database: Database, log: Log, house: House | None = None) -> FastAPI:
    """The application: every route of ``routes.ROUTES``, sign-in, static files, headers."""
    app = FastAPI(
        title="Urban Lifeline",
        description="Incidents, their evidence and what was done about them.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    console = app.state.console = _Console(Ground(site, log, house), database, log)
    for route in ROUTES:
        app.add_api_route(
            route.path,
            partial(console.serve, route),
            methods=[route.method],
            include_in_schema=bool(route.document),
            openapi_extra=route.document or None,
            response_model=None,
            name=f"{route.method} {route.path}",
            operation_id=route.document.get("operationId"),
        )
        if route.method == "GET":
            # Whatever previews a link asks with HEAD; the server leaves the body out.
            serve = partial(console.serve, route)
            app.add_api_route(route.path, serve, methods=["HEAD"], include_in_schema=False)
    app.add_api_route("/login", console.sign_in, methods=["POST"], include_in_schema=False)
    # Before the folder: the one sheet in it that the settings make.
    app.add_api_route(
        "/static/grades.css", console.colours, methods=["GET", "HEAD"], include_in_schema=False
    )
    static = files("alerting.console") / "static"
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    app.add_exception_handler(HTTPException, console.on_http)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    hosts = sessions.own_hosts(site.settings.router.public_url, site.settings.console.host)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(_Headers, headers=dict(sessions.security_headers(is_secure=site.is_secure)))
    return app


class _Headers:
    """Puts the security headers on every response, also on those that the framework makes."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_static = scope["path"].startswith("/static/")
        keeping = b"public, max-age=300" if is_static else b"no-store"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *self._headers,
                    (b"cache-control", keeping),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


class _Console:
    """The endpoints; holds what they share: the site, the database, the door."""

    def __init__(self, ground: Ground, database: Database, log: Log) -> None:
        self.ground = ground
        self._database = database
        self._log = log
        self._door = Door(ground.site.settings.console, database, log)

    @property
    def _site(self) -> Site:
        return self.ground.site

    async def serve(self, route: Route, request: Request) -> Response:
        """One request through the gate, in one transaction."""
        limit = route.body_bytes_max
        return await self._guarded(request, partial(self._through, route), limit)

    async def _guarded(
        self,
        request: Request,
        body: Callable[[Call], Awaitable[Answer]],
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> Response:
        try:
            call = await read_call(request, body_bytes_max)
        except ClientDisconnect:
            return Response(status_code=400)
        except Problem as problem:
            call = _bare_call(request)
            return _response(gate.away(self._site, call, problem.key, problem.status))
        try:
            return _response(await body(call))
        except Unavailable as error:
            self._log.warning("database away", path=call.path, error=str(error))
            return _response(gate.away(self._site, call))
        except Exception:
            self._log.exception("request failed", path=call.path)
            return _response(gate.away(self._site, call, "problem.500", 500))

    async def _through(self, route: Route, call: Call) -> Answer:
        nonce, site = secrets.token_urlsafe(24), self._site

        def work(connection: Connection) -> Answer:
            records = store.Connected(connection, site, self.ground.paging)
            return gate.answer(records, route, call, site, nonce)

        for tries_left in reversed(range(TRIES)):
            try:
                answer = await self._database.run(contended(work))
                break
            except Contended:
                # The router or another seat changed the same rows; everything was rolled back.
                if tries_left == 0:
                    return gate.away(self._site, call)
        if route.is_signed:
            crashpoints.reach("console.after-receipt")
        if answer.status == 403 or (route.is_signed and answer.status == 401):
            telemetry.security_events.labels("console-forbidden").inc()
            self._log.warning("request refused", path=call.path, address=call.address)
        return await self._with_package(answer, call) if answer.package else answer

    async def _with_package(self, answer: Answer, call: Call) -> Answer:
        """The evidence package as the body: made in transactions of its own, sealed if possible."""
        site = self._site

        def keep(connection: Connection, body: bytes, digest: str) -> tuple[bytes, str] | None:
            return store.keep_package(connection, answer.by, answer.key, body, digest)

        produce = partial(
            evidence.produce,
            self._database,
            site.settings,
            site.catalog,
            answer.package,
            actor=answer.by,
            channel="api" if call.is_api else "console",
            kept=keep if answer.key else None,
        )
        found = await asyncio.to_thread(produce)
        if found is None:
            return gate.away(site, call, "problem.404", 404)
        body, digest = found
        headers = (*answer.headers, ("X-Content-SHA256", digest))
        return msgspec.structs.replace(answer, body=body, headers=headers)

    async def sign_in(self, request: Request) -> Response:
        """POST /login."""
        signing_in = partial(self._door.sign_in, self._site, self._through)
        return await self._guarded(request, signing_in)

    async def colours(self) -> Response:
        """GET /static/grades.css."""
        return Response(palette.css(self._site.grades), media_type="text/css")

    async def on_http(self, request: Request, error: Exception) -> Response:
        """404 and 405 of the framework, as sentences."""
        assert isinstance(error, HTTPException)
        status = error.status_code if error.status_code in (400, 404, 405) else 400
        route = pages.problem_route(status, request.url.path)
        response = await self._guarded(
            # As if it only looked: a sentence needs no token, whatever was tried.
            request,
            lambda call: self._through(route, replace(call, method="GET")),
        )
        for key, value in (error.headers or {}).items():
            response.headers.setdefault(key, value)
        return response


async def read_call(request: Request, body_bytes_max: int = BODY_BYTES_MAX) -> Call:
    """The request as facts; raises Problem when it is too large, too slow or no text."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > body_bytes_max:
                    raise Problem(413)
    except TimeoutError as error:
        raise Problem(400) from error
    call = _bare_call(request, body)
    texts = [*call.params.values(), *call.query, *call.query.values(), *call.form.values()]
    texts += [*call.cookies.values(), *call.headers.values(), call.path]
    if any("\0" in one for one in texts):
        raise Problem(400)
    return call


def _bare_call(request: Request, body: bytes = b"") -> Call:
    headers = request.headers
    form: dict[str, str] = {}
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        with contextlib.suppress(ValueError):
            form = dict(
                parse_qsl(
                    body.decode("utf-8", "replace"),
                    keep_blank_values=True,
                    max_num_fields=FIELDS_MAX,
                )
            )
    jar: SimpleCookie = SimpleCookie()
    with contextlib.suppress(CookieError):
        jar.load(headers.get("cookie", "")[:8192])
    return Call(
        method="GET" if request.method == "HEAD" else request.method,
        path=request.url.path,
        address=request.client.host if request.client else "",
        sender=Sender(
            headers.get("host", ""), headers.get("origin", ""), headers.get("sec-fetch-site", "")
        ),
        params={str(k): str(v) for k, v in request.path_params.items()},
        query=dict(list(request.query_params.items())[:20]),
        form=form,
        cookies={name: morsel.value for name, morsel in jar.items()},
        headers={name: headers.get(name, "")[:1024] for name in HEADERS},
        body=body,
        is_api=request.url.path.startswith("/api/"),
    )


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type=answer.kind)
    for key, value in answer.headers:
        response.headers.append(key, value)
    return response


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the command has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; raises ConfigError when it cannot be had."""
    try:
        listener = socket.create_server((host, port), backlog=256)
    except OSError as error:
        raise ConfigError(
            f"console: {host}:{port} cannot be listened on ({error.strerror})."
            " Set console.port or LIFELINE_CONSOLE_PORT."
        ) from error
    # Accepted sockets inherit it; without, head and body of an answer are 40 ms apart.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def run(
    settings: Settings, catalog: Catalog, health: Health, log: Log, stop: asyncio.Event
) -> None:
    """Serves until ``stop``; raises ConfigError, and Unavailable without PostgreSQL at start."""
    house = House(settings, catalog, log)
    site = make_site(settings, catalog, house)
    database = Database(settings.postgres, role=SERVICE_ROLE)
    listener: socket.socket | None = None
    try:
        await database.run(
            lambda connection: store.forget_old(connection, settings.console.session_h)
        )
        app = create_app(site, database, log, house)
        listener = listen(settings.console.host, settings.console.port)
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=3,
                limit_concurrency=200,
                h11_max_incomplete_event_size=16 * 1024,
                lifespan="off",
            )
        )
        host, port = listener.getsockname()[:2]
        hosts = sessions.own_hosts(settings.router.public_url, settings.console.host)
        log.info("console listens", url=f"http://{host}:{port}/", answers_to=hosts)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        keeping = asyncio.create_task(_keep(settings, database, health, log))
        watching = asyncio.create_task(app.state.console.ground.run(database))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        for task in (keeping, watching, stopping):
            task.cancel()
        await serving
    finally:
        if listener is not None:
            listener.close()
        database.close()


async def _keep(settings: Settings, database: Database, health: Health, log: Log) -> None:
    """Says whether the database answers, and once a minute removes what has run out."""
    pruned_s = asyncio.get_running_loop().time()
    while True:
        try:
            await database.run(lambda connection: connection.execute("select 1"), CHECK_S * 2)
            health.problem = ""
            if asyncio.get_running_loop().time() - pruned_s > PRUNE_S:
                pruned_s = asyncio.get_running_loop().time()
                await database.run(lambda c: store.forget_old(c, settings.console.session_h))
        except Unavailable as error:
            if not health.problem:
                log.warning("database away", error=str(error))
            health.problem = str(error)
        await asyncio.sleep(CHECK_S)
