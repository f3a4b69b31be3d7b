"""The picture corrects the gyro, or finds its blur without one."""

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
"""Confidence from which on a correction is used."""
OVERRIDE_CONFIDENCE = 0.85
"""Confidence from which on the picture's own field replaces the gyro's."""
KEEP_CONFIDENCE = 0.5
"""Confidence from which on a gyro field that the picture does not confirm is kept; ..."""
SHARP_LOG_ODDS = -5.0
"""... also below it, if the log-odds that the picture is sharp are less than this: some pictures show too
little to confirm a field, but are certainly blurred. Deblurring a sharp picture costs several times what a
right field gains."""
MIN_REFINED_PATH_PX = 4.0
"""Shorter paths have no autocorrelation minimum of their own: they are not corrected, px."""
MIN_CONTRADICTED_PATH_PX = 8.0
"""Longer paths leave less detail along them than a sharp picture has: a picture that does not confirm them
contradicts them, px."""
MIN_PICTURE_SIDE_PX = 64
"""A picture with a shorter side shows too little, px."""

# Logistic regressions on training photos that the corrector has not seen (docs/experiments): that the blur
# vectors are right to 12 % or 1.5 px, from its odds, with a prior field and without one.
_PRIOR_CONFIDENCE_WEIGHTS = np.array([-2.0, 0.68])
_BLIND_CONFIDENCE_WEIGHTS = np.array([-2.8, 0.67])


@dataclass(frozen=True, eq=False)
class Refined:
    """A field as the picture corrects it."""

    field: Field | None
    """Paths, px; the prior where the picture does not correct it, None where it contradicts it, or is too
    small for an estimate."""
    confidence: float
    """Probability that the field is right, to 12 % of its length or 1.5 px; 0 for too short paths."""
    correction_px: float
    """Mean distance of the blur vectors before and after, px."""
    note: str
    """The outcome in words, or empty."""
    regions: Float32[ndarray, "rows columns"] | None = None
    """Probability that the field is right in each of 9 x 16 parts of the picture (16 x 9 of a higher one):
    low where a part has no texture, and where it moves by itself. None where nothing was measured."""
    covariance: Float64[ndarray, "k k"] | None = None
    """Of `CorrectedField.theta` if the field is right; None where the field is not corrected."""
    replaced: bool = False
    """Whether the field is the picture's own, against the prior."""


def refine_field(image: Pixels, field: Field | Float32[ndarray, "h w 2"] | None) -> Refined:
    """Correct a blur field from the blurred picture, or estimate one.

    Where a picture is blurred along a path, its own second derivative is negatively correlated with itself
    one path apart (docs/theory/refinement.md). A few smooth terms are fitted, with a prior for gyros or for
    camera shake.

    Parameters
    ----------
    image
        (h, w, 3), uint8 | uint16 | float32 in 0 to 1.
    field
        Each pixel's path (h, w, n, 2), or its straight blur vector (h, w, 2), px, or what slices like one.
        None: there is no gyro.

    Returns
    -------
    refined
        The corrected field, its confidence, and a note. Without gyro it is the likeliest field of straight
        paths: use it from a confidence of `ACCEPT_CONFIDENCE` on.

    Raises
    ------
    ValueError
        If shapes or types don't fit, or there are numbers that are not finite.
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
    best = _fit_likeliest(
        pyramid, model, chain([np.zeros(TERM_COUNT)], candidates_near_prior(pyramid, model))
    )
    vectors, confidence = model.vectors(best.theta), _fit_confidence(model, best)
    if confidence >= ACCEPT_CONFIDENCE:
        correction = mean_vector_distance(vectors, model.prior)
        length = mean_vector_length(vectors)
        note = f"the picture says {length:.1f} px of blur, the gyro {model.prior_length:.1f}"
        corrected = CorrectedField(field, best.theta, model.lens)
        return Refined(corrected, confidence, correction, note, best.cell_confidences, best.covariance)
    if model.prior_length < MIN_CONTRADICTED_PATH_PX:
        return Refined(field, confidence, 0.0, "", best.cell_confidences)
    blind = _estimate_blind(pyramid, FieldModel.blind(height, width))
    if blind.confidence >= OVERRIDE_CONFIDENCE:
        return replace(blind, note=f"gyro and picture disagree: {blind.note}", replaced=True)
    if confidence < KEEP_CONFIDENCE and (best.sharp_log_odds > SHARP_LOG_ODDS or best.log_odds < 0):
        return Refined(
            None, confidence, 0.0, "gyro and picture disagree: the gyro is ignored", best.cell_confidences
        )
    return Refined(field, confidence, 0.0, "the picture does not confirm the gyro", best.cell_confidences)


def _estimate_blind(pyramid: DerivativePyramid, model: FieldModel) -> Refined:
    """Estimate the field from the picture alone."""
    if min(model.height, model.width) < MIN_PICTURE_SIDE_PX:
        return Refined(None, 0.0, 0.0, "too small to find its blur in it")
    best = _fit_likeliest(pyramid, model, blind_candidates(pyramid, model))
    confidence = _fit_confidence(model, best)
    nothing = np.broadcast_to(np.float32(0), (model.height, model.width, 2, 2))
    length = mean_vector_length(model.vectors(best.theta))
    words = f"{length:.1f} px of blur, found in the picture"
    note = words if confidence >= ACCEPT_CONFIDENCE else "no blur is certain in the picture"
    return Refined(
        CorrectedField(nothing, best.theta), confidence, length, note, best.cell_confidences, best.covariance
    )


def _fit_likeliest(
    pyramid: DerivativePyramid, model: FieldModel, candidates: Iterable[Float64[ndarray, " k"]]
) -> FieldFit:
    """Correct one candidate after the other until one is accepted; return the likeliest."""
    fits = []
    for theta in candidates:
        fits.append(fit_field(pyramid, model, theta))
        if _fit_confidence(model, fits[-1]) >= ACCEPT_CONFIDENCE:
            break
    return max(fits, key=lambda fit: fit.log_odds)


def _fit_confidence(model: FieldModel, fit: FieldFit) -> float:
    """Return the probability that a field is right: a logistic regression."""
    weights = _PRIOR_CONFIDENCE_WEIGHTS if model.has_gyro else _BLIND_CONFIDENCE_WEIGHTS
    return float(1 / (1 + np.exp(-float(weights @ [1.0, fit.log_odds]))))
