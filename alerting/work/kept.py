"""Work orders as they are kept, and what became of one that was taken.  Pure."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from alerting.windows import Window
from alerting.work.orders import Order

Became = Literal["taken", "moved", "cancelled", "same", "over"]


class Taken(msgspec.Struct, frozen=True):
    """What became of an order; ``over``: it is past, and so would be its watch."""

    id: str
    became: Became
    revision: int
    windows: Mapping[str, str] = {}
    """Zone -> the watch over it."""


class Listed(msgspec.Struct, frozen=True):
    """An order as it is kept, with its watches."""

    order: Order
    revision: int
    taken_by: str
    taken_ms: int
    windows: tuple[Window, ...]
