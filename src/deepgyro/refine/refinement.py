"""Correct a gyro's blur field from the picture, or estimate it without one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..light import Pixels, check_pixels
from .candidates import blind_candidates, candidates_near_prior
from .corrector import FieldFit, fit_field
from .model import TERM_COUNT, CorrectedField, FieldModel, mean_vector_distance, mean_vector_length
from .statistic import DerivativePyramid

ACCEPT_CONFIDENCE = 0.7
"""Confidence from which on a field from the picture is accepted."""
OVERRIDE_CONFIDENCE = 0.85
"""Confidence from which on it replaces a gyro's that it contradicts."""
KEEP_CONFIDENCE = 0.5
"""Confidence from which on a gyro's field is kept uncorrected; ..."""
SHARP_LOG_ODDS = -5.0
"""... and below it if the log odds that the picture is sharp are under this: some pictures show too little to
confirm anything, but are certainly blurred. A prior field of a sharp picture costs several times what a right
one gains."""
MIN_REFINED_PATH_PX = 4.0
"""Shorter paths leave no minimum of their own, px."""
MIN_CONTRADICTED_PATH_PX = 8.0
"""Longer paths leave less detail along them than a sharp picture has, px: a picture that does not confirm
them contradicts them."""
MIN_PICTURE_SIDE_PX = 64
"""A picture with a shorter side shows too little, px."""

# Logistic regressions of "right to 12 % or 1.5 px" on the corrector's log odds, from training photos that it
# has not seen (docs/experiments), with a prior field and without one.
_PRIOR_CONFIDENCE_WEIGHTS = np.array([-2.0, 0.68])
_BLIND_CONFIDENCE_WEIGHTS = np.array([-2.8, 0.67])


@dataclass(frozen=True, eq=False)
class Refined:
    """A field corrected from the picture."""

    field: Field | None
    """Paths, px; the prior where the picture does not confirm it, None where it contradicts the prior, or is
    too small to estimate a field."""
    confidence: float
    """Probability that the field is right to 12 % of its length or 1.5 px; 0 for paths too short to test."""
    correction_px: float
    """Mean distance of the blur vectors before and after, px."""
    note: str
    """What happened to this picture's field, why, and what to do, for the user; empty if nothing."""
    regions: Float32[ndarray, "rows columns"] | None = None
    """Probability that the field is right in each of 9 x 16 parts of the picture (16 x 9 of a portrait one):
    low where a part has no texture, and where it moves by itself. None without an evaluation."""
    covariance: Float64[ndarray, "k k"] | None = None
    """Of `CorrectedField.theta`, if the field is right; None where the field is not corrected."""
    replaced: bool = False
    """Whether the field is estimated from the picture, against the prior."""


