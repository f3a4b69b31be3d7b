"""Kalibr's camchain-imucam.yaml (and camchain.yaml) as the keys of a camera file."""

import re
from collections.abc import Mapping
from typing import Any

from .settings import (
    Settings,
    format_value,
    require_mapping,
    require_number,
    require_numbers,
    require_pixel_count,
    value_error,
)


def is_kalibr(document: Mapping[Any, Any]) -> bool:
    """Return whether a YAML document is a Kalibr camera chain."""
    return bool(_list_cameras(document))


def settings_from_kalibr(document: Mapping[Any, Any], cam: str | None) -> Settings:
    """Translate one camera of a chain, such as "cam1" (None: the only one), to the keys of a camera file.

    Kalibr's signs are ours: ``p_cam = T_cam_imu p_imu`` and ``t_imu = t_cam + timeshift_cam_imu``.
    `line_delay` (s a row) is what `kalibr_calibrate_rs_cameras` writes [1]_; without it Kalibr's own model is
    a global shutter, but the file does not say that the camera has one.

    .. [1] ethz-asl/kalibr, pull request 416.
    """
    cams = _list_cameras(document)
    if cam is None and len(cams) > 1:
        raise ValueError(
            f"there are {len(cams)} cameras ({', '.join(cams)}); say which: read_camera(..., "
            f"cam={cams[0]!r}), or a camera file with the two lines lens: THIS_FILE and cam: {cams[0]}"
        )
    name = cams[0] if cam is None else cam
    if name not in cams:
        raise ValueError(f"there is no camera {format_value(name)}; there are {', '.join(cams)}")
    entry = require_mapping(document[name], name)
    for key in ("camera_model", "intrinsics", "distortion_model", "distortion_coeffs", "resolution"):
        if key not in entry:
            raise ValueError(f"{name}.{key} is missing; needed is a camera chain as Kalibr writes it")
    if entry["camera_model"] != "pinhole":
        advice = "only pinhole is supported: calibrate with pinhole-equi (wide lenses) or pinhole-radtan"
        raise value_error(f"{name}.camera_model", entry["camera_model"], advice)
    width, height = require_numbers(entry["resolution"], f"{name}.resolution", (2,)).tolist()
    settings: Settings = {
        "width": width,
        "height": height,
        "K": require_numbers(entry["intrinsics"], f"{name}.intrinsics", (4,)).tolist(),
        "distortion": {"model": entry["distortion_model"], "coefficients": entry["distortion_coeffs"] or []},
    }
    if "T_cam_imu" in entry:
        cam_from_imu = require_numbers(entry["T_cam_imu"], f"{name}.T_cam_imu", (4, 4))
        settings["cam_from_imu"] = cam_from_imu[:3, :3].tolist()
    if "timeshift_cam_imu" in entry:
        time_offset = require_number(entry["timeshift_cam_imu"], f"{name}.timeshift_cam_imu", "seconds")
        settings["time_offset"] = time_offset
    if "line_delay" in entry:
        line_delay = require_number(entry["line_delay"], f"{name}.line_delay", "seconds")
        settings["readout_time"] = line_delay * require_pixel_count(height, f"{name}.resolution")
    return settings


def _list_cameras(document: Mapping[Any, Any]) -> list[str]:
    return [key for key in document if isinstance(key, str) and re.fullmatch(r"cam\d+", key)]
