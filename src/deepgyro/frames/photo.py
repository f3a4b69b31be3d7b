"""The photo: pixels as stored, with all that its file says beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from numpy import ndarray

from ..errors import DeepGyroError

MAX_PIXELS = 250_000_000
"""Larger than any camera's picture (200 Mpx); a header that asks for more is refused."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture and its metadata.

    Use `dataclasses.replace(photo, pixels=...)` for the same photo with other pixels.
    """

    pixels: UInt8[ndarray, "h w 3"] | UInt16[ndarray, "h w 3"]
    """RGB as stored, before any turn that the EXIF orientation asks for; equal channels where `gray`."""
    format: str
    """What the file was: "JPEG", "PNG", "TIFF", "WEBP" or "HEIF"."""
    source: Path
    """The file."""
    alpha: UInt8[ndarray, "h w"] | UInt16[ndarray, "h w"] | None = None
    """Opacity, of the pixels' type; it is carried along and belongs to no light."""
    gray: bool = False
    """The file had one channel. It is written back with one (the mean of the three, exact where they are
    equal), because its ICC profile is one for gray; with alpha, or as WebP, it is written as RGB."""
    exif: bytes | None = None
    """EXIF block, starting with ``Exif\\0\\0``; its orientation is that of `pixels`."""
    icc: bytes | None = None
    """ICC profile."""
    xmp: bytes | None = None
    """XMP packet."""

    def __post_init__(self) -> None:
        alpha = self.alpha
        if alpha is not None and (alpha.shape, alpha.dtype) != (self.pixels.shape[:2], self.pixels.dtype):
            raise ValueError(
                f"alpha is {alpha.dtype} {alpha.shape}; "
                f"the pixels' {self.pixels.dtype} {self.pixels.shape[:2]} is needed"
            )


def photo_from_channels(
    channels: ndarray, *, format: str, source: Path, exif: bytes | None, icc: bytes | None, xmp: bytes | None
) -> Photo:
    """Return the photo of decoded channels: gray (h, w), RGB (h, w, 3) or RGBA (h, w, 4)."""
    gray = channels.ndim == 2
    alpha = None
    if gray:
        channels = np.repeat(channels[..., None], 3, axis=2)
    elif channels.shape[2] == 4:
        alpha = np.ascontiguousarray(channels[..., 3])
        channels = channels[..., :3]
    pixels = np.require(channels, requirements=["C", "W"])
    return Photo(pixels, format, source, alpha=alpha, gray=gray, exif=exif, icc=icc, xmp=xmp)


def check_photo_size(path: Path, width: int, height: int) -> None:
    """Raise DeepGyroError for a picture whose header asks for over `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise DeepGyroError(
            f"{path}: the picture is {width} x {height} px, over the limit of {MAX_PIXELS // 10**6} Mpx; "
            "crop it or make it smaller"
        )
