"""Starts a service as ``lifeline`` does, with a hand on its crash points and, if asked, sabotaged.

``python -m tests.faults.launch FOLDER NAME SABOTAGE WORDS…``.  While it runs, a file
FOLDER/NAME.json (``{"point": …, "after": k}``) arms that crash point: the process dies at its k-th
reach, and the file with it, so that the next one lives.
"""

import json
import os
import sys
import threading
from pathlib import Path

from lifeline import crashpoints

LOOK_S = 0.05
DEAD = 137


def watch(order: Path) -> None:
    """Arms what the order says, whenever one appears."""
    while True:
        if order.exists():
            said = json.loads(order.read_text())
            if said["point"] not in crashpoints.armed:
                arm(order, said["point"], said["after"])
        threading.Event().wait(LOOK_S)


def arm(order: Path, point: str, after: int) -> None:
    left = after

    def fall() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            order.replace(order.with_suffix(".done"))
            os._exit(DEAD)

    crashpoints.armed[point] = fall


def main() -> None:
    folder, name, sabotage, *words = sys.argv[1:]
    if sabotage != "none":
        from tests.faults.sabotage import SABOTAGES

        SABOTAGES[sabotage].patch()
    threading.Thread(target=watch, args=(Path(folder) / f"{name}.json",), daemon=True).start()
    sys.argv = ["lifeline", *words]
    from lifeline.__main__ import main as lifeline

    lifeline()


if __name__ == "__main__":
    main()
