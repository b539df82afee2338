"""What people ask for, and whether it may be done.  Pure.

Each refusal is a reason, which ``lifeline.words`` puts into a sentence.
"""

from typing import Literal, get_args

import msgspec

from alerting.incidents import Verdict
from alerting.windows import Window

Action = Literal[
    "acknowledge",
    "undo",
    "verify",
    "dispatch",
    "arrive",
    "note",
    "support",
    "close",
    "archive",
    "merge",
    "split",
    "prolong",
    "reset",
    "shelve",
    "unshelve",
    "retire",
    "restore",
    "approve",
    "open-window",
    "check",
    "end-window",
]
ACTIONS: tuple[Action, ...] = get_args(Action)
ON_ALARMS: tuple[Action, ...] = ("reset", "shelve", "unshelve", "retire", "restore")
ON_WINDOWS: tuple[Action, ...] = ("open-window", "check", "end-window")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's action.  ``expected_revision`` is what he saw of the incident; None: any."""

    incident: str = ""
    """What it is about; empty for actions on an alarm alone or on a window."""
    action: Action
    actor: str
    note: str = ""
    """Why; needed to close, shelve, retire and override."""
    expected_revision: int | None = None
    override: bool = False
    """Close without the evidence: a second person must approve, and it is marked for ever."""
    channel: str = "console"
    alarm: str = ""
    """reset, shelve, unshelve, retire, restore: the alarm's key."""
    alarms: tuple[str, ...] = ()
    """split: the alarms that go."""
    other: str = ""
    """merge: the incident that ends and goes on in this one."""
    verdict: Verdict | Literal[""] = ""
    """verify, close: what it is."""
    code: str = ""
    """verify, close: why, one of ``VERDICT_CODES``."""
    task: str = ""
    """dispatch: what is to be done."""
    person: str = ""
    """dispatch: who goes."""
    until_ms: int | None = None
    """shelve: when the shelf ends."""
    window: str = ""
    """check, end-window: its id."""
    opening: Window | None = None
    """open-window: what is opened."""
    check: str = ""
    """check: which one is done."""
    proposal: str = ""
    """approve: what is confirmed."""
    second: str = ""
    """Who confirmed it; set by an approval alone."""
    seat: str = ""
    """From which device and session he acted, and what his screen showed, as hashes."""
