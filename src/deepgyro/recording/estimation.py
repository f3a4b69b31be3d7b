"""An unknown exposure or clock offset: that at which the gyro's paths fit the blur of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..light import Pixels
from ..refine import (
    ACCEPT_CONFIDENCE,
    field_costs,
    mean_vector_distance,
    mean_vector_length,
    refine_field,
    region_grid,
)
from .recording import COMPARISON_GRID, Exposure, Recording, straight_vectors_on_grid

CANDIDATE_EXPOSURES_S = np.geomspace(1 / 4000, 0.5, 190)
CANDIDATE_OFFSETS_S = np.arange(-1.0, 1.0005, 0.004)
"""To be added to the camera file's."""
ACCEPT_VECTOR_DIFFERENCE = 0.2
"""The gyro's vectors match those of the picture alone if they differ by less, as a share of their length."""
SAME_OFFSET_S = 0.007
"""Offsets that differ by less count as one: refinement does the rest."""
ACCEPT_OFFSET_PROBABILITY = 0.5
LIKELIHOOD_SHARPENING = 2.0
"""The costs of `field_costs` are cautious."""


def estimate_exposure(
    recording: Recording, frame: Exposure, image: Pixels, *, max_exposure: float = np.inf
) -> float | None:
    """Return how long a frame was exposed, s; None if its picture does not determine it.

    The exposure whose gyro vectors are most like the blur that the picture alone shows.

    Raises
    ------
    ValueError
        If the picture is of another shape than the camera's.
    """
    height, width = image.shape[:2]
    recording.camera.scale_to(height=height, width=width)  # raises for a picture of another shape
    fit = refine_field(image, None)
    if fit.field is None or fit.confidence < ACCEPT_CONFIDENCE:
        return None
    shown = straight_vectors_on_grid(fit.field)
    exposures = CANDIDATE_EXPOSURES_S[max_exposure >= CANDIDATE_EXPOSURES_S]
    distances = np.array(
        [
            mean_vector_distance(
                shown,
                recording.blur_vectors(
                    replace(frame, exposure=float(exposure)), height, width, COMPARISON_GRID
                ),
            )
            for exposure in exposures
        ]
    )
    if np.isnan(distances).all():
        return None
    best = int(np.nanargmin(distances))
    near = distances[best] < ACCEPT_VECTOR_DIFFERENCE * mean_vector_length(shown)
    return float(exposures[best]) if near else None


def estimate_time_offset(
    recording: Recording, pictures: Iterable[tuple[Exposure, Pixels]]
) -> tuple[float, float]:
    """Return what is to be added to a camera's time offset so that its pictures fit the log (s), and the
    probability that it is right."""
    camera = recording.camera
    candidates = [
        replace(recording, camera=replace(camera, time_offset=camera.time_offset + float(offset)))
        for offset in CANDIDATE_OFFSETS_S
    ]
    costs = np.zeros(len(candidates))
    for frame, image in pictures:
        height, width = image.shape[:2]
        grid = region_grid(height, width)
        vectors = (candidate.blur_vectors(frame, height, width, grid) for candidate in candidates)
        costs += field_costs(image, [np.nan_to_num(field).astype(np.float32) for field in vectors])
    return _most_likely_value(costs, CANDIDATE_OFFSETS_S, SAME_OFFSET_S)


def _most_likely_value(
    costs: Float64[ndarray, " m"], values: Float64[ndarray, " m"], tolerance: float
) -> tuple[float, float]:
    """Return the mean of the values near the likeliest one, and the probability that it is one of these."""
    likelihood = np.exp(LIKELIHOOD_SHARPENING * (costs.min() - costs))
    likelihood /= likelihood.sum()
    near = np.abs(values - values[costs.argmin()]) < tolerance
    probability = float(likelihood[near].sum())
    return float(likelihood[near] @ values[near] / probability), probability
