"""Differences of a picture along each pixel's own blur path: they make the path easy to use for a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import for_bands

BORDER = 2
"""Pixels that continue the picture on every side, px; positions are clamped to them."""


def path_differences(
    picture: Float32[ndarray, "3 h w"],
    vectors: Float32[ndarray, "2 h w"],
    *,
    fractions: Sequence[float],
    steps: Sequence[float],
) -> Float32[ndarray, "m 3 h w"]:
    """Return ``[B(x + (k + e) d) - B(x + (k - e) d)] / (4 e)`` for every fraction k and step e.

    For a straight path d of constant speed ``d . grad B(x) = S(x + d / 2) - S(x - d / 2)``: these differences
    hold shifted copies of the sharp picture S, at the same scale for every length and direction of the blur.
    B is bilinear between its pixels, and continued by its border pixels.

    Parameters
    ----------
    picture
        B, in planes.
    vectors
        Blur vectors d (end minus start), px, in planes.
    fractions
        k, of the path.
    steps
        e, of the path; positive.

    Returns
    -------
    differences
        m: fractions times steps, the steps of a fraction side by side.
    """
    from .kernels import differences
    from .lanes import LANES

    if vectors.shape[1:] != picture.shape[1:] or vectors.shape[0] != 2 or picture.shape[0] != 3:
        raise ValueError(
            f"picture {picture.shape} and vectors {vectors.shape}: (3, h, w), (2, h, w) are needed"
        )
    height, width = picture.shape[1:]
    padded = -(-width // LANES) * LANES
    image = np.pad(
        picture, ((0, 0), (BORDER, BORDER), (BORDER, BORDER + padded - width + LANES)), mode="edge"
    )
    paths = np.pad(vectors, ((0, 0), (0, 0), (0, padded - width)), mode="edge")
    ends = np.array([(k - e, k + e, 1 / (4 * e)) for k in fractions for e in steps], np.float32)
    out = np.empty((len(ends), 3, height, padded), np.float32)

    def band(top: int, bottom: int) -> None:
        differences(image, paths, ends, BORDER, width, top, bottom, out)

    for_bands(height, 16, band)
    return out[..., :width]
