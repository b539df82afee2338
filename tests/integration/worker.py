"""A service as a process of its own, for tests that kill it.

``python -m tests.integration.worker detect [CRASH-POINT [NTH]]``;
settings come from the environment.
"""

import os
import sys

import typer

from lifeline import crashpoints
from lifeline.commands import serve


def main() -> None:
    name, *rest = sys.argv[1:]
    if rest and rest[0] == "bug":
        plant_bug()
    elif rest:
        left = int(rest[1]) if len(rest) > 1 else 1
        count = iter(range(left - 1, -1, -1))

        def crash() -> None:
            if next(count) == 0:
                os._exit(99)

        crashpoints.armed[rest[0]] = crash
    try:
        getattr(serve, name)(None)
    except typer.Exit as end:
        sys.exit(end.exit_code)


def plant_bug() -> None:
    """A detector that fails on one value: what a mistake of ours would look like."""
    from detectors import bank

    step = bank.Bank.step

    def broken(self, batch, *args, **kwargs):  # type: ignore[no-untyped-def]
        assert not (len(batch) and (batch.value == 66.0).any()), "planted"
        return step(self, batch, *args, **kwargs)

    bank.Bank.step = broken  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
