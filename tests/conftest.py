"""What every test shares: a report's head with the servers, and examples that repeat.

New examples are looked for with  make unit ARGS=--hypothesis-profile=default
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from lifeline.stack import StackError, versions
from tests.features import owner, table

# The same commit gives the same verdict everywhere; what exploring finds becomes an @example.
# No deadline: how long an example takes says what else the machine does, not what the code does.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_report_header() -> str:
    """One line of server versions, so that a report from elsewhere can be read."""
    try:
        found = versions()
    except StackError as error:
        return f"servers: {error}"
    return "servers: " + ", ".join(f"{name} {value or '-'}" for name, value in found.items())


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--features FILE``: where the table of features goes."""
    parser.addoption("--features", metavar="FILE", help="write which feature is shown by what")


def pytest_configure(config: pytest.Config) -> None:
    """The table is written where it is asked for, by the process that gets every report."""
    path = config.getoption("--features")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FeaturePage(Path(path)))


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Reports carry what their test shows, also from one process to another."""
    for item in items:
        for mark in item.iter_markers("feature"):
            item.user_properties += [("feature", name) for name in mark.args]


class FeaturePage:
    """Hears which tests passed, and writes at the end which feature each of them shows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown: dict[str, set[str]] = {}
        self.failed: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Where nothing is run, what is marked is taken at its word."""
        if session.config.option.collectonly:
            for item in session.items:
                self._take(item.nodeid, item.user_properties)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that was skipped shows nothing; one of its parameters that failed, neither."""
        if report.failed:
            self.failed.add(owner(report.nodeid))
        elif report.passed and report.when == "call":
            self._take(report.nodeid, report.user_properties)

    def _take(self, nodeid: str, properties: Sequence[tuple[str, object]]) -> None:
        for kind, name in properties:
            if kind == "feature":
                self.shown.setdefault(str(name), set()).add(owner(nodeid))

    def pytest_sessionfinish(self) -> None:
        """Writes the page."""
        passed = {name: tests - self.failed for name, tests in self.shown.items()}
        self.path.write_text(table(passed), encoding="utf-8")
