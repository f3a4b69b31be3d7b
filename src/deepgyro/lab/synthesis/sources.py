"""Where photos and logs come from: found, checked once, left out with a line if they cannot be used."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ...errors import DeepGyroError, UnknownColumns
from ...files import file_sha256
from ...frames import natural_sort_key, read_photo, read_record
from ...telemetry import GyroLog, read_gyro
from ...telemetry.columns import parse_columns_option
from ...threads import run_in_bands
from .pool import SourceLog, SourcePhoto, SourcePool

logger = logging.getLogger(__name__)

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif"}
MIN_LOG_DURATION_S = 0.2
"""A log must cover the longest exposure and readout that are drawn, and some time around them, s."""

_MAX_LISTED_FILES = 3  # so many small photos are named one by one
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

    Parameters
    ----------
    photos, logs
        Files, or folders that are searched with all that is in them and that links lead to (not what is
        hidden). Previews of data sets are no photos.
    height, width
        Size of the pairs, px. A smaller photo is left out, none is enlarged.
    gyro_columns
        Columns and units of the logs that do not say them, as `read_gyro` takes them; others go by what they
        say themselves.
    on_bad
        Called with one line for each file or folder that is left out (small photos are counted where they
        are many); without it the lines are logged as warnings.
    progress
        Called with the share of the files that is checked.

    Raises
    ------
    DeepGyroError
        If a file or folder that is named does not exist, or no photo or no log is left.
    ValueError
        If `gyro_columns` names no time and rates with their units.
    """
    say = on_bad or (lambda line: logger.warning("%s", line))
    if gyro_columns is not None:
        parse_columns_option(gyro_columns)
    photo_files = _find_files(photos, "photo", say, PHOTO_SUFFIXES)
    log_files = _find_files(logs, "log", say)
    files = len(photo_files) + len(log_files)
    report = _FileCounter(lambda done: progress(done / files) if progress else None)
    usable = _keep_usable(_check_photos(photo_files, report), say)
    large = [photo for photo in usable if photo.height >= height and photo.width >= width]
    _report_small_photos(usable, height, width, say)
    if not large:
        raise DeepGyroError(
            f"none of the photos ({len(photo_files)}) can be used, see above why; name others ({width} x "
            f"{height} px or more, the size of a pair, are needed) or give a smaller size"
        )
    gyro = _keep_usable([_check_log(name, path, gyro_columns, report) for name, path in log_files], say)
    if not gyro:
        raise DeepGyroError(
            f"none of the gyro logs ({len(log_files)}) can be used, see above why; name others "
            f"({MIN_LOG_DURATION_S:g} s or more are needed)"
        )
    return SourcePool(tuple(large), tuple(gyro))


class _FileCounter:
    """Counts files from several threads."""

    def __init__(self, report_count: Callable[[int], object]) -> None:
        self.tell = report_count
        self.done = 0
        self.lock = threading.Lock()

    def count_one(self) -> None:
        """Count one more, and tell."""
        with self.lock:
            self.done += 1
            self.tell(self.done)


def _find_files(
    paths: Sequence[Path], what: str, warn: Callable[[str], None], suffixes: set[str] | None = None
) -> list[tuple[str, Path]]:
    """Return the files that are named or lie in folders that are, each once, with its name therein.

    A file that could have several names gets the shortest, whoever was named first.
    """
    found: dict[str, list[tuple[str, Path]]] = {}
    for path in paths:
        if path.is_dir():
            for file in _walk_files(path, warn):
                if suffixes is None or file.suffix.lower() in suffixes:
                    name = file.relative_to(path).as_posix()
                    found.setdefault(os.path.realpath(file), []).append((name, file.absolute()))
        elif path.exists():
            found.setdefault(os.path.realpath(path), []).append((path.name, path.absolute()))
        else:
            raise DeepGyroError(f"{path}: no such file or folder; check the name")
    if not found:
        where = ", ".join(map(str, paths)) or "nothing named"
        raise DeepGyroError(f"{where}: no {what} there; name {what}s, or folders of them")
    files = (min(names, key=lambda item: (len(item[0]), item)) for names in found.values())
    return sorted(files, key=lambda item: _natural_sort_key(item[0]))


