"""Pixels of 8 bits, and the bytes of their files without metadata: for pictures by the thousand."""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..errors import DeepGyroError


def to_eight_bits(values: ndarray) -> UInt8[ndarray, "..."]:
    """Round 16 bits to 8 (``round(v / 257)``); 8 bits are returned unchanged."""
    if values.dtype == np.uint8:
        return values
    rounded = values >> 1  # in place, within 16 bits: (v - (v + 128) // 256 + 128) // 256
    rounded += 64
    rounded >>= 7
    np.subtract(values, rounded, out=rounded)
    rounded += 128
    rounded >>= 8
    return rounded.astype(np.uint8)


def decode_pixels(data: bytes, source: str) -> UInt8[ndarray, "h w 3"]:
    """Return the RGB of a JPEG or PNG file as stored, to 8 bits; a fifth faster than `read_photo`.

    Raises
    ------
    DeepGyroError
        If the bytes cannot be decoded; the message names their `source`.
    """
    import cv2

    image = None
    if data:
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise DeepGyroError(f"{source}: the picture is damaged or cut off; copy or make it again")
    return image


def encode_png(pixels: UInt8[ndarray, "h w 3"]) -> bytes:
    """Return the PNG file of RGB pixels, quickly rather than small.

    Measured on photos of 270x480: 2.8 ms and 220 kB; OpenCV's default takes 3.4 ms and 219 kB, trying every
    filter 5.2 ms and 203 kB.
    """
    import cv2

    options = [
        cv2.IMWRITE_PNG_COMPRESSION, 1,
        cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
        cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG,
    ]  # fmt: skip
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()
