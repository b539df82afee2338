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

ROOT = Path(__file__).parent.parent
PACKAGES = ("lifeline", "ingest", "streams", "detectors", "alerting", "simulators", "watchdog")
SHELLS = {"service", "store", "platform", "app", "db", "telemetry", "__main__"}
SHELL_FOLDERS = {"channels", "commands", "stack"}
WORLDLY_MODULES = {
    "asyncio", "socket", "subprocess", "threading", "os", "random", "secrets", "time",
    "psycopg", "psycopg_pool", "aiokafka", "faust", "httpx", "uvicorn", "paho", "uvloop",
}  # fmt: skip
WORLDLY_CALLS = {"open", "input", "print", "now", "utcnow", "today", "default_rng"}
LINES_MAX = 430
FUNCTION_LINES_MAX = 60
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = sorted(
    {*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")}
)


def is_shell(path: Path) -> bool:
    return path.stem in SHELLS or bool(SHELL_FOLDERS & set(path.relative_to(ROOT).parts[:-1]))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in SOURCES if not is_shell(p)], ids=named)
def test_pure_files_touch_nothing_of_the_world(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    touched = [f"line {node.lineno}: {word}" for node in ast.walk(tree) for word in _worldly(node)]

    assert touched == []


def _worldly(node: ast.AST) -> list[str]:
    match node:
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return ["async"]
        case ast.Import(names=names):
            return [a.name for a in names if a.name.split(".")[0] in WORLDLY_MODULES]
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in WORLDLY_MODULES:
            return [module]
        case ast.Call(func=ast.Name(id=name)) if name in WORLDLY_CALLS:
            return [name]
        case ast.Call(func=ast.Attribute(attr=name)) if name in WORLDLY_CALLS:
            return [name]
    return []


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
        and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
    ]

    assert built == []


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}

    assert [named(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


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
        for package in PACKAGES
        for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
        if not info.name.endswith("__main__")
    )


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0


def test_every_link_between_the_documents_leads_somewhere() -> None:
    pages = [ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")]
    pages += sorted((ROOT / "docs").rglob("*.md"))

    broken = [
        f"{named(page)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []
