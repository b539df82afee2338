"""The officer whom the demo plays: from push to archive, through the API as everybody else."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from alerting.audit import service as audit
from alerting.evidence import check
from lifeline import words
from lifeline.commands.demo_seat import Api, Stuck
from lifeline.demonstration import Teller
from lifeline.model import Text

PLATFORM = "platform"
LOOK_S = 1.0
NORMAL_S = 240.0
"""The longest wait for sensors to come back to their limits."""
RECEIPTS_S = 15.0
DRIVE_S = 4.0
WORK_S = 3.0
ON_THE_WAY = frozenset(("call", "send", "inform"))
ON_SITE = frozenset(("keep-away", "evacuate", "ventilate", "measure", "isolate"))


class Role(msgspec.Struct, frozen=True):
    """What the officer does about one hazard."""

    code: str
    task: Text
    person: Text
    mends: str = ""
    """The simulator's scenario that the crew ends; '': it ends by itself, or nobody can."""
    wait_s: float = 6.0
    """Until he has read it."""
    tries_early: bool = False
    is_mended: bool = True


ROLES = {
    "gas-leak": Role(
        "leak", Text("关阀、查漏、修复", "close the valves, find the leak, mend it"),
        Text("燃气抢修一组", "gas crew 1"), "gas-leak", 36.0, tries_early=True,
    ),
    "burst": Role(
        "burst", Text("关两侧阀门，抢修爆管", "shut the valves on both sides, mend the main"),
        Text("供水抢修二组", "water crew 2"), "burst", 15.0,
    ),
    "heating-leak": Role(
        "leak", Text("隔离失水管段", "shut off the section that loses water"),
        Text("供热抢修三组", "heating crew 3"), "make-up-loss", 3.0,
    ),
    "overload": Role(
        "overload", Text("拦停超载车辆，巡查桥面", "stop the lorry, walk the deck"),
        Text("桥梁巡查组", "bridge patrol"),
    ),
    "stiffness-loss": Role(
        "damage", Text("限行，现场检测主梁", "keep lorries off, inspect the girder"),
        Text("桥梁检测工程师", "bridge engineer"), is_mended=False,
    ),
}  # fmt: skip
"""Of the gas leak he is reminded before he looks: so one sees that it was the last reminder.

He sends the crew to the burst when it has its place: at the second frame of ten seconds.
"""


@dataclass(slots=True)
class Case:
    """One incident on its way, and when it passed which step, in the story's seconds."""

    incident: str
    asset: str
    hazard: str
    headline: str
    at: dict[str, float] = field(default_factory=dict)
    step: str = "acknowledge"
    """What he is at."""
    outcome: str = "under way"
    pages: int = 0
    pages_after: int = 0
    notices: int = 0
    receipts: int = 0
    package: str = ""
    sha256: str = ""
    why: str = ""
    """Why it went no further."""

    def figures(self) -> dict[str, Any]:
        """Its part of the report."""
        return {
            "incident": self.incident, "asset": self.asset, "hazard": self.hazard,
            "outcome": self.outcome, **{f"{step}_s": at for step, at in self.at.items()},
            "pages": self.pages, "pages_after_acknowledgement": self.pages_after,
            "notices": self.notices, "receipts": self.receipts,
            "evidence": self.package, "evidence_sha256": self.sha256, "why": self.why,
        }  # fmt: skip


def count_pages(pages: list[dict[str, Any]], acknowledged_ms: int) -> tuple[int, int]:
    """Of an incident's pages: how many were delivered, and of these after the acknowledgement.

    >>> row = {"state": "delivered", "at_ms": 5}
    >>> count_pages([row, row | {"at_ms": 9}, row | {"state": "ended"}], 7)
    (2, 1)
    """
    delivered = [page for page in pages if page["state"] == "delivered"]
    return len(delivered), sum(page["at_ms"] > acknowledged_ms for page in delivered)


