"""A message in plain words, for the ways out that know no cards.  Pure."""

import msgspec


class Letter(msgspec.Struct, frozen=True):
    """What an e-mail, a syslog line or an Apprise service is given."""

    to: tuple[str, ...]
    subject: str
    text: str
    grade: int
    incident: str


_letter = msgspec.json.Decoder(Letter)


def read(body: bytes) -> Letter:
    """The letter in these bytes; they are our own, so anything else is our mistake.

    >>> read(b'{"to": ["a@b"], "subject": "s", "text": "t", "grade": 1, "incident": ""}').to
    ('a@b',)
    """
    return _letter.decode(body)
