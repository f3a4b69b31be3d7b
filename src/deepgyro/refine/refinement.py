"""The picture corrects the gyro, or finds its blur without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..light import Pixels
from .corrector import Corrected, corrected
from .fit import about_told, blurred_along, of_any
from .model import CorrectedField, Model, distance, mean_length
from .statistic import Pyramid

SURE = 0.7
"""Confidence from which on the picture's word is taken."""
SURER = 0.85
"""Confidence from which on it is taken against a gyro."""
SHORTEST = 6.0
"""Paths shorter than this leave no dip of their own: nothing can be said, px."""
TELLING = 8.0
"""Paths longer than this leave less detail along them than a sharp picture has, px."""
SMALLEST = 64
"""A picture with a shorter side has too little in it, px."""
APART = 4.0
"""Candidates nearer than this are one, px."""

# Logistic regression on training pairs (docs/experiments.md): that the blur vectors are right to 12 % or
# 1.5 px, from the corrector's odds and, where nothing is told, from the root of the lead over the next.
_WEIGHTS = np.array([-2.64, 0.85])
_WEIGHTS_UNTOLD = np.array([-6.84, 1.01, 0.44])
_BLURRED = np.array([0.87, 0.36, 0.4])
"""Logistic regression as well: that the picture is blurred, from the corrector's odds and `blurred_along`;
the threshold is such that of sharp and blurred pictures as many are mistaken."""


@dataclass(frozen=True, eq=False)
class Refined:
    """A field as the picture corrects it."""

    field: Field | None
    """Paths, px; as they were told where the picture says nothing, None where it contradicts them, or is too
    small to find any."""
    confidence: float
    """Probability that the field is right, to 12 % of its length or 1.5 px; of paths that are too short to
    tell, 0."""
    correction_px: float
    """Mean distance of the blur vectors before and after, px."""
    note: str
    """What was found, in words; empty if nothing is worth saying."""
    regions: Float32[ndarray, "rows columns"] | None = None
    """Probability of each of 9 x 16 parts of the picture (16 x 9 of a higher one), row by row, that the field
    is right there, as far as the corrector sees it there: low where a part has nothing to show. None where
    nothing was looked at."""
    covariance: Float64[ndarray, "k k"] | None = None
    """Of `CorrectedField.theta` if the field is right; None where the field is not corrected."""
    replaced: bool = False
    """Whether the field is the picture's own, against what it was told."""


def refine_field(image: Pixels, field: Field | Float32[ndarray, "h w 2"] | None) -> Refined:
    """Correct a blur field by the picture that it is the blur of, or find one.

    Where a picture is blurred along a path, its own second derivative is negatively correlated with itself
    one path apart (docs/theory/refinement.md). The few smooth terms that fit best, and are likely for a gyro
    or for a camera's shake, are looked for.

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
        The corrected field, how sure that is, and what was found. Without gyro it is the likeliest field of
        straight paths: whether to use it is for the confidence to say (from `SURE` on).
    """
    if isinstance(field, ndarray) and field.ndim == 3:
        field = paths_from_vectors(field)
    height, width = image.shape[:2]
    if field is None:
        return _found(Pyramid(image), Model.unknown(height, width))
    if tuple(field.shape[:2]) != (height, width):
        raise ValueError(f"the field is {field.shape[1]} x {field.shape[0]}, the picture {width} x {height}")
    model = Model.of(field, height, width)
    if model.length < SHORTEST or min(height, width) < SMALLEST:
        return Refined(field, 0.0, 0.0, "")
    pyramid = Pyramid(image)
    best = _about(pyramid, model)
    vectors, confidence = model.vectors(best.theta), _confidence(best)
    if confidence >= SURE:
        moved = distance(vectors, model.told)
        return Refined(
            CorrectedField(field, best.theta, model.lens), confidence, moved, _said(vectors, model),
            best.cells, best.covariance,
        )  # fmt: skip
    found = _found(pyramid, Model.unknown(height, width))
    if found.confidence >= SURER:
        return replace(found, note=f"gyro and picture disagree: {found.note}", replaced=True)
    odds = _BLURRED @ [1.0, best.odds, blurred_along(pyramid, vectors)]
    if model.length > TELLING and odds < 0:
        return Refined(None, confidence, 0.0, "gyro and picture disagree: the gyro is ignored", best.cells)
    return Refined(field, confidence, 0.0, "the picture does not confirm the gyro", best.cells)


def _about(pyramid: Pyramid, model: Model) -> Corrected:
    """Return the likeliest field about the told one; others than the first are tried where that is unsure."""
    tried = []
    for theta in about_told(pyramid, model):
        tried.append(corrected(pyramid, model, theta))
        if _confidence(tried[-1]) >= SURE:
            return tried[-1]
    return max(tried, key=lambda fit: fit.odds)


def _found(pyramid: Pyramid, model: Model) -> Refined:
    """Find the field that is in the picture."""
    if min(model.height, model.width) < SMALLEST:
        return Refined(None, 0.0, 0.0, "too small to find its blur in it")
    found = of_any(pyramid, model)
    first = model.vectors(found[0].theta)
    others = [c.cost for c in found[1:] if distance(model.vectors(c.theta), first) > APART]
    lead = np.clip(min(others, default=0.0) - found[0].cost, 0, 10) ** 0.5
    best = corrected(pyramid, model, found[0].theta)
    confidence = _probability(float(_WEIGHTS_UNTOLD @ [1.0, best.odds, lead]))
    nothing = np.broadcast_to(np.float32(0), (model.height, model.width, 2, 2))
    length = mean_length(model.vectors(best.theta))
    words = f"{length:.1f} px of blur, found in the picture"
    note = words if confidence >= SURE else "no blur is certain in the picture"
    return Refined(CorrectedField(nothing, best.theta), confidence, length, note, best.cells, best.covariance)


def _confidence(best: Corrected) -> float:
    """Return the probability that a field about a told one is right."""
    return _probability(float(_WEIGHTS @ [1.0, best.odds]))


def _probability(odds: float) -> float:
    """Return the probability of odds' logarithm."""
    return float(1 / (1 + np.exp(-odds)))


def _said(vectors: ndarray, model: Model) -> str:
    """Return in words how a field was corrected."""
    return f"the picture says {mean_length(vectors):.1f} px of blur, the gyro {model.length:.1f}"
