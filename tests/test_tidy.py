"""The house rules, kept by a program: purity, sizes, names, the lock, links and examples."""

import ast
import doctest
import importlib
import pkgutil
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.purity import OUR_PACKAGES, SHELL_FOLDERS, SHELLS, is_shell, worldly

ROOT = Path(__file__).parent.parent
LINES_MAX = 400
FUNCTION_LINES_MAX = 60
ASSERTING = {"raises", "fail", "check", "expect", "load", "until", "wait_for", "wait_for_findings"}
"""Calls that fail a test when a fact does not hold, or not in time."""
SOURCES = sorted(path for package in OUR_PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = sorted(
    {*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")}
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def are_shells(path: Path) -> bool:
    return is_shell(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in SOURCES if not are_shells(p)], ids=named)
def test_pure_files_touch_nothing_of_the_world(path: Path) -> None:
    assert worldly(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [p for p in SOURCES if are_shells(p)], ids=named)
def test_a_shell_touches_the_world_and_does_not_only_hide_from_the_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert worldly(text) or len(ast.parse(text).body) == 1, "only a docstring may stand there alone"


@pytest.mark.parametrize(
    "source",
    [
        "async def f(): pass",
        "import time",
        "import os.path",
        "import importlib.resources",
        "import logging",
        "import numpy as np, socket",
        "def f():\n    from time import monotonic as clock",
        "def f():\n    import structlog",
        "if TYPE_CHECKING:\n    import psycopg",
        "from pathlib import Path",
        "from urllib import request",
        "import urllib.request",
        "from http.client import HTTPConnection",
        "from numpy import random",
        "from numpy.random import normal",
        "from uuid import uuid4",
        "from lifeline.store import read_secret",
        "from lifeline import store",
        "from lifeline.stack.kafka import Kafka",
        "from . import service",
        "from .store import load",
        "f = open('x')",
        "__import__('time').time()",
        "print('x')",
        "p.open()",
        "p.read_text()",
        "p.write_text('x')",
        "p.exists()",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "def f(clock=datetime.now): pass",
        "np.random.normal(size=3)",
        "np.random.seed(1)",
        "rng = np.random.default_rng()",
        "draw = numpy.random.random",
        "stats.norm.rvs(size=3)",
        "uuid.uuid4()",
    ],
)
def test_the_purity_test_sees_every_way_out(source: str) -> None:
    assert worldly(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\ndef f(rng: np.random.Generator): return rng.normal()",
        "from numpy.random import Generator",
        "from datetime import UTC, datetime\nat = datetime.fromtimestamp(0, UTC)",
        "from http import HTTPStatus",
        "from urllib.parse import quote",
        "from lifeline.model import Reading",
        "def f(now_ms: int) -> int: return now_ms",
        "breaker.open = True",
    ],
)
def test_the_purity_test_lets_plain_functions_be(source: str) -> None:
    assert worldly(source) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ingest/service.py", True),
        ("streams/archive/store.py", True),
        ("lifeline/commands/tap.py", True),
        ("ingest/decode.py", False),
        ("detectors/service.py", False),
        ("detectors/stack/cusum.py", False),
        ("alerting/channels/webhook.py", False),
    ],
)
def test_no_name_makes_a_shell_of_a_pure_package(path: str, *, expected: bool) -> None:
    assert is_shell(Path(path)) is expected


