"""The GB/T 35965 style profile of a CAP document: 31-character identifier, issuer's code.  Pure.

Written from what others quote of the standard; its clause text is unverified.  A document of this
profile is a valid CAP 1.2 document all the same.
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from alerting import cap
from alerting.cap import Names
from alerting.exchange.tables import Issuer, Tables
from lifeline.wire import Notice

IDENTIFIER = re.compile(r"\d{14}_\d{14}_\d")
CODE = "GB/T 35965.1-2018 style, clause text unverified"


def issuer_code(issuer: Issuer, extension: int) -> str:
    """Who issues: area (6), organ (3), unit (3), extension (2).

    >>> issuer_code(Issuer(area="210100", organ="123", unit="004"), 7)
    '21010012300407'
    """
    return f"{issuer.area}{issuer.organ}{issuer.unit}{extension:02d}"


def names_of(notice: Notice, target: str, tables: Tables) -> Names:
    """Identifier and sender as the profile wants them.

    The last digit counts an issuer's notices of one second.  Nobody counts here: a notice's name
    must not depend on what else was sent, or an alert sent while the database was away would be
    another one afterwards.  Digit and extension are drawn from the telling itself instead.
    """
    plain = cap.names_of(notice, target, tables)
    issuer = tables.issuer
    drawn = int.from_bytes(hashlib.sha256(cap.cause_of(notice, target).encode()).digest()[:8])
    first, last = issuer.extensions
    code = issuer_code(issuer, first + drawn // 10 % (last - first + 1))
    zone = timezone(timedelta(minutes=issuer.offset_minutes))
    at = datetime.fromtimestamp(notice.at_ms // 1000, UTC).astimezone(zone)
    identifier = f"{code}_{at:%Y%m%d%H%M%S}_{drawn % 10}"
    assert IDENTIFIER.fullmatch(identifier), identifier
    return msgspec.structs.replace(
        plain, identifier=identifier, sender=issuer_code(issuer, first), codes=(CODE,)
    )
