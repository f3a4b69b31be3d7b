"""Which of several fields a picture was blurred along: for an exposure or a clock that nobody tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..light import Pixels
from .fit import SEEDS
from .lags import region_lags
from .statistic import Pyramid, halvings, usual_spread


def field_costs(
    image: Pixels, fields: Sequence[Float32[ndarray, "rows columns 2"]]
) -> Float64[ndarray, " m"]:
    """Return minus the logarithm of the likelihood that a picture is blurred along each of several fields.

    Parameters
    ----------
    image
        (h, w, 3), uint8 | uint16 | float32 in 0 to 1.
    fields
        Blur vectors, px, at `statistic.grid`'s rows and columns of places that share the picture evenly.

    Returns
    -------
    costs
        The differences count. 0 for a field that is too short or too long to be told.
    """
    from .kernels import judge

    vectors = np.stack([field.reshape(-1, 2) for field in fields])
    longest = np.linalg.norm(vectors, axis=-1).max(1)
    costs, left = np.zeros(len(fields)), np.ones(len(fields), bool)
    pyramid = Pyramid(image)
    for more, _, radius in sorted(SEEDS):
        level = halvings(*pyramid.size) + more
        if level < 0:
            continue
        now = left & (longest <= radius * 2**level)
        if now.any():
            found = np.empty(int(now.sum()))
            judge(
                region_lags(pyramid, level, radius=radius).maps,
                (vectors[now] / 2**level).astype(np.float32),
                radius, usual_spread(level), found,
            )  # fmt: skip
            costs[now] = found
        left &= ~now
    return costs
