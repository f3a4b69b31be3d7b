"""A picture beyond its border: continued by its border pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import run_in_bands

LANES = 16
"""Neighbours in a row that the loops compute together: they read up to so many columns beyond the right."""


def crop_replicated(
    planes: Sequence[ndarray] | ndarray, top: int, left: int, height: int, width: int
) -> Float32[ndarray, "m h w"]:
    """Return the part from (left, top) on of planes that their border pixels continue."""
    from .kernels import replicate_border

    out = np.empty((len(planes), height, width), np.float32)

    def band(first: int, last: int) -> None:
        for plane, whole in zip(planes, out, strict=True):
            replicate_border(plane, top, left, first, last, whole)

    run_in_bands(height, 64, band)
    return out
