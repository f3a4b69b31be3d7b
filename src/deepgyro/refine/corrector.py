"""A small network that sees a picture's cells, and says where their paths end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..runtime.session import compiled, read_model
from ..threads import core_count
from .cells import COLUMNS, POINTS, ROWS, Cells, cells_of
from .model import TERMS, Model, mean_length
from .statistic import Pyramid

WEIGHTS = Path(__file__).parent / "weights" / "deepgyro-field.onnx"
ROUNDS = 4
"""How often the picture is looked at at most, each time about the ends that were found before."""
SETTLED, SETTLED_UNTOLD = 0.6, 0.4
"""By how little they move when it is not looked at again, where a gyro told the field and where nothing was
told, px of the level in the mean."""
HOPELESS = -8.0
"""Nor is it looked at again with odds below this: such fields are not right in the end."""
PRIOR = np.array([0.1, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
"""Standard deviations of the terms of what is still wrong. The first has no unit, the others px of the
level that is looked at."""
RIGHT, RIGHT_PX = 0.12, 1.5
"""A field is right that is off by less than this share of its length, or by less than so many px."""


@dataclass(frozen=True, eq=False)
class Moves:
    """By how much the ends of cells' paths are off."""

    moves: Float32[ndarray, "cells 2"]
    """Along the path and across it, px of the level."""
    spreads: Float64[ndarray, "cells 2"]
    """Mean distance of the true moves from these, px of the level (Laplace's distribution)."""
    weights: Float32[ndarray, "cells 2"]
    """How much each counts when terms are fitted: one over its variance, its neighbours being alike taken
    into account."""
    odds: float
    """Logarithm of the odds that the field is right once it is moved (`RIGHT`)."""
    sharp: float
    """Logarithm of the odds that the picture is sharp, whatever is told."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """The terms of a field that a picture has corrected."""

    theta: Float64[ndarray, " k"]
    covariance: Float64[ndarray, "k k"]
    """Of theta, if the field is right."""
    odds: float
    """As `Moves.odds`."""
    sharp: float
    """As `Moves.sharp`."""
    cells: Float32[ndarray, "rows columns"]
    """Probability of each cell that the field is right there, from what the cell alone shows."""


def corrected(pyramid: Pyramid, model: Model, theta: Float64[ndarray, " k"]) -> Corrected:
    """Correct a field that is off by a few px.

    The network says for each cell by how much its path's end is off, along the path and across it, and how
    sure that is; the terms that explain all of that best, and are likely in all (`Model.usual`), are added:
    weighted least squares, held by `PRIOR`.

    Parameters
    ----------
    pyramid
        The picture.
    model, theta
        The field, as terms that are added to what was told.
    """
    network, usual = corrector(), model.usual
    settled = SETTLED if model.gyro else SETTLED_UNTOLD
    for look in range(ROUNDS):
        cells = cells_of(pyramid, model.vectors(theta))
        found = network(cells)
        if look == 0:
            terms = model.terms(cells.places)
        terms[:, :, 0] = cells.vectors  # a factor on the field as it is now; px of the level, like the others
        axes = np.stack([cells.along, cells.across], 1)
        A = (axes @ terms).reshape(-1, TERMS)
        weight = found.weights.reshape(-1)
        unit = np.full(TERMS, 2.0**cells.level)
        unit[0] = 1
        now = theta / unit
        held = 1 / ((usual / unit) ** 2 + now**2)  # Cauchy's distribution
        covariance = np.linalg.inv((A.T * weight) @ A + np.diag(1 / PRIOR**2 + held))
        step = covariance @ ((A.T * weight) @ found.moves.reshape(-1) - held * now)
        added = unit * step
        added[0] *= model.gyro
        theta = (1 + step[0]) * theta + added
        moves = (A @ step).reshape(-1, 2)
        if mean_length(moves) < settled or found.odds < HOPELESS:
            break
    left = found.moves - moves
    alone = _right(left, found.spreads, cells).reshape(ROWS, COLUMNS)
    upright = alone.T if cells.lying else alone
    return Corrected(theta, covariance * np.outer(unit, unit), found.odds, found.sharp, upright)


def _right(
    left: Float64[ndarray, "cells 2"], spreads: Float64[ndarray, "cells 2"], cells: Cells
) -> Float32[ndarray, " cells"]:
    """Return the probability that what is left of each cell's move is within `RIGHT`."""
    length = np.linalg.norm(cells.vectors, axis=1)
    reach = np.maximum(RIGHT * length, RIGHT_PX / 2.0**cells.level)[:, None] / np.sqrt(2)  # a square
    inside = _below((reach - left) / spreads) - _below((-reach - left) / spreads)
    return np.asarray(inside.prod(1), np.float32)


def _below(x: Float64[ndarray, "*n"]) -> Float64[ndarray, "*n"]:
    """Return Laplace's distribution function."""
    return np.asarray(np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.maximum(x, 0)) / 2))


class Corrector:
    """The network, ready to run."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        """Read it.

        Raises
        ------
        DeepGyroError
            If it is no ONNX file.
        """
        model, _ = read_model(path)
        self._compiled: Any = compiled(_channels_last(model), "fp32", min(core_count(), 2))

    def __call__(self, cells: Cells) -> Moves:
        """Return what is off."""
        results = self._compiled.create_infer_request().infer({"seen": cells.seen[None]}, share_inputs=True)
        moves, spread, weights = (results[name] for name in ("moves", "log_spread", "weights"))
        odds, sharp = (float(np.ravel(results[name])[0]) for name in ("odds", "sharp"))
        fewer = min(1.0, float(cells.counts.max()) / POINTS)  # smaller pictures tell less
        return Moves(
            moves.reshape(2, -1).T, np.exp(spread.reshape(2, -1).T) / np.sqrt(max(fewer, 1e-3)),
            fewer * weights.reshape(2, -1).T, odds, sharp,
        )  # fmt: skip


def _channels_last(model: Any) -> Any:
    """Return a model whose input has its channels last, as it lies in memory here and in OpenVINO's loops."""
    from openvino import Layout
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    return steps.build()


@cache
def corrector() -> Corrector:
    """Return the network of the package."""
    return Corrector()
