"""``Mail`` on one connection: receipts, cases, warnings, and who may send them.  A shell."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from psycopg import Connection

from alerting import cases
from alerting.actions import Act
from alerting.cases import Case, CaseBody, Moved
from alerting.desk import store as desk
from alerting.exchange import regimes, store
from alerting.exchange.mail import Caller, CaseDone, Once, Shared
from alerting.exchange.regimes import Switch, Warned
from alerting.exchange.tables import CaseSystem
from alerting.notices import Wording
from alerting.receipts import Receipt
from alerting.store import now
from lifeline import crashpoints, wire
from lifeline.config import ConfigError, Exchange
from lifeline.store import read_secrets

CHANNEL = "exchange"
"""By which way an action came, for the audit."""


@dataclass(slots=True, frozen=True)
class Post:
    """One call's view of what is exchanged, in the caller's transaction."""

    connection: Connection
    wording: Wording
    settings: Exchange

    def caller(self, key_id: str) -> Caller | None:
        """Who signs with this key; a secret that cannot be read is good for nothing."""
        for partner in self.settings.partners:
            file = partner.keys.get(key_id)
            if file is None:
                continue
            try:
                secrets = read_secrets(file)
            except ConfigError:
                secrets = ()
            return Caller(partner.name, frozenset(partner.may), secrets)
        return None

    def once(self, partner: str, kind: str, name: str, body: bytes) -> Once:
        """Whether a message is new, the same again, or another one under its name."""
        digest = hashlib.sha256(body).digest()
        taken = self.connection.execute(
            "insert into exchange_message (partner, kind, id, digest) values (%s, %s, %s, %s)"
            " on conflict do nothing",
            (partner, kind, name, digest),
        )
        if taken.rowcount == 1:
            return "new"
        row = self.connection.execute(
            "select digest from exchange_message where partner = %s and kind = %s and id = %s",
            (partner, kind, name),
        ).fetchone()
        return "same" if row is not None and bytes(row[0]) == digest else "other"

    def sign(self, partner: str, receipts: Sequence[Receipt], body: bytes) -> int:
        """Keeps a receiver's words about what it was sent, and stops the clocks that they answer.

        A partner signs for the target that bears its name, and for no other.
        """
        known = 0
        for one in receipts:
            numbers = store.sign(self.connection, partner, one)
            known += len(numbers)
            if numbers:
                self._heard(numbers)
            else:
                about = f"about {one.identifier or one.key}"
                self._stray(partner, "receipt", about, body, msgspec.json.encode(one).decode())
        crashpoints.reach("console.before-receipt")
        return known

    def case(self, partner: str, body: CaseBody, raw: bytes) -> CaseDone:
        """Keeps the other system's word about a case, and does what it means."""
        incident = self._incident(body.incident)
        if incident is None:
            self._stray(partner, "case", f"about {body.incident}", raw)
            return CaseDone(is_known=False)
        system = self.wording.tables.case.get(partner, CaseSystem())
        moved = cases.move(self._case(incident, partner), body, system)
        outcome = self._act(partner, moved)
        self._keep_case(moved, body, outcome)
        return CaseDone(True, moved.case.step, moved.reason, outcome)

    def warn(self, partner: str, warned: Warned, body: bytes) -> int:
        """Keeps a warning; what it cancels or replaces ends, and what it says begins."""
        self.connection.execute(
            "insert into warning (partner, id, kind, status, events, severity, headline, sent_ms,"
            " onset_ms, expires_ms, body) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict do nothing",
            (
                partner,
                warned.id,
                warned.kind,
                warned.status,
                list(warned.events),
                warned.severity,
                warned.headline,
                warned.sent_ms,
                warned.onset_ms,
                warned.expires_ms,
                body,
            ),
        )
        now_ms = now(self.connection)
        switched: list[tuple[str, Switch]] = []
        # An exercise ends nothing that is real.
        if warned.references and warned.status == "Actual":
            self.connection.execute(
                "update warning set ended_by = %s where partner = %s and id = any(%s)"
                " and ended_by = ''",
                (warned.id, partner, list(warned.references)),
            )
            rows = self.connection.execute(
                "select warning, body from context_change where partner = %s"
                " and warning = any(%s) order by number",
                (partner, list(warned.references)),
            ).fetchall()
            for warning, packed in rows:
                context = wire.decode_context(bytes(packed))
                switched += [(warning, one) for one in regimes.ends([context], now_ms)]
        tables, catalog = self.wording.tables, self.wording.catalog
        zones = catalog.head.zones if catalog else ()
        made = regimes.switches(warned, tables.regime, zones, tables.place, now_ms)
        switched += [(warned.id, one) for one in made]
        count = 0
        for warning, one in switched:
            count += self.connection.execute(
                "insert into context_change (id, partner, warning, zone, body)"
                " values (%s, %s, %s, %s, %s) on conflict (id) do nothing",
                (one.id, partner, warning, one.zone, wire.encode_context(one.context)),
            ).rowcount
        return count

    def shared(self) -> Shared | None:
        """The newest state of every zone."""
        return store.shared(self.connection)

    def _heard(self, numbers: list[int]) -> None:
        store.signed(self.connection, numbers, self.wording.sign_within_s)

    def _stray(
        self, partner: str, kind: str, reason: str, body: bytes, receipt: str | None = None
    ) -> None:
        self.connection.execute(
            "insert into exchange_stray (partner, kind, reason, body, receipt)"
            " values (%s, %s, %s, %s, %s::jsonb)",
            (partner, kind, reason, body, receipt),
        )

    def _incident(self, name: str) -> str | None:
        """The incident of that name, also by the one that a push gave it meanwhile."""
        row = self.connection.execute(
            "select id from incident where id = %s union all select incident from excursion"
            " where would_open = %s and incident <> '' limit 1",
            (name, name),
        ).fetchone()
        return None if row is None else str(row[0])

    def _case(self, incident: str, system: str) -> Case:
        self.connection.execute(
            "insert into city_case (incident, system, number, state, step, person, at_ms, messages,"
            " strange) values (%s, %s, '', '', '', '', 0, 0, 0) on conflict do nothing",
            (incident, system),
        )
        row = self.connection.execute(
            "select incident, system, number, state, step, person, at_ms, messages, strange"
            " from city_case where incident = %s and system = %s for update",
            (incident, system),
        ).fetchone()
        assert row is not None
        return Case(*row)

    def _act(self, partner: str, moved: Moved) -> str:
        """Does it, or notes it where the incident is not in a state for it."""
        case = moved.case
        wanted = Act(
            incident=case.incident,
            action=moved.action,
            actor=partner,
            note=moved.note,
            channel=CHANNEL,
            task=f"{partner} {case.number}".strip(),
            person=case.person,
        )
        done = desk.perform(self.connection, self.wording, wanted, now(self.connection))
        if done.is_done or moved.action == "note":
            return done.code
        note = f"{moved.note} · {moved.action}: {done.code}"[:2000]
        noted = Act(
            incident=case.incident, action="note", actor=partner, note=note, channel=CHANNEL
        )
        return desk.perform(self.connection, self.wording, noted, now(self.connection)).code

    def _keep_case(self, moved: Moved, body: CaseBody, outcome: str) -> None:
        case = moved.case
        self.connection.execute(
            "update city_case set number = %s, state = %s, step = %s, person = %s, at_ms = %s,"
            " messages = %s, strange = %s, changed = clock_timestamp()"
            " where incident = %s and system = %s",
            (
                case.number,
                case.state,
                case.step,
                case.person,
                case.at_ms,
                case.messages,
                case.strange,
                case.incident,
                case.system,
            ),
        )
        self.connection.execute(
            "insert into case_message (incident, system, message, state, reason, action, outcome,"
            " person, note, at_ms) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                case.incident,
                case.system,
                body.id,
                body.state,
                moved.reason,
                moved.action,
                outcome,
                body.person,
                body.note,
                body.at_ms,
            ),
        )
