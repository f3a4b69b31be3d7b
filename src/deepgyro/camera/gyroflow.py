"""Gyroflow's lens profiles, and the one inside a .gyroflow project, as the keys of a camera file."""

from collections.abc import Mapping
from typing import Any

from .settings import (
    Settings,
    require_mapping,
    require_number,
    require_numbers,
    require_pixel_count,
    value_error,
)

_READOUT_DIRECTIONS = {
    "TopToBottom": "down",
    "BottomToTop": "up",
    "LeftToRight": "right",
    "RightToLeft": "left",
}
_LENS_MODELS = {None: "equidistant", "opencv_fisheye": "equidistant", "opencv_standard": "radtan"}


def is_gyroflow(document: Mapping[Any, Any]) -> bool:
    """Return whether a JSON document is a Gyroflow lens profile or project."""
    return document.get("title") == "Gyroflow data file" or any(
        key in document for key in ("calibration_data", "fisheye_params", "calib_dimension")
    )


def settings_from_gyroflow(document: Mapping[Any, Any]) -> Settings:
    """Translate a lens profile, or the one inside a project, to the keys of a camera file.

    The size is that of the calibration (`calib_dimension`), which the camera matrix is for. The gyro's axes
    and clock are not in it. The readout time is in ms; below zero means bottom to top in older files.
    """
    project = "calibration_data" in document or "title" in document
    if project and not document.get("calibration_data"):
        raise ValueError(
            "this Gyroflow project has no lens profile (calibration_data); choose one in Gyroflow"
        )
    profile = require_mapping(document["calibration_data"], "calibration_data") if project else document
    _refuse_unsupported(profile)
    size = _require_key(profile, "calib_dimension")
    lens = _require_key(profile, "fisheye_params")
    matrix = require_numbers(lens.get("camera_matrix"), "fisheye_params.camera_matrix", (3, 3))
    settings: Settings = {
        "width": require_pixel_count(size.get("w"), "calib_dimension.w"),
        "height": require_pixel_count(size.get("h"), "calib_dimension.h"),
        "K": matrix.tolist(),
        "distortion": _read_distortion(profile, lens),
    }
    shutter = profile
    if project and profile.get("frame_readout_time") is None:
        stabilization = require_mapping(document.get("stabilization") or {}, "stabilization")
        if stabilization.get("frame_readout_time"):  # a project's 0 only says that nobody filled it in
            shutter = stabilization
    return settings | _read_shutter(shutter)


def _require_key(profile: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if key not in profile:
        raise ValueError(f"{key} is missing; needed is a lens profile as Gyroflow writes it")
    return require_mapping(profile[key], key)


def _refuse_unsupported(profile: Mapping[str, Any]) -> None:
    """Raise a ValueError for a profile with more than a camera matrix and supported coefficients."""
    model = profile.get("distortion_model")
    if not isinstance(model, str | None) or model not in _LENS_MODELS:
        advice = "supported are opencv_fisheye and opencv_standard: calibrate the lens with one of them"
        raise value_error("distortion_model", model, advice)
    if profile.get("digital_lens"):
        advice = (
            "pictures stretched in the camera are not supported: record without it (GoPro: Linear or Wide)"
        )
        raise value_error("digital_lens", profile["digital_lens"], advice)
    for key in ("input_horizontal_stretch", "input_vertical_stretch", "crop"):
        if profile.get(key) not in (None, 0, 1):
            advice = "only 1 is supported: make a profile of the picture as it is stored"
            raise value_error(key, profile[key], advice)


def _read_distortion(profile: Mapping[str, Any], lens: Mapping[str, Any]) -> Settings:
    model = _LENS_MODELS[profile.get("distortion_model")]
    key, listed = "fisheye_params.distortion_coeffs", lens.get("distortion_coeffs")
    if not isinstance(listed, list):
        raise value_error(key, listed, "needed is a list of numbers")
    values = require_numbers(listed, key, (len(listed),)).tolist()
    if model == "radtan":
        if any(values[5:]):
            raise value_error(
                key, listed, "supported are k1, k2, p1, p2, k3: the sixth and later ones must be 0"
            )
        values = values[:5]
    return {"model": model, "coefficients": values}


def _read_shutter(block: Mapping[str, Any]) -> Settings:
    settings: Settings = {}
    direction = block.get("frame_readout_direction")
    if direction is not None:
        if not isinstance(direction, str) or direction not in _READOUT_DIRECTIONS:
            needed = f"needed is one of {', '.join(_READOUT_DIRECTIONS)}"
            raise value_error("frame_readout_direction", direction, needed)
        settings["readout_direction"] = _READOUT_DIRECTIONS[direction]
    if block.get("frame_readout_time") is not None:
        ms = require_number(block["frame_readout_time"], "frame_readout_time", "ms")
        settings["readout_time"] = abs(ms) / 1000
        if ms < 0:
            settings.setdefault("readout_direction", "up")
    if block.get("global_shutter"):
        settings["readout_time"] = 0.0
    return settings
