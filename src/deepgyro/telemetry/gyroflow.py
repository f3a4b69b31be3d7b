"""Gyroflow's own files: the .gcsv log and the rates kept in a .gyroflow project."""

import json
import math
import re
from typing import Any

import numpy as np

from ..errors import DeepGyroError
from .columns import Columns
from .gyrolog import GyroLog, make_checked_log
from .tables import NumberTable, read_table, split_fields

GCSV_HEADERS = ("GYROFLOW IMU LOG", "CAMERA IMU LOG")


def read_gcsv(text: str, source: str) -> GyroLog:
    """Read a .gcsv log [1]: counts times `gscale` are rad/s, ticks times `tscale` are s.

    The rates are returned in the axes that the log's `orientation` leads to, which are Gyroflow's for every
    camera. The letters are x, y and z of the result, lower case is negated: ``YxZ`` is x = Y, y = -X, z = Z,
    as in `orient` of telemetry-parser's tags_impl.rs. An orientation that mirrors, such as ``xzY``, belongs
    to a sensor with left-handed axes, so that the result is right-handed.

    References
    ----------
    .. [1] https://docs.gyroflow.xyz/app/technical-details/gcsv-format

    """
    lines = text.splitlines()
    top = next(
        (i for i, line in enumerate(lines) if re.match(r'[\s"]*(t|time)[\s"]*(,|$)', line.lower())), None
    )
    if top is None:
        raise DeepGyroError(
            f"{source}: no line t,gx,gy,gz above the samples; write the log as .gcsv 1.3 says"
        )
    rows = [split_fields(line, ",") for line in lines[1:top]]
    fields = {row[0].lower(): row[1] for row in rows if len(row) > 1}
    names = [name.lower() for name in split_fields(lines[top], ",")]
    if names[1:4] not in (["gx", "gy", "gz"], ["rx", "ry", "rz"]):
        raise DeepGyroError(
            f"{source}, line {top + 1}: columns {','.join(names)[:60]}, but t,gx,gy,gz come first; mend it"
        )
    scales = _read_scale(fields, "tscale", source), _read_scale(fields, "gscale", source)
    axes, signs = _read_axis_order(fields, source)
    kept = [(i, line) for i, line in enumerate(lines[top + 1 :], start=top + 2) if line.strip()]
    table = NumberTable(source, [line for _, line in kept], [i for i, _ in kept], ",")
    log = read_table(table, Columns(len(names), 0, (1, 2, 3), *scales))
    return GyroLog(log.t, log.omega[:, axes] * signs, source)


def read_gyroflow_project(text: str, source: str) -> GyroLog:
    """Read `raw_imu` of a .gyroflow project, in the sensor's own axes.

    The first Gyroflow (Python, 2021) kept rows [t, w, a] in s and rad/s: the rotation between its
    `frame_orientation` quaternions is the integral of these w. Version 1 keeps ``{"timestamp_ms", "gyro"}``
    in `gyro_source`, in deg/s, and later ones the same compressed, which is not read.
    """
    try:
        project = json.loads(text)
    except json.JSONDecodeError as error:
        raise DeepGyroError(
            f"{source}, line {error.lineno}: no JSON ({error.msg}); save the project again in Gyroflow"
        ) from None
    gyro_source = project.get("gyro_source")
    rows = project.get("raw_imu") or (gyro_source.get("raw_imu") if isinstance(gyro_source, dict) else None)
    if isinstance(rows, str):
        raise DeepGyroError(
            f"{source}: the project keeps its gyro data compressed, which is not read; "
            "give the video or the log that the project was made from"
        )
    if not rows:
        raise DeepGyroError(
            f"{source}: the project keeps no gyro data (raw_imu); give the video or the log it was made from"
        )
    try:
        t, omega = _parse_project_rows(rows)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DeepGyroError(
            f"{source}: raw_imu is no list of [t, wx, wy, wz] ({error}); save the project again"
        ) from None
    return make_checked_log(t, omega, source, lambda i: f"raw_imu row {i}")


def _parse_project_rows(rows: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(rows[0], dict):
        t = np.array([row["timestamp_ms"] for row in rows], dtype=np.float64) * 1e-3
        return t, np.radians(np.array([row["gyro"] for row in rows], dtype=np.float64))
    table = np.array(rows, dtype=np.float64)
    return table[:, 0].copy(), table[:, 1:4].copy()


def _read_scale(fields: dict[str, str], name: str, source: str) -> float:
    written = fields.get(name)
    unit = "s a tick" if name == "tscale" else "rad/s a count"
    if written is None:
        raise DeepGyroError(
            f"{source}: the header has no {name}; add a line {name},VALUE ({unit}) above the samples"
        )
    try:
        scale = float(written)
    except ValueError:
        scale = math.nan
    if not (scale > 0 and math.isfinite(scale)):
        raise DeepGyroError(
            f"{source}: {name} is {written!r}, but a positive number is needed ({unit}); correct it"
        )
    return scale


def _read_axis_order(fields: dict[str, str], source: str) -> tuple[list[int], list[float]]:
    written = fields.get("orientation")
    if written is None:
        raise DeepGyroError(f"{source}: the header has no orientation; add a line such as orientation,YxZ")
    if not re.fullmatch("[xyzXYZ]{3}", written) or sorted(written.upper()) != ["X", "Y", "Z"]:
        raise DeepGyroError(
            f"{source}: orientation is {written!r}; each of x, y, z is needed once, such as YxZ: correct it"
        )
    signs = [1.0 if letter.isupper() else -1.0 for letter in written]
    return ["XYZ".index(letter) for letter in written.upper()], signs
