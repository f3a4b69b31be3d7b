"""Frame tables: when each photo was exposed, and for how long."""

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import DeepGyroError
from ..files import unreadable_file_error

MAX_EXPOSURE_S = 60.0
"""A longer exposure is a wrong unit, and no gyro integrates that long, s."""

_UNITS_PER_SECOND = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e3, "millisec": 1e3, "milliseconds": 1e3,
    "us": 1e6, "microsec": 1e6, "microseconds": 1e6,
    "ns": 1e9, "nanosec": 1e9, "nanoseconds": 1e9,
}  # fmt: skip
_FILE_COLUMNS = ("file", "filename")
_START_COLUMNS = ("t", "timestamp")
_MIDDLE_COLUMNS = ("t_mid", "t_mid_exposure")
_EXPOSURE_COLUMNS = ("exposure", "exposure_time")
_HEADER_HINT = "a header like `file,t,exposure` (in s), or with units, t_ns or exposure_ms, is needed"


@dataclass(frozen=True)
class FrameExposure:
    """One photo's exposure."""

    file: Path
    """The photo."""
    t: float
    """Time on the camera's clock, s."""
    exposure: float
    """How long one row collects light, s."""
    at: Literal["start", "middle"] = "start"
    """What `t` is: the start of the exposure of the row that is read first, or the middle of the exposure of
    the picture's central row."""


@dataclass(frozen=True)
class _FrameColumns:
    """Where the values are in a row, and in which units; by default as in ``images.txt``."""

    count: int = 2
    t: int = 0
    exposure: int | None = 1
    t_per_second: float = 1e9
    exposure_per_second: float = 1e9
    file: int | None = None
    at: Literal["start", "middle"] = "start"


def read_frames(
    path: str | os.PathLike[str], photos: Sequence[Path] = (), *, exposure: float | None = None
) -> list[FrameExposure]:
    """Read all frames of a table, in its order.

    A table is a CSV file with a header, its times in s or in the unit that the header names
    (``Timestamp[nanosec]``, ``exposure_ms``; a time named ``t_mid_exposure`` is the middle of the exposure),
    or the original program's ``images.txt`` without one: two integers a line, time and exposure in ns.

    Parameters
    ----------
    path
        The table. Files named in it are relative to its folder.
    photos
        The photos at hand. A table without a file column is for these, in their natural order (frame2 before
        frame10). With a file column they are not needed; where none is given, every file named must exist.
    exposure
        What stands for all exposures (s); the table then needs none.

    Raises
    ------
    DeepGyroError
        If a column is missing, a value is no usable number, a file is named twice or missing, or the table
        has no file column and not as many rows as there are photos.
    """
    path = Path(path)
    columns, rows = _read_rows(path, exposure is None)
    frames = [_parse_frame(path, line, fields, columns, exposure) for line, fields in rows]
    if not frames:
        raise DeepGyroError(f"{path}: no rows; one line a photo is needed")
    if columns.file is None:
        if len(frames) != len(photos):
            raise DeepGyroError(
                f"{path}: {len(frames)} rows for {len(photos)} photos; the table has no file column, so give "
                "the photos of all its rows, or add the column"
            )
        ordered = sorted(photos, key=natural_sort_key)
        return [replace(frame, file=photo) for photo, frame in zip(ordered, frames, strict=True)]
    first: dict[Path, int] = {}
    for (line, _), frame in zip(rows, frames, strict=True):
        before = first.setdefault(frame.file.resolve(), line)
        if before != line:
            raise DeepGyroError(
                f"{path}, line {line}: {frame.file.name} is in line {before} already; keep one"
            )
        if not photos and not frame.file.is_file():
            raise DeepGyroError(
                f"{path}, line {line}: {frame.file} does not exist; files are sought beside the table"
            )
    return frames


def match_frames(frames: Sequence[FrameExposure], photos: Sequence[Path]) -> dict[Path, FrameExposure | None]:
    """Return each photo's frame, None for a photo that the table lacks.

    A photo is the frame's file, or else bears a name that only one frame and only one photo have.
    """
    by_file = {frame.file.resolve(): frame for frame in frames}
    by_name = {frame.file.name: frame for frame in frames}
    names = Counter(frame.file.name for frame in frames), Counter(photo.name for photo in photos)
    matched: dict[Path, FrameExposure | None] = {}
    for photo in photos:
        unique = all(count[photo.name] == 1 for count in names)
        matched[photo] = by_file.get(photo.resolve(), by_name[photo.name] if unique else None)
    return matched


