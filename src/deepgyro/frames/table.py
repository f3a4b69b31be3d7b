"""Frame tables: when each photo was exposed, and for how long."""

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepgyro.errors import DeepGyroError
from deepgyro.files import unreadable_file_error

MAX_EXPOSURE_S = 60.0  # s; a longer one is a wrong unit, and no gyro integrates that long

_TIME_UNITS_S = {
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
    """One photo's exposure.

    Attributes
    ----------
    file
        The photo.
    t
        Time on the camera's clock, s.
    exposure
        How long one row collects light, s.
    at
        What `t` is: the start of the exposure of the row that is read first, or the middle of the exposure of
        the picture's central row.
    """

    file: Path
    t: float
    exposure: float
    at: Literal["start", "middle"] = "start"


@dataclass(frozen=True)
class _FrameColumns:
    file: int | None
    t: int
    exposure: int | None
    t_per_second: float
    exposure_per_second: float
    at: Literal["start", "middle"]
    count: int


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
        return [
            FrameExposure(photo, frame.t, frame.exposure, frame.at)
            for photo, frame in zip(sorted(photos, key=natural_sort_key), frames, strict=True)
        ]
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
    name_count = Counter(frame.file.name for frame in frames)
    photo_count = Counter(photo.name for photo in photos)
    matched: dict[Path, FrameExposure | None] = {}
    for photo in photos:
        frame = by_file.get(photo.resolve())
        if frame is None and name_count[photo.name] == 1 and photo_count[photo.name] == 1:
            frame = by_name[photo.name]
        matched[photo] = frame
    return matched


def natural_sort_key(path: Path) -> list[tuple[str, int]]:
    """Return a sorting key that puts frame2 before frame10."""
    parts = re.findall(r"(\D*)(\d*)", str(path))
    return [(text.lower(), int(digits or -1)) for text, digits in parts]


def _read_rows(path: Path, timed: bool) -> tuple[_FrameColumns, list[tuple[int, list[str]]]]:
    """Return the columns and the numbered lines of values."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeepGyroError(f"{path}: is no text; {_HEADER_HINT}") from error
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DeepGyroError(f"{path}: is empty; {_HEADER_HINT}")
    if _is_number(lines[0][1].split()[0]):
        return _FrameColumns(None, 0, 1, 1e9, 1e9, "start", 2), [
            (n, _are_integers(path, n, line)) for n, line in lines
        ]
    rows = [
        (number, [field.strip() for field in next(csv.reader([line], skipinitialspace=True))])
        for number, line in lines
    ]
    return _find_columns(path, rows[0][1], timed), rows[1:]


def _are_integers(path: Path, number: int, line: str) -> list[str]:
    fields = line.split()
    if not all(re.fullmatch(r"\d+", field) for field in fields):
        raise DeepGyroError(
            f"{path}, line {number}: {line.strip()!r} found; without a header, a line is two whole numbers, "
            f"time and exposure in ns; else {_HEADER_HINT}"
        )
    return fields


def _find_columns(path: Path, header: list[str], timed: bool) -> _FrameColumns:
    names = [_split_unit(name) for name in header]

    def find(what: str, known: Sequence[str]) -> int | None:
        found = [i for i, (name, _) in enumerate(names) if name in known]
        if len(found) > 1:
            both = " and ".join(repr(header[i]) for i in found)
            raise DeepGyroError(f"{path}: two columns for the {what}, {both}; keep one")
        return found[0] if found else None

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
        per_second.append(_TIME_UNITS_S[unit or "s"])
    at: Literal["start", "middle"] = "middle" if names[t][0] in _MIDDLE_COLUMNS else "start"
    return _FrameColumns(file, t, exposure, per_second[0], per_second[1], at, len(header))


def _split_unit(header: str) -> tuple[str, str]:
    """Split ``Exposure time[nanosec]`` or ``exposure_time_ns`` into its name and unit."""
    name = re.sub(r"[\s_]+", "_", re.sub(r"[\[(]\s*(\w+)\s*[\])]", r" \1", header).strip().lower())
    head, _, tail = name.rpartition("_")
    return (head, tail) if head and tail in _TIME_UNITS_S else (name, "")


def _parse_frame(
    path: Path, line: int, fields: list[str], columns: _FrameColumns, exposure: float | None
) -> FrameExposure:
    where = f"{path}, line {line}"
    if len(fields) != columns.count:
        raise DeepGyroError(f"{where}: {len(fields)} values; {columns.count} are needed")
    t = _parse_number(where, "time", fields[columns.t]) / columns.t_per_second
    if exposure is None:
        assert columns.exposure is not None
        exposure = _parse_number(where, "exposure", fields[columns.exposure]) / columns.exposure_per_second
    if not 0 < exposure <= MAX_EXPOSURE_S:
        raise DeepGyroError(
            f"{where}: the exposure is {exposure:g} s; over 0 and at most {MAX_EXPOSURE_S:g} s is needed, "
            "check the value and the unit in the header"
        )
    if columns.file is None:
        return FrameExposure(Path(), t, exposure, columns.at)
    if not fields[columns.file]:
        raise DeepGyroError(f"{where}: no file named; every line needs one")
    return FrameExposure(path.parent / fields[columns.file], t, exposure, columns.at)


def _parse_number(where: str, what: str, text: str) -> float:
    if not _is_number(text) or not math.isfinite(float(text)):
        raise DeepGyroError(f"{where}: the {what} is {text!r}; a number is needed")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
