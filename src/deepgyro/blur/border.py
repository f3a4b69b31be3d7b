"""A picture beyond its border: continued by its border pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import for_bands


def continue_planes(
    planes: Sequence[ndarray] | ndarray, top: int, left: int, height: int, width: int
) -> Float32[ndarray, "3 h w"]:
    """Return the part from (left, top) on of up to three planes that their border pixels continue.

    Planes that are missing are zero.
    """
    from .kernels import continued

    out = (np.empty if len(planes) == 3 else np.zeros)((3, height, width), np.float32)

    def band(first: int, last: int) -> None:
        for plane, whole in zip(planes, out, strict=False):
            continued(plane, top, left, first, last, whole)

    for_bands(height, 64, band)
    return out
