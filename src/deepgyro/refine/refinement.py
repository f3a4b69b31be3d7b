"""The picture corrects the gyro."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..light import Pixels
from .fit import Candidate, candidates
from .model import CorrectedField, Model
from .statistic import Pyramid

SURE = 0.7
"""Confidence from which on the picture's word is taken."""
SHORTEST = 6.0
"""Paths shorter than this leave no dip of their own: nothing can be said, px."""
STREAKS = -0.6
"""`Dips.streaks` over which a picture has none along the told paths."""
SMALLEST = 64
"""A picture with a shorter side has too little in it, px."""
APART = 4.0
"""Candidates nearer than this are one, px."""

# Logistic regression on training pairs (docs/experiments.md): that the blur vectors of the best candidate are
# right to 12 % or 1.5 px, from the root of its lead over the next one and its streaks.
_WEIGHTS = np.array([-6.1, 2.0, -2.0])


@dataclass(frozen=True, eq=False)
class Refined:
    """A field as the picture corrects it."""

    field: Field | None
    """Paths, px; as they were told where the picture says nothing, None where it contradicts them."""
    confidence: float
    """Probability that the field is right, to 12 % of its length or 1.5 px; of paths that are too short to
    tell, 0."""
    correction_px: float
    """Mean distance of the blur vectors before and after, px."""
    note: str
    """What was found, in words; empty if nothing is worth saying."""


def refine_field(image: Pixels, field: Field | Float32[ndarray, "h w 2"]) -> Refined:
    """Correct a blur field by the picture that it is the blur of.

    Where a picture is blurred along a path, its own second derivative is negatively correlated with itself
    one path apart (docs/theory/refinement.md). The factor and the few smooth terms that fit best, and are
    likely for a gyro, are looked for.

    Parameters
    ----------
    image
        (h, w, 3), uint8 | uint16 | float32 in 0 to 1.
    field
        Each pixel's path (h, w, n, 2), or its straight blur vector (h, w, 2), px, or what slices like one.

    Returns
    -------
    refined
        The corrected field, how sure that is, and what was found.
    """
    if isinstance(field, ndarray) and field.ndim == 3:
        field = paths_from_vectors(field)
    height, width = image.shape[:2]
    if tuple(field.shape[:2]) != (height, width):
        raise ValueError(f"the field is {field.shape[1]} x {field.shape[0]}, the picture {width} x {height}")
    model = Model.of(field, height, width)
    if model.length < SHORTEST or min(height, width) < SMALLEST:
        return Refined(field, 0.0, 0.0, "")
    found, streaks = candidates(Pyramid(image), model)
    best = found[0]
    vectors = [model.vectors(candidate.theta) for candidate in found]
    others = [c.cost for c, v in zip(found, vectors, strict=True) if _distance(v, vectors[0]) > APART]
    confidence = _confidence(best, min(others, default=0.0))
    if confidence >= SURE:
        moved = _distance(vectors[0], model.told)
        return Refined(CorrectedField(field, best.theta), confidence, moved, _said(vectors[0], model))
    if streaks > STREAKS and model.length > 3 * SHORTEST:
        return Refined(None, confidence, 0.0, "gyro and picture disagree: the gyro is ignored")
    return Refined(field, confidence, 0.0, "the picture does not confirm the gyro")


def _confidence(best: Candidate, second: float) -> float:
    """Return the probability that the best candidate is right; `second`: the cost of the next other one."""
    lead = np.clip(second - best.cost, 0, 10) ** 0.5
    return float(1 / (1 + np.exp(-_WEIGHTS @ [1.0, lead, np.clip(best.streaks, -2, 1)])))


def _distance(a: ndarray, b: ndarray) -> float:
    """Return the mean distance of two fields' blur vectors, px."""
    return float(np.linalg.norm(a - b, axis=-1).mean())


def _said(vectors: ndarray, model: Model) -> str:
    """Return in words how a field was corrected."""
    length = float(np.linalg.norm(vectors, axis=-1).mean())
    return f"the picture says {length:.1f} px of blur, the gyro {model.length:.1f}"
