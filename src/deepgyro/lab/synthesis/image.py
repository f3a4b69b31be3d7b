"""Image formation: light, noise, clipping, 8 bits, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import Field
from .config import ImageDraws
from .motion import draw_log_uniform

HIGHLIGHT_KNEE_U8 = 235
"""Pixels with all channels over this (encoded) may have been brighter than white."""


@dataclass(frozen=True, eq=False)
class PhotoWindow:
    """A photo, scaled and perhaps mirrored, and the corner of the picture in it."""

    photo: UInt8[ndarray, "a b 3"]
    top: int
    left: int
    metadata: dict[str, object]


def draw_window(
    rng: np.random.Generator, photo: UInt8[ndarray, "a b 3"], height: int, width: int, draws: ImageDraws
) -> PhotoWindow:
    """Draw a photo's scale (at most 1), mirror image and window.

    Raises
    ------
    ValueError
        If the photo is smaller than the window.
    """
    import cv2

    least = max(height / photo.shape[0], width / photo.shape[1])
    if least > 1:
        raise ValueError(
            f"the photo is {photo.shape[1]} x {photo.shape[0]} px; at least {width} x {height} are needed"
        )
    scale = 1.0
    if rng.random() < draws.scale:
        scale = draw_log_uniform(rng, (least, 1.0))
        size = max(round(scale * photo.shape[1]), width), max(round(scale * photo.shape[0]), height)
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        photo = cv2.flip(photo, 1)
    top = int(rng.integers(photo.shape[0] - height + 1))
    left = int(rng.integers(photo.shape[1] - width + 1))
    return PhotoWindow(photo, top, left, {"scale": scale, "mirrored": mirrored, "top": top, "left": left})


def crop_with_margin(
    photo: UInt8[ndarray, "a b 3"], top: int, left: int, height: int, width: int, margin: int
) -> tuple[UInt8[ndarray, "c d 3"], int, int]:
    """Return a window with up to `margin` px around it, as far as the photo goes, and its corner in that."""
    above, before = min(margin, top), min(margin, left)
    part = photo[top - above : top + height + margin, left - before : left + width + margin]
    return np.ascontiguousarray(part), above, before


@dataclass(frozen=True, eq=False)
class RenderedPair:
    """What a camera records of a scene at rest, and of a moving one."""

    sharp: UInt8[ndarray, "h w 3"]
    blurred: UInt8[ndarray, "h w 3"]
    metadata: dict[str, float]


class RenderParameters(NamedTuple):
    """The draws of `render_exposure`."""

    highlight_gain: float
    """By how much highlights were brighter than white, of white."""
    shot_noise: float
    """Standard deviation of a white pixel's shot noise, of white."""
    read_noise: float
    """Standard deviation of the read noise, of white."""
    noise_key: int
    """Seed of the noise, 64 bits."""


def draw_render_parameters(rng: np.random.Generator, draws: ImageDraws) -> RenderParameters:
    """Draw highlights and noise."""
    gain = draw_log_uniform(rng, draws.highlight_gain) if rng.random() < draws.highlights else 0.0
    shot, read = draw_log_uniform(rng, draws.shot), draw_log_uniform(rng, draws.read)
    return RenderParameters(gain, shot, read, int(rng.integers(2**64, dtype=np.uint64)))


def render_exposure(
    rng: np.random.Generator,
    scene: UInt8[ndarray, "a b 3"],
    top: int,
    left: int,
    field: Field,
    draws: ImageDraws,
) -> RenderedPair:
    """Render a picture of a scene (encoded) blurred in linear light, then noisy, then clipped.

    The picture, whose pixels move along `field` (px), begins at `top`, `left` of the scene. `learn.rendering`
    has a twin on a device.
    """
    from .kernels import decode_with_highlights, encode_srgb_with_noise

    gain, shot, read, key = draw_render_parameters(rng, draws)
    light, table = np.empty(scene.shape, np.float32), srgb_encode_table()
    decode_with_highlights(scene, srgb_decode_table(), highlight_factor_table(gain), light)
    blurred = BlurOperator(field[:, :]).of_part(light, top=top, left=left)
    noisy = np.empty(blurred.shape, np.uint8)
    encode_srgb_with_noise(blurred.reshape(-1), np.uint64(key), shot**2, read**2, table, noisy.reshape(-1))
    clipped = np.minimum(_crop_to_field(light, top, left, field), np.float32(1))
    sharp = table.take((clipped * np.float32(65535) + np.float32(0.5)).astype(np.int32))
    return RenderedPair(sharp, noisy, {"highlight_gain": gain, "shot": shot, "read": read})


