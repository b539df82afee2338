"""The schema of a push's body, as it is published, is that of the code."""

from pathlib import Path

import msgspec

from alerting.console.inbound import schema_of_notice

FILE = Path(__file__).parents[3] / "docs" / "schemas" / "notice.json"


def test_the_published_schema_of_a_notice_is_the_codes_own() -> None:
    made = msgspec.json.format(schema_of_notice(), indent=1).decode() + "\n"

    assert FILE.read_text(encoding="utf-8") == made, "write what is expected into the file"
