"""The machine's files: settings, secrets, the catalog's sources and its compiled form.  A shell."""

import mmap
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from lifeline import candidate, catalog, config, profiles

DEFAULT_FILE = "lifeline.toml"
PROFILES = "profiles"


def read_settings(file: str | None = None) -> tuple[config.Settings, dict[str, str]]:
    """Settings from ``lifeline.toml`` (or the named file) and the environment; raises ConfigError.

    Without a file and without ``./lifeline.toml`` the defaults hold; a named file must exist.
    """
    path = Path(file or os.environ.get("LIFELINE_CONFIG", DEFAULT_FILE))
    named = file is not None or "LIFELINE_CONFIG" in os.environ
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if named:
            raise config.ConfigError(
                f"{path} does not exist."
                " Give another file with --config, or none to run on defaults."
            ) from error
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise config.ConfigError(f"{path} cannot be read: {error}.") from error
    return config.load(text, str(path), os.environ)


def read_secret(path: str) -> str:
    """The secret in a file, without its last newline; raises ConfigError."""
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise config.ConfigError(f"secret file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise config.ConfigError(f"secret file {path} is not text: write it in UTF-8.") from error
    if not secret:
        raise config.ConfigError(f"secret file {path} is empty.")
    return secret


def read_secrets(path: str) -> tuple[str, ...]:
    """The one or two secrets in a file, a line each: the first signs, both are believed.

    Raises ConfigError.
    """
    lines = tuple(line.strip() for line in read_secret(path).splitlines() if line.strip())
    if len(lines) > 2:
        raise config.ConfigError(
            f"secret file {path} has {len(lines)} lines: one secret, or two while it is changed."
        )
    return lines


def read_sources(paths: tuple[str, ...]) -> list[catalog.Source]:
    """Every lifeline under these files and folders (``*.toml``, by name); raises CatalogError."""
    sources, problems = survey_sources(paths)
    if problems:
        raise catalog.CatalogError(problems)
    return sources


def survey_sources(paths: tuple[str, ...]) -> tuple[list[catalog.Source], list[str]]:
    """What of these files can be read, and a sentence for each entry that cannot."""
    files: list[Path] = []
    problems: list[str] = []
    for path in map(here_or_shipped, paths):
        if not path.exists():
            problems.append(f"{path} does not exist: set catalog.sources")
        files += sorted(path.glob("*.toml")) if path.is_dir() else [path] * path.exists()
    if not files and not problems:
        problems.append(f"no *.toml under {', '.join(paths)}: set catalog.sources")
    known, wrong = _read_profiles(paths)
    problems += wrong
    sources: list[catalog.Source] = []
    for file in files:
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            problems.append(f"{file}: {error}")
            continue
        try:
            sources.append(catalog.parse_source(str(file), tree))
        except catalog.CatalogError as error:
            problems += error.problems
            part = catalog.sound_part(str(file), tree)
            sources += [part] if part is not None else []
    problems += profiles.unknown(sources, known)
    whole = [profiles.expanded(_with_artefacts(source, paths), known) for source in sources]
    return whole, problems


def read_profile(file: Path) -> profiles.Profile:
    """One profile; raises CatalogError."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise catalog.CatalogError([f"{file}: {error}"]) from error
    return profiles.parse_profile(str(file), tree)


def read_candidate(current: catalog.Catalog, file: Path) -> candidate.Candidate:
    """The catalog with another version of a profile, its artefacts beside it; CatalogError."""
    profile = read_profile(file)
    named = {
        candidate.artefact_of(group)
        for group in current.head.groups
        if group.profile == profile.name
    }
    found = {name: file.parent / name for name in sorted(named)}
    return candidate.exchanged(
        current, profile, {name: at.read_bytes() for name, at in found.items() if at.is_file()}
    )


def profile_folders(paths: Sequence[str]) -> list[Path]:
    """Where profiles and artefacts lie: ``profiles`` beside the sources, then those shipped."""
    beside = [here_or_shipped(path).parent / PROFILES for path in paths]
    return list(dict.fromkeys([*beside, here_or_shipped(f"deploy/{PROFILES}")]))


def _read_profiles(paths: Sequence[str]) -> tuple[dict[str, profiles.Profile], list[str]]:
    """Every profile that can be read, the first of a name, and what is wrong with the others."""
    known: dict[str, profiles.Profile] = {}
    problems: list[str] = []
    for folder in profile_folders(paths):
        for file in sorted(folder.glob("*.toml")):
            try:
                profile = read_profile(file)
            except catalog.CatalogError as error:
                problems += error.problems
                continue
            known.setdefault(profile.name, profile)
    return known, problems


def _with_artefacts(source: catalog.Source, paths: Sequence[str]) -> catalog.Source:
    """The source with the bytes of the artefacts that its groups name; what is missing stays so."""
    learned: dict[str, bytes] = {}
    for name in {group.artefact for group in source.group if group.artefact}:
        found = [one / name for one in profile_folders(paths) if (one / name).is_file()]
        if found:
            learned[name] = found[0].read_bytes()
    return msgspec.structs.replace(source, learned=learned) if learned else source


def read_trees(paths: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Each TOML file under these files and folders, with its place; raises CatalogError."""
    found: list[tuple[str, dict[str, Any]]] = []
    problems: list[str] = []
    for path in map(here_or_shipped, paths):
        for file in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
            try:
                found.append((str(file), tomllib.loads(file.read_text(encoding="utf-8"))))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                problems.append(f"{file}: {error}")
    if problems:
        raise catalog.CatalogError(problems)
    return found


def here_or_shipped(path: str) -> Path:
    """The path in this folder, or, for ``deploy/…``, what came with the installed package."""
    here = Path(path)
    first, *rest = here.parts
    if here.exists() or first != "deploy":
        return here
    return Path(str(resources.files("deploy"))).joinpath(*rest)


def write_catalog(packed: bytes, path: str) -> None:
    """Puts a compiled catalog in place: readers see the old file or the new one, never half."""
    write_file(Path(path), packed)


def write_file(target: Path, content: bytes) -> None:
    """Puts a file in place so that whoever reads it, even after a power cut, finds a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f"{target.name}.{os.getpid()}.new")
    with scratch.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(target)
    # Without this the new name may be lost although the file's bytes are not.
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_catalog(path: str) -> catalog.Catalog:
    """The compiled catalog, memory-mapped; raises CatalogError with the command that makes it."""
    try:
        with Path(path).open("rb") as file:
            return catalog.Catalog(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise catalog.CatalogError(
            [f"{path} cannot be opened ({error}): run `lifeline catalog build`"]
        ) from error


@dataclass(slots=True)
class CatalogFile:
    """The compiled catalog as it lies on disk; says when another one was put in its place."""

    path: str
    stamp: tuple[int, int] = (0, 0)

    def newer(self, current: catalog.Catalog) -> catalog.Catalog | None:
        """The catalog on disk when it is not ``current``; None also while it is unfit."""
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self.stamp:
            return None
        try:
            opened = open_catalog(self.path)
        except (catalog.CatalogError, msgspec.MsgspecError):
            return None
        self.stamp = stamp
        return None if opened.digest == current.digest else opened
