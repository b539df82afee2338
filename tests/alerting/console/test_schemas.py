"""The schema of a push's body, as it is published, is that of the code."""

from pathlib import Path

import msgspec

from lifeline import wire

FILE = Path(__file__).parents[3] / "docs" / "schemas" / "notice.json"


def test_the_published_schema_of_a_notice_is_the_codes_own() -> None:
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = msgspec.json.encode(draft | msgspec.json.schema(wire.Notice))

    made = msgspec.json.format(schema, indent=1).decode() + "\n"

    assert FILE.read_text(encoding="utf-8") == made, "write what is expected into the file"
