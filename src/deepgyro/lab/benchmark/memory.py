"""How much memory some work takes, whoever allocates it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_rise(work: Callable[[], object]) -> float | None:
    """Do some work and return how far this process's resident memory rose above where it was, MB.

    Pages that the process holds already and uses again don't count. None where the system does not tell
    (it is Linux that does).
    """
    try:
        CLEAR.write_text("5")  # the highest so far is forgotten
        before = _resident("VmRSS")
    except OSError:
        work()
        return None
    work()
    return max(_resident("VmHWM") - before, 0.0)


def memory_peak() -> float | None:
    """Return the most memory that this process ever held, MB; None where the system does not tell."""
    return round(_resident("VmHWM"), 1) if STATUS.exists() else None


def _resident(name: str) -> float:
    """Return an entry of the process's status, MB."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6