def refine_field(image: Pixels, field: Field | Float32[ndarray, "h w 2"] | None) -> Refined:
    """Correct a blur field from the picture that it is the blur of, or estimate one.

    Where a picture is blurred along a path, its second derivative is negatively correlated with itself one
    path apart (docs/theory/refinement.md). A few smooth terms are fitted, with the priors of a gyro's errors
    or of camera shake.

    Parameters
    ----------
    image
        (h, w, 3), uint8 | uint16 | float32 in 0 to 1.
    field
        Each pixel's path (h, w, n, 2), or its straight blur vector (h, w, 2), px, or what slices like one.
        None: no gyro.

    Returns
    -------
    refined
        The corrected field, its confidence, and a note. Without gyro it is the likeliest field of straight
        paths, to be used from a confidence of `ACCEPT_CONFIDENCE` on.

    Raises
    ------
    ValueError
        If shapes or types don't fit, or numbers are not finite.
    """
    check_pixels(image)
    if isinstance(field, ndarray) and field.ndim == 3:
        field = paths_from_vectors(field)
    height, width = image.shape[:2]
    if field is None:
        return _estimate_blind(DerivativePyramid(image), FieldModel.blind(height, width))
    if len(field.shape) != 4 or field.shape[2] < 2:
        raise ValueError(f"the field is {tuple(field.shape)}; (height, width, n, 2) is needed, and n >= 2")
    if tuple(field.shape[:2]) != (height, width):
        raise ValueError(f"the field is {field.shape[1]} x {field.shape[0]}, the picture {width} x {height}")
    model = FieldModel.from_prior(field, height, width)
    if not np.isfinite(model.prior_length):
        raise ValueError("the field has numbers that are not finite")
    if model.prior_length < MIN_REFINED_PATH_PX or min(height, width) < MIN_PICTURE_SIDE_PX:
        return Refined(field, 0.0, 0.0, "")
    pyramid = DerivativePyramid(image)
    candidates = chain([np.zeros(TERM_COUNT)], candidates_near_prior(pyramid, model))
    best, confidence = _fit_likeliest(pyramid, model, candidates)
    regions = best.cell_confidences
    if confidence >= ACCEPT_CONFIDENCE:
        vectors, corrected = model.vectors(best.theta), CorrectedField(field, best.theta, model.lens)
        note = (
            f"the picture corrects the gyro's {model.prior_length:.1f} px of blur to "
            f"{mean_vector_length(vectors):.1f} px"
        )
        moved = mean_vector_distance(vectors, model.prior)
        return Refined(corrected, confidence, moved, note, regions, best.covariance)
    if model.prior_length < MIN_CONTRADICTED_PATH_PX:
        return Refined(field, confidence, 0.0, "", regions)
    blind = _estimate_blind(pyramid, FieldModel.blind(height, width))
    mismatch = "gyro and picture disagree (check time offset, axes and exposure): "
    if blind.confidence >= OVERRIDE_CONFIDENCE:
        return replace(blind, note=mismatch + blind.note, replaced=True)
    if confidence < KEEP_CONFIDENCE and (best.sharp_log_odds > SHARP_LOG_ODDS or best.log_odds < 0):
        return Refined(None, confidence, 0.0, f"{mismatch}the gyro is ignored", regions)
    note = "the picture does not confirm the gyro: its blur is used uncorrected"
    return Refined(field, confidence, 0.0, note, regions)


def _estimate_blind(pyramid: DerivativePyramid, model: FieldModel) -> Refined:
    """Estimate the field from the picture alone."""
    if min(model.height, model.width) < MIN_PICTURE_SIDE_PX:
        note = f"too small to estimate its blur without a gyro: {MIN_PICTURE_SIDE_PX} px a side are needed"
        return Refined(None, 0.0, 0.0, note)
    best, confidence = _fit_likeliest(pyramid, model, blind_candidates(pyramid, model))
    zero = np.broadcast_to(np.float32(0), (model.height, model.width, 2, 2))
    length = mean_vector_length(model.vectors(best.theta))
    note = "no blur is certain in the picture: if it is blurred, give its gyro log"
    if confidence >= ACCEPT_CONFIDENCE:
        note = f"{length:.1f} px of blur estimated from the picture"
    corrected = CorrectedField(zero, best.theta)
    return Refined(corrected, confidence, length, note, best.cell_confidences, best.covariance)


def _fit_likeliest(
    pyramid: DerivativePyramid, model: FieldModel, candidates: Iterable[Float64[ndarray, " k"]]
) -> tuple[FieldFit, float]:
    """Correct candidates until one is confident; return the likeliest fit and its confidence."""
    fits = []
    for theta in candidates:
        fits.append(fit_field(pyramid, model, theta))
        if _fit_confidence(model, fits[-1]) >= ACCEPT_CONFIDENCE:
            break
    best = max(fits, key=lambda fit: fit.log_odds)
    return best, _fit_confidence(model, best)


def _fit_confidence(model: FieldModel, fit: FieldFit) -> float:
    """Return the probability that a field is right."""
    weights = _PRIOR_CONFIDENCE_WEIGHTS if model.has_gyro else _BLIND_CONFIDENCE_WEIGHTS
    return float(1 / (1 + np.exp(-(weights @ [1.0, fit.log_odds]))))
