"""Links in pages: looking never acts, and what acts does so once and for a while."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.people import links
from alerting.people.links import Link

GOOD = Link(
    incident="i",
    run="",
    person="wang",
    target="sms",
    key="k",
    expires_ms=1000,
    used_ms=None,
)


@pytest.mark.parametrize(
    ("link", "now_ms", "state", "shown", "acts"),
    [
        (GOOD, 999, "good", True, True),
        (GOOD, 1000, "expired", False, False),
        (msgspec.structs.replace(GOOD, used_ms=5), 999, "used", True, False),
        (msgspec.structs.replace(GOOD, used_ms=5), 1000, "expired", False, False),
        (None, 0, "unknown", False, False),
    ],
)
def test_a_link_shows_until_it_expires_and_acts_once(
    link: Link | None, now_ms: int, state: str, *, shown: bool, acts: bool
) -> None:
    found = links.view(link, now_ms)

    assert (found.state, found.is_shown, found.can_act) == (state, shown, acts)
    assert found.incident == ("i" if shown else "")


@given(st.binary(min_size=1), st.text(), st.text())
def test_tokens_of_two_pages_or_two_secrets_differ(secret: bytes, one: str, other: str) -> None:
    token = links.token_of(secret, one)

    assert token == links.token_of(secret, one)
    assert (token == links.token_of(secret, other)) is (one == other)
    assert token != links.token_of(secret + b"x", one)


def test_a_link_fits_a_message_and_an_address() -> None:
    url = links.url_of("https://city.example/", links.token_of(b"s", "k"))

    assert url.startswith("https://city.example/l/")
    assert len(url) < 60
    assert all(c.isalnum() or c in "-_:/." for c in url)


def test_whatever_somebody_types_has_a_digest() -> None:
    assert links.digest_of("x" * 10_000_000) == links.digest_of("x" * links.TOKEN_LENGTH_MAX)
    assert links.digest_of("燃气") != links.digest_of("")
