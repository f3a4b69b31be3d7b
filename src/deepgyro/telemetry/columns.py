"""The columns of a table and their units, from its header or from the option `columns`."""

import re
from dataclasses import dataclass

import numpy as np

COLUMNS_EXAMPLE = 'columns="t[ns],wx[rad/s],wy[rad/s],wz[rad/s]"'
"""The option's form, for messages and help."""

_TIME_UNIT_SPELLINGS = {
    1.0: "s sec secs second seconds",
    1e-3: "ms msec millisec milliseconds",
    1e-6: "us µs μs usec microsec microseconds",
    1e-9: "ns nsec nanosec nanoseconds",
}
TIME_UNITS = {name: scale for scale, names in _TIME_UNIT_SPELLINGS.items() for name in names.split()}
"""Seconds in a unit of time."""

_RAD_PER_S_SPELLINGS = (
    "rad/s rad/sec rad_s rads radps rad_per_s rad/second rad*s^-1 rad·s^-1 rad_s^-1 rad_s-1 rad_s⁻¹"
)
_DEG_PER_S_SPELLINGS = (
    "deg/s deg/sec deg_s degs degps deg_per_s degree/s degrees/s deg_s^-1 deg_s-1 °/s °/sec dps"
)
RATE_UNITS = dict.fromkeys(_RAD_PER_S_SPELLINGS.split(), 1.0) | dict.fromkeys(
    _DEG_PER_S_SPELLINGS.split(), float(np.pi / 180)
)
"""Radians a second in a unit of angular rate."""

_TIME_COLUMN = re.compile(r"t|ts|time|times|time_?stamps?")
_GYRO_COLUMN = re.compile(
    r"(?:w|g|gyr|gyro|gyroscope|omega|w_rs_s|ang_?vel|angular_?(?:velocity|rate)|rotation_?rate|rot_?rate)_?([xyz])"
)
_UNUSED_COLUMN = {"-", "_", ""}


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold the time and the rates; one unit of each in s and in rad/s."""

    count: int
    t: int
    omega: tuple[int, int, int]
    t_unit: float
    omega_unit: float


class ColumnsError(Exception):
    """The names leave the columns of time and rates, or their units, unknown; the message says why."""


def parse_columns(names: list[str]) -> Columns:
    """Find the time and the three rates among the names of all columns, which carry their units.

    Understood are ``gx[rad/s]``, ``gx (rad/s)`` and ``gx_rad_s``; names that are neither are other sensors'.

    Raises
    ------
    ColumnsError
        If a column is missing, named twice, or without a unit.
    """
    columns: dict[str, int] = {}
    units: dict[str, float] = {}
    for i, label in enumerate(names):
        role, unit = _column_role(label)
        if role is None:
            continue
        if role in columns:
            raise ColumnsError(f"columns {names[columns[role]]!r} and {label!r} both look like {role}")
        known = TIME_UNITS if role == "t" else RATE_UNITS
        if unit is None:
            raise ColumnsError(f"column {label!r} has no unit")
        if unit not in known:
            raise ColumnsError(f"the unit of column {label!r} is unknown")
        columns[role], units[role] = i, known[unit]
    missing = [role for role in ("t", "wx", "wy", "wz") if role not in columns]
    if missing:
        raise ColumnsError(f"no column for {', '.join(missing)}")
    if not units["wx"] == units["wy"] == units["wz"]:
        raise ColumnsError("the three rates are in different units")
    omega = (columns["wx"], columns["wy"], columns["wz"])
    return Columns(len(names), columns["t"], omega, t_unit=units["t"], omega_unit=units["wx"])


def parse_columns_option(columns: str) -> Columns:
    """Read the option `columns`, in which ``-`` or ``_`` stands for a column that is not used.

    Raise ValueError if it does not name the time and the three rates with their units.
    """
    names = [name.strip() for name in columns.split(",")]
    try:
        for name in names:
            if name not in _UNUSED_COLUMN and _column_role(name)[0] is None:
                raise ColumnsError(
                    f"the name {name!r} is unknown; use t, wx, wy, wz, and - for other columns"
                )
        return parse_columns(names)
    except ColumnsError as error:
        raise ValueError(f"columns={columns!r}: {error}; write for instance {COLUMNS_EXAMPLE}") from None


def _column_role(label: str) -> tuple[str | None, str | None]:
    """Return what a column holds ("t", "wx", "wy", "wz" or None) and the unit in its label, if any."""
    text = label.strip().strip("\"'").lower()
    if bracketed := re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]", text):
        name, unit = _join_names(bracketed[1]), _join_names(bracketed[2])
        return _match_column_name(name), unit
    name = _join_names(text)
    if role := _match_column_name(name):
        return role, None
    # A unit as the last part of the name, such as gx_rad_s; gyro_x_raw is another column.
    for split in re.finditer("_", name):
        role, unit = _match_column_name(name[: split.start()]), name[split.end() :]
        if role and unit in (TIME_UNITS if role == "t" else RATE_UNITS):
            return role, unit
    return None, None


def _match_column_name(name: str) -> str | None:
    if _TIME_COLUMN.fullmatch(name):
        return "t"
    gyro = _GYRO_COLUMN.fullmatch(name)
    return "w" + gyro[1] if gyro else None


def _join_names(text: str) -> str:
    return re.sub(r"[\s.]+", "_", text.strip())
