"""Which programs the servers are, and getting those that can be got without asking."""

from pathlib import Path

from lifeline.stack import kafka, mosquitto
from lifeline.stack.mosquitto import Mosquitto
from lifeline.stack.postgres import Postgres
from lifeline.stack.processes import StackError

FETCHED = ("kafka", "mosquitto")
"""PostgreSQL is not among them: it comes with the machine or out of a wheel."""


def is_fetched(name: str) -> bool:
    """Whether the program is on this machine."""
    try:
        (kafka.java if name == "kafka" else mosquitto.program)()
    except StackError:
        return False
    return True


def fetch(name: str) -> str:
    """Get what is missing of Kafka's jars or mosquitto; returns where it is."""
    assert name in FETCHED, name
    return kafka.fetch() if name == "kafka" else mosquitto.fetch()


def versions(home: Path = Path("/nonexistent")) -> dict[str, str | None]:
    """What each server is; for PostgreSQL what opens the data in ``home``, or would make new."""
    database = Postgres(home.parent, 0, home)
    return {
        "mosquitto": Mosquitto(home.parent, 0).version(),
        "kafka": kafka.pinned(),
        "postgresql": database.version(),
        "timescaledb": database.timescale(),
    }
