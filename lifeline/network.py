"""The city's network as written: zones, assets, what lies around them, links and their valves."""

from typing import Annotated

import msgspec
from msgspec import Meta

from lifeline.model import UNTITLED, Text

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Count = Annotated[int, Meta(ge=0)]
Metres = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Position = tuple[float, float]
"""WGS-84 longitude, latitude (RFC 7946)."""

ADJACENCY = "adjacency"
"""Two spaces side by side: nothing is delivered through it, but gas and water find their way."""
CONDUIT = "conduit"
"""A closed way underground, such as a sewer, a cable duct or a covered channel."""
SPACES = frozenset((ADJACENCY, CONDUIT))
SIGNAL = "signal"
"""A gateway speaks for a device: what it is silent of has not happened there."""
UNDELIVERING = SPACES | {SIGNAL}
"""Kinds of links that carry nothing to anybody; every other kind delivers what flows in it."""


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The widest thing one detector may need; lives on one partition."""

    name: Name
    title: Text = UNTITLED
    basin: str = ""
    """The drainage basin that it lies in: one rain meets all zones of one basin."""


class Exposure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is at stake around an asset, as the city's registers have it."""

    population: Count = 0
    """People within its radius by day or night, whichever is more."""
    schools: Count = 0
    hospitals: Count = 0
    volume_m3: Metres = 0.0
    """Of the closed space that it opens into: a cellar, a sewer, a covered river."""
    ignition: Share = 0.0
    """How likely something sparks there: 0 never, 1 at all times."""
    customers: Count = 0
    """Whom it serves itself, beside those on its links."""


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A thing of the network: a well, a pump station, a span."""

    name: Name
    zone: Name
    kind: str = ""
    title: Text = UNTITLED
    position: Position | None = None
    lifeline: str = ""
    """Set by the compiler."""
    exposure: Exposure | None = None
    """None: nobody has said, which is not the same as nothing."""
    radius_m: Metres = 0.0
    """How far its own danger reaches where that is more than the plan's radius; 0: the plan's."""
    is_source: bool = False
    """Whether its lifeline comes from here: a gate station, a plant, a reservoir."""


class Valve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a link can be shut."""

    name: Name
    at_m: Metres = 0.0
    """From the link's end ``a``."""
    is_closable: bool = True
    """False: seized, buried or under water; it is shown and never counted on."""
    title: Text = UNTITLED


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An edge of the topology: two assets and how far apart the network makes them."""

    a: Name
    b: Name
    kind: str = "pipe"
    length_m: Metres = 0.0
    valves: tuple[Valve, ...] = ()
    is_feed: bool = False
    """Whether ``a`` feeds ``b``: what fails at ``a`` is felt at ``b``."""
    customers: Count = 0
    """Who is served between its ends, spread evenly along it."""
    hospitals: tuple[Text, ...] = ()
    """Who must be told by name before they are cut off; served wherever the link is."""

    @property
    def is_closable(self) -> bool:
        """Whether it can be shut anywhere."""
        return any(valve.is_closable for valve in self.valves)
