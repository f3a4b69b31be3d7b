"""Finding photos and gyro logs, and checking each once: one line for each that cannot be used."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ...errors import DeepGyroError, UnknownColumns
from ...files import file_sha256
from ...frames import natural_sort_key, read_photo, read_record
from ...telemetry import GyroLog, read_gyro
from ...telemetry.columns import parse_columns_option
from ...threads import core_count
from .pool import SourceLog, SourcePhoto, SourcePool

logger = logging.getLogger(__name__)

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif"}
MIN_LOG_DURATION_S = 0.2
"""A log must cover the longest exposure and readout that are drawn, and some time around them, s."""

_MAX_LISTED_FILES = 3  # more small photos than these are counted, not named
_Source = TypeVar("_Source", SourcePhoto, SourceLog)


def open_pool(
    photos: Sequence[Path],
    logs: Sequence[Path],
    *,
    height: int,
    width: int,
    gyro_columns: str | None = None,
    on_bad: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> SourcePool:
    """Find photos and logs, check each, leave out those that cannot be used.

    Photos smaller than a pair (`height` x `width` px) are left out, and previews of data sets.

    Parameters
    ----------
    photos, logs
        Files, or folders to search, subfolders and links included, hidden ones not.
    gyro_columns
        Columns and units of the logs that do not name them, as `read_gyro` takes them.
    on_bad
        Called with one line for each file or folder that is left out (many small photos are counted in one);
        without it the lines are logged as warnings.
    progress
        Called with the share of the files that is checked.

    Raises
    ------
    DeepGyroError
        If a named file or folder does not exist, or no photo or no log is left.
    ValueError
        If `gyro_columns` names no time and rates with their units.
    """
    warn = on_bad or (lambda line: logger.warning("%s", line))
    if gyro_columns is not None:
        parse_columns_option(gyro_columns)
    photo_files = _find_files(photos, "photo", warn, PHOTO_SUFFIXES)
    log_files = _find_files(logs, "log", warn)
    counter = itertools.count(1)

    def count(checked: Iterator[_Source | str]) -> Iterator[_Source | str]:
        for source in checked:
            if progress:
                progress(next(counter) / (len(photo_files) + len(log_files)))
            yield source

    with ThreadPoolExecutor(core_count()) as threads:
        usable = _keep_usable(count(threads.map(_check_photo, *zip(*photo_files, strict=True))), warn)
    large = [photo for photo in usable if photo.height >= height and photo.width >= width]
    small = [photo for photo in usable if photo.height < height or photo.width < width]
    need = f"smaller than {width} x {height} px, the size of a pair (photos are never enlarged)"
    if len(small) > _MAX_LISTED_FILES:
        warn(f"left out: {len(small)} of {len(usable)} photos are {need}")
    else:
        for photo in small:
            warn(f"left out: {photo.path}: {photo.width} x {photo.height} px, {need}")
    if not large:
        raise DeepGyroError(
            f"none of the photos ({len(photo_files)}) can be used, see above why; name others ({width} x "
            f"{height} px or more, the size of a pair, are needed) or give a smaller size"
        )
    gyro = _keep_usable(count(_check_log(name, path, gyro_columns) for name, path in log_files), warn)
    if not gyro:
        raise DeepGyroError(
            f"none of the gyro logs ({len(log_files)}) can be used, see above why; name others "
            f"({MIN_LOG_DURATION_S:g} s or more are needed)"
        )
    return SourcePool(tuple(large), tuple(gyro))


def _find_files(
    paths: Sequence[Path], what: str, warn: Callable[[str], None], suffixes: set[str] | None = None
) -> list[tuple[str, Path]]:
    """Return the files in `paths` and in folders among them, each once, with its name relative to the folder.

    A file that could have several names gets the shortest, in whatever order the paths are.
    """
    names: dict[str, list[tuple[str, Path]]] = {}
    for path in paths:
        if path.is_dir():
            for file in _walk_files(path, warn):
                if suffixes is None or file.suffix.lower() in suffixes:
                    name = file.relative_to(path).as_posix()
                    names.setdefault(os.path.realpath(file), []).append((name, file.absolute()))
        elif path.exists():
            names.setdefault(os.path.realpath(path), []).append((path.name, path.absolute()))
        else:
            raise DeepGyroError(f"{path}: no such file or folder; check the name")
    if not names:
        where = ", ".join(map(str, paths)) or "nothing named"
        raise DeepGyroError(f"{where}: no {what} there; name {what}s, or folders of them")
    files = (min(each, key=lambda item: (len(item[0]), item)) for each in names.values())
    return sorted(files, key=lambda item: _natural_sort_key(item[0]))


def _walk_files(folder: Path, warn: Callable[[str], None]) -> Iterator[Path]:
    """Yield the files of a folder and below, those behind links last; each real folder is searched once."""

    def report_unreadable(error: OSError) -> None:
        warn(f"left out: {error.filename}: the folder cannot be read ({error.strerror})")

    visited: set[str] = set()
    waiting = deque([folder])
    while waiting:
        for parent, folders, files in os.walk(waiting.popleft(), onerror=report_unreadable):
            real = os.path.realpath(parent)
            if real in visited:
                folders.clear()
                continue
            visited.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += (Path(parent, name) for name in folders if os.path.islink(Path(parent, name)))
            yield from (Path(parent, name) for name in files if not name.startswith("."))


def _natural_sort_key(name: str) -> tuple[list[tuple[str, int]], str]:
    return natural_sort_key(Path(name)), name


def _keep_usable(checked: Iterator[_Source | str], warn: Callable[[str], None]) -> list[_Source]:
    """Return the usable sources, sorted, each with a unique name; report the others."""
    usable: list[_Source] = []
    for source in checked:
        if isinstance(source, str):
            warn(source)
        else:
            usable.append(source)
    usable.sort(key=lambda source: (_natural_sort_key(source.name), source.sha256))
    names: Counter[str] = Counter()
    for i, source in enumerate(usable):
        names[source.name] += 1
        if names[source.name] > 1:
            usable[i] = replace(source, name=f"{source.name} ({names[source.name]})")
    return usable


def _check_photo(name: str, path: Path) -> SourcePhoto | str:
    """Decode a photo strictly, and again as workers do; return the reason if it cannot be used."""
    try:
        if "preview" in (read_record(path) or {}):
            return f"left out: {path}: is a preview of a data set"
        height, width = read_photo(path).pixels.shape[:2]
        photo = SourcePhoto(name, path, file_sha256(path), height, width)
        photo.read_pixels()
    except DeepGyroError as error:
        return f"left out: {error}"
    return photo


def _check_log(name: str, path: Path, columns: str | None) -> SourceLog | str:
    """Read a log; return the reason if it cannot be used."""
    try:
        log, used_columns = _read_log(path, columns)
        if log.duration < MIN_LOG_DURATION_S:
            needed = f"{MIN_LOG_DURATION_S:g} s or more are needed"
            return f"left out: {path}: it lasts {log.duration:.3f} s; {needed}"
        return SourceLog(name, file_sha256(path), replace(log, source=name), used_columns)
    except DeepGyroError as error:
        return f"left out: {error}"


def _read_log(path: Path, columns: str | None) -> tuple[GyroLog, str | None]:
    """Read a log by its own header, or else by `columns`; return the columns only if they were used."""
    try:
        return read_gyro(path), None
    except UnknownColumns:
        if columns is None:
            raise
        return read_gyro(path, columns=columns), columns
