"""What the answers of vendors mean: their own codes, as tables.  Pure.

Delivered is the vendor's own success code and nothing else: a 200 with an error code inside is what
they all answer when they do not deliver.  The codes are from their public documentation and from
answers that others have published (2026); one that is in no table is taken for a mistake that
somebody may be mending: a few tries, then a dead letter that is listed and can be sent again.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from lifeline.errors import Busy, Mendable, Refused, Unavailable

Verdict = Literal["delivered", "later", "mendable", "dead"]
SHOWN_MAX = 200
LATER_STATUS = frozenset((408, 425, 429))
MENDABLE_STATUS = frozenset((401, 403, 404))


class Answer(msgspec.Struct, frozen=True):
    """What an attempt came to: the code that its row keeps, what that means, what was said."""

    code: str
    verdict: Verdict | Literal["away"]
    """``away``: no answer of the vendor's at all."""
    said: str = ""


class Vendor(msgspec.Struct, frozen=True):
    """How a vendor answers: where its code stands, and what the codes mean."""

    code_key: str
    text_key: str
    success: str
    codes: Mapping[str, Verdict]
    texts: tuple[tuple[str, str, Verdict], ...] = ()
    """(code, part of its text, verdict) where one code means two things."""


WECOM = Vendor(
    "errcode",
    "errmsg",
    "0",
    MappingProxyType(
        {
            "-1": "later",  # system busy
            "45009": "later",  # more than 20 messages a minute
            "45033": "later",  # too many at once
            "93000": "mendable",  # the key is not, or no longer, a robot's
            "93004": "mendable",  # the robot was taken out of its group or switched off
            "93008": "mendable",  # the robot is not in the group
            "60020": "mendable",  # not from this IP address
            "40001": "mendable",
            "40014": "mendable",
            "41001": "mendable",
            "40008": "dead",  # no such type of message
            "40058": "dead",  # a parameter is wrong, or longer than it may be
            "44004": "dead",  # an empty message
            "45002": "dead",  # longer than it may be
            "47001": "dead",  # not JSON
        }
    ),
)
DINGTALK = Vendor(
    "errcode",
    "errmsg",
    "0",
    MappingProxyType(
        {
            "-1": "later",  # system busy
            "130101": "later",  # more than 20 messages a minute: silent for ten
            "410100": "later",  # the same, in the newer table
            "90018": "later",  # too many calls of this interface
            "300001": "mendable",  # no such token
            "310000": "mendable",  # signature, time, keyword or IP address
            "400013": "mendable",  # the group was dissolved
            "400101": "mendable",  # no such access token
            "400102": "mendable",  # the robot is switched off
            "400106": "mendable",  # there is no such robot
            "40035": "dead",  # a parameter is missing
            "43004": "dead",  # the header names no JSON
            "400105": "dead",  # no such type of message
            "430101": "dead",  # a link that is held to be unsafe
            "430102": "dead",  # words that are held to be unfit
            "430103": "dead",
            "430104": "dead",
            "34016": "dead",  # longer than it may be
        }
    ),
)
FEISHU = Vendor(
    "code",
    "msg",
    "0",
    MappingProxyType(
        {
            "11232": "later",  # more than 100 a minute or 5 a second; also at full and half hours
            "11247": "later",
            "2200": "later",  # its own trouble
            "99991400": "later",  # more calls than are allowed
            "19001": "mendable",  # the hook is none
            "19021": "mendable",  # the signature, or a clock that is an hour off
            "19022": "mendable",  # not from this IP address
            "19024": "mendable",  # none of the keywords that the group asks for
            "9499": "dead",  # not a request as it should be, or more than 20 KB
            "19002": "dead",  # a parameter is missing
            "19036": "dead",  # longer than it may be
            "230099": "dead",  # a card that cannot be made
        }
    ),
    (("9499", "too many request", "later"),),
)
GATEWAY = Vendor(
    "code",
    "message",
    "OK",
    MappingProxyType(
        {
            # Of Aliyun's SMS and voice services, which a gateway may hand through as they are.
            "isp.SYSTEM_ERROR": "later",
            "isv.BUSINESS_LIMIT_CONTROL": "later",  # so many a minute, an hour, a day to one number
            "Throttling.User": "later",
            "isv.AMOUNT_NOT_ENOUGH": "mendable",
            "isv.OUT_OF_SERVICE": "mendable",
            "isv.PRODUCT_UN_SUBSCRIPT": "mendable",
            "isv.SMS_SIGNATURE_ILLEGAL": "mendable",
            "isv.SMS_TEMPLATE_ILLEGAL": "mendable",
            "SignatureDoesNotMatch": "mendable",
            "isv.MOBILE_NUMBER_ILLEGAL": "dead",
            "isv.MOBILE_COUNT_OVER_LIMIT": "dead",
            "isv.BLACK_KEY_CONTROL_LIMIT": "dead",
            "isv.PARAM_LENGTH_LIMIT": "dead",
            # Of Tencent's.
            "InternalError": "later",
            "LimitExceeded.PhoneNumberThirtySecondLimit": "later",
            "LimitExceeded.PhoneNumberOneHourLimit": "later",
            "LimitExceeded.DeliveryFrequencyLimit": "later",
            "FailedOperation.InsufficientBalanceInSmsPackage": "mendable",
            "FailedOperation.SignatureIncorrectOrUnapproved": "mendable",
            "FailedOperation.TemplateIncorrectOrUnapproved": "mendable",
            "InvalidParameterValue.IncorrectPhoneNumber": "dead",
            "FailedOperation.PhoneNumberInBlacklist": "dead",
            "FailedOperation.ContainSensitiveWord": "dead",
        }
    ),
)
NTFY = Vendor("code", "error", "", MappingProxyType({"50701": "later"}))  # its disk is full
"""Without a code it delivered; what it refuses is told by the HTTP status."""
SMTP: Mapping[int, Verdict] = MappingProxyType(
    {
        250: "delivered",
        421: "later",
        450: "later",
        451: "later",
        452: "later",
        454: "later",
        530: "mendable",  # sign in first, or begin TLS
        534: "mendable",
        535: "mendable",  # user or password
        538: "mendable",
        550: "dead",  # no such mailbox, or not for us
        551: "dead",
        552: "dead",
        553: "dead",
        554: "dead",
    }
)
"""RFC 5321 and 4954; other codes from 400 to 499 mean later, those above that a refusal."""


