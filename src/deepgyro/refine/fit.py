"""Where to look for the field that fits a picture: a few unknowns, from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from .lags import region_lags
from .model import TERMS, Model, mean_length, told_at
from .statistic import SHORT, Dips, Pyramid, Scale, halvings, level_for, region_dips

TRUST = 0.5
"""Of the dips' log-likelihood, z^2 / 2: neighbouring places are no independent witnesses."""
CANDIDATES = 3
"""Of a told field."""
SEEDS = ((-1, 1, 24), (0, 2, 18), (1, 3, 50), (2, 2, 50))
"""Where nothing is told: how often the picture is halved beyond `SIZE`, how many candidates are taken there,
and how long the paths are that are looked for, px of the level."""
NOISY = 0.006
"""Of white; a noisier picture is smoothed more."""

_UNTOLD = np.array([0.0, 1, 1, 2, 2, 2, 2, 2, 2, 2])
_TOLD = np.array([0.0, 1, 1, 1, 1, 1, 0, 0, 0, 0])


@dataclass(frozen=True, eq=False)
class Candidate:
    """A field that the picture may have been blurred along, where nothing is told."""

    theta: Float64[ndarray, " k"]
    cost: float
    """Minus the logarithm of prior times likelihood."""


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


def about_told(pyramid: Pyramid, model: Model) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest few fields about a told one, the best first; they are off by some px.

    The coarse scale's dips are looked up for turns of the camera, scales and rolls, and the likeliest are
    followed downhill there.
    """
    coarse, _, reach = _scales(model.length, pyramid)
    dips = region_dips(pyramid, model.told, coarse, reach=reach)
    terms, unit = model.terms(dips.places), float(coarse.pixel)
    shift = np.arange(2.0 - reach, reach - 1) * unit
    axes = np.meshgrid([-0.2, 0.0, 0.2], shift, shift, np.array([-3, 0, 3]) * model.px, indexing="ij")
    thetas = np.stack(axes, -1).reshape(-1, 4)
    start = np.zeros(TERMS)
    cost = _costs(dips, terms, model, start, thetas, cubic=False)
    middle = thetas[:, :1] * model.told.mean((0, 1)) + thetas[:, 1:3]
    steps = _TOLD * unit / 2
    steps[0] = 0.05
    for _ in range(CANDIDATES):
        best = int(cost.argmin())
        theta = np.concatenate([thetas[best], np.zeros(TERMS - 4)])
        yield _downhill(dips, terms, model, theta, steps, rounds=10, start=start)
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * unit] = np.inf


def of_any(pyramid: Pyramid, model: Model) -> list[Candidate]:
    """Return the likeliest fields where nothing is told, the best first.

    All straight paths are looked up (`region_lags`); the likeliest few are followed downhill, at the coarse
    scale and at the fine one.
    """
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
            dips = TRUST * (z**2 + finer**2) / 4
            found.append(Candidate(theta, model.cost(theta) - dips + float(np.clip(streaks, -2, 1))))
    return sorted(found, key=lambda candidate: candidate.cost)


def _scales(length: float, pyramid: Pyramid) -> tuple[Scale, Scale, int]:
    """Return the coarse and the fine scale for paths of a length, px, and how far to look there, px of it."""
    if length < SHORT:
        return Scale(0, 1.2), Scale(0, 1.2), 14
    level = level_for(length, *pyramid.size)
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
