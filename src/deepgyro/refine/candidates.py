"""Candidate fields for a picture, and their likelihood: a few unknowns, searched from coarse to fine."""

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
"""Of the minima's log-likelihood, z^2 / 2: neighbouring places are not independent."""
MAX_CANDIDATES_NEAR_PRIOR = 3
BLIND_SEARCH_LEVELS = ((1, 3, 50), (2, 2, 50), (0, 2, 18), (-1, 1, 24))
"""Without a prior field, in this order: halvings of the picture beyond `count_halvings`, number of
candidates, and the longest paths that are searched, px of the level."""
MIN_CANDIDATE_DISTANCE_PX = 4.0
"""Candidates nearer than this are one: px of their level, and px for those of different levels."""


def candidates_near_prior(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest few fields near a prior one, the best first, to some px.

    The coarse level's minima are looked up for turns of the camera, scales and rolls.
    """
    from .kernels import log_posterior_costs

    short = model.prior_length < MIN_LEVEL_PATH_PX
    level, reach = (0, 14) if short else (level_for_length(model.prior_length, *pyramid.size) + 1, 18)
    minima = measure_region_minima(pyramid, model.prior, level, reach=reach)
    shift = np.arange(2.0 - reach, reach - 1) * 2**level
    rolls = np.array([-3, 0, 3]) * model.pixel_scale
    thetas = np.stack(np.meshgrid([-0.2, 0.0, 0.2], shift, shift, rolls, indexing="ij"), -1).reshape(-1, 4)
    basis = model.design_matrix(minima.places)[:, :, :4] / 2**level
    prior_std = GYRO_PRIOR_STD * np.r_[1.0, np.full(3, model.pixel_scale)]
    cost = np.empty(len(thetas))
    log_posterior_costs(
        minima.minima, minima.energy, minima.vectors, basis, minima.null_std, prior_std,
        MINIMA_LIKELIHOOD_WEIGHT, thetas, cost,
    )  # fmt: skip
    middle = thetas[:, :1] * model.prior.mean((0, 1)) + thetas[:, 1:3]
    for _ in range(MAX_CANDIDATES_NEAR_PRIOR):
        best = int(cost.argmin())
        yield np.concatenate([thetas[best], np.zeros(TERM_COUNT - 4)])
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * 2**level] = np.inf


def blind_candidates(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest few fields without a prior, level after level, to some px.

    All straight paths are looked up, with all rolls (`measure_lag_maps`).
    """
    yielded: list[ndarray] = []
    for halvings, count, radius in BLIND_SEARCH_LEVELS:
        level = count_halvings(model.height, model.width) + halvings
        if level < 0:
            continue
        maps = measure_lag_maps(pyramid, level, radius=radius)
        for terms in maps.likeliest_paths(count, min_distance=MIN_CANDIDATE_DISTANCE_PX):
            theta = np.zeros(TERM_COUNT)
            theta[1:6] = terms
            vectors = model.vectors(theta)
            if all(mean_vector_distance(vectors, other) > MIN_CANDIDATE_DISTANCE_PX for other in yielded):
                yielded.append(vectors)
                yield theta


def field_costs(
    image: Pixels, fields: Sequence[Float32[ndarray, "rows columns 2"]]
) -> Float64[ndarray, " m"]:
    """Return minus the logarithm of the likelihood that a picture is blurred along each of several fields.

    Fields are blur vectors, px, at the centres of `region_grid`. Only differences of costs mean anything; a
    field that is too long has 0.
    """
    from .lag_kernels import likelihood_costs

    vectors = np.stack([field.reshape(-1, 2) for field in fields])
    longest = np.linalg.norm(vectors, axis=-1).max(1)
    costs, pending = np.zeros(len(fields)), np.ones(len(fields), bool)
    pyramid = DerivativePyramid(image)
    for halvings, _, radius in sorted(BLIND_SEARCH_LEVELS):
        level = count_halvings(*pyramid.size) + halvings
        if level < 0:
            continue
        fits = pending & (longest <= radius * 2**level)
        if fits.any():
            maps = measure_lag_maps(pyramid, level, radius=radius).maps
            level_costs = np.empty(int(fits.sum()))
            level_vectors = (vectors[fits] / 2**level).astype(np.float32)
            likelihood_costs(maps, level_vectors, radius, null_std_by_length(level), level_costs)
            costs[fits] = level_costs
        pending &= ~fits
    return costs
