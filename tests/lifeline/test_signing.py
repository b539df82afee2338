"""Signatures: only the right secret, the same bytes and a fresh time are believed."""

import pytest

from lifeline import signing

NOW_S = 1_700_000_000
BODY = b'{"incident":"1"}'


def good() -> dict[str, str]:
    return signing.headers("secret", "1", "key-1", BODY, NOW_S)


def test_what_was_signed_is_believed_with_header_names_in_any_case() -> None:
    assert signing.problem("secret", good(), BODY, NOW_S + 299) == ""
    assert signing.problem("secret", {k.upper(): v for k, v in good().items()}, BODY, NOW_S) == ""


@pytest.mark.parametrize("at", range(len(BODY)))
def test_every_changed_byte_is_noticed(at: int) -> None:
    changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]

    assert "does not match" in signing.problem("secret", good(), changed, NOW_S)


@pytest.mark.parametrize("skew_s", [-301, 301, 10**9])
def test_an_old_or_early_request_is_not_believed(skew_s: int) -> None:
    assert "clock" in signing.problem("secret", good(), BODY, NOW_S + skew_s)


@pytest.mark.parametrize(
    "change",
    [
        {signing.TIMESTAMP: ""},
        {signing.TIMESTAMP: "²"},
        {signing.TIMESTAMP: "-1"},
        {signing.SIGNATURE: "v1="},
        {signing.SIGNATURE: "é"},
        {signing.IDEMPOTENCY_KEY: ""},
    ],
)
def test_a_missing_or_odd_header_is_a_problem_not_an_error(change: dict) -> None:
    assert signing.problem("secret", good() | change, BODY, NOW_S) != ""


def test_another_secret_does_not_open() -> None:
    assert signing.problem("other", good(), BODY, NOW_S) != ""


def test_while_a_secret_is_changed_both_are_believed_and_no_third() -> None:
    assert signing.problem(("new", "secret"), good(), BODY, NOW_S) == ""
    assert signing.problem(("secret", "new"), good(), BODY, NOW_S) == ""
    assert "does not match" in signing.problem(("new", "newer"), good(), BODY, NOW_S)
    assert "does not match" in signing.problem((), good(), BODY, NOW_S)