@dataclass(slots=True)
class Officer:
    """Takes each incident of the story's hazards in hand, each on a way of its own."""

    teller: Teller
    api: Api
    folder: Path
    now_s: Callable[[], float]
    quiet_s: float
    password: str
    cases: dict[str, Case] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    is_stuck: bool = False

    def begin(self) -> None:
        """Signs in; the incidents wait until that is done."""
        self._task(self._sign_in())

    def hear(self, push: dict[str, Any]) -> None:
        """Takes a pushed incident on, once, where it is one of the story's."""
        name = push["incident"]
        if name in self.cases or push["hazard"] not in ROLES:
            return
        headline = push["headline"][self.teller.language]
        case = Case(name, push["asset"]["name"], push["hazard"], headline)
        self.cases[name] = case
        self._task(self._guarded(case))

    def is_done(self) -> bool:
        """Whether an incident of every hazard of the story has come to where it can come."""
        cases = self.cases.values()
        return ROLES.keys() <= {c.hazard for c in cases if c.outcome in ("closed", "open")}

    async def end(self) -> None:
        """Puts everything down."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=5.0)
        await self.api.close()

    def tell_end(self) -> None:
        """How many came through, and how many stay open."""
        outcomes = [case.outcome for case in self.cases.values()]
        self._tell("travelled", closed=str(outcomes.count("closed")),
                   open=str(outcomes.count("open")))  # fmt: skip

    def _task(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _tell(self, what: str, **values: str) -> None:
        self.teller.tell(what, at=f"{self.now_s():6.1f}", **values)

    def _passed(self, case: Case, what: str) -> None:
        case.at[what] = self.now_s()

    async def _sign_in(self) -> None:
        try:
            await self.api.sign_in(self.password)
        except (Stuck, httpx.HTTPError, KeyError, ValueError) as error:
            self._stuck("demo", "sign-in", str(error) or type(error).__name__)
            return
        self._tell("signed-in")
        self.ready.set()

    def _stuck(self, headline: str, step: str, why: str) -> None:
        self.is_stuck = True
        self._tell("stuck", headline=headline, step=step, why=why, logs=str(self.folder / "log"))

    async def _guarded(self, case: Case) -> None:
        try:
            await self._travel(case, ROLES[case.hazard])
        except (Stuck, httpx.HTTPError, OSError, KeyError, ValueError) as error:
            case.outcome, case.why = "stuck", str(error) or type(error).__name__
            self._stuck(case.headline, case.step, case.why)

    async def _travel(self, case: Case, role: Role) -> None:
        """From the push to the archive and the package, or to where it must stay open."""
        await self.ready.wait()
        await asyncio.sleep(role.wait_s)
        plan = await self._take(case, role)
        await self._send(case, role, plan)
        if role.tries_early:
            case.step = "close"
            why = await self.api.act(case.incident, "close", {"note": self._note("early")})
            if not why:
                raise Stuck("an incident whose sensors still alarm was closed")
            self._tell("early", why=why)
        if not role.is_mended:
            await self._leave_open(case)
            return
        await self._mend(case, role, plan)
        await self._close(case, plan)
        await self._prove(case)
        case.outcome = "closed"

    async def _do(self, case: Case, action: str, passed: str, body: dict[str, Any]) -> None:
        case.step = action
        why = await self.api.act(case.incident, action, body)
        if why:
            raise Stuck(why)
        self._passed(case, passed)

    async def _take(self, case: Case, role: Role) -> list[dict[str, Any]]:
        """Acknowledges, reads the plan, judges; returns the plan's steps."""
        await self._do(case, "acknowledge", "acknowledged", {"note": self._note("taken")})
        self._tell("acknowledge", headline=case.headline)
        plan = (await self.api.incident(case.incident))["plan"]
        if plan is not None:
            self._tell_plan(plan)
        body = {"verdict": "true", "code": role.code, "note": self._note("judged")}
        await self._do(case, "verify", "verified", body)
        code = words.verdict_code(role.code, self.teller.language)
        self._tell("verify", headline=case.headline, code=code)
        steps: list[dict[str, Any]] = plan["steps"] if plan is not None else []
        return steps

    def _tell_plan(self, plan: dict[str, Any]) -> None:
        language, said = self.teller.language, self.teller.said
        closing = plan["nearest"] or plan["fewest"] or {"valves": []}
        names = ", ".join(valve["title"][language] or valve["name"] for valve in closing["valves"])
        metres = f"{plan['radius_m']:g}"
        self.teller.tell(
            "plan",
            title=plan["title"][language],
            steps=str(len(plan["steps"])),
            radius=said("radius", metres=metres) if plan["radius_m"] else "",
            valves=said("valves", names=names) if names else "",
        )

    async def _send(self, case: Case, role: Role, plan: list[dict[str, Any]]) -> None:
        """Sends the crew, and ticks what is done at the desk and, when they are there, on site."""
        language = self.teller.language
        task = role.task.said(language)
        person = role.person.said(language)
        body = {"task": task, "person": person, "note": self._note("sent")}
        await self._do(case, "dispatch", "dispatched", body)
        self._tell("dispatch", person=person, task=task)
        await self._tick(case, plan, ON_THE_WAY)
        await asyncio.sleep(DRIVE_S)
        await self._do(case, "arrive", "arrived", {"note": self._note("there")})
        self._tell("arrive", person=person)
        await self._tick(case, plan, ON_SITE)

    async def _tick(self, case: Case, plan: list[dict[str, Any]], kinds: frozenset[str]) -> None:
        case.step = "steps"
        done = [number for number, step in enumerate(plan, 1) if step["kind"] in kinds]
        for number in done:
            await self.api.tick(case.incident, number)
        if done:
            which = ", ".join(str(number) for number in done)
            self._tell("steps", which=which, steps=str(len(plan)), asset=case.asset)

    async def _leave_open(self, case: Case) -> None:
        why = self.teller.said("girder")
        case.step = "note"
        refused = await self.api.act(case.incident, "note", {"note": f"{self._note('open')}{why}"})
        if refused:
            raise Stuck(refused)
        detail = await self.api.incident(case.incident)
        self._count(case, detail)
        self._tell("left-open", headline=case.headline, why=why)
        case.outcome, case.why = "open", why

    async def _mend(self, case: Case, role: Role, plan: list[dict[str, Any]]) -> None:
        """Ends the simulator's fault, and waits until the sensors say so too; raises Stuck."""
        await asyncio.sleep(WORK_S)
        if role.mends:
            with (self.folder / "repairs").open("a", encoding="utf-8") as file:
                file.write(f"{role.mends}\n")
        self._tell("mended" if role.mends else "gone", asset=case.asset)
        await self._tick(case, plan, frozenset(("repair",)))
        case.step = "evidence normal"
        until_s = time.monotonic() + NORMAL_S
        while (await self.api.incident(case.incident))["incident"]["active"]:
            if time.monotonic() > until_s:
                raise Stuck(f"still outside its limits after {NORMAL_S:g} s")
            await asyncio.sleep(LOOK_S)
        self._passed(case, "normal")
        self._tell("normal", asset=case.asset, quiet_s=f"{self.quiet_s:g}")

    async def _close(self, case: Case, plan: list[dict[str, Any]]) -> None:
        """Closes as soon as it may be, then archives; raises Stuck."""
        await self._tick(case, plan, frozenset(("watch",)))
        case.step = "close"
        await asyncio.sleep(self.quiet_s)
        until_s = time.monotonic() + NORMAL_S
        body = {"note": self._note("closed")}
        while why := await self.api.act(case.incident, "close", body):
            if time.monotonic() > until_s:
                raise Stuck(why)
            await asyncio.sleep(LOOK_S)
        self._passed(case, "closed")
        self._tell("close", headline=case.headline)
        await self._do(case, "archive", "archived", {"note": self._note("archived")})
        self._tell("archive", headline=case.headline)

    async def _prove(self, case: Case) -> None:
        """What the platform signed for, who was called, and the package; raises Stuck."""
        until_s = time.monotonic() + RECEIPTS_S
        case.step = "receipts"
        while True:
            detail = await self.api.incident(case.incident)
            self._count(case, detail)
            if (case.notices and case.receipts == case.notices) or time.monotonic() > until_s:
                break
            await asyncio.sleep(LOOK_S)
        self._tell("receipts", signed=str(case.receipts), notices=str(case.notices))
        delivered = [page for page in detail["pages"] if page["state"] == "delivered"]
        who = ", ".join(dict.fromkeys(page["person"] for page in delivered)) or "–"
        self.teller.tell("paged", delivered=str(case.pages), who=who, after=str(case.pages_after))
        if not case.receipts:
            raise Stuck(f"no receipt of {case.notices} notices within {RECEIPTS_S:g} s")
        case.step = "evidence"
        package, case.sha256 = await self.api.package(case.incident)
        target = self.folder / "evidence" / f"{case.hazard}-{case.incident[:8]}.zip"
        files = await asyncio.to_thread(_verified, package, target)
        case.package = str(target)
        self._passed(case, "proved")
        self._tell("evidence", where=str(target), sha256=case.sha256, files=str(files))

    def _count(self, case: Case, detail: dict[str, Any]) -> None:
        """What was told to the platform and signed for, and who was called when."""
        told = [one for one in detail["notices"] if one["target"] == PLATFORM]
        case.notices = len(told)
        case.receipts = sum(one["stage"] in ("accepted", "seen") for one in told)
        since_ms = detail["incident"]["acknowledged_ms"]
        case.pages, case.pages_after = count_pages(detail["pages"], since_ms)

    def _note(self, which: str) -> str:
        return self.teller.said(f"note-{which}")


def _verified(package: bytes, target: Path) -> int:
    """Writes the package and checks it as `lifeline evidence verify` does; raises ValueError."""
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(package)
    anchors = target.parent.parent / "anchors" / "audit.log"
    known, _ = audit.read((str(anchors),) if anchors.exists() else ())
    found = check.check(package, known)
    if found.flaws or found.manifest is None:
        raise ValueError("; ".join(check.sentence(flaw, "en") for flaw in found.flaws))
    return len(found.manifest.files)
