"""What the benchmarks share with readers: flags that explain themselves, one form of report."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import processes


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The text as it stands, and every default."""


def flags(doc: str | None) -> argparse.ArgumentParser:
    """A parser that shows ``doc`` and knows ``--json``; every other flag is the benchmark's own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=_Help)
    parser.add_argument(
        "--json", default="-", metavar="FILE", help="write the report there; - prints it"
    )
    return parser


def put(where: str, figures: dict) -> None:
    """Prints or writes the figures with command, date and machine."""
    told = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": processes.machine(),
    }
    text = json.dumps(told | figures, indent=1)
    if where == "-":
        print(text)
    else:
        Path(where).write_text(text + "\n", encoding="utf-8")
