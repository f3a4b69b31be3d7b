"""Read a gyro log, whose content decides the format."""

import logging
from os import PathLike
from pathlib import Path

from ..errors import DeepGyroError, UnknownColumns
from ..files import read_text_bytes
from .columns import COLUMNS_EXAMPLE, Columns, ColumnsError, parse_columns, parse_columns_option
from .embedded import read_embedded_gyro
from .gyroflow import GCSV_HEADERS, read_gcsv, read_gyroflow_project
from .gyrolog import GyroLog
from .phones import is_android_log, phone_logger_columns, read_android_log
from .tables import read_table, split_table

logger = logging.getLogger(__name__)

WARN_RATE_HZ = 50
"""Hand tremor goes up to 12 Hz; a lower sample rate misses it."""


def read_gyro(path: str | PathLike[str], *, columns: str | None = None) -> GyroLog:
    """Read a gyro log, or the gyro data of a video.

    Formats: tables whose header names the units (EuRoC, TUM VI, MARS logger, ...), any other table by
    `columns`, Stray Scanner, Sensor Logger, Android ``sensor t x y z`` text, Gyroflow's .gcsv and .gyroflow,
    and all that telemetry-parser knows (GoPro, Insta360, DJI, Sony, Blackbox, ...). Text may be gzipped. A
    unit is never guessed from the size of the numbers.

    Parameters
    ----------
    path
        The file.
    columns
        The columns of a table, in order and with units: ``"t[ns],wx[rad/s],wy[rad/s],wz[rad/s]"``; ``-`` is a
        column that is not used. Overrides a header.

    Returns
    -------
    log
        s and rad/s, in the log's own axes. Gaps and a saturated sensor are logged as warnings.

    Raises
    ------
    DeepGyroError
        If the file cannot be read or its samples cannot be a gyro's; one line says where and what to do.
        `UnknownColumns` if it is a table that needs `columns`.
    ValueError
        If `columns` does not name the time and three rates with their units.
    """
    option = None if columns is None else parse_columns_option(columns)
    text = _read_text(Path(path))
    if text is not None:
        log = _read_text_log(text, str(path), option)
    elif option is not None:
        raise DeepGyroError(
            f"{path}: columns is for tables of text, and this file is not text; leave columns out"
        )
    else:
        log = read_embedded_gyro(str(path))
    _warn_of_log_faults(log)
    return log


def _read_text(path: Path) -> str | None:
    """Return the text of a log, unpacked; None if it is not text."""
    data = read_text_bytes(path)
    if data is None:
        with path.open("rb") as file:
            if file.read(4) == b"DEVC":
                raise DeepGyroError(
                    f"{path}: a bare GoPro stream (GPMF), whose clock is that of its video; "
                    "give the MP4 that it was taken from"
                )
        return None
    if not data:
        raise DeepGyroError(f"{path}: the file is empty; give a gyro log")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_text_log(text: str, source: str, option: Columns | None) -> GyroLog:
    begin = text.lstrip()
    if begin.startswith((*GCSV_HEADERS, "{")):
        if option is not None:
            raise DeepGyroError(f"{source}: a Gyroflow file names its own columns; leave columns out")
        return (read_gyroflow_project if begin.startswith("{") else read_gcsv)(text, source)
    if option is not None:
        return read_table(split_table(text, source), option)
    if is_android_log(text):
        return read_android_log(text, source)
    return _read_named_table(text, source)


def _read_named_table(text: str, source: str) -> GyroLog:
    """Read a table by its header."""
    advice = f"name each column with its unit, - for one that is not used, for instance {COLUMNS_EXAMPLE}"
    try:
        table = split_table(text, source)
    except DeepGyroError as error:
        return _read_with_telemetry_parser(source, error)
    if table.header is None:
        raise UnknownColumns(
            f"{source}, line {table.lines[0][0]}: {table.count} columns and no header with as many names; "
            f"{advice}"
        )
    try:
        columns = phone_logger_columns(table.header, source) or parse_columns(table.header)
    except ColumnsError as error:
        unclear = UnknownColumns(f"{source}: the header does not name all columns: {error}; {advice}")
        return _read_with_telemetry_parser(source, unclear)
    return read_table(table, columns)


def _read_with_telemetry_parser(source: str, unclear: DeepGyroError) -> GyroLog:
    """Let telemetry-parser read a text in no format of ours (Blackbox, ...), or raise `unclear`."""
    try:
        return read_embedded_gyro(source)
    except DeepGyroError:
        raise unclear from None


def _warn_of_log_faults(log: GyroLog) -> None:
    if log.rate < WARN_RATE_HZ:
        logger.warning(
            "%s: %.1f samples a second, %d are needed to follow a hand; the paths will be too smooth",
            log.source, log.rate, WARN_RATE_HZ,
        )  # fmt: skip
    gaps = log.gaps()
    if len(gaps):
        longest = (gaps[:, 1] - gaps[:, 0]).max()
        logger.warning(
            "%s: %d gaps, the longest %.3f s, the first at %.6f s; photos taken in a gap are not covered",
            log.source, len(gaps), longest, gaps[0, 0],
        )  # fmt: skip
    if log.saturation_mask.any():
        logger.warning(
            "%s: the sensor is at the end of its range in %d samples; the true motion was faster there",
            log.source, int(log.saturation_mask.any(axis=1).sum()),
        )  # fmt: skip
