"""Named places where the fault programme stops a process dead; else each is a dict look-up.

``tests/faults`` arms them in the child process that it starts; nothing in the code or the
environment of a running city can.
"""

from collections.abc import Callable

NAMES = (
    "ingest.before-kafka",
    "ingest.after-kafka",
    "ingest.after-mqtt-ack",
    "detect.before-publish",
    "detect.after-publish",
    "detect.after-snapshot",
    "archive.before-commit",
    "archive.after-commit",
    "router.before-commit",
    "router.after-commit",
    "router.before-send",
    "router.after-send",
    "router.after-mark",
    "router.before-seal",
    "router.before-deadline",
    "router.after-deadline",
    "console.before-receipt",
    "console.after-receipt",
)

armed: dict[str, Callable[[], None]] = {}


def reach(name: str) -> None:
    """Says that the code is at this point; whoever armed it decides what happens."""
    action = armed.get(name)
    if action is not None:
        action()