def natural_sort_key(path: Path) -> list[tuple[str, int]]:
    """Return a sorting key that puts frame2 before frame10."""
    parts = re.findall(r"(\D*)(\d*)", str(path))
    return [(text.lower(), int(digits or -1)) for text, digits in parts]


def _read_rows(path: Path, timed: bool) -> tuple[_FrameColumns, list[tuple[int, list[str]]]]:
    """Return the columns and the numbered lines of values; `timed`: exposures are needed."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeepGyroError(f"{path}: is no text; {_HEADER_HINT}") from error
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DeepGyroError(f"{path}: is empty; {_HEADER_HINT}")
    if not math.isnan(_to_float(lines[0][1].split()[0])):
        for number, line in lines:
            if not re.fullmatch(r"\s*\d+(\s+\d+)*\s*", line):
                raise DeepGyroError(
                    f"{path}, line {number}: {line.strip()!r} found; without a header, a line is two whole "
                    f"numbers, time and exposure in ns; else {_HEADER_HINT}"
                )
        return _FrameColumns(), [(number, line.split()) for number, line in lines]
    rows = [
        (number, [field.strip() for field in next(csv.reader([line], skipinitialspace=True))])
        for number, line in lines
    ]
    return _find_columns(path, rows[0][1], timed), rows[1:]


def _find_columns(path: Path, header: list[str], timed: bool) -> _FrameColumns:
    names = [_split_unit(name) for name in header]

    def find(what: str, known: Sequence[str]) -> int | None:
        columns = [i for i, (name, _) in enumerate(names) if name in known]
        if len(columns) > 1:
            both = " and ".join(repr(header[i]) for i in columns)
            raise DeepGyroError(f"{path}: two columns for the {what}, {both}; keep one")
        return columns[0] if columns else None

    file, t = find("file", _FILE_COLUMNS), find("time", _START_COLUMNS + _MIDDLE_COLUMNS)
    exposure = find("exposure", _EXPOSURE_COLUMNS) if timed else None
    if t is None or (exposure is None and timed):
        missing = "time" if t is None else "exposure"
        raise DeepGyroError(f"{path}: no column for the {missing} among {', '.join(header)}; {_HEADER_HINT}")
    per_second = []
    for i in (t, t if exposure is None else exposure):
        name, unit = names[i]
        if not unit and name not in ("t", "exposure"):
            raise DeepGyroError(
                f"{path}: the column {header[i]!r} has no unit; name it {name}_s or {name}_ns"
            )
        per_second.append(_UNITS_PER_SECOND[unit or "s"])
    at: Literal["start", "middle"] = "middle" if names[t][0] in _MIDDLE_COLUMNS else "start"
    return _FrameColumns(len(header), t, exposure, per_second[0], per_second[1], file, at)


def _split_unit(header: str) -> tuple[str, str]:
    """Split ``Exposure time[nanosec]`` or ``exposure_time_ns`` into its name and unit."""
    name = re.sub(r"[\s_]+", "_", re.sub(r"[\[(]\s*(\w+)\s*[\])]", r" \1", header).strip().lower())
    head, _, tail = name.rpartition("_")
    return (head, tail) if head and tail in _UNITS_PER_SECOND else (name, "")


def _parse_frame(
    path: Path, line: int, fields: list[str], columns: _FrameColumns, exposure: float | None
) -> FrameExposure:
    where = f"{path}, line {line}"
    if len(fields) != columns.count:
        raise DeepGyroError(f"{where}: {len(fields)} values; {columns.count} are needed")

    def number(what: str, text: str) -> float:
        if not math.isfinite(value := _to_float(text)):
            raise DeepGyroError(f"{where}: the {what} is {text!r}; a number is needed")
        return value

    t = number("time", fields[columns.t]) / columns.t_per_second
    if exposure is None:
        assert columns.exposure is not None
        exposure = number("exposure", fields[columns.exposure]) / columns.exposure_per_second
    if not 0 < exposure <= MAX_EXPOSURE_S:
        raise DeepGyroError(
            f"{where}: the exposure is {exposure:g} s; over 0 and at most {MAX_EXPOSURE_S:g} s is needed, "
            "check the value and the unit in the header"
        )
    if columns.file is not None and not fields[columns.file]:
        raise DeepGyroError(f"{where}: no file named; every line needs one")
    file = Path() if columns.file is None else path.parent / fields[columns.file]
    return FrameExposure(file, t, exposure, columns.at)


def _to_float(text: str) -> float:
    """Return a number, NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
