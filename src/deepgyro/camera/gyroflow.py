"""Gyroflow's lens profiles (and the profile inside a .gyroflow project) in the camera file's words."""

from collections.abc import Mapping
from typing import Any

from .settings import (
    Settings,
    format_value,
    require_mapping,
    require_number,
    require_numbers,
    require_pixel_count,
)

_READOUT_DIRECTIONS = {
    "TopToBottom": "down",
    "BottomToTop": "up",
    "LeftToRight": "right",
    "RightToLeft": "left",
}
_LENS_MODELS = {None: "equidistant", "opencv_fisheye": "equidistant", "opencv_standard": "radtan"}


def is_gyroflow(document: Mapping[Any, Any]) -> bool:
    """Tell whether a JSON document is a Gyroflow lens profile or project."""
    return document.get("title") == "Gyroflow data file" or any(
        key in document for key in ("calibration_data", "fisheye_params", "calib_dimension")
    )


def settings_from_gyroflow(document: Mapping[Any, Any]) -> Settings:
    """Translate a lens profile, or the one inside a project.

    The size is that of the calibration (`calib_dimension`), which the camera matrix is for. A profile says
    nothing about the gyro's axes and clock. Its readout time is in ms; below zero means bottom to top in
    older files.

    Parameters
    ----------
    document
        The parsed JSON.

    Returns
    -------
    settings
        The camera file's keys.

    Raises
    ------
    ValueError
        If a key is missing or the profile needs something that is not supported.
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
        used = require_mapping(document.get("stabilization") or {}, "stabilization")
        if used.get("frame_readout_time"):  # a project's 0 only says that nobody filled it in
            shutter = used
    return settings | _read_shutter(shutter)


def _require_key(profile: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if key not in profile:
        raise ValueError(f"{key} is missing; needed is a lens profile as Gyroflow writes it")
    return require_mapping(profile[key], key)


def _refuse_unsupported(profile: Mapping[str, Any]) -> None:
    """Raise a ValueError for a profile whose camera matrix and coefficients are not the whole story."""
    model = profile.get("distortion_model")
    if not isinstance(model, str | None) or model not in _LENS_MODELS:
        raise ValueError(
            f"distortion_model is {format_value(model)}; supported are opencv_fisheye and "
            "opencv_standard: calibrate the lens with one of them"
        )
    if profile.get("digital_lens"):
        raise ValueError(
            f"digital_lens is {format_value(profile['digital_lens'])}; pictures stretched in the camera "
            "are not "
            "supported: record without it (GoPro: Linear or Wide)"
        )
    for key in ("input_horizontal_stretch", "input_vertical_stretch", "crop"):
        if profile.get(key) not in (None, 0, 1):
            raise ValueError(
                f"{key} is {format_value(profile[key])}; only 1 is supported: make a profile of the "
                "picture as "
                "it is stored"
            )


def _read_distortion(profile: Mapping[str, Any], lens: Mapping[str, Any]) -> Settings:
    model = _LENS_MODELS[profile.get("distortion_model")]
    listed = lens.get("distortion_coeffs")
    if not isinstance(listed, list):
        raise ValueError(
            f"fisheye_params.distortion_coeffs is {format_value(listed)}; needed is a list of numbers"
        )
    values = require_numbers(listed, "fisheye_params.distortion_coeffs", (len(listed),)).tolist()
    if model == "radtan":
        if any(values[5:]):
            raise ValueError(
                f"fisheye_params.distortion_coeffs has {len(values)} numbers; supported are k1, k2, p1, p2, "
                "k3: the sixth and later ones must be 0"
            )
        values = values[:5]
    return {"model": model, "coefficients": values}


def _read_shutter(block: Mapping[str, Any]) -> Settings:
    settings: Settings = {}
    named = block.get("frame_readout_direction")
    if named is not None:
        if not isinstance(named, str) or named not in _READOUT_DIRECTIONS:
            raise ValueError(
                f"frame_readout_direction is {format_value(named)}; needed is one of "
                f"{', '.join(_READOUT_DIRECTIONS)}"
            )
        settings["readout_direction"] = _READOUT_DIRECTIONS[named]
    if block.get("frame_readout_time") is not None:
        ms = require_number(block["frame_readout_time"], "frame_readout_time", "ms")
        settings["readout_time"] = abs(ms) / 1000
        if ms < 0:
            settings.setdefault("readout_direction", "up")
    if block.get("global_shutter"):
        settings["readout_time"] = 0.0
    return settings
