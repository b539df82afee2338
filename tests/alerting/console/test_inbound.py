"""Doors for other systems: who has not signed is refused; the same again does nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from alerting.cases import CaseBody
from alerting.console.visit import Answer
from alerting.exchange import product
from alerting.exchange.mail import Caller, CaseDone, Once, Shared
from alerting.exchange.regimes import Warned
from alerting.receipts import Receipt
from lifeline import signing
from tests.alerting.console.hall import OURS, Hall
from tests.alerting.scene import T0

NOW_S = (T0 + 60_000) // 1000
RECEIPT = b'{"id":"m1","word":"accepted","key":"k1"}'
CASE = b'{"id":"m1","incident":"i1","state":"20"}'
WARNING = b'{"id":"w1","event":"rain"}'
ALL = frozenset(("receipts", "cases", "warnings", "zones"))


@dataclass
class Box:
    """``Mail`` in memory."""

    callers: dict[str, Caller]
    messages: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    signed: list[Receipt] = field(default_factory=list)
    cases: list[CaseBody] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    newest: Shared | None = None

    def caller(self, key_id: str) -> Caller | None:
        return self.callers.get(key_id)

    def once(self, partner: str, kind: str, name: str, body: bytes) -> Once:
        before = self.messages.get((partner, kind, name))
        if before is None:
            self.messages[partner, kind, name] = body
            return "new"
        return "same" if before == body else "other"

    def sign(self, partner: str, receipts: Sequence[Receipt], body: bytes) -> int:
        self.signed += receipts
        return len(receipts)

    def case(self, partner: str, body: CaseBody, raw: bytes) -> CaseDone:
        self.cases.append(body)
        return CaseDone(True, "dispatched", "mapped", "dispatched")

    def warn(self, partner: str, warned: Warned, body: bytes) -> int:
        self.warned.append(warned)
        return 3

    def shared(self) -> Shared | None:
        return self.newest


def hall(**callers: Caller) -> tuple[Hall, Box]:
    made = Hall()
    known = {"k": Caller("platform", ALL, ("new", "old")), **callers}
    made.mail = Box(known)
    return made, made.mail


def call(hall: Hall, door: str, body: bytes, secret: str = "old", **more: Any) -> Answer:
    given = signing.headers(secret, more.pop("key", "k"), "once", body, more.pop("now_s", NOW_S))
    headers = {name.lower(): value for name, value in given.items()} | more.pop("headers", {})
    method = more.pop("method", "POST")
    sent = more.pop("sent", body)
    return hall.ask(method, f"/api/v1{door}", "", sender=OURS, headers=headers, body=sent, **more)


def json_of(answer: Answer) -> Any:
    return msgspec.json.decode(answer.body)


@pytest.mark.feature("E-1")
@pytest.mark.parametrize("secret", ["new", "old"])
def test_both_keys_are_good_while_they_are_being_changed(secret: str) -> None:
    made, box = hall()

    answer = call(made, "/exchange/receipts", RECEIPT, secret)

    assert (answer.status, json_of(answer)["accepted"], json_of(answer)["known"]) == (200, True, 1)
    assert [one.key for one in box.signed] == ["k1"]


@pytest.mark.feature("E-2")
def test_a_message_with_any_byte_changed_is_refused() -> None:
    made, box = hall()

    for n in range(len(RECEIPT)):
        for bit in (1, 128):
            wrong = RECEIPT[:n] + bytes([RECEIPT[n] ^ bit]) + RECEIPT[n + 1 :]
            assert call(made, "/exchange/receipts", RECEIPT, sent=wrong).status == 401

    assert box.signed == []
    assert box.messages == {}


@pytest.mark.parametrize("name", [signing.TIMESTAMP, signing.SIGNATURE])
def test_a_header_with_any_character_changed_is_refused(name: str) -> None:
    made, box = hall()
    right = signing.headers("old", "k", "once", RECEIPT, NOW_S)[name]

    for n, letter in enumerate(right):
        other = "1" if letter != "1" else "2"
        wrong = {name.lower(): right[:n] + other + right[n + 1 :]}
        assert call(made, "/exchange/receipts", RECEIPT, headers=wrong).status == 401

    assert box.signed == []


@pytest.mark.parametrize(
    "more",
    [
        {"now_s": NOW_S - 301}, {"now_s": NOW_S + 301}, {"secret": "other"}, {"key": "nobody"},
        {"key": "blind"},
        {"headers": {"idempotency-key": ""}},
    ],
)  # fmt: skip
def test_who_has_not_signed_now_with_a_good_key_is_refused(more: dict[str, Any]) -> None:
    made, box = hall(blind=Caller("platform", ALL, ()))

    answer = call(made, "/exchange/receipts", RECEIPT, **more)

    assert answer.status == 401
    assert answer.kind == "application/problem+json"
    assert "signature does not hold" in json_of(answer)["detail"]
    assert box.signed == []


@pytest.mark.parametrize("door", ["receipts", "cases", "warnings"])
def test_a_partner_does_what_he_may_and_nothing_else(door: str) -> None:
    made, box = hall(k=Caller("platform", ALL - {door}, ("old",)))

    answer = call(made, f"/exchange/{door}", RECEIPT)

    assert (answer.status, box.messages) == (403, {})


def test_a_session_opens_no_signed_door_and_a_forged_form_is_no_matter() -> None:
    made, box = hall()

    answer = made.ask("POST", "/api/v1/exchange/receipts", "boss", body=RECEIPT)

    assert (answer.status, box.messages) == (401, {})


@pytest.mark.parametrize(
    ("door", "body"),
    [("receipts", RECEIPT), ("cases", CASE), ("warnings", WARNING)],
)
def test_the_same_again_does_nothing_and_another_body_is_a_conflict(door: str, body: bytes) -> None:
    made, box = hall()

    first, again, other = (
        call(made, f"/exchange/{door}", sent) for sent in (body, body, body + b" ")
    )

    assert [first.status, again.status, other.status] == [200, 200, 409]
    assert [json_of(one)["duplicate"] for one in (first, again)] == [False, True]
    assert len(box.signed) + len(box.cases) + len(box.warned) == 1


@pytest.mark.parametrize("door", ["receipts", "cases", "warnings"])
@pytest.mark.parametrize("body", [b"", b"nonsense", b"<!DOCTYPE a><a/>", b"{}"])
def test_what_cannot_be_understood_is_a_problem_and_claims_no_name(door: str, body: bytes) -> None:
    made, box = hall()

    answer = call(made, f"/exchange/{door}", body)

    assert (answer.status, box.messages) == (422, {})
    assert "does not fit" in json_of(answer)["detail"]


def test_a_case_is_answered_with_the_step_that_it_means() -> None:
    made, _ = hall()

    answer = json_of(call(made, "/exchange/cases", CASE))

    assert (answer["known"], answer["step"], answer["outcome"]) == (1, "dispatched", "dispatched")


def test_a_warning_is_answered_with_the_zones_that_it_switches() -> None:
    made, box = hall()

    assert json_of(call(made, "/exchange/warnings", WARNING))["known"] == 3
    assert box.warned[0].events == ("rain",)


@pytest.mark.parametrize(
    ("path", "kind"), [("/zones", "application/json"), ("/zones.csv", "text/")]
)
def test_the_state_of_zones_is_shared_with_who_is_signed_in_and_with_partners(
    path: str, kind: str
) -> None:
    made, box = hall(k=Caller("city", frozenset(("zones",)), ("old",)))
    missing = made.ask("GET", f"/api/v1{path}")
    box.newest = Shared(T0, b"{}", b"a,b")
    stranger = made.ask("GET", f"/api/v1{path}", "")
    officer = made.ask("GET", f"/api/v1{path}")
    partner = call(made, path, b"", method="GET")
    tag = dict(partner.headers)["ETag"]
    same = call(made, path, b"", method="GET", headers={"if-none-match": tag})

    assert [one.status for one in (missing, stranger, officer, partner, same)] == [
        503, 401, 200, 200, 304,
    ]  # fmt: skip
    assert officer.body == partner.body == (b"{}" if path == "/zones" else b"a,b")
    assert partner.kind.startswith(kind)
    assert tag == product.etag_of(partner.body)
    assert dict(partner.headers)["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
