"""The console without servers: records in memory, moved by the engine, and doors to knock at."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from alerting import engine
from alerting.cases import Case
from alerting.console import gate, sessions
from alerting.console.app import make_site
from alerting.console.evidence import Point
from alerting.console.records import Feed, Kept, Pulse
from alerting.console.routes import ROUTES
from alerting.console.sessions import Role, Sender, Session
from alerting.console.visit import Answer, Call
from alerting.desk.rows import AlarmRow, AuditRow, Detail, FindingRow, NoticeRow, Summary
from alerting.incidents import Incident
from alerting.people.reading import parse
from alerting.people.roster import Roster
from alerting.slices import Effect, Join, Record, Slice
from lifeline.config import Settings
from lifeline.model import Finding
from tests.alerting.console import seat
from tests.alerting.console.town import Town
from tests.alerting.scene import T0, finding
from tests.integration.console_rig import WELL, city

OURS = Sender("desk.city", "https://desk.city", "same-origin")
PEOPLE: dict[str, Role] = {"li": "officer", "wang": "operator", "boss": "admin"}


class Hall:
    """``Records`` in memory; one minute after ``T0``, with gas data two seconds old."""

    def __init__(self, **settings: Any) -> None:
        self.site = make_site(Settings(**settings), city())
        self.board = seat.Table(self)
        self.crew = seat.People(self)
        self.proof = seat.Proofs(self)
        self.city = Town()
        self.mail: Any = None
        self.now_ms = T0 + 60_000
        self.seen_ms = self.now_ms
        self.feeds = (Feed("gas", self.now_ms - 2000, self.now_ms - 2000),)
        self.slice = Slice()
        self.audit: list[Record] = []
        self.joins: list[Join] = []
        self.notices: tuple[NoticeRow, ...] = ()
        self.stored: dict[str, Sequence[Point]] = {}
        self.kept: dict[tuple[str, str], Kept] = {}
        self.broken_ms: int | None = None
        self.gone: list[bytes] = []
        self.touched = 0
        self.mail: Any = None
        self.cases: tuple[Case, ...] = ()

    # What happens in the city

    def take(self, finding: Finding) -> str:
        """Folds a finding in; returns the newest incident's id."""
        self.keep_effects(
            engine.step(self.slice, finding, finding.received_ms, self.site.wording.policy)
        )
        return list(self.slice.incidents)[-1]

    def keep_effects(self, effects: Sequence[Effect]) -> None:
        """What the ledger would keep beside the slice."""
        self.audit += [e for e in effects if isinstance(e, Record)]
        self.joins += [e for e in effects if isinstance(e, Join)]

    def with_roster(self) -> "Hall":
        """The same with people on duty, of whom ``li`` is one."""
        roster = Roster(parse(seat.ROSTER, "roster.toml"), "roster.toml")
        self.site = replace(self.site, roster=roster)
        return self

    # Records

    def pulse(self, token: bytes | None) -> Pulse:
        name = next((n for n in (*PEOPLE, "break-glass") if sessions.digest(n) == token), "")
        role = PEOPLE.get(name, "admin")
        session = Session(name, role, f"form-{name}", T0, self.seen_ms) if name else None
        return Pulse(self.now_ms, self.feeds, session)

    def touch(self, _token: bytes) -> None:
        self.touched += 1

    @contextmanager
    def whole(self, *, may_write: bool) -> Iterator[None]:
        before = len(self.audit)
        yield
        assert may_write or len(self.audit) == before

    def incident(self, name: str) -> Detail | None:
        one = self.slice.incidents.get(name)
        if one is None:
            return None
        return Detail(
            self.summary(one),
            tuple(
                AlarmRow(a.key, a.channel, a.detector, a.hazard, a.state, a.grade, a.since_ms)
                for a in self.slice.alarms.values()
            ),
            tuple(
                FindingRow(e.id, e.alarm, e.stage, e.finding.lane, None, e.last_ms, e.finding)
                for e in self.slice.excursions.values()
            ),
            self.notices,
            tuple(
                AuditRow(n, r.at_ms, r.actor, r.action, r.reason, r.note, r.channel, r.revision)
                for n, r in enumerate(self.audit)
            ),
            self.cases,
        )

    def summary(self, one: Incident) -> Summary:
        """One line of the queue."""
        known = msgspec.structs.asdict(one) | {"alarms": len(list(self.slice.members(one.id)))}
        return Summary(**{name: known[name] for name in Summary.__struct_fields__})

    def readings(
        self, channels: Sequence[str], from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Point]]:
        assert from_ms < until_ms
        return {name: self.stored.get(name, ()) for name in channels}

    def end_session(self, token: bytes) -> None:
        self.gone.append(token)

    def last_break_glass(self) -> int | None:
        return self.broken_ms

    def recall(self, name: str, key: str, digest: bytes) -> Kept | None:
        found = self.kept.get((name, key))
        self.kept.setdefault((name, key), Kept(digest, 0, b"", ""))
        return found

    def keep(self, name: str, key: str, status: int, body: bytes, etag: str) -> None:
        self.kept[name, key] = Kept(self.kept[name, key].digest, status, body, etag)

    def release(self, name: str, key: str) -> None:
        del self.kept[name, key]

    # Doors

    def ask(
        self, method: str, path: str, who: str = "li", *, sender: Sender = OURS, **more: Any
    ) -> Answer:
        """Knocks as that person does, with the tokens of his own pages unless others are given."""
        route, params = _door(method, path)
        form = {"form": f"form-{who}" if who else "nonce", **more.pop("form", {})}
        headers = {"accept-language": "en", "x-csrf-token": f"form-{who}"}
        cookies = {"__Host-lifeline": who} if who else {"__Host-lifeline-form": "nonce"}
        call = Call(
            method, path, "10.0.0.1", sender, params, form=form,
            cookies=more.pop("cookies", cookies),
            headers={**headers, **more.pop("headers", {})}, is_api=route.is_api, **more,
        )  # fmt: skip
        return gate.answer(self, route, call, self.site, "nonce")

    def page(self, path: str, who: str = "li", **more: Any) -> str:
        """The page that he sees."""
        answer = self.ask("GET", path, who, **more)
        assert answer.status == 200, answer
        return answer.body.decode()


def _door(method: str, path: str) -> tuple[gate.Route, dict[str, str]]:
    for route in ROUTES:
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), path)
        if found and route.method == method:
            return route, found.groupdict()
    raise AssertionError(path)


def leak(second: float = 0, **changes: Any) -> Finding:
    """A finding at the first well of the hall's city."""
    base = finding(second, **changes)
    moved = {"asset": WELL, "channel": f"{WELL}/ch4", "limit_id": "gas.20lel"}
    return msgspec.structs.replace(base, **{k: v for k, v in moved.items() if k not in changes})
