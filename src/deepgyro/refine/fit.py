"""Where to look for the field that fits a picture: a few unknowns, from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..light import Pixels
from .lags import measure_lag_maps
from .model import GYRO_PRIOR_STD, TERM_COUNT, FieldModel, mean_vector_distance
from .statistic import (
    MIN_LEVEL_PATH_PX,
    DerivativePyramid,
    count_halvings,
    level_for_length,
    measure_region_minima,
    null_std_by_length,
)

MINIMA_LIKELIHOOD_WEIGHT = 0.5
"""Of the dips' log-likelihood, z^2 / 2: neighbouring places are no independent witnesses."""
MAX_CANDIDATES_NEAR_PRIOR = 3
"""Of a prior field."""
BLIND_SEARCH_LEVELS = ((1, 3, 50), (2, 2, 50), (0, 2, 18), (-1, 1, 24))
"""Without a prior field, in this order: how often the picture is halved beyond `SIZE`, how many candidates
are taken there, and how long the paths are that are looked for, px of the level."""
MIN_CANDIDATE_DISTANCE_PX = 4.0
"""Candidates nearer than this are one: px of their level, and px for those of different levels."""


def candidates_near_prior(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest few fields near a prior one, the best first; they are off by some px.

    The coarse scale's dips are looked up for turns of the camera, scales and rolls.
    """
    from .kernels import costs

    level, reach = _coarse_search_level(model.prior_length, pyramid)
    dips = measure_region_minima(pyramid, model.prior, level, reach=reach)
    shift = np.arange(2.0 - reach, reach - 1) * 2**level
    axes = np.meshgrid(
        [-0.2, 0.0, 0.2], shift, shift, np.array([-3, 0, 3]) * model.pixel_scale, indexing="ij"
    )
    thetas = np.stack(axes, -1).reshape(-1, 4)
    basis = model.design_matrix(dips.places)[:, :, :4] / 2**level
    prior = GYRO_PRIOR_STD * np.r_[1.0, np.full(3, model.pixel_scale)]
    cost = np.empty(len(thetas))
    costs(
        dips.minima,
        dips.energy,
        dips.vectors,
        basis,
        dips.null_std,
        prior,
        MINIMA_LIKELIHOOD_WEIGHT,
        thetas,
        cost,
    )
    middle = thetas[:, :1] * model.prior.mean((0, 1)) + thetas[:, 1:3]
    for _ in range(MAX_CANDIDATES_NEAR_PRIOR):
        best = int(cost.argmin())
        yield np.concatenate([thetas[best], np.zeros(TERM_COUNT - 4)])
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * 2**level] = np.inf


def blind_candidates(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest few fields without a prior, level after level; they are off by
    some px.

    All straight paths are looked up, with all rolls (`measure_lag_maps`).
    """
    seen: list[ndarray] = []
    for more, count, radius in BLIND_SEARCH_LEVELS:
        level = count_halvings(model.height, model.width) + more
        if level < 0:
            continue
        for seed in measure_lag_maps(pyramid, level, radius=radius).likeliest_paths(
            count, apart=MIN_CANDIDATE_DISTANCE_PX
        ):
            theta = np.zeros(TERM_COUNT)
            theta[1:6] = seed
            vectors = model.vectors(theta)
            if all(mean_vector_distance(vectors, other) > MIN_CANDIDATE_DISTANCE_PX for other in seen):
                seen.append(vectors)
                yield theta


def _coarse_search_level(length: float, pyramid: DerivativePyramid) -> tuple[int, int]:
    """Return the level that paths of a length, px, are searched at, and how far to look there, px of it."""
    return (0, 14) if length < MIN_LEVEL_PATH_PX else (level_for_length(length, *pyramid.size) + 1, 18)


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
        The differences count. 0 for a field that is too short or too long to be judged.
    """
    from .kernels import judge

    vectors = np.stack([field.reshape(-1, 2) for field in fields])
    longest = np.linalg.norm(vectors, axis=-1).max(1)
    costs, left = np.zeros(len(fields)), np.ones(len(fields), bool)
    pyramid = DerivativePyramid(image)
    for more, _, radius in sorted(BLIND_SEARCH_LEVELS):
        level = count_halvings(*pyramid.size) + more
        if level < 0:
            continue
        now = left & (longest <= radius * 2**level)
        if now.any():
            found = np.empty(int(now.sum()))
            judge(
                measure_lag_maps(pyramid, level, radius=radius).maps,
                (vectors[now] / 2**level).astype(np.float32),
                radius, null_std_by_length(level), found,
            )  # fmt: skip
            costs[now] = found
        left &= ~now
    return costs
