"""Files that must survive: whole or not there, and nothing left beside them."""

from pathlib import Path

import pytest

from lifeline.store import write_file


def test_a_file_is_put_in_place_with_its_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.json"

    write_file(target, b"old")
    write_file(target, b"new")

    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_until_the_last_step_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.json"
    write_file(target, b"old")

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lifeline.store.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(target, b"new")

    assert target.read_bytes() == b"old"
