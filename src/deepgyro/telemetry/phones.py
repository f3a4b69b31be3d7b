"""Phone loggers whose files lack units; these are from each format's own documentation."""

import re
from pathlib import PurePath

from ..errors import DeepGyroError
from .columns import COLUMNS_EXAMPLE, Columns
from .gyrolog import GyroLog
from .tables import NumberTable, read_table

_ANDROID_GYROSCOPE_ID = "4"
"""Android's Sensor.TYPE_GYROSCOPE."""
_ANDROID_LINE = re.compile(r"\s*\d{1,2}\s+\d+(?:\s+[-+.\deE]+){3}\s*")
_ANDROID_COLUMNS = Columns(count=5, t=1, omega=(2, 3, 4), t_unit=1e-9, omega_unit=1.0)

_STRAY_SCANNER_HEADER = ["timestamp", "a_x", "a_y", "a_z", "alpha_x", "alpha_y", "alpha_z"]
"""Header of Stray Scanner's imu.csv: time in s, a the acceleration in m/s^2, alpha the rate in rad/s."""
_SENSOR_LOGGER_HEADER = {"time", "seconds_elapsed", "z", "y", "x"}
"""Header of every three-axis sensor of Sensor Logger; only the file's name says which one it is."""


def is_android_log(text: str) -> bool:
    """Return whether a text is a log of ``sensor t x y z`` lines of several sensors."""
    lines = [line for line in text[:4000].splitlines()[:-1] if line.strip()] or text.splitlines()
    sensors = {line.split(maxsplit=1)[0] for line in lines}
    # A column that counts the samples also begins with small whole numbers, but never repeats one.
    return (
        all(map(_ANDROID_LINE.fullmatch, lines))
        and _ANDROID_GYROSCOPE_ID in sensors
        and len(sensors) < len(lines)
    )


def read_android_log(text: str, source: str) -> GyroLog:
    """Read the gyroscope of a log of ``sensor t x y z`` lines: sensor 4, in Android's units, ns and rad/s."""
    lines, numbers = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        sensor = line.split(maxsplit=1)[0]
        if not sensor.isdecimal():
            raise DeepGyroError(
                f"{source}, line {number}: {sensor[:40]!r} is no sensor number (4: gyroscope); "
                "repair or remove the line"
            )
        if sensor == _ANDROID_GYROSCOPE_ID:
            lines.append(line)
            numbers.append(number)
    return read_table(NumberTable(source, lines, numbers, delimiter=None), _ANDROID_COLUMNS)


def phone_logger_columns(header: list[str], source: str) -> Columns | None:
    """Return the columns of a phone logger's table, or None if its header is no phone logger's."""
    if header == _STRAY_SCANNER_HEADER:
        return Columns(count=7, t=0, omega=(4, 5, 6), t_unit=1.0, omega_unit=1.0)
    if set(header) == _SENSOR_LOGGER_HEADER and len(header) == 5:
        if "gyro" not in PurePath(source).name.lower():
            raise DeepGyroError(
                f"{source}: Sensor Logger writes this header for every sensor and the file's name is not "
                f"Gyroscope.csv; give that file, or say what this one holds, for instance {COLUMNS_EXAMPLE}"
            )
        omega = (header.index("x"), header.index("y"), header.index("z"))
        return Columns(count=5, t=header.index("time"), omega=omega, t_unit=1e-9, omega_unit=1.0)
    return None
