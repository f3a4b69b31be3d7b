"""FastGyro-style: a Wiener filter for every straight blur vector that occurs in the picture.

After Mustaniemi et al., Fast Motion Deblurring for Feature Detection and Matching Using Inertial
Measurements, ICPR 2018, whose text could not be had: the details here are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field, measure_field
from ..threads import run_in_bands
from ..tiles import PictureLike, Window, split_into_tiles

MAX_KERNELS_PER_TILE = 24
"""Most different blur vectors in a tile; where there are more, they are rounded more coarsely."""


def wiener_fastgyro(
    image: PictureLike, field: Field, *, noise: float = 1e-2, progress: Callable[[float], None] | None = None
) -> Iterator[tuple[Window, Float32[ndarray, "a b 3"]]]:
    """Deconvolve each pixel with its own straight kernel: ``X = conj(H) Y / (|H|^2 + noise)``.

    H is the transfer function of a centred segment from the start to the end of the path, ``sinc(f . d)``:
    a real function, so nothing moves. Vectors d are rounded to whole px (more coarsely where a tile would
    need more than `MAX_KERNELS_PER_TILE` filters), one filter runs over the tile for each, and each pixel is
    taken from its own. `image`: linear light; of the paths (px) only the ends are used; `noise`: the
    noise-to-signal power ratio, 1e-2 for the baseline of the paper's Table 1. Yields and `progress` are
    those of `Method.restore`.
    """
    height, width = field.shape[:2]
    length = int(np.ceil(measure_field(field)[1]))
    core, margin = max(256, 2 * length), min(2 * length, length + 200) + 32
    cut = list(split_into_tiles(height, width, core=core, margin=margin))
    for done, tile in enumerate(cut, start=1):
        paths = field[tile.core]
        vectors = paths[:, :, -1] - paths[:, :, 0]
        # Where the window ends at the picture's border, its border pixels go on: the taper is out there.
        rim = [
            (margin - inner.start, margin - (around.stop - around.start - inner.stop))
            for inner, around in zip(tile.core_in_window, tile.window, strict=True)
        ]
        window = np.pad(image[tile.window], (*rim, (0, 0)), mode="edge")
        inner = tuple(slice(margin, margin + size) for size in vectors.shape[:2])
        sharp = _filter_tile(window, (inner[0], inner[1]), vectors, noise)
        if progress:
            progress(done / len(cut))
        yield tile.core, sharp


def _filter_tile(
    window: Float32[ndarray, "h w 3"],
    inner: tuple[slice, slice],
    vectors: Float32[ndarray, "a b 2"],
    noise: float,
) -> Float32[ndarray, "a b 3"]:
    """Return the filtered core of a window."""
    import cv2

    rounded, index = _distinct_vectors(vectors)
    taper = _cosine_taper(window.shape[0])[:, None] * _cosine_taper(window.shape[1])
    mean = window.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    shape = tuple(cv2.getOptimalDFTSize(size) for size in window.shape[:2])  # factors 2, 3 and 5
    spectrum = np.fft.rfft2((window - mean).transpose(2, 0, 1) * taper.astype(np.float32), s=shape)
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    out = np.empty((*vectors.shape[:2], 3), np.float32)

    def filter_one(first: int, last: int) -> None:
        for k in range(first, last):
            u, v = rounded[k]
            transfer = np.sinc(fx * u + fy * v)
            wiener = (transfer / (transfer**2 + noise)).astype(np.float32)
            sharp = np.fft.irfft2(spectrum * wiener, s=shape)[:, inner[0], inner[1]]
            own = index == k
            out[own] = sharp.transpose(1, 2, 0)[own] + mean

    run_in_bands(len(rounded), -(-len(rounded) // 2), filter_one)  # two at a time, for memory's sake
    return out


def _distinct_vectors(vectors: Float32[ndarray, "a b 2"]) -> tuple[ndarray, ndarray]:
    """Return the different rounded vectors (k, 2) and which of them each pixel has (a, b)."""
    folded = np.where(vectors[..., :1] < 0, -vectors, vectors)  # d and -d are the same blur
    step = 1.0
    while True:
        rounded, index = np.unique(
            np.rint(folded.reshape(-1, 2) / step).astype(np.int32), axis=0, return_inverse=True
        )
        if len(rounded) <= MAX_KERNELS_PER_TILE:
            return rounded * step, index.reshape(vectors.shape[:2])
        step *= 1.3


def _cosine_taper(size: int) -> ndarray:
    """Return a window that is 1 but for the outer 16 px, where it falls to 0 as a cosine does."""
    edge = min(16, size // 4)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    return np.concatenate([ramp, np.ones(size - 2 * edge), ramp[::-1]])
