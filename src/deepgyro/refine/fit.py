"""The field that fits the picture: a few unknowns, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .model import TERMS, Model
from .statistic import Dips, Pyramid, Scale, region_dips

TRUST = 0.5
"""Of the dips' log-likelihood, z^2 / 2: neighbouring places are no independent witnesses."""
CANDIDATES = 5
SHORT = 16.0
"""Paths shorter than this are looked for at the full size, px."""
NOISY = 0.006
"""Of white; a noisier picture is smoothed more."""
DRAWS, ROUNDS = 200, 4
"""Of what may have been, around a candidate."""
LONG = 100.0
"""A picture is halved until its paths are shorter, px."""


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
        return self.prior - TRUST * (self.coarse**2 + self.fine**2) / 4


def candidates(pyramid: Pyramid, model: Model) -> tuple[list[Candidate], float]:
    """Return the likeliest corrections of a told field, the best first, and the streaks along the told one.

    The coarse scale's dips are looked up for shifts of the whole field, scales and rolls; the likeliest few
    are followed downhill, and again at the fine scale.
    """
    coarse, fine, reach = _scales(model.length, pyramid.noise)
    dips = region_dips(pyramid, model.told, coarse, reach=reach)
    terms, unit = model.terms(dips.places), float(coarse.pixel)
    shift = np.arange(2.0 - reach, reach - 1) * unit
    axes = np.meshgrid(
        [-0.3, -0.15, 0.0, 0.15, 0.3], shift, shift, np.array([-1.5, 0, 1.5]) * model.spread[3], indexing="ij"
    )
    thetas = np.zeros((axes[0].size, TERMS))
    thetas[:, :4] = np.stack(axes, -1).reshape(-1, 4)
    cost = _costs(dips, terms, model, np.zeros(TERMS), thetas)
    middle = thetas[:, :1] * model.told.mean((0, 1)) + thetas[:, 1:3]
    found = []
    for _ in range(CANDIDATES):
        best = int(cost.argmin())
        steps = np.array([0.05, unit / 2, unit / 2, unit / 2, unit / 2, unit / 2, 0, 0])
        theta = _downhill(dips, terms, model, thetas[best], steps, rounds=10)
        z = float(dips.z(terms, theta[None])[0])
        theta, finer = _sharpened(pyramid, model, fine, theta)
        streaks = dips.streaks(model.told_at(dips.places) + terms @ theta)
        found.append(Candidate(theta, z, finer, float(model.cost(theta[None])[0]), streaks))
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * unit] = np.inf
    return sorted(found, key=lambda candidate: candidate.cost), dips.streaks(model.told_at(dips.places))


def _scales(length: float, noise: float) -> tuple[Scale, Scale, int]:
    """Return the coarse and the fine scale for paths of a length, px, and how far to look there, px of it."""
    if length < SHORT:
        return Scale(0, 1.2), Scale(0, 1.2), 14
    level = max(0, int(np.ceil(np.log2(length / LONG))))
    return Scale(level + 1, 1.2), Scale(level, 1.8 if noise > NOISY else 1.2), 18


def _sharpened(
    pyramid: Pyramid, model: Model, fine: Scale, theta: Float64[ndarray, " k"]
) -> tuple[ndarray, float]:
    """Follow a candidate downhill at the fine scale; return where it ends, and how deep the dip is there."""
    dips = region_dips(pyramid, model.vectors(theta), fine, reach=4)
    terms, unit = model.terms(dips.places), fine.pixel / 2
    steps = np.array([0.03, unit, unit, unit, unit, unit, 0, 0])
    more = _downhill(dips, terms, model, np.zeros(TERMS), steps, rounds=10, start=theta)
    more = _mean(dips, terms, model, more, 2 * steps, start=theta)
    return theta + more, float(dips.z(terms, more[None])[0])


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
    dips: Dips, terms: ndarray, model: Model, start: ndarray, thetas: ndarray
) -> Float64[ndarray, " m"]:
    return np.asarray(model.cost(start + thetas) - TRUST * dips.z(terms, thetas) ** 2 / 2)


def _downhill(
    dips: Dips,
    terms: ndarray,
    model: Model,
    theta: ndarray,
    steps: ndarray,
    *,
    rounds: int,
    start: ndarray | None = None,
) -> Float64[ndarray, " k"]:
    """Take the best step along one term, round after round; halve the steps where none is better."""
    start = np.zeros(TERMS) if start is None else start
    ways = np.concatenate([np.zeros((1, TERMS)), np.eye(TERMS)[steps > 0], -np.eye(TERMS)[steps > 0]]) * steps
    for _ in range(rounds):
        tried = theta + ways
        best = int(_costs(dips, terms, model, start, tried).argmin())
        ways = ways / 2 if best == 0 else ways
        theta = tried[best]
    return theta
