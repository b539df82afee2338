"""What docs/devices.md tells a maker to send is taken, every line of it."""

import re
from pathlib import Path

import pytest

from ingest.intake import Intake
from ingest.quality import Directory
from lifeline import store
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from tests.ingest.world import NOW_MS, PARTITIONS, WINDOW

ROOT = Path(__file__).parents[2]
LINES = re.findall(
    r"^mosquitto_pub .* -t (\S+) -m \\\n +'(.+)'$",
    (ROOT / "docs" / "devices.md").read_text("utf-8"),
    flags=re.MULTILINE,
)


@pytest.fixture(scope="module")
def shipped() -> Intake:
    sources = store.read_sources((str(ROOT / "deploy" / "lifelines"),))
    return Intake(Directory(Catalog(compile_catalog(sources)), PARTITIONS), WINDOW)


def test_the_page_has_lines_to_paste() -> None:
    assert len(LINES) == 3


@pytest.mark.parametrize(("topic", "payload"), LINES)
def test_a_line_of_the_page_is_taken_as_it_stands(
    shipped: Intake, topic: str, payload: str
) -> None:
    said = payload.replace("'$(date +%s%3N)'", str(NOW_MS))

    found = shipped.take(topic.encode(), said.encode(), NOW_MS, retained=False)

    assert found.rejects == []
    assert found.verdict is not None
    assert len(found.verdict.names) > 0
