"""``lifeline whatif``: stored readings once with today's rules, once with a new profile.

Both run through partition and engine, as ``lifeline replay`` does: what is compared are incidents.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alerting.kpi import report
from alerting.people import times
from lifeline.candidate import Candidate
from lifeline.catalog import Catalog
from lifeline.commands.labels import DAYS, Since
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    Until,
    connected,
    language_of,
    print_json,
    settings_from,
    span,
    spoken,
    zone_of,
)
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.model import Batch
from lifeline.store import open_catalog, read_candidate

if TYPE_CHECKING:
    from calibration.stored import Said
    from calibration.whatif import Side

ROWS_AT_ONCE = 200_000
"""Readings in memory at a time, by the intervals that the catalog states."""
SPAN_MS_MIN, SPAN_MS_MAX = 60_000, 7 * 86_400_000


def whatif(
    profile: Annotated[
        Path, typer.Option(help="The new version (.toml); its artefacts lie beside it.")
    ],
    since: Since = "",
    until: Until = "",
    config: Config = None,
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """List the incidents that a new profile would lose, gain, find later or earlier.

    Replays what is stored of its channels, once with today's rules and once with the new profile in
    the place of the one of its name.  Sends nothing, stores nothing; the digests name both results.
    Exit status 1 when an incident is lost that the desk found true.

    Example:  lifeline whatif --profile new/water-network.toml --from 2026-10-01 --to 2026-11-01
    """
    from calibration import tables
    from calibration.differences import counts, differences
    from calibration.whatif import judged, places_of

    settings = settings_from(config)
    from_ms, until_ms = span(settings, since, until, DAYS)
    with spoken():
        catalog = open_catalog(settings.catalog.compiled)
        tried = read_candidate(catalog, profile)
    places = places_of(catalog, [group.name for group in tried.groups])
    with connected(settings) as database:
        old, new = _sides(settings, catalog, tried)
        for batch in _readings(database, catalog, tried, from_ms, until_ms):
            old.feed(batch)
            new.feed(batch)
        said = _said(database, list(places), from_ms, until_ms)
    found = differences(old.spells(), new.spells(), judged(said, places))
    told = {
        "from_ms": from_ms,
        "until_ms": until_ms,
        "counts": counts(found),
        "differences": found,
        "old": {"findings": old.findings, "digest": old.digest()},
        "new": {"findings": new.findings, "digest": new.digest(), "profile": tried.digest},
    }
    if as_json:
        print_json(told)
    else:
        tongue, zone = language_of(settings, language), zone_of(settings)
        for line in report.aligned(tables.events(found, tongue, lambda ms: times.clock(ms, zone))):
            typer.echo(line)
        typer.echo(tables.summary(counts(found), tongue))
        typer.echo(f"{old.digest()[:16]} → {new.digest()[:16]}")
    if any(one.what == "lost" and one.verdict == "true" for one in found):
        raise typer.Exit(1)


def _sides(settings: Settings, catalog: Catalog, tried: Candidate) -> tuple["Side", "Side"]:
    """Today's rules, and those with the new profile, before the first reading."""
    from alerting.book import store as book
    from calibration.whatif import Side
    from lifeline.commands.catalog import rules_of

    with spoken():
        rules = book.read_rules(settings.router)
        old, new = (
            Side(one, rules_of(one, settings), book.policy(settings, one, rules), settings.detect)
            for one in (catalog, tried.catalog)
        )
    return old, new


def _readings(
    database: Database, catalog: Catalog, tried: Candidate, from_ms: int, until_ms: int
) -> Iterator[Batch]:
    """What is stored of the profile's channels, in the order of its times, a piece in memory."""
    from calibration import stored
    from calibration.archive import store as archive

    names = tuple(dict.fromkeys(name for group in tried.groups for name in group.channels))
    found = [pair[1].interval_s for name in names if (pair := catalog.find(name)) is not None]
    piece_ms = span_ms(found)
    for start_ms in range(from_ms // SPAN_MS_MIN * SPAN_MS_MIN, until_ms, piece_ms):
        low, high = max(from_ms, start_ms), min(until_ms, start_ms + piece_ms)
        kept = database.run_now(
            partial(archive.readings, channels=names, from_ms=low, until_ms=high)
        )
        _tell((high - from_ms) / (until_ms - from_ms))
        yield from stored.batches(kept, catalog)
    _tell(1.0, end="\n")


def span_ms(intervals_s: Sequence[float]) -> int:
    """Whole minutes in which so many readings are to be expected as may be in memory."""
    per_ms = sum(1.0 / one for one in intervals_s) / 1000.0
    wanted = int(ROWS_AT_ONCE / per_ms) if per_ms else SPAN_MS_MAX
    return max(SPAN_MS_MIN, min(SPAN_MS_MAX, wanted) // SPAN_MS_MIN * SPAN_MS_MIN)


def _said(database: Database, names: list[str], from_ms: int, until_ms: int) -> list["Said"]:
    from calibration.archive import store as archive

    return database.run_now(lambda c: archive.labels(c, names, from_ms, until_ms))


def _tell(share: float, end: str = "") -> None:
    """Progress for somebody who waits at a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{share:4.0%} {time.strftime('%H:%M:%S')}{end}")
        sys.stderr.flush()
