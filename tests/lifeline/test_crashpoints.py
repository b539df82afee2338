"""Crash points: nothing happens at one unless somebody armed it."""

import pytest

from lifeline import crashpoints


def test_only_an_armed_point_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setitem(crashpoints.armed, "ingest.before-kafka", lambda: seen.append("armed"))

    crashpoints.reach("ingest.after-kafka")
    crashpoints.reach("ingest.before-kafka")

    assert seen == ["armed"]
