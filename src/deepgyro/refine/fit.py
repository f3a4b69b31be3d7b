"""The field that fits the picture: a few unknowns, coarse to fine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from .lags import region_lags
from .model import TERMS, Model, mean_length, told_at
from .statistic import Dips, Pyramid, Scale, region_dips

TRUST = 0.5
"""Of the dips' log-likelihood, z^2 / 2: neighbouring places are no independent witnesses."""
CANDIDATES = 3
"""Of a told field."""
SEEDS = ((-1, 1, 24), (0, 2, 18), (1, 3, 50), (2, 2, 50))
"""Where nothing is told: how often the picture is halved beyond `SIZE`, how many candidates are taken there,
and how long the paths are that are looked for, px of the level."""
SIZE = 480
"""A picture is halved until its longer side is about so long, px, ..."""
SHORT = 16.0
"""... but not so often that its paths get shorter than this, px; ..."""
LONG = 100.0
"""... and further until they are shorter than this, px."""
NOISY = 0.006
"""Of white; a noisier picture is smoothed more."""
BEYOND = 3.5
"""The dip lies so much beyond the path's end, over its length, px of the level: what any picture has near by
leans on it. Measured on training photos."""
POLISH = 2
"""Distance of the places that the best candidate is judged by at last, px of the level."""
DRAWS, ROUNDS = 200, 4
"""Of what may have been, around a candidate."""

_UNTOLD = np.array([0.0, 1, 1, 2, 2, 2, 2, 2, 2, 2])
_TOLD = np.array([0.0, 1, 1, 1, 1, 1, 0, 0, 0, 0])


@dataclass(frozen=True, eq=False)
class Candidate:
    """A field that the picture may have been blurred along."""

    theta: Float64[ndarray, " k"]
    coarse: float
    """How deep its dip is at the coarse scale, in standard deviations: 0 or less."""
    fine: float
    prior: float
    """Minus the logarithm of its prior."""
    streaks: float
    """How streaky the picture is along it: `Dips.streaks`, at the coarse scale."""

    @property
    def cost(self) -> float:
        """Minus the logarithm of prior times likelihood."""
        dips = TRUST * (self.coarse**2 + self.fine**2) / 4
        return self.prior - dips + float(np.clip(self.streaks, -2, 1))


def candidates(pyramid: Pyramid, model: Model) -> list[Candidate]:
    """Return the likeliest fields, the best first.

    About a told field, the coarse scale's dips are looked up for turns of the camera, scales and rolls.
    Where nothing is told, all straight paths are (`region_lags`). The likeliest few are followed downhill, at
    the coarse scale and at the fine one.
    """
    found = list(_about_told(pyramid, model) if model.gyro else _of_any(pyramid, model))
    found.sort(key=lambda candidate: candidate.cost)
    return [_polished(pyramid, model, found[0]), *found[1:]]


def blurred_along(pyramid: Pyramid, vectors: Float32[ndarray, "rows columns 2"]) -> float:
    """Return the logarithm of the odds that a picture is blurred along vectors (px) of 8 px and more.

    Blur leaves little detail along the path: less than across, and less than a picture a quarter of the
    size has. Weights: logistic regression on training photos, sharp and blurred (docs/experiments.md).
    """
    first = halvings(*pyramid.size)
    dips = [region_dips(pyramid, vectors, Scale(first + k, 1.2), reach=1) for k in (0, 2)]
    at = [told_at(vectors, part.places) for part in dips]
    fine, coarse = (part.energy_along(v) for part, v in zip(dips, at, strict=True))
    return float(-6.9 - 3.5 * np.log(fine / coarse) - 4.8 * dips[0].streaks(at[0]))


def _about_told(pyramid: Pyramid, model: Model) -> list[Candidate]:
    coarse, fine, reach = _scales(model.length, pyramid)
    dips = region_dips(pyramid, model.told, coarse, reach=reach)
    terms, unit = model.terms(dips.places), float(coarse.pixel)
    shift = np.arange(2.0 - reach, reach - 1) * unit
    axes = np.meshgrid([-0.2, 0.0, 0.2], shift, shift, np.array([-3, 0, 3]) * model.px, indexing="ij")
    thetas = np.stack(axes, -1).reshape(-1, 4)
    start = np.zeros(TERMS)
    cost = _costs(dips, terms, model, start, thetas, cubic=False)
    middle = thetas[:, :1] * model.told.mean((0, 1)) + thetas[:, 1:3]
    found = []
    for _ in range(CANDIDATES):
        best = int(cost.argmin())
        steps = _TOLD * unit / 2
        steps[0] = 0.05
        theta = np.concatenate([thetas[best], np.zeros(TERMS - 4)])
        theta = _downhill(dips, terms, model, theta, steps, rounds=10, start=start)
        z = dips.z(terms, theta)
        streaks = dips.streaks(told_at(model.told, dips.places) + terms @ theta)
        steps = _TOLD * fine.pixel / 2
        steps[0] = 0.03
        theta, finer, _ = _followed(pyramid, model, fine, theta, steps, reach=4)
        found.append(_candidate(model, theta, z, finer, streaks))
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * unit] = np.inf
    return found


