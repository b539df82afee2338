"""What a vendor's answer means, by the vendor's own code, whatever the HTTP status says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeline import answers
from lifeline.answers import DINGTALK, FEISHU, GATEWAY, NTFY, WECOM, Vendor
from lifeline.errors import Busy, Mendable, Refused, Unavailable


@pytest.mark.parametrize(
    ("vendor", "status", "body", "expected"),
    [
        (WECOM, 200, b'{"errcode":0,"errmsg":"ok"}', ("0", "delivered")),
        (WECOM, 200, b'{"errcode":45009,"errmsg":"api freq out of limit"}', ("45009", "later")),
        (WECOM, 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', ("93000", "mendable")),
        (WECOM, 200, b'{"errcode":40058,"errmsg":"exceed max length"}', ("40058", "dead")),
        (WECOM, 200, b'{"errcode":777,"errmsg":"new"}', ("777", "mendable")),
        (WECOM, 200, b'{"errcode":false}', ("200", "away")),
        (WECOM, 200, b"<html>a proxy's friendly page</html>", ("200", "away")),
        (WECOM, 200, b"[0]", ("200", "away")),
        (WECOM, 200, b"\xff\xfe", ("200", "away")),
        (WECOM, 200, b"[" * 100_000, ("200", "away")),
        (WECOM, 502, b'{"errcode":0}', ("502", "away")),
        (WECOM, 302, b"", ("302", "away")),
        (WECOM, 429, b"", ("429", "later")),
        (WECOM, 404, b"", ("404", "mendable")),
        (WECOM, 400, b"", ("400", "dead")),
        (DINGTALK, 200, b'{"errcode":130101,"errmsg":"send too fast"}', ("130101", "later")),
        (DINGTALK, 200, b'{"errcode":310000,"errmsg":"sign not match"}', ("310000", "mendable")),
        (DINGTALK, 200, b'{"errcode":430104,"errmsg":""}', ("430104", "dead")),
        (FEISHU, 200, b'{"code":0,"msg":"success","data":{}}', ("0", "delivered")),
        (FEISHU, 400, b'{"code":9499,"msg":"Bad Request"}', ("9499", "dead")),
        (FEISHU, 400, b'{"code":9499,"msg":"too many request"}', ("9499", "later")),
        (FEISHU, 200, b'{"code":11232,"msg":"frequency limited"}', ("11232", "later")),
        (FEISHU, 200, b'{"code":19021,"msg":"sign match fail"}', ("19021", "mendable")),
        (FEISHU, 500, b'{"code":31337,"msg":"?"}', ("31337", "away")),
        (GATEWAY, 200, b'{"code":"OK"}', ("OK", "delivered")),
        (GATEWAY, 200, b'{"code":"isv.BUSINESS_LIMIT_CONTROL"}',
         ("isv.BUSINESS_LIMIT_CONTROL", "later")),
        (GATEWAY, 200, b'{"code":"isv.MOBILE_NUMBER_ILLEGAL"}',
         ("isv.MOBILE_NUMBER_ILLEGAL", "dead")),
        (NTFY, 200, b'{"id":"x","event":"message"}', ("200", "delivered")),
        (NTFY, 429, b'{"code":42901,"http":429,"error":"limit reached"}', ("42901", "later")),
        (NTFY, 403, b'{"code":40301,"http":403,"error":"forbidden"}', ("40301", "mendable")),
        (NTFY, 507, b'{"code":50701,"http":507,"error":"full"}', ("50701", "later")),
    ],
)  # fmt: skip
def test_the_vendors_code_decides(
    vendor: Vendor, status: int, body: bytes, expected: tuple[str, str]
) -> None:
    answer = answers.of_http(status, body, vendor)

    assert (answer.code, answer.verdict) == expected


def test_a_gateway_says_delivered_in_the_word_that_was_agreed() -> None:
    body = b'{"code":"accepted"}'

    assert answers.of_http(200, body, GATEWAY, "accepted").verdict == "delivered"
    assert answers.of_http(200, body, GATEWAY).verdict == "mendable"


@given(
    st.binary(max_size=300),
    st.integers(100, 599),
    st.sampled_from([WECOM, DINGTALK, FEISHU, GATEWAY, NTFY]),
)
def test_no_answer_makes_trouble_and_only_2xx_with_the_code_is_delivered(
    body: bytes, status: int, vendor: Vendor
) -> None:
    answer = answers.of_http(status, body, vendor)

    assert len(answer.code) <= 40
    assert answer.verdict != "delivered" or 200 <= status < 300


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(250, "delivered"), (421, "later"), (455, "later"), (535, "mendable"), (550, "dead"),
     (571, "mendable")],
)  # fmt: skip
def test_a_mail_server_is_believed_by_its_code(status: int, verdict: str) -> None:
    assert answers.of_smtp(status, "x" * 999).verdict == verdict


def test_an_answer_is_shown_short_and_fit_for_a_log() -> None:
    assert answers.shown(b"a\0b" + b"c" * 999) == "ab" + "c" * 197


@pytest.mark.parametrize(
    ("verdict", "error"),
    [("later", Busy), ("away", Unavailable), ("mendable", Mendable), ("dead", Refused)],
)
def test_what_was_not_delivered_is_raised_with_its_code(
    verdict: answers.Verdict, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^45009: said$"):
        answers.settle(answers.Answer("45009", verdict, "said"))


def test_what_was_delivered_is_told_by_its_code() -> None:
    assert answers.settle(answers.Answer("0", "delivered")) == "0"
