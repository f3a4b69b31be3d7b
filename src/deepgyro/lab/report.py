"""A bench's rows, and where they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..threads import core_count

Row = Mapping[str, "str | float | int | Mapping[str, float] | None"]
Progress = Callable[[float], None]
"""Called with the share that is done."""

REPORTED_PACKAGES = ("numpy", "numba", "opencv-python-headless", "openvino", "onnxruntime", "scikit-image")
"""Whose versions change figures."""


@dataclass(frozen=True)
class BenchReport:
    """The results of a bench: flat rows, the machine and the state of the program."""

    bench: str
    machine: Mapping[str, str | int]
    commit: str
    rows: Sequence[Row]
    table: Sequence[Row]
    """The rows for a person, summed up."""

    def machine_line(self) -> str:
        """Return the machine and the versions in a line."""
        return ", ".join(f"{name} {value}" for name, value in self.machine.items())

    def json_value(self) -> dict[str, object]:
        """Return what --json prints: everything but the table."""
        return {name: value for name, value in vars(self).items() if name != "table"}


def make_report(bench: str, rows: Sequence[Row], table: Sequence[Row] | None = None) -> BenchReport:
    """Return the rows with the machine and the commit they were measured on; `table`: by default the rows."""
    machine: dict[str, str | int] = {
        "processor": _processor_name(),
        "cores": core_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for name in REPORTED_PACKAGES:
        with suppress(PackageNotFoundError):  # an extra
            machine[name] = version(name)
    return BenchReport(bench, machine, current_commit(), list(rows), list(rows if table is None else table))


def count_jobs(total: int, progress: Progress | None) -> Callable[[], None]:
    """Return a function to be called after each of so many jobs: it reports the share that is done."""
    done = 0

    def finish_one() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done / total)

    return finish_one


def as_number(value: object) -> float:
    """Return a row's value that is a number."""
    assert isinstance(value, int | float)
    return float(value)


def count_values(values: Sequence[object]) -> str:
    """Return how often each value occurs, in words: "5 corrected, 2 kept"."""
    return ", ".join(f"{count} {value}" for value, count in Counter(values).items())


def format_table(rows: Sequence[Row]) -> str:
    """Return rows as a table for a terminal; columns that no row fills are left out."""
    lines = format_cells(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def format_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the header and the rows as a table shows them, without the columns that no row fills."""
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return [names, *([_format_cell(row[name]) for name in names] for row in rows)]


def _format_cell(value: str | float | int | Mapping[str, float] | None) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {100 * part:.0f} %" for name, part in value.items())
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def pivot_rows(rows: Sequence[Row], key: str, value: str, *, drop: str, column: str = "{}") -> list[Row]:
    """Return rows with a column of `value` for each `key`, without `drop`; rows equal in the rest merge."""
    merged: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        rest = {name: cell for name, cell in row.items() if name not in (key, value, drop)}
        merged.setdefault(tuple(rest.values()), rest)[column.format(row[key])] = row[value]
    return list(merged.values())


def _processor_name() -> str:
    if os.path.exists("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def current_commit() -> str:
    """Return the checkout's commit, or the version of an installed package."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return done.stdout.strip()
