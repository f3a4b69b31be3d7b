"""Encoded (sRGB) values and the light they stand for: IEC 61966-2-1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from numpy import ndarray

Pixels = UInt8[ndarray, "h w c"] | UInt16[ndarray, "h w c"] | Float32[ndarray, "h w c"]


def check_pixels(image: ndarray) -> None:
    """Refuse what is no picture.

    Raises
    ------
    ValueError
        If it has no three channels, another type than uint8, uint16 or float32, or values that are not
        finite.
    """
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"the picture is {image.shape}; (height, width, 3) is needed")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"the picture is {image.dtype}; uint8, uint16 or float32 (0 to 1) is needed")
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise ValueError("the picture has numbers that are not finite")


def to_unit_range(image: Pixels) -> Float32[ndarray, "h w c"]:
    """Return the numbers of an 8- or 16-bit picture as 0 to 1; a float picture is returned as it is."""
    if image.dtype == np.float32:
        return image
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def from_unit_range(values: Float32[ndarray, "h w c"], dtype: np.dtype) -> ndarray:
    """Return numbers from 0 to 1 in a picture's own type, rounded; the inverse of `to_unit_range`."""
    if dtype == np.float32:
        return values
    most = np.iinfo(dtype).max
    return np.rint(values.clip(0, 1) * np.float32(most)).astype(dtype)


def srgb_to_linear(encoded: Float32[ndarray, "*shape"]) -> Float32[ndarray, "*shape"]:
    """Return the light, 0 to 1, of encoded values."""
    low = encoded / np.float32(12.92)
    high = ((np.maximum(encoded, 0) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= np.float32(0.04045), low, high)


def linear_to_srgb(light: Float32[ndarray, "*shape"]) -> Float32[ndarray, "*shape"]:
    """Return the encoded values of light from 0 to 1."""
    low = light * np.float32(12.92)
    high = np.float32(1.055) * np.maximum(light, 0) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(light <= np.float32(0.0031308), low, high)
