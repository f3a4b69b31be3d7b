"""How much memory some work takes, whoever allocates it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PROC_STATUS_FILE, CLEAR_REFS_FILE = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure_memory_rise(work: Callable[[], object]) -> float | None:
    """Do some work and return how far this process's resident memory rose above where it was, MB.

    Pages that the process holds already and uses again don't count. None where the system does not tell
    (it is Linux that does).
    """
    try:
        CLEAR_REFS_FILE.write_text("5")  # the highest so far is forgotten
        before = _read_status_mb("VmRSS")
    except OSError:
        work()
        return None
    work()
    return max(_read_status_mb("VmHWM") - before, 0.0)


def memory_peak() -> float | None:
    """Return the most memory that this process ever held, MB; None where the system does not tell."""
    return round(_read_status_mb("VmHWM"), 1) if PROC_STATUS_FILE.exists() else None


def _read_status_mb(name: str) -> float:
    """Return an entry of the process's status, MB."""
    (line,) = (line for line in PROC_STATUS_FILE.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6
