"""Which files are shells, and what in a source text touches the world: the rule as a program."""

import ast
from collections.abc import Iterator
from pathlib import Path

SHELLS = {"service", "store", "platform", "app", "db", "telemetry", "__main__"}
SHELL_FOLDERS = {"channels", "commands", "stack"}
"""Of ``lifeline``; a folder of that name elsewhere excuses nobody."""
PURE_PACKAGES = {"detectors"}
"""Whole packages without a shell: a replay steps them, and must be able to."""

OUR_PACKAGES = (
    "lifeline", "ingest", "streams", "detectors", "alerting", "simulators", "watchdog",
    "calibration",
)  # fmt: skip
# A list of what is allowed has no holes; a new library is one word here, and a thought.
PURE_MODULES = {
    "abc", "array", "ast", "base64",
    "binascii", "bisect", "collections", "colorsys", "contextlib", "copy",
    "csv", "dataclasses", "datetime", "difflib", "enum", "fastapi", "fnmatch", "fractions",
    "functools", "hashlib", "heapq", "hmac", "html", "http", "icalendar", "io", "ipaddress",
    "itertools", "jinja2", "json", "lxml", "markupsafe", "math", "mmap", "msgspec", "numpy",
    "operator", "re", "recurring_ical_events", "river", "scipy",
    "statistics", "string", "struct", "textwrap", "tomllib", "types", "typing", "unicodedata",
    # xlsxwriter only in_memory and with a stated time of making: else it writes, reads the clock.
    "urllib", "uuid", "xlsxwriter", "zipfile", "zlib", "zoneinfo",
}  # fmt: skip
WORLDLY_PARTS = {"http.client", "http.server", "urllib.request", "urllib.robotparser"}
WORLDLY_CALLS = {"open", "input", "print", "breakpoint", "exec", "eval", "__import__"}
WORLDLY_ATTRIBUTES = {
    "now", "utcnow", "today",  # clocks
    "default_rng", "uuid1", "uuid4", "rvs",  # chance
    "read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "is_dir",
    "iterdir", "glob", "rglob", "mkdir", "unlink", "import_module",  # files
    "getLogger", "get_logger",  # logs
}  # fmt: skip
DRAWN_FROM_NOWHERE = {"Generator", "BitGenerator", "SeedSequence"}
"""All of ``numpy.random`` that a pure file may name: a generator is not made there but given."""


def is_shell(path: Path) -> bool:
    """Whether this file, relative to the checkout, may touch the world."""
    if path.parts[0] in PURE_PACKAGES:
        return False
    in_folder = path.parts[0] == "lifeline" and path.parts[1] in SHELL_FOLDERS
    return in_folder or path.stem in SHELLS


def worldly(source: str) -> list[str]:
    """Every line that awaits, opens, reads a clock, draws, logs or calls one that does, and why."""
    return [
        f"line {node.lineno}: {word}"
        for node in ast.walk(ast.parse(source))
        for word in _told(node)
    ]


def _told(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "async"
        case ast.Import(names=names):
            yield from (a.name for a in names if _is_worldly(a.name))
        case ast.ImportFrom(module=module, names=names, level=level):
            origin = "." * level + (module or "")
            yield from (
                f"{origin} {a.name}"
                for a in names
                if _is_worldly(origin.lstrip("."), is_ours=level > 0) or _brings(origin, a.name)
            )
        case ast.Call(func=ast.Name(id=name)) if name in WORLDLY_CALLS:
            yield name
        case ast.Call(func=ast.Attribute(attr="open")):
            yield "open"
        case ast.Attribute(value=ast.Attribute(attr="random"), attr=name):
            if name not in DRAWN_FROM_NOWHERE:
                yield f"random.{name}"
        case ast.Attribute(attr=name) if name in WORLDLY_ATTRIBUTES:
            yield name


def _is_worldly(module: str, *, is_ours: bool = False) -> bool:
    parts = module.split(".")
    if is_ours or parts[0] in OUR_PACKAGES:
        return not (SHELLS | SHELL_FOLDERS).isdisjoint(parts)
    return parts[0] not in PURE_MODULES or module in WORLDLY_PARTS


def _brings(origin: str, name: str) -> bool:
    """Whether a name carries the world out of a module that is itself allowed."""
    if origin.startswith(".") or origin.split(".")[0] in OUR_PACKAGES:
        return name in SHELLS | SHELL_FOLDERS
    if origin == "numpy.random":
        return name not in DRAWN_FROM_NOWHERE
    whole = f"{origin}.{name}"
    return whole in WORLDLY_PARTS or whole == "numpy.random" or name in WORLDLY_ATTRIBUTES
