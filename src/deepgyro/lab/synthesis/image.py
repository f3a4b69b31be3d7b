"""How a camera turns a blurred scene into numbers: light, noise, clipping, 8 bits, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import Field
from .config import ImageDraws
from .motion import draw_log_uniform

HIGHLIGHT_KNEE_U8 = 235
"""Pixels whose channels are all over this (encoded) may have been brighter than white."""


@dataclass(frozen=True, eq=False)
class PhotoWindow:
    """A photo, scaled and perhaps mirrored, and where in it the picture begins."""

    photo: UInt8[ndarray, "a b 3"]
    top: int
    left: int
    metadata: dict[str, object]
    """What was drawn."""


def draw_window(
    rng: np.random.Generator, photo: UInt8[ndarray, "a b 3"], height: int, width: int, draws: ImageDraws
) -> PhotoWindow:
    """Draw a photo's scale, mirror image and window.

    Photos are made smaller, never larger.

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
    """Return a window and what there is up to `margin` px around it, and where in that the window begins."""
    above, before = min(margin, top), min(margin, left)
    part = photo[top - above : top + height + margin, left - before : left + width + margin]
    return np.ascontiguousarray(part), above, before


@dataclass(frozen=True, eq=False)
class RenderedPair:
    """What a camera records of a scene, standing still and moving."""

    sharp: UInt8[ndarray, "h w 3"]
    blurred: UInt8[ndarray, "h w 3"]
    metadata: dict[str, float]
    """What was drawn."""


@dataclass(frozen=True)
class RenderParameters:
    """What is drawn of a recording of light."""

    highlight_gain: float
    """By how much highlights were brighter than white, over white."""
    shot_noise: float
    """Standard deviation of a white pixel's shot noise, of white."""
    read_noise: float
    """Standard deviation of the read noise, of white."""
    noise_key: int
    """Names the noise; 64 bits."""


def draw_render_parameters(rng: np.random.Generator, draws: ImageDraws) -> RenderParameters:
    """Draw what `render_exposure` needs."""
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
    """Record light: it adds up while the shutter is open, highlights are clipped after that, noise comes in.

    `learn.rendering` has a twin on a device.

    Parameters
    ----------
    scene
        Encoded (sRGB); highlights are taken to have been brighter than white.
    top, left
        Where the picture begins in the scene.
    field
        Paths of the picture's pixels, px.
    """
    from .kernels import decode_with_highlights, encode_srgb, encode_srgb_with_noise

    drawn = draw_render_parameters(rng, draws)
    light = np.empty(scene.shape, np.float32)
    decode_with_highlights(scene, srgb_decode_table(), highlight_factor_table(drawn.highlight_gain), light)
    blurred = BlurOperator(field[:, :]).of_part(light, top=top, left=left)
    recorded, at_rest = np.empty((2, *blurred.shape), np.uint8)
    key = np.uint64(drawn.noise_key)
    encode_srgb_with_noise(
        blurred.reshape(-1),
        key,
        drawn.shot_noise**2,
        drawn.read_noise**2,
        srgb_encode_table(),
        recorded.reshape(-1),
    )
    encode_srgb(_crop_to_field(light, top, left, field), srgb_encode_table(), at_rest)
    facts = {"highlight_gain": drawn.highlight_gain, "shot": drawn.shot_noise, "read": drawn.read_noise}
    return RenderedPair(at_rest, recorded, facts)


def render_encoded_blur(
    rng: np.random.Generator,
    scene: UInt8[ndarray, "a b 3"],
    top: int,
    left: int,
    field: Field,
    draws: ImageDraws,
) -> RenderedPair:
    """Record the paper's kind of picture: the encoded values themselves blurred, with Gaussian noise."""
    values = scene.astype(np.float32) / np.float32(255)
    blurred = BlurOperator(field[:, :]).of_part(values, top=top, left=left)
    deviation = float(np.sqrt(np.mean(blurred**2, dtype=np.float64)) / 10 ** (draws.encoded_noise / 20))
    noisy = blurred + np.float32(deviation) * rng.standard_normal(blurred.shape, dtype=np.float32)
    out = np.rint(noisy.clip(0, 1) * np.float32(255)).astype(np.uint8)
    return RenderedPair(
        np.ascontiguousarray(_crop_to_field(scene, top, left, field)), out, {"noise": deviation}
    )


def _crop_to_field(
    scene: Shaped[ndarray, "a b 3"], top: int, left: int, field: Field
) -> Shaped[ndarray, "h w 3"]:
    return scene[top : top + field.shape[0], left : left + field.shape[1]]


def encode_random_jpeg(
    rng: np.random.Generator, image: UInt8[ndarray, "h w 3"], draws: ImageDraws
) -> tuple[bytes, dict[str, object]]:
    """Return the JPEG file of a picture, and its quality and its colours' resolution, which are drawn."""
    quality, halved = draw_jpeg_options(rng, draws)
    facts: dict[str, object] = {"quality": quality, "sampling": "4:2:0" if halved else "4:4:4"}
    return encode_jpeg(image, quality, half_chroma=halved), facts


def draw_jpeg_options(rng: np.random.Generator, draws: ImageDraws) -> tuple[int, bool]:
    """Draw a file's quality, and whether its colours have half the resolution."""
    low, high = draws.quality
    return int(rng.integers(low, high + 1)), bool(rng.integers(2))


def encode_jpeg(image: UInt8[ndarray, "h w 3"], quality: int, *, half_chroma: bool) -> bytes:
    """Return the JPEG file of a picture; `half_chroma`: its colours have half the resolution."""
    import cv2

    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if half_chroma else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    encoded: bytes = data.tobytes()
    return encoded


# Tables are computed with Python's floats: NumPy's powers of float32 differ from processor to processor.


@cache
def srgb_decode_table() -> Float32[ndarray, " 256"]:
    """Return the light of every encoded value (IEC 61966-2-1, as in `light`)."""
    values = (k / 255 for k in range(256))
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return np.array(light, np.float32)


def highlight_factor_table(gain: float) -> Float32[ndarray, " 256"]:
    """Return the factor on the light of a pixel by its least channel: all three alike, so hues stay."""
    over = (np.arange(256, dtype=np.float32) - HIGHLIGHT_KNEE_U8).clip(0) / np.float32(
        255 - HIGHLIGHT_KNEE_U8
    )
    return 1 + np.float32(gain) * over**2


@cache
def srgb_encode_table() -> UInt8[ndarray, " 65536"]:
    """Return the encoded value of every 65535th of light."""
    light = (k / 65535 for k in range(65536))
    values = [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in light]
    return np.array([round(255 * v) for v in values], np.uint8)