@pytest.mark.parametrize("page", ["architecture.md", "style.md"])
def test_the_documents_name_the_shells_that_this_test_knows(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")

    (told,) = re.findall(r"Only shells touch\s+the\s+world: (.*?)\.\s", text, re.DOTALL)

    assert set(re.findall(r"`(.+?)`", told)) == SHELLS | {f"{name}/" for name in SHELL_FOLDERS}


def test_coverage_leaves_out_the_shells_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    omitted = set(project["tool"]["coverage"]["run"]["omit"])

    folders = {f"lifeline/{name}/*" for name in SHELL_FOLDERS}
    assert omitted == {f"*/{name}.py" for name in SHELLS} | folders


@pytest.mark.parametrize("path", EVERYTHING, ids=named)
def test_a_file_is_one_sitting_and_a_function_one_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert text.count("\n") <= LINES_MAX
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_module_opens_with_what_it_owns_and_bears_a_telling_name(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring
    assert path.stem not in {"utils", "util", "common", "helpers", "helper", "misc", "manager"}


def test_sql_is_never_built_from_formatted_text() -> None:
    built = [
        f"{named(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"execute", "executemany", "copy"}
        and node.args
        and _is_put_together(node.args[0])
    ]

    assert built == []


def _is_put_together(text: ast.expr) -> bool:
    if isinstance(text, ast.JoinedStr | ast.BinOp):
        return True
    # psycopg's own sql.SQL(…).format quotes what it is given; str.format does not.
    return (
        isinstance(text, ast.Call)
        and isinstance(text.func, ast.Attribute)
        and text.func.attr in {"format", "join", "replace"}
        and isinstance(text.func.value, ast.Constant)
    )


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=named)
def test_every_test_can_fail(path: Path) -> None:
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]

    assert [test.name for test in tests if not any(map(_asserts, ast.walk(test)))] == []


def _asserts(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in ASSERTING
    return False


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}

    assert [named(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_every_package_says_what_it_is() -> None:
    opened = [*SOURCES, *(ROOT / "deploy").rglob("*.py"), *(ROOT / "tests").rglob("__init__.py")]

    texts = {path: path.read_text(encoding="utf-8") for path in opened}

    assert [named(p) for p, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_the_listing_of_the_architecture_names_every_folder_and_file() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    stages = re.split(r"^(?=\w+/)", text.split("```")[1], flags=re.MULTILINE)
    told = {part.split("/")[0]: set(re.findall(r"\w+", part)) for part in stages}

    missing = [
        named(path)
        for path in SOURCES
        if not {*path.relative_to(ROOT).with_suffix("").parts} - {"__init__", "__main__"}
        <= told[path.relative_to(ROOT).parts[0]]
    ]

    assert missing == []


def test_the_lock_holds_every_requirement_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+) \\$", lock, re.MULTILINE))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    wanted = [
        Requirement(line)
        for line in (
            *project["dependencies"],
            *(r for extra in project["optional-dependencies"].values() for r in extra),
        )
    ]

    missing = [
        str(r)
        for r in wanted
        if pinned.get(canonicalize_name(r.name)) is None
        or not r.specifier.contains(pinned[canonicalize_name(r.name)])
    ]

    assert missing == [], "run `make lock`"
    assert lock.count("--hash=sha256:") >= len(pinned)


def test_what_is_installed_is_what_the_lock_says() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {
        canonicalize_name(name): version
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+) \\$", lock, re.MULTILINE
        )
    }
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}

    other = {
        name: (version, installed.get(name))
        for name, version in pinned.items()
        if installed.get(name) not in (version, None)
    }

    assert other == {}, "run `make venv`"


def _modules() -> list[str]:
    return sorted(
        info.name
        for package in OUR_PACKAGES
        for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
        if not info.name.endswith("__main__")
    )


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0


def _pages() -> list[Path]:
    pages = [ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")]
    return [*pages, *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", _pages(), ids=named)
def test_every_link_between_the_documents_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", _pages(), ids=named)
def test_every_file_that_a_document_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    named_files = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|toml|sql|md|conf|xml))`", text)

    assert [name for name in named_files if not (ROOT / name).exists()] == []


def test_chinese_text_has_chinese_punctuation() -> None:
    half_width = re.compile(r"[\u4e00-\u9fff][,;:!?](?!\s*[\"'])|[,;:!?][\u4e00-\u9fff]")
    kinds = ("*.py", "*.html", "*.toml", "*.md")
    folders = [ROOT / name for name in (*sorted(OUR_PACKAGES), "deploy", "docs")]
    texts = [ROOT / "README.zh-CN.md"]
    texts += sorted(path for top in folders for kind in kinds for path in top.rglob(kind))

    found = [
        f"{named(path)}:{number}: {match.group()}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := half_width.search(line))
    ]

    assert found == []
