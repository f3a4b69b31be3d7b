"""The picture corrects the gyro, or finds its blur without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..light import Pixels
from .fit import Candidate, blurred_along, candidates
from .model import CorrectedField, Model, mean_length
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

# Logistic regression on training pairs (docs/experiments.md): that the blur vectors of the best candidate are
# right to 12 % or 1.5 px, from the roots of its likelihood and of its lead over the next, and its streaks.
_WEIGHTS = np.array([-5.9, 0.8, 1.25, -1.8])
_WEIGHTS_UNTOLD = np.array([-5.7, 0.0, 2.0, -2.1])  # where nothing is told: fences are deep, too
_BLURRED = np.array([-3.3, 2.35, 0.18])
"""Logistic regression as well: that the picture is blurred, from the root of the best candidate's likelihood
and `blurred_along` it; the threshold is such that of sharp and blurred pictures as many are mistaken."""


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
    best, confidence = _best(candidates(pyramid, model), model, _WEIGHTS)
    vectors = model.vectors(best.theta)
    if confidence >= SURE:
        moved = _distance(vectors, model.told)
        return Refined(
            CorrectedField(field, best.theta, model.lens), confidence, moved, _said(vectors, model)
        )
    found = _found(pyramid, Model.unknown(height, width))
    if found.confidence >= SURER:
        return replace(found, note=f"gyro and picture disagree: {found.note}", replaced=True)
    odds = _BLURRED @ [1.0, _depth(best), blurred_along(pyramid, vectors)]
    if model.length > TELLING and odds < 0:
        return Refined(None, confidence, 0.0, "gyro and picture disagree: the gyro is ignored")
    return Refined(field, confidence, 0.0, "the picture does not confirm the gyro")


def _found(pyramid: Pyramid, model: Model) -> Refined:
    """Find the field that is in the picture."""
    if min(model.height, model.width) < SMALLEST:
        return Refined(None, 0.0, 0.0, "too small to find its blur in it")
    best, confidence = _best(candidates(pyramid, model), model, _WEIGHTS_UNTOLD)
    nothing = np.broadcast_to(np.float32(0), (model.height, model.width, 2, 2))
    length = mean_length(model.vectors(best.theta))
    found = f"{length:.1f} px of blur, found in the picture"
    note = found if confidence >= SURE else "no blur is certain in the picture"
    return Refined(CorrectedField(nothing, best.theta), confidence, length, note)


def _best(found: Sequence[Candidate], model: Model, weights: ndarray) -> tuple[Candidate, float]:
    """Return the best candidate, the first, and the probability that it is right."""
    vectors = [model.vectors(candidate.theta) for candidate in found]
    others = [c.cost for c, v in zip(found, vectors, strict=True) if _distance(v, vectors[0]) > APART]
    return found[0], _confidence(found[0], min(others, default=0.0), weights)


def _confidence(best: Candidate, second: float, weights: Float64[ndarray, " 4"]) -> float:
    """Return the probability that the best candidate is right; `second`: the cost of the next other one."""
    lead, streaks = np.clip(second - best.cost, 0, 10) ** 0.5, np.clip(best.streaks, -2, 1)
    return float(1 / (1 + np.exp(-weights @ [1.0, _depth(best), lead, streaks])))


def _depth(candidate: Candidate) -> float:
    return float(np.clip(-candidate.cost, 0, 30) ** 0.5)


def _distance(a: ndarray, b: ndarray) -> float:
    """Return the mean distance of two fields' blur vectors, px, either of which may be reversed."""
    return min(mean_length(a - sign * b) for sign in (1, -1))


def _said(vectors: ndarray, model: Model) -> str:
    """Return in words how a field was corrected."""
    return f"the picture says {mean_length(vectors):.1f} px of blur, the gyro {model.length:.1f}"
