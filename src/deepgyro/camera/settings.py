"""The keys of a camera file: each value is checked, and a Camera made of them.

The readers of other programs' files translate into these keys first, so that every value is checked once.
Everything here raises ValueError; `read_camera` puts the file's name in front.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .camera import Camera, parse_direction
from .lens import Distortion, parse_lens_model

Settings = dict[str, Any]

CAMERA_KEYS = (
    *("width", "height", "K", "distortion"),
    *("readout_time", "readout_direction", "cam_from_imu", "time_offset"),
)
_REQUIRED_KEYS = {
    "width": "the picture's width in px that K is for",
    "height": "the picture's height in px that K is for",
    "K": "[fx, fy, cx, cy] in px",
}


def camera_from_settings(settings: Mapping[str, Any], source: str) -> Camera:
    """Return the camera that the settings describe, or raise a ValueError that names the setting."""
    for key, meaning in _REQUIRED_KEYS.items():
        if settings.get(key) is None:
            raise ValueError(f"{key} is missing; needed is {meaning}")
    width, height = (require_pixel_count(settings[key], key) for key in ("width", "height"))
    K = _parse_intrinsics(settings["K"])
    cx, cy = K[0, 2], K[1, 2]
    if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
        raise ValueError(
            f"the principal point in K is ({cx:g}, {cy:g}), far outside a picture of {width} x {height} px; "
            "needed is [fx, fy, cx, cy] for that size: check the order, and that K and the size belong "
            "together"
        )
    readout_time, mounting = settings.get("readout_time"), settings.get("cam_from_imu")
    if readout_time is not None:
        readout_time = require_number(readout_time, "readout_time", "seconds")
    return Camera(
        width=width,
        height=height,
        K=K,
        distortion=_parse_distortion(settings.get("distortion")),
        readout_time=readout_time,
        readout_direction=parse_direction(settings.get("readout_direction", "down")),
        cam_from_imu=None if mounting is None else require_numbers(mounting, "cam_from_imu", (3, 3)),
        time_offset=require_number(settings.get("time_offset", 0.0), "time_offset", "seconds"),
        time_offset_known="time_offset" in settings,
        source=source,
    )


def check_keys(keys: Mapping[Any, Any], allowed: tuple[str, ...], *, section: str = "") -> None:
    """Raise a ValueError for a key that is not known, and name the nearest one that is."""
    for key in keys:
        if key not in allowed:
            near = get_close_matches(str(key), allowed, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(allowed)}"
            raise ValueError(f"{section}{format_value(key)} is not a key of a camera file; {hint}")


def require_mapping(value: object, key: str) -> Mapping[str, Any]:
    """Return a value that must be a block of keys."""
    if not isinstance(value, Mapping):
        raise value_error(key, value, "needed is a block of keys and values")
    return value


def require_number(value: object, key: str, unit: str) -> float:
    """Return a value that must be one finite number."""
    if isinstance(value, str):  # YAML 1.1 reads 2e-3, without a dot, as text
        try:
            value = float(value)
        except ValueError:
            raise value_error(key, value, f"needed is a number alone, in {unit}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise value_error(key, value, f"needed is a finite number, in {unit}")
    return float(value)


def require_pixel_count(value: object, key: str) -> int:
    """Return a value that must be a whole number of pixels, at least 1."""
    count = require_number(value, key, "px")
    if count != round(count) or count < 1:
        raise value_error(key, value, "needed is a whole number of px, at least 1")
    return round(count)


def require_numbers(value: object, key: str, shape: tuple[int, ...]) -> Float64[ndarray, "..."]:
    """Return a value that must be a list, or a list of lists, of numbers of the given shape."""
    entries = np.array(value, dtype=object)
    if entries.shape != shape:
        needed = f"{shape[0]} numbers" if len(shape) == 1 else f"{shape[0]} rows of {shape[1]} numbers"
        raise value_error(key, value, f"needed are {needed}")
    numbers = [require_number(entry, f"an entry of {key}", "plain digits") for entry in entries.ravel()]
    return np.array(numbers).reshape(shape)


def value_error(key: str, value: object, problem: str) -> ValueError:
    """Return the error of a key whose value cannot be used; `problem` says what is needed and what to do."""
    return ValueError(f"{key} is {format_value(value)}; {problem}")


def format_value(value: object) -> str:
    """Return a value as text for a message: one line of at most 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _parse_intrinsics(value: object) -> Float64[ndarray, "3 3"]:
    shape = np.array(value, dtype=object).shape
    if shape == (3, 3):
        return require_numbers(value, "K", (3, 3))
    if shape != (4,):
        raise value_error("K", value, "needed is [fx, fy, cx, cy] in px, or a 3 x 3 matrix")
    fx, fy, cx, cy = require_numbers(value, "K", (4,))
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _parse_distortion(value: object) -> Distortion:
    if value is None:
        return Distortion()
    block = require_mapping(value, "distortion")
    check_keys(block, ("model", "coefficients"), section="in distortion: ")
    model = parse_lens_model(block.get("model"))
    listed = block.get("coefficients", [])
    if not isinstance(listed, list | tuple):
        raise value_error("distortion.coefficients", listed, "needed is a list such as [k1, k2, p1, p2]")
    coefficients = require_numbers(listed, "distortion.coefficients", (len(listed),))
    return Distortion(model, tuple(coefficients.tolist()))
