"""No document from outside does harm: bombs, entities, other encodings, sizes, nonsense."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.exchange import reading
from alerting.exchange.reading import Unreadable

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
CAP = f'<alert xmlns="{reading.NAMESPACES[0]}"><identifier>a</identifier>{{}}</alert>'
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
    + "]><l>&j;</l>"
)


def test_a_billion_laughs_are_refused_within_fifty_milliseconds() -> None:
    began = time.perf_counter()

    with pytest.raises(Unreadable, match="document type"):
        reading.parse(LAUGHS.encode())

    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b'<a><!ENTITY x "y"></a>', "document type"),
        (LAUGHS.encode("utf-16"), "not UTF-8"),
        (LAUGHS.encode("utf-16-le"), "document type|not XML|declares"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "declares encoding UTF-7"),
        (b"\xff\xfe", "not UTF-8"),
        (b"<a>&unknown;</a>", "not XML"),
        (b"<a>", "not XML"),
        (b"", "not XML"),
        (b"<" * 1000, "not XML"),
        (b"<a>" * 5000, "not XML"),
        (b" " * (reading.XML_BYTES_MAX + 1), "longer than"),
        (b"<alert/>", "not a CAP alert"),
        (CAP.replace("<identifier>a</identifier>", "").format("").encode(), "no identifier"),
        (CAP.format("<sent>soon</sent>").encode(), "not a time"),
        (CAP.format("<sent>2024-01-01T00:00:00</sent>").encode(), "names no offset"),
    ],
)
def test_each_harmful_or_broken_document_is_refused_with_a_sentence(
    payload: bytes, why: str
) -> None:
    with pytest.raises(Unreadable, match=why):
        reading.document(payload)


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda t: (HEAD + t).encode("utf-8", "replace"))
)
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    why = "read"
    try:
        reading.document(payload)
    except Unreadable as error:
        why = str(error)

    assert why


def test_comments_and_instructions_are_not_read() -> None:
    found = reading.document(CAP.format("<!-- x --><?y z?><status>Actual</status>").encode())

    assert (found.identifier, found.status, found.info) == ("a", "Actual", ())


def test_references_that_are_none_are_passed_over() -> None:
    text = "s,a,2024-01-01T00:00:00+08:00 broken s,b,t"

    assert [name for _, name, _ in reading.references_of(text)] == ["a", "b"]


def test_cap_1_1_is_read_as_well() -> None:
    body = CAP.replace("cap:1.2", "cap:1.1").format("<msgType>Alert</msgType>")

    assert reading.document(body.encode()).kind == "Alert"
