"""What a process and its children cost, read from /proc; and the machine's own description."""

import os
import platform
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """The process and everything below it that lives now."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += [int(child) for child in _read(task).split()]
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of the process, its living children and those it has buried."""
    total = 0
    for one in family(pid):
        fields = _read(Path(f"/proc/{one}/stat")).rpartition(")")[2].split()
        if len(fields) > 14:
            buried = fields[13:15] if one == pid else ()
            total += sum(int(ticks) for ticks in (*fields[11:13], *buried))
    return total / TICK


def rss_mb(pid: int) -> float:
    """Resident memory of the process alone, in MB of 10^6 bytes."""
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * PAGE / 1e6 if fields else 0.0


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    model = [
        line.partition(":")[2].strip()
        for line in _read(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    memory_kb = int(_read(Path("/proc/meminfo")).split()[1])
    return {
        "cpu": model[0] if model else platform.processor(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(memory_kb / 1e6),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