def _walk_files(folder: Path, warn: Callable[[str], None]) -> Iterator[Path]:
    """Yield the files of a folder and below, behind links last; each real folder is searched once."""

    def unreadable(error: OSError) -> None:
        warn(f"left out: {error.filename}: the folder cannot be read ({error.strerror})")

    seen: set[str] = set()
    waiting = deque([folder])
    while waiting:
        for parent, folders, files in os.walk(waiting.popleft(), onerror=unreadable):
            real = os.path.realpath(parent)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += (Path(parent, name) for name in folders if os.path.islink(Path(parent, name)))
            yield from (Path(parent, name) for name in files if not name.startswith("."))


def _natural_sort_key(name: str) -> tuple[list[tuple[str, int]], str]:
    return natural_sort_key(Path(name)), name


def _keep_usable(checked: Sequence[_Source | str], warn: Callable[[str], None]) -> list[_Source]:
    """Return what can be used, each under a name of its own, and report the rest.

    The order and the names depend on the files alone, not on where they lie or who was named first.
    """
    usable: list[_Source] = []
    for material in checked:
        if isinstance(material, str):
            warn(material)
        else:
            usable.append(material)
    usable.sort(key=lambda material: (_natural_sort_key(material.name), material.sha256))
    seen: Counter[str] = Counter()
    for i, material in enumerate(usable):
        seen[material.name] += 1
        if seen[material.name] > 1:
            usable[i] = replace(material, name=f"{material.name} ({seen[material.name]})")
    return usable


def _check_photos(files: Sequence[tuple[str, Path]], report: _FileCounter) -> list[SourcePhoto | str]:
    checked: list[SourcePhoto | str] = [""] * len(files)

    def check(top: int, bottom: int) -> None:
        for i in range(top, bottom):
            checked[i] = _check_photo(*files[i])
            report.count_one()

    run_in_bands(len(files), 4, check)
    return checked


def _check_photo(name: str, path: Path) -> SourcePhoto | str:
    """Decode a photo strictly, and again as `PoolPhoto.pixels` does; return why if it cannot be used."""
    try:
        if "preview" in (read_record(path) or {}):
            return f"left out: {path}: is a preview of a data set"
        height, width = read_photo(path).pixels.shape[:2]
        photo = SourcePhoto(name, path, file_sha256(path), height, width)
        photo.read_pixels()
    except DeepGyroError as error:
        return f"left out: {error}"
    return photo


def _report_small_photos(
    photos: Sequence[SourcePhoto], height: int, width: int, warn: Callable[[str], None]
) -> None:
    small = [photo for photo in photos if photo.height < height or photo.width < width]
    need = f"smaller than {width} x {height} px, the size of a pair (photos are never enlarged)"
    if len(small) > _MAX_LISTED_FILES:
        warn(f"left out: {len(small)} of {len(photos)} photos are {need}")
    else:
        for photo in small:
            warn(f"left out: {photo.path}: {photo.width} x {photo.height} px, {need}")


def _check_log(name: str, path: Path, columns: str | None, report: _FileCounter) -> SourceLog | str:
    """Read a log; return why if it cannot be used."""
    try:
        log, used = _read_log(path, columns)
        if log.duration < MIN_LOG_DURATION_S:
            return (
                f"left out: {path}: it lasts {log.duration:.3f} s; {MIN_LOG_DURATION_S:g} s or more "
                "are needed"
            )
        return SourceLog(name, file_sha256(path), replace(log, source=name), used)
    except DeepGyroError as error:
        return f"left out: {error}"
    finally:
        report.count_one()


def _read_log(path: Path, columns: str | None) -> tuple[GyroLog, str | None]:
    """Read a log by what it says itself; if that is not enough, by `columns`, which is then returned."""
    try:
        return read_gyro(path), None
    except UnknownColumns:
        if columns is None:
            raise
        return read_gyro(path, columns=columns), columns