def _of_any(pyramid: Pyramid, model: Model) -> list[Candidate]:
    found = []
    for more, count, radius in SEEDS:
        level = halvings(model.height, model.width) + more
        if level < 0:
            continue
        for seed in region_lags(pyramid, Scale(level, 1.2), radius=radius).likeliest(count, apart=4.0):
            theta = np.zeros(TERMS)
            theta[1:6] = seed
            coarse, fine, _ = _scales(mean_length(model.vectors(theta)), pyramid)
            theta, z, streaks = _followed(pyramid, model, coarse, theta, _UNTOLD * coarse.pixel / 2, reach=7)
            theta, finer, _ = _followed(pyramid, model, fine, theta, _UNTOLD * fine.pixel / 2, reach=5)
            found.append(_candidate(model, theta, z, finer, streaks))
    return found


def _polished(pyramid: Pyramid, model: Model, candidate: Candidate) -> Candidate:
    """Return a candidate's mean of the posterior, from more places."""
    vectors = model.vectors(candidate.theta)
    _, fine, _ = _scales(mean_length(vectors), pyramid)
    dips = region_dips(pyramid, vectors, fine, reach=4, stride=POLISH)
    terms = model.terms(dips.places)
    steps = (_TOLD if model.gyro else _UNTOLD) * fine.pixel / 2
    more = _downhill(dips, terms, model, np.zeros(TERMS), steps / 2, rounds=12, start=candidate.theta)
    theta = candidate.theta + _mean(dips, terms, model, more, 2 * steps, start=candidate.theta)
    length = mean_length(model.vectors(theta))
    shorter = 1 - BEYOND * (fine.pixel / max(length, SHORT / 2 * fine.pixel)) ** 2
    theta[0] += 1
    theta *= shorter
    theta[0] -= 1
    return replace(candidate, theta=theta)


def _candidate(model: Model, theta: ndarray, coarse: float, fine: float, streaks: float) -> Candidate:
    return Candidate(theta, coarse, fine, model.cost(theta), streaks)


def halvings(height: int, width: int) -> int:
    """Return how often a picture is halved until its longer side is about `SIZE`."""
    return max(0, round(math.log2(max(height, width) / SIZE)))


def _scales(length: float, pyramid: Pyramid) -> tuple[Scale, Scale, int]:
    """Return the coarse and the fine scale for paths of a length, px, and how far to look there, px of it."""
    if length < SHORT:
        return Scale(0, 1.2), Scale(0, 1.2), 14
    level = min(halvings(*pyramid.size), int(np.log2(length / SHORT)))
    level = max(level, int(np.ceil(np.log2(length / LONG))))
    return Scale(level + 1, 1.2), Scale(level, 1.8 if pyramid.noise > NOISY * 2**level else 1.2), 18


def _followed(
    pyramid: Pyramid,
    model: Model,
    scale: Scale,
    theta: Float64[ndarray, " k"],
    steps: Float64[ndarray, " k"],
    *,
    reach: int,
) -> tuple[ndarray, float, float]:
    """Follow a candidate downhill; return where it ends, how deep the dip is there, and the streaks."""
    vectors = model.vectors(theta)
    dips = region_dips(pyramid, vectors, scale, reach=reach)
    terms = model.terms(dips.places)
    more = _downhill(dips, terms, model, np.zeros(TERMS), steps, rounds=12, start=theta)
    streaks = dips.streaks(told_at(vectors, dips.places) + terms @ more)
    return theta + more, dips.z(terms, more), streaks


def _mean(
    dips: Dips, terms: ndarray, model: Model, theta: ndarray, spread: ndarray, *, start: ndarray
) -> Float64[ndarray, " k"]:
    """Return the mean of the posterior around a place, from draws that close in on it."""
    draws = np.random.default_rng(0).standard_normal((DRAWS, TERMS))
    for _ in range(ROUNDS):
        tried = theta + spread * draws
        cost = _costs(dips, terms, model, start, tried)
        weight = np.exp(cost.min() - cost)
        weight /= weight.sum()
        theta = weight @ tried
        spread = np.minimum(spread, 1.5 * np.sqrt(weight @ (tried - theta) ** 2))
    return theta


def _costs(
    dips: Dips, terms: ndarray, model: Model, start: ndarray, thetas: ndarray, *, cubic: bool = True
) -> Float64[ndarray, " m"]:
    """Return minus the logarithm of prior times likelihood of start plus thetas."""
    from .kernels import costs

    out = np.empty(len(thetas))
    costs(*_landscape(dips, terms, model), start, thetas, cubic, out)
    return out


def _downhill(
    dips: Dips, terms: ndarray, model: Model, theta: ndarray, steps: ndarray, *, rounds: int, start: ndarray
) -> Float64[ndarray, " k"]:
    """Return the place that the best steps along one term after the other lead to from theta."""
    from .kernels import descend

    return np.asarray(descend(*_landscape(dips, terms, model), start, theta, steps, rounds))


def _landscape(dips: Dips, terms: ndarray, model: Model) -> tuple[object, ...]:
    """Return what the kernels need to know the cost of a place."""
    unit = terms / dips.scale.pixel
    return dips.dips, dips.energy, dips.vectors, unit, dips.usual, *model.prior, TRUST
