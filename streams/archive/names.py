"""Channel names to PostgreSQL's ids and to lifelines, remembered as arrays.  Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lifeline.catalog import Catalog, Channel, Device
from lifeline.config import ROUTINE
from lifeline.model import Batch
from streams.archive.rows import Rows

FEATURE_UNITS = {"frequency": "Hz"}
"""Units of a waveform's features where they are not the channel's own."""
NO_FEED = -1


@dataclass(slots=True)
class Names:
    """What is known of the channels seen so far, one row each."""

    rows: dict[str, int] = field(default_factory=dict)
    ids: NDArray[np.int32] = field(default_factory=lambda: np.zeros(64, np.int32))
    feed: NDArray[np.int16] = field(default_factory=lambda: np.zeros(64, np.int16))
    """Index into ``lifelines``; NO_FEED for meters, which come although a feed has stopped."""
    lifelines: list[str] = field(default_factory=list)

    unknown: dict[str, None] = field(default_factory=dict)
    """Names that have a row but no id yet, in the order in which they came."""

    def table_of(self, names: Sequence[str]) -> NDArray[np.int32]:
        """The row of each name; a name never seen gets one, and waits for its id."""
        rows = self.rows
        try:
            found = [rows[name] for name in names]
        except KeyError:
            for name in names:
                if name not in rows:
                    rows[name] = len(rows)
                    self.unknown[name] = None
            found = [rows[name] for name in names]
            while len(rows) > len(self.ids):
                self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
                self.feed = np.concatenate([self.feed, np.zeros_like(self.feed)])
        return np.array(found, np.int32)

    def learn(self, ids: dict[str, int], catalog: Catalog) -> None:
        """Remembers the ids of unknown names."""
        for name, number in ids.items():
            self.ids[self.rows[name]] = number
            self.unknown.pop(name, None)
        self.place(ids, catalog)

    def place(self, names: Iterable[str], catalog: Catalog) -> None:
        """Notes to which lifeline's feed each of these names belongs, by this catalog."""
        for name in names:
            lifeline, _ = describe(catalog, name)
            if name.startswith("device/") or not lifeline:
                self.feed[self.rows[name]] = NO_FEED
                continue
            if lifeline not in self.lifelines:
                self.lifelines.append(lifeline)
            self.feed[self.rows[name]] = self.lifelines.index(lifeline)

    def rows_of(
        self, table: NDArray[np.int32], batch: Batch
    ) -> tuple[Rows, dict[str, tuple[int, int]]]:
        """The batch as rows, and lifeline -> (newest reading, received); every id must be known."""
        seen = table[batch.channel]
        feeds: dict[str, tuple[int, int]] = {}
        feed = self.feed[seen]
        for index in np.unique(feed).tolist():
            if index != NO_FEED:
                newest_ms = int(batch.at_ms[feed == index].max())
                feeds[self.lifelines[index]] = (newest_ms, batch.received_ms)
        return Rows(self.ids[seen], batch.at_ms, batch.value, batch.quality), feeds


def describe(catalog: Catalog, name: str) -> tuple[str, str]:
    """(lifeline, unit) of a channel, of a waveform's feature too; ('', '') when nobody knows it."""
    found, feature = _find(catalog, name)
    if found is None:
        return "", ""
    return found[0].lifeline, FEATURE_UNITS.get(feature, found[1].unit)


def retention_of(catalog: Catalog, name: str) -> str:
    """The retention class of a channel; an undeclared feature's is its waveform's."""
    found, _ = _find(catalog, name)
    if found is None:
        return ""
    return catalog.retention_of(found[0].lifeline, found[1].quantity) or ROUTINE


def _find(catalog: Catalog, name: str) -> tuple[tuple[Device, Channel] | None, str]:
    """(device and channel, ''), or those of the waveform and the feature that is made of it."""
    found = catalog.find(name)
    if found is not None:
        return found, ""
    parent, _, feature = name.rpartition("/")
    return (catalog.find(parent) if parent else None), feature


def merge(feeds: dict[str, tuple[int, int]], more: dict[str, tuple[int, int]]) -> None:
    """Puts the newer of two times of each lifeline into ``feeds``."""
    for name, (newest_ms, received_ms) in more.items():
        have = feeds.get(name, (newest_ms, received_ms))
        feeds[name] = (max(have[0], newest_ms), max(have[1], received_ms))
