"""The page that lists the doors names every one of them, with its roles."""

from pathlib import Path

from alerting.console.doors import DOORS
from alerting.console.routes import PAGES
from alerting.console.sessions import VIEWERS

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_every_door_stands_in_the_table_with_its_roles() -> None:
    written = PAGE.read_text(encoding="utf-8")

    for door in DOORS:
        roles = "all" if door.roles == VIEWERS else ", ".join(sorted(door.roles))
        line = f"| `{door.method} /api/v1{door.path}` | {door.summary.rstrip('.')} | {roles} |"
        assert line in written, f"write into docs/api.md: {line}"


def test_every_page_is_named() -> None:
    written = PAGE.read_text(encoding="utf-8")
    own = ("/login", "/account", "/handovers/{id}/sheet")

    for route in PAGES:
        if route.method == "GET" and route.path not in own:
            assert f"`{route.path}`" in written, route.path
