"""Richardson-Lucy deconvolution with the spatially variant blur operator and its adjoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blur import BlurOperator
from ..blurfield import Field, measure_field
from ..tiles import PictureLike, Window, split_into_tiles

CLIPPED_LEVEL = 0.985
"""Higher values are clipped highlights, whose light is unknown."""
MAX_WINDOW_BYTES = 1.2e9
"""Memory of a tile: a photo of any size stays under 2.5 GB in all."""
MIN_CORE_PX = 256
"""px."""
RATIO_FLOOR = 1e-3
"""Added to the picture, so that ratios in its darkest parts don't explode."""


def richardson_lucy(
    image: PictureLike,
    field: Field,
    *,
    iterations: int = 20,
    smoothness: float = 0.04,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[Window, Float32[ndarray, "a b 3"]]]:
    """Deconvolve by ``x <- x A*(m y / A x) / A*(m) / (1 - smoothness div(grad x / |grad x|))``.

    A is the blur operator along the field's full, curved paths; m is 0 where the picture is clipped and
    beyond its border, 1 elsewhere, so that neither rings. The last factor is the total-variation prior of
    Dey et al., Richardson-Lucy algorithm with total variation regularization, 2006. Works in tiles whose
    windows reach beyond them by the blur or more. `image`: linear light; `smoothness`: weight of the total
    variation. Yields and `progress` are those of `Method.restore`.
    """
    height, width = field.shape[:2]
    reach = measure_field(field)[2] + 2
    cut = list(
        split_into_tiles(height, width, core=core_side(reach, field.shape[2]), margin=_window_margin(reach))
    )
    for done, tile in enumerate(cut):

        def report(share: float, done: int = done) -> None:
            if progress:
                progress((done + share) / len(cut))

        window = _deconvolve_window(
            image[tile.window], field[tile.window], reach, iterations, smoothness, report
        )
        yield tile.core, window[tile.core_in_window]


def core_side(reach: int, n: int) -> int:
    """Return the side of the tiles' cores with which a window stays within `MAX_WINDOW_BYTES`, px.

    Around a core are the margin and a rim. Under `MIN_CORE_PX` px the work would be nearly all margin: such a
    field is too large.
    """
    bytes_per_pixel = 14 * n + 130  # the paths twice, and the iteration's own
    return int((MAX_WINDOW_BYTES / bytes_per_pixel) ** 0.5) - 2 * (_window_margin(reach) + reach)


def _window_margin(reach: int) -> int:
    return min(2 * reach, reach + 128) + 16


def _deconvolve_window(
    image: Float32[ndarray, "h w 3"],
    field: Float32[ndarray, "h w n 2"],
    reach: int,
    iterations: int,
    smoothness: float,
    report: Callable[[float], None],
) -> Float32[ndarray, "h w 3"]:
    """Deconvolve one window, with a rim of `reach` px around it in which the scene is free."""
    rim = ((reach, reach), (reach, reach), (0, 0))
    A = BlurOperator(np.pad(field, (*rim, (0, 0)), mode="edge"))
    inside = (slice(reach, -reach), slice(reach, -reach))
    clipped = np.zeros((*A.field.shape[:2], 1), np.float32)
    clipped[inside] = image.max(axis=2, keepdims=True) >= CLIPPED_LEVEL
    known = np.zeros_like(clipped)
    known[inside] = 1 - clipped[inside]
    y = np.pad(image.clip(0), rim, mode="edge") + RATIO_FLOOR  # ratios of negative numbers run away
    weight = A.adjoint(known) + 1e-2
    x = y.copy()
    for k in range(iterations):
        ratio = known * y / np.maximum(A(x), 1e-6)
        x *= (A.adjoint(ratio) + 1e-2) / weight  # where nothing is known, x stays
        if smoothness:
            # soft = 8 smoothness is the least for which this step does not overshoot: it is a Laplacian
            # of weight smoothness / soft there, and stable up to 1 / 8.
            x /= 1 - smoothness * _tv_curvature(x, 8 * smoothness)
        report((k + 1) / iterations)
    if clipped.any():
        # Light that went largely into clipped pixels is a guess, and guesses there make dark rims.
        x = y + (1 - 2 * A.adjoint(clipped)).clip(0, 1) * (x - y)
    return np.asarray(x[inside] - RATIO_FLOOR, np.float32)


def _tv_curvature(x: Float32[ndarray, "h w 3"], soft: float) -> Float32[ndarray, "h w 3"]:
    """Return ``div(grad x / sqrt(|grad x|^2 + (soft x)^2))``, each channel by itself.

    Contrast below `soft` counts as noise and is levelled, contrast above as an edge and kept.
    """
    gx = np.zeros_like(x)
    gy = np.zeros_like(x)
    np.subtract(x[:, 1:], x[:, :-1], out=gx[:, :-1])
    np.subtract(x[1:], x[:-1], out=gy[:-1])
    length = np.sqrt(gx * gx + gy * gy + np.square(np.float32(soft) * x) + np.float32(1e-12))
    gx /= length
    gy /= length
    gx[:, 1:] -= gx[:, :-1].copy()
    gy[1:] -= gy[:-1].copy()
    gx += gy
    return gx
