"""The console's API as the demo's officer uses it: signed in, on the newest revision.  A shell."""

import asyncio
import contextlib
import re
import time
from typing import Any

import httpx

OFFICER = "demo-officer"
ASK_S = 20.0
"""The longest wait for one answer."""
PACKAGE_S = 90.0
CONSOLE_S = 60.0
TRIES = 20
AGAIN_S = 0.5
FORM = re.compile(r'name="form" value="([^"]+)"')


class Stuck(Exception):
    """What the console, or the world, said no to."""


class Api:
    """The console's API with one officer signed in."""

    def __init__(self, url: str, language: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=ASK_S, trust_env=False, headers={"Accept-Language": language}
        )
        self._form = ""

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def sign_in(self, password: str) -> None:
        """Signs in as everybody does, as soon as the console answers; raises Stuck."""
        until_s = time.monotonic() + CONSOLE_S
        why = "no answer"
        while time.monotonic() < until_s:
            try:
                page = await self._http.get("/login")
                given = FORM.search(page.text)
                if given:
                    form = {"name": OFFICER, "password": password, "form": given[1], "next": "/"}
                    answer = await self._http.post("/login", data=form)
                    why = f"HTTP {answer.status_code}"
                    if answer.status_code == 303:
                        self._form = (await self.get("/session"))["csrf"]
                        return
            except httpx.HTTPError as error:
                why = type(error).__name__
            await asyncio.sleep(AGAIN_S)
        raise Stuck(f"/login: {why}")

    async def get(self, path: str) -> dict[str, Any]:
        """What is there; raises Stuck when it does not come."""
        why = ""
        for _ in range(TRIES):
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._http.get(f"/api/v1{path}")
                if answer.status_code == 200:
                    found: dict[str, Any] = answer.json()
                    return found
                why = _sentence(answer)
                if 400 <= answer.status_code < 500:
                    break  # It would say the same again.
            await asyncio.sleep(AGAIN_S)
        raise Stuck(why or "no answer")

    async def incident(self, name: str) -> dict[str, Any]:
        """The incident with all that is known of it."""
        return await self.get(f"/incidents/{name}")

    async def act(self, name: str, action: str, body: dict[str, Any]) -> str:
        """Does it on the newest revision; the sentence why not, or ''.  Raises Stuck.

        Whatever else changes the incident meanwhile only means to look again.
        """
        for _ in range(TRIES):
            revision = (await self.incident(name))["incident"]["revision"]
            headers = {"If-Match": f'"{revision}"', "X-CSRF-Token": self._form}
            headers["Idempotency-Key"] = f"demo {name} {action} {revision}"
            with contextlib.suppress(httpx.HTTPError):
                path = f"/api/v1/incidents/{name}/{action}"
                answer = await self._http.post(path, json=body, headers=headers)
                if answer.status_code == 200:
                    return ""
                if answer.status_code not in (412, 503):
                    return _sentence(answer)
            await asyncio.sleep(AGAIN_S)
        raise Stuck("no answer")

    async def tick(self, name: str, step: int) -> None:
        """Ticks a step of the plan; raises Stuck."""
        answer = await self._http.post(
            f"/api/v1/incidents/{name}/steps", json={"step": step},
            headers={"X-CSRF-Token": self._form, "Idempotency-Key": f"demo {name} step {step}"},
        )  # fmt: skip
        if answer.status_code != 200:
            raise Stuck(_sentence(answer))

    async def package(self, name: str) -> tuple[bytes, str]:
        """The evidence package and its SHA-256; raises Stuck."""
        answer = await self._http.post(
            f"/api/v1/incidents/{name}/evidence", json={}, timeout=PACKAGE_S,
            headers={"X-CSRF-Token": self._form},
        )  # fmt: skip
        if answer.status_code != 200:
            raise Stuck(_sentence(answer))
        return answer.content, answer.headers["X-Content-SHA256"]


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