def of_http(status: int, body: bytes, vendor: Vendor, success: str = "") -> Answer:
    """What an HTTP answer means: the vendor's code where there is one, whatever the status says.

    >>> of_http(200, b'{"errcode": 45009, "errmsg": "api freq out of limit"}', WECOM).verdict
    'later'
    """
    said = shown(body)
    values = _values(body)
    code = _word(values.get(vendor.code_key))
    success = success or vendor.success
    is_fine = 200 <= status < 300
    if is_fine and values and code == success:
        return Answer(code or str(status), "delivered", said)
    if code in {"", success}:
        return Answer(str(status), _of_status(status), said)
    text = _word(values.get(vendor.text_key)).lower()
    for known, part, verdict in vendor.texts:
        if code == known and part in text:
            return Answer(code, verdict, said)
    if code in vendor.codes:
        return Answer(code, vendor.codes[code], said)
    return Answer(code, "mendable" if is_fine else _of_status(status), said)


def of_smtp(status: int, said: str) -> Answer:
    """What the answer of a mail server to our message means.

    >>> of_smtp(452, "4.3.1 full").verdict, of_smtp(599, "?").verdict
    ('later', 'mendable')
    """
    other: Verdict = "later" if 400 <= status < 500 else "mendable"
    return Answer(str(status), SMTP.get(status, other), said[:SHOWN_MAX])


def settle(answer: Answer) -> str:
    """The code of what was delivered; raises Busy, Unavailable, Mendable or Refused of all else.

    The exception's text begins with the code that a row of ``attempt`` keeps.
    """
    text = f"{answer.code}: {answer.said}"
    match answer.verdict:
        case "delivered":
            return answer.code
        case "later":
            raise Busy(text)
        case "away":
            raise Unavailable(text)
        case "mendable":
            raise Mendable(text)
        case _:
            raise Refused(text)


def shown(body: bytes) -> str:
    """The beginning of an answer, as a log may hold it."""
    return body[:SHOWN_MAX].decode("utf-8", "replace").replace("\0", "")


def _of_status(status: int) -> Verdict | Literal["away"]:
    if status in LATER_STATUS:
        return "later"
    if status in MENDABLE_STATUS:
        return "mendable"
    return "dead" if 400 <= status < 500 else "away"


def _values(body: bytes) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return values if isinstance(values, dict) else {}


def _word(value: object) -> str:
    """A code as text; nothing else than a whole number or a word is one."""
    is_code = isinstance(value, int | str) and not isinstance(value, bool)
    return str(value)[:40] if is_code else ""