def render_encoded_blur(
    rng: np.random.Generator,
    scene: UInt8[ndarray, "a b 3"],
    top: int,
    left: int,
    field: Field,
    draws: ImageDraws,
) -> RenderedPair:
    """Render a picture blurred in encoded values, with Gaussian noise, as in the paper."""
    values = scene.astype(np.float32) / np.float32(255)
    blurred = BlurOperator(field[:, :]).of_part(values, top=top, left=left)
    deviation = float(np.sqrt(np.mean(blurred**2, dtype=np.float64)) / 10 ** (draws.encoded_noise / 20))
    noisy = blurred + np.float32(deviation) * rng.standard_normal(blurred.shape, dtype=np.float32)
    out = np.rint(noisy.clip(0, 1) * np.float32(255)).astype(np.uint8)
    sharp = np.ascontiguousarray(_crop_to_field(scene, top, left, field))
    return RenderedPair(sharp, out, {"noise": deviation})


def _crop_to_field(
    scene: Shaped[ndarray, "a b 3"], top: int, left: int, field: Field
) -> Shaped[ndarray, "h w 3"]:
    return scene[top : top + field.shape[0], left : left + field.shape[1]]


def encode_random_jpeg(
    rng: np.random.Generator, image: UInt8[ndarray, "h w 3"], draws: ImageDraws
) -> tuple[bytes, dict[str, object]]:
    """Return the JPEG file of a picture, and its quality and chroma subsampling, which are drawn."""
    quality, half_chroma = draw_jpeg_options(rng, draws)
    drawn: dict[str, object] = {"quality": quality, "sampling": "4:2:0" if half_chroma else "4:4:4"}
    return encode_jpeg(image, quality, half_chroma=half_chroma), drawn


def draw_jpeg_options(rng: np.random.Generator, draws: ImageDraws) -> tuple[int, bool]:
    """Draw a file's quality, and whether its chroma has half the resolution."""
    low, high = draws.quality
    return int(rng.integers(low, high + 1)), bool(rng.integers(2))


def encode_jpeg(image: UInt8[ndarray, "h w 3"], quality: int, *, half_chroma: bool) -> bytes:
    """Return the JPEG file of a picture; `half_chroma`: at half the resolution."""
    import cv2

    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if half_chroma else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    encoded: bytes = data.tobytes()
    return encoded


# Tables are computed with Python's floats: NumPy's powers of float32 differ from processor to processor.


@cache
def srgb_decode_table() -> Float32[ndarray, " 256"]:
    """Return the light of every encoded value (IEC 61966-2-1)."""
    values = (k / 255 for k in range(256))
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return np.array(light, np.float32)


def highlight_factor_table(gain: float) -> Float32[ndarray, " 256"]:
    """Return the factor on the light of a pixel by its least channel: one for all three keeps the hue."""
    over = (np.arange(256, dtype=np.float32) - HIGHLIGHT_KNEE_U8).clip(0)
    over /= np.float32(255 - HIGHLIGHT_KNEE_U8)
    return 1 + np.float32(gain) * over**2


@cache
def srgb_encode_table() -> UInt8[ndarray, " 65536"]:
    """Return the encoded value of every 65535th of light."""
    light = (k / 65535 for k in range(65536))
    values = [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in light]
    return np.array([round(255 * v) for v in values], np.uint8)
