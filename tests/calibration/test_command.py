"""``lifeline calibrate``: from recordings on disk to the artefact that a catalog names."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calibration import store as recordings
from calibration.recording import Recording
from lifeline import artefact, store
from lifeline.__main__ import build

PROFILE = """name = "mains"
[[rule]]
id = "odd"
hazard = "attack"
grade = 3
detector = { kind = "learned_residual" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lifelines").mkdir()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mains.toml").write_text(PROFILE)
    rng = np.random.default_rng(3)
    hours = np.arange(1000, dtype=np.int64) * 3_600_000
    values = rng.normal(size=(1000, 2))
    values[:, 1] += values[:, 0]
    made = Recording(
        "calm", ("a/level", "a/flow"), ("tank-level", "pump-flow"), hours, values, 3600
    )
    recordings.write(tmp_path / "history" / "calm.npz", made)
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str]:
    place = ("--sources", str(folder / "lifelines"))
    done = CliRunner().invoke(build("calibrate"), ["calibrate", *words, *place])
    return done.exit_code, done.output


def test_an_artefact_is_written_and_the_catalog_reads_it(folder: Path) -> None:
    out = folder / "profiles" / "calm.art"
    (folder / "lifelines" / "water.toml").write_text(
        '[lifeline]\nname = "water"\n[[zone]]\nname = "a"\n[[group]]\nname = "a/all"\nzone = "a"\n'
        'channels = []\nprofile = "mains"\nartefact = "calm.art"\n'
    )

    status, told = run(
        folder, "mains", "--data", str(folder / "history"), "--out", str(out), "--json"
    )

    facts = json.loads(told)["facts"]
    (source,) = store.read_sources((str(folder / "lifelines"),))
    assert (status, facts["recordings"], facts["far_stated"]) == (0, "calm", 0.2)
    assert artefact.unpack(source.learned["calm.art"]).arrays
    assert facts["far_low"] <= facts["far_seen"] <= facts["far_high"]


def test_a_profile_or_recording_that_is_not_there_is_said_in_a_sentence(folder: Path) -> None:
    history = str(folder / "history")
    out = str(folder / "x.art")

    known, told = run(folder, "pipes", "--data", history, "--out", out)
    there, why = run(folder, "mains", "--data", str(folder / "none"), "--out", out)
    (folder / "empty").mkdir()
    full, empty = run(folder, "mains", "--data", str(folder / "empty"), "--out", out)

    assert (known, there, full) == (2, 2, 2)
    assert "profile pipes is none of" in told
    assert "does not exist" in why
    assert "there is no recording to learn from" in empty
