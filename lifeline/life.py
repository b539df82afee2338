"""Settings of an incident's life: the times that bound what a desk may do, each with its bound.

A bound cannot be configured away: what is outside it does not load.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Alarms and incidents: how long what may last."""

    quiet_s: Annotated[float, Meta(ge=0)] = 600.0
    """How long every connected sensor must have been back in its limits before one may close."""
    undo_s: Annotated[float, Meta(ge=0, le=60)] = 8.0
    """How long an acknowledgement can be undone."""
    shelf_s_max: Annotated[float, Meta(gt=0, le=14_400)] = 14_400.0
    """The longest shelf of an alarm."""
    managed_shelf_s_max: Annotated[float, Meta(gt=0, le=3600)] = 3600.0
    """The same for alarms of rules that are managed: those on which lives depend."""
    window_s_max: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 72 * 3600.0
    """The longest window in which alarms may be suppressed."""
    archive_after_s: Annotated[float, Meta(gt=0)] = 30 * 86_400.0
    """When a closed incident goes to the archive by itself."""
    proposal_s: Annotated[float, Meta(gt=0, le=3600)] = 900.0
    """How long what needs a second person waits for him."""
