"""The lock file is current: what pyproject.toml asks for is pinned, with hashes, and fits."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ASKED = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE)
}


@pytest.mark.parametrize("line", ASKED)
def test_every_requirement_is_locked_at_a_version_that_fits(line: str) -> None:
    asked = Requirement(line)

    pinned = PINS.get(canonicalize_name(asked.name))

    assert pinned is not None, f"{asked.name} is not in requirements.lock: run `make lock`"
    assert asked.specifier.contains(pinned), f"{asked} is locked at {pinned}: run `make lock`"


def test_every_locked_package_has_a_hash() -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK)

    assert [block.split("==")[0] for block in blocks[1:] if "--hash=sha256:" not in block] == []
