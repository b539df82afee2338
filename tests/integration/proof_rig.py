"""What the tests of proof share: lines, seals, problems, and commands on a city's settings."""

from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner

from alerting.audit import store
from alerting.audit.anchors import Anchor
from alerting.audit.chain import Line
from lifeline import db
from lifeline.__main__ import build
from lifeline.store import write_catalog
from tests.integration.console_rig import City, compiled


def line(incident: str = "", **more: Any) -> Line:
    base = Line(incident=incident, at_ms=1, actor="li", action="note", channel="console")
    return msgspec.structs.replace(base, **more)


def write(town: City, *lines: Line) -> None:
    town.database.run_now(lambda c: store.append(c, lines))


def seal(town: City) -> Anchor:
    town.database.run_now(store.seal)
    anchor = town.database.run_now(store.to_anchor)
    assert anchor is not None
    return anchor


def codes(town: City, *anchors: Anchor) -> set[str]:
    proof = town.database.run_now(lambda c: store.verified(c, anchors))
    return {problem.code for problem in proof.problems}


def as_service(town: City) -> db.Database:
    return db.Database(town.settings.postgres, connections=2, role=db.SERVICE_ROLE)


def settings_file(town: City, folder: Path, anchors: Path) -> Path:
    write_catalog(compiled(), str(folder / "catalog.bin"))
    file = folder / "lifeline.toml"
    file.write_text(
        f'[postgres]\ndsn = "{town.settings.postgres.dsn}"\n'
        f'[catalog]\ncompiled = "{folder}/catalog.bin"\n'
        f'[audit]\nanchor_file = "{anchors}"\n'
    )
    return file


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(words[0]), list(words))
    return done.exit_code, done.stdout
