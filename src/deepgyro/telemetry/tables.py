"""Tables of numbers in text: the time and the rates, or the line that cannot be read."""

import math
from dataclasses import dataclass
from io import StringIO

import numpy as np
from jaxtyping import Float64, Shaped
from numpy import ndarray

from ..errors import DeepGyroError
from .columns import Columns
from .gyrolog import GyroLog, make_checked_log

MAX_HEADER_LINES = 50
"""A table's numbers begin within so many lines, or the file is no table."""


@dataclass(frozen=True)
class NumberTable:
    """The lines of numbers in a text file, and the header above them."""

    source: str
    lines: list[str]
    """None is blank or a comment."""
    numbers: list[int]
    """Number of each line in the file, from 1."""
    delimiter: str | None
    """None: white space."""
    header: list[str] | None = None
    """Column names; None if no line above the numbers has as many fields as they."""

    @property
    def count(self) -> int:
        """Columns of the first line of numbers."""
        return len(split_fields(self.lines[0], self.delimiter))


def split_table(text: str, source: str) -> NumberTable:
    """Find the delimiter, the header and the lines of numbers of a text; DeepGyroError if it has none."""
    lines = text.splitlines()
    for i, line in enumerate(lines[:MAX_HEADER_LINES]):
        delimiter = next((mark for mark in ";,\t" if mark in line), None)
        fields = split_fields(line, delimiter)
        if _is_comment(line) or not any(map(_is_number, fields)):
            continue
        kept = [k for k in range(i, len(lines)) if not _is_comment(lines[k])]
        above = (split_fields(line.lstrip("# "), delimiter) for line in reversed(lines[:i]))
        header = next((names for names in above if len(names) == len(fields)), None)
        return NumberTable(source, [lines[k] for k in kept], [k + 1 for k in kept], delimiter, header)
    raise DeepGyroError(
        f"{source}: no numbers in the first {MAX_HEADER_LINES} lines; give a gyro log, lines of time and "
        "rates"
    )


def read_table(table: NumberTable, columns: Columns) -> GyroLog:
    """Read the time and the rates out of a table.

    Times written as whole numbers are read as int64 and only then turned into seconds.

    Raises
    ------
    DeepGyroError
        If a line has another number of columns or something that is no number, if there are fewer than 2
        samples, or if a sample cannot be a gyro's; the message names the line.
    """
    if not table.lines:
        raise DeepGyroError(f"{table.source}: no gyro sample, at least 2 are needed; give the whole log")
    if table.count != columns.count:
        raise DeepGyroError(
            f"{table.source}, line {table.numbers[0]}: {table.count} columns, but {columns.count} are named; "
            "name every column, - for one that is not used"
        )
    try:
        rows = _load_columns(table, columns, "i8")
    except ValueError:
        try:
            rows = _load_columns(table, columns, "f8")
        except ValueError as error:
            raise _find_bad_line(table, columns, str(error)) from None
    t = ticks_to_seconds(rows["t"], columns.t_unit)
    omega = np.stack([rows["x"], rows["y"], rows["z"]], axis=1) * columns.omega_unit
    return make_checked_log(t, omega, table.source, lambda i: f"line {table.numbers[i]}")


def ticks_to_seconds(ticks: Shaped[ndarray, " n"], unit: float) -> Float64[ndarray, " n"]:
    """Convert times in `unit` (s) to the nearest float64, s: at 1.5e9 s these lie 0.24 microseconds apart.

    Whole numbers take no detour through float64: nanoseconds since 1970 need 61 bits, it has 53.
    """
    per_second = round(1 / unit)
    if ticks.dtype.kind == "i" and math.isclose(per_second * unit, 1.0, rel_tol=1e-12):
        whole, rest = np.divmod(ticks, per_second)
        return whole + rest / per_second
    return ticks * unit


def split_fields(line: str, delimiter: str | None) -> list[str]:
    """Return a line's fields without surrounding white space and quotes."""
    return [field.strip().strip('"') for field in line.split(delimiter)]


def _load_columns(table: NumberTable, columns: Columns, time_dtype: str) -> ndarray:
    # A column that is not used is read as one byte of text, which never fails but is still counted.
    dtype = [(f"unused{i}", "S1") for i in range(columns.count)]
    dtype[columns.t] = ("t", time_dtype)
    for name, i in zip("xyz", columns.omega, strict=True):
        dtype[i] = (name, "f8")
    text = StringIO("\n".join(table.lines))
    rows: ndarray = np.loadtxt(text, dtype=np.dtype(dtype), delimiter=table.delimiter, quotechar='"', ndmin=1)
    return rows


def _find_bad_line(table: NumberTable, columns: Columns, reason: str) -> DeepGyroError:
    """Return the error of the first line that is no row of the table."""
    for number, line in zip(table.numbers, table.lines, strict=True):
        place = f"{table.source}, line {number}"
        fields = split_fields(line.split("#")[0], table.delimiter)
        if len(fields) != columns.count:
            return DeepGyroError(
                f"{place}: {len(fields)} columns, {columns.count} are needed; repair or remove the line"
            )
        for i in (columns.t, *columns.omega):
            if not _is_number(fields[i]):
                return DeepGyroError(
                    f"{place}: {fields[i][:40]!r} in column {i + 1} is no number; repair or remove the line"
                )
    return DeepGyroError(f"{table.source}: not readable as a table ({reason}); repair the file")


def _is_comment(line: str) -> bool:
    return not line or line.isspace() or line.lstrip().startswith("#")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
