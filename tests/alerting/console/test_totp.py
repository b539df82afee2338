"""The second factor against the published vectors, and what telephones and keyboards do to it."""

import pytest

from alerting.console import totp

RFC_SECRET = b"12345678901234567890"
STEP_MS = totp.STEP_S * 1000
NOW = 1_800_000_000_000
AT = NOW // STEP_MS


def test_the_codes_are_those_of_rfc_4226() -> None:
    codes = [totp.code(RFC_SECRET, step) for step in range(10)]

    assert codes == [
        "755224", "287082", "359152", "969429", "338314",
        "254676", "287922", "162583", "399871", "520489",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at_s", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_the_last_six_digits_of_rfc_6238(at_s: int, eight_digits: str) -> None:
    given = eight_digits[-totp.DIGITS :]

    assert totp.fitting_step(RFC_SECRET, given, at_s * 1000, 0) == at_s // totp.STEP_S


@pytest.mark.parametrize(
    ("off", "is_fitting"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_clock_may_be_one_step_off(off: int, is_fitting: bool) -> None:
    found = totp.fitting_step(RFC_SECRET, totp.code(RFC_SECRET, AT + off), NOW, 0)

    assert found == (AT + off if is_fitting else None)


def test_a_used_code_and_all_before_it_are_spent() -> None:
    codes = [totp.code(RFC_SECRET, AT + off) for off in (-1, 0, 1)]

    found = [totp.fitting_step(RFC_SECRET, one, NOW, AT) for one in codes]

    assert found == [None, None, AT + 1]


@pytest.mark.parametrize("written", ["{} {}", " {}{}\n", "{}\u3000{}"])
def test_digits_may_be_written_in_groups(written: str) -> None:
    right = totp.code(RFC_SECRET, AT)

    given = written.format(right[:3], right[3:])

    assert totp.fitting_step(RFC_SECRET, given, NOW, 0) == AT


def test_digits_may_be_full_width() -> None:
    wide = "".join(chr(ord(one) + 0xFEE0) for one in totp.code(RFC_SECRET, AT))

    assert totp.fitting_step(RFC_SECRET, wide, NOW, 0) == AT


@pytest.mark.parametrize("given", ["", "12345", "1234567", "\ud800", "x" * 32])
def test_what_is_no_code_fits_nothing(given: str) -> None:
    assert totp.fitting_step(RFC_SECRET, given, NOW, 0) is None


def test_a_seed_is_worth_nothing_under_another_key() -> None:
    seed = bytes(range(totp.SEED_BYTES))

    assert totp.secret_of(seed, "one") != totp.secret_of(seed, "another")
    assert len(totp.secret_of(seed, "")) == 20


def test_the_secret_of_a_seed_outlives_a_release() -> None:
    found = totp.secret_of(bytes(range(20)), "one")

    # Another value would lock out every officer whose telephone holds this one.
    assert found.hex() == "a584f093e1093b79d92feb9285ecbe8d944e322a"


def test_an_authenticator_reads_the_uri() -> None:
    assert totp.uri("li@desk", RFC_SECRET) == (
        "otpauth://totp/Urban%20Lifeline:li%40desk?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Urban%20Lifeline&algorithm=SHA1&digits=6&period=30"
    )
