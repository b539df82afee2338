"""Whose fault an error of PostgreSQL is: a finding is quarantined for its own alone."""

import psycopg
import pytest
from psycopg import errors

from alerting.ledger.store import is_poison
from lifeline.db import translated
from lifeline.errors import Unavailable


@pytest.mark.parametrize(
    "error",
    [
        errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"),
        errors.DataCorrupted("invalid page"),
        errors.InternalError_("tuple concurrently updated"),
        errors.InFailedSqlTransaction("aborted"),
        errors.FeatureNotSupported("0A000"),
        errors.UndefinedTable("outbox"),
        errors.InsufficientPrivilege("outbox"),
    ],
)
def test_the_servers_troubles_are_waited_for_and_blamed_on_no_finding(
    error: psycopg.Error,
) -> None:
    assert not is_poison(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.NumericValueOutOfRange("integer out of range"),
        errors.NotNullViolation("zone"),
        AssertionError("two open incidents of a place"),
        ValueError("no such thing"),
    ],
)
def test_a_finding_that_cannot_be_kept_is_to_blame_itself(error: Exception) -> None:
    assert is_poison(error)


def test_a_server_that_has_become_a_standby_is_away() -> None:
    with pytest.raises(Unavailable, match="standby"), translated():
        raise errors.ReadOnlySqlTransaction("cannot execute UPDATE")


@pytest.mark.parametrize("error", [errors.DataCorrupted, errors.InternalError_])
def test_a_server_in_trouble_of_its_own_is_away(error: type[psycopg.Error]) -> None:
    with pytest.raises(Unavailable, match="away"), translated():
        raise error("invalid page")
