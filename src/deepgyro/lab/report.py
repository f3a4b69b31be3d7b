"""A bench's rows, and where they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..threads import core_count

Row = Mapping[str, "str | float | int | Mapping[str, float] | None"]

REPORTED_PACKAGES = ("numpy", "numba", "opencv-python-headless", "openvino", "onnxruntime", "scikit-image")
"""Whose versions change figures."""


@dataclass(frozen=True)
class BenchReport:
    """What a bench found: flat rows, the machine and the state of the program."""

    bench: str
    machine: Mapping[str, str | int]
    commit: str
    rows: Sequence[Row]

    def machine_line(self) -> str:
        """Return the machine and the versions in a line."""
        return ", ".join(f"{name} {value}" for name, value in self.machine.items())


def make_report(bench: str, rows: Sequence[Row]) -> BenchReport:
    """Return the rows with the machine and the commit they were measured on."""
    machine: dict[str, str | int] = {
        "processor": _processor_name(),
        "cores": core_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for name in REPORTED_PACKAGES:
        with suppress(PackageNotFoundError):  # an extra
            machine[name] = version(name)
    return BenchReport(bench, machine, current_commit(), list(rows))


def as_number(value: object) -> float:
    """Return a row's value that is a number."""
    assert isinstance(value, int | float)
    return float(value)


def format_table(rows: Sequence[Row]) -> str:
    """Return rows as a table for a terminal; columns that no row fills are left out."""
    names = filled_columns(rows)
    lines = [names] + [[format_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def pivot_rows(rows: Sequence[Row], key: str, value: str, unit: str, *, without: str = "") -> list[Row]:
    """Return rows for a person, a column of `value` for each `key`; rows alike in all else become one."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        rest = {name: cell for name, cell in row.items() if name not in (key, value, without)}
        found.setdefault(tuple(rest.values()), rest)[f"{value}, {row[key]:g} {unit}"] = row[value]
    return list(found.values())


def filled_columns(rows: Sequence[Row]) -> list[str]:
    """Return the names of the columns that some row fills."""
    return [name for name in rows[0] if any(row[name] is not None for row in rows)]


def format_cell(value: str | float | int | Mapping[str, float] | None) -> str:
    """Return a value as a table shows it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {100 * part:.0f} %" for name, part in value.items())
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _processor_name() -> str:
    if os.path.exists("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def current_commit() -> str:
    """Return the checkout's commit, or the version of an installed package."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return done.stdout.strip()
