"""Numbers in text: the time and the rates of a table, and the line to blame when it cannot be read."""

import math
from dataclasses import dataclass
from io import StringIO
from itertools import compress

import numpy as np
from jaxtyping import Float64, Shaped
from numpy import ndarray

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry.columns import Columns
from deepgyro.telemetry.gyrolog import GyroLog, make_checked_log

MAX_HEADER_LINES = 50
"""A table's numbers begin within so many lines, or the file is no table."""


@dataclass(frozen=True)
class NumberTable:
    """The lines of a text file that hold numbers, and what stands above them."""

    source: str
    lines: list[str]
    """Lines of numbers; none is blank or a comment."""
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
    """Find the delimiter, the header and the lines of numbers of a text.

    Raises
    ------
    DeepGyroError
        If no line of numbers is found near the top.
    """
    lines = text.splitlines()
    for i, line in enumerate(lines[:MAX_HEADER_LINES]):
        delimiter = _guess_delimiter(line)
        if _is_comment(line) or not any(map(_is_number_field, split_fields(line, delimiter))):
            continue
        kept = [not _is_comment(line) for line in lines]
        kept[:i] = [False] * i
        table = NumberTable(
            source, list(compress(lines, kept)), list(compress(range(1, len(lines) + 1), kept)), delimiter
        )
        return NumberTable(
            source, table.lines, table.numbers, delimiter, _find_header(lines[:i], delimiter, table.count)
        )
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
    """Convert times to seconds, whole numbers without a detour through a float that cannot hold them.

    Parameters
    ----------
    ticks
        Times as int64 or float64, in `unit`. Nanoseconds since 1970 need 61 bits, a float64 has 53.
    unit
        s.

    Returns
    -------
    t
        Each time to the nearest float64, s: at 1.5e9 s these lie 0.24 microseconds apart.
    """
    per_second = round(1 / unit)
    if ticks.dtype.kind == "i" and math.isclose(per_second * unit, 1.0, rel_tol=1e-12):
        whole, rest = np.divmod(ticks, per_second)
        return whole + rest / per_second
    return ticks * unit


def split_fields(line: str, delimiter: str | None) -> list[str]:
    """Return a line's fields without white space and quotes around them."""
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
            if not _is_number_field(fields[i]):
                return DeepGyroError(
                    f"{place}: {fields[i][:40]!r} in column {i + 1} is no number; repair or remove the line"
                )
    return DeepGyroError(f"{table.source}: not readable as a table ({reason}); repair the file")


def _find_header(preceding_lines: list[str], delimiter: str | None, count: int) -> list[str] | None:
    for line in reversed(preceding_lines):
        names = split_fields(line.lstrip("# "), delimiter)
        if len(names) == count:
            return names
    return None


def _guess_delimiter(line: str) -> str | None:
    return next((mark for mark in ";,\t" if mark in line), None)


def _is_comment(line: str) -> bool:
    return not line or line.isspace() or line.lstrip().startswith("#")


def _is_number_field(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
