"""A small network that sees a picture's cells, and says where their paths end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..runtime.session import compile_model, read_model
from ..threads import core_count
from .cells import CELL_COLUMNS, CELL_ROWS, TRAINED_PLACES_PER_CELL, Cells, measure_cells
from .model import TERM_COUNT, FieldModel, mean_vector_length
from .statistic import DerivativePyramid

CORRECTOR_WEIGHTS = Path(__file__).parent / "weights" / "deepgyro-field.onnx"
MAX_CORRECTION_ROUNDS = 4
"""How often the picture is looked at at most, each time about the ends that were found before."""
CONVERGED_STEP_PX, CONVERGED_STEP_BLIND_PX = 0.6, 0.4
"""By how little they move when it is not looked at again, with a prior field and without
one, px of the level in the mean."""
ABANDON_LOG_ODDS = -8.0
"""Nor is it looked at again with odds below this: such fields are not right in the end."""
TERM_PRIOR_STD = np.array([0.1, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
"""Standard deviations of the terms of what is still wrong. The first has no unit, the others px of the
level that is looked at."""
RIGHT_SHARE, RIGHT_PX = 0.12, 1.5
"""A field is right that is off by less than this share of its length, or by less than so many px."""


@dataclass(frozen=True, eq=False)
class EndpointResiduals:
    """By how much the ends of cells' paths are off."""

    residuals: Float32[ndarray, "cells 2"]
    """Along the path and across it, px of the level."""
    standard_deviations: Float64[ndarray, "cells 2"]
    """Mean distance of the true moves from these, px of the level (Laplace's distribution)."""
    weights: Float32[ndarray, "cells 2"]
    """How much each counts when terms are fitted: one over its variance, its neighbours being alike taken
    into account."""
    log_odds: float
    """Logarithm of the odds that the field is right once it is moved (`RIGHT_SHARE`)."""
    sharp_log_odds: float
    """Logarithm of the odds that the picture is sharp, whatever the prior."""


@dataclass(frozen=True, eq=False)
class FieldFit:
    """The terms of a field that a picture has corrected."""

    theta: Float64[ndarray, " k"]
    covariance: Float64[ndarray, "k k"]
    """Of theta, if the field is right."""
    log_odds: float
    """As `Moves.odds`."""
    sharp_log_odds: float
    """As `Moves.sharp`."""
    cell_confidences: Float32[ndarray, "rows columns"]
    """Probability of each cell that the field is right there, from what the cell alone shows."""


def fit_field(pyramid: DerivativePyramid, model: FieldModel, theta: Float64[ndarray, " k"]) -> FieldFit:
    """Correct a field that is off by a few px.

    The network says for each cell by how much its path's end is off, along the path and across it, and how
    sure that is; the terms that explain all of that best, and are likely in all (`Model.usual`), are added:
    weighted least squares, held by `TERM_PRIOR_STD`.

    Parameters
    ----------
    pyramid
        The picture.
    model, theta
        The field, as terms that are added to the prior field.
    """
    network, usual = load_corrector(), model.term_scales
    settled = CONVERGED_STEP_PX if model.has_gyro else CONVERGED_STEP_BLIND_PX
    for look in range(MAX_CORRECTION_ROUNDS):
        cells = measure_cells(pyramid, model.vectors(theta))
        found = network(cells)
        if look == 0:
            terms = model.design_matrix(cells.places)
        terms[:, :, 0] = cells.vectors  # a factor on the field as it is now; px of the level, like the others
        axes = np.stack([cells.along, cells.across], 1)
        A = (axes @ terms).reshape(-1, TERM_COUNT)
        weight = found.weights.reshape(-1)
        unit = np.full(TERM_COUNT, 2.0**cells.level)
        unit[0] = 1
        now = theta / unit
        held = 1 / ((usual / unit) ** 2 + now**2)  # Cauchy's distribution
        covariance = np.linalg.inv((A.T * weight) @ A + np.diag(1 / TERM_PRIOR_STD**2 + held))
        step = covariance @ ((A.T * weight) @ found.residuals.reshape(-1) - held * now)
        added = unit * step
        added[0] *= model.has_gyro
        theta = (1 + step[0]) * theta + added
        moves = (A @ step).reshape(-1, 2)
        if mean_vector_length(moves) < settled or found.log_odds < ABANDON_LOG_ODDS:
            break
    left = found.residuals - moves
    alone = _probability_right(left, found.standard_deviations, cells).reshape(CELL_ROWS, CELL_COLUMNS)
    upright = alone.T if cells.transposed else alone
    return FieldFit(theta, covariance * np.outer(unit, unit), found.log_odds, found.sharp_log_odds, upright)


def _probability_right(
    left: Float64[ndarray, "cells 2"], spreads: Float64[ndarray, "cells 2"], cells: Cells
) -> Float32[ndarray, " cells"]:
    """Return the probability that what is left of each cell's move is within `RIGHT_SHARE`."""
    length = np.linalg.norm(cells.vectors, axis=1)
    reach = np.maximum(RIGHT_SHARE * length, RIGHT_PX / 2.0**cells.level)[:, None] / np.sqrt(2)  # a square
    inside = _laplace_cdf((reach - left) / spreads) - _laplace_cdf((-reach - left) / spreads)
    return np.asarray(inside.prod(1), np.float32)


def _laplace_cdf(x: Float64[ndarray, "*n"]) -> Float64[ndarray, "*n"]:
    """Return Laplace's distribution function."""
    return np.asarray(np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.maximum(x, 0)) / 2))


class FieldCorrector:
    """The network, ready to run."""

    def __init__(self, path: Path = CORRECTOR_WEIGHTS) -> None:
        """Read it.

        Raises
        ------
        DeepGyroError
            If it is no ONNX file.
        """
        model, _ = read_model(path)
        self._compiled: Any = compile_model(_to_channels_last(model), "fp32", min(core_count(), 2))

    def __call__(self, cells: Cells) -> EndpointResiduals:
        """Return what is off."""
        results = self._compiled.create_infer_request().infer(
            {"seen": cells.network_inputs[None]}, share_inputs=True
        )
        moves, spread, weights = (results[name] for name in ("moves", "log_spread", "weights"))
        odds, sharp = (float(np.ravel(results[name])[0]) for name in ("odds", "sharp"))
        fewer = min(1.0, float(cells.counts.max()) / TRAINED_PLACES_PER_CELL)  # smaller pictures tell less
        return EndpointResiduals(
            moves.reshape(2, -1).T, np.exp(spread.reshape(2, -1).T) / np.sqrt(max(fewer, 1e-3)),
            fewer * weights.reshape(2, -1).T, odds, sharp,
        )  # fmt: skip


def _to_channels_last(model: Any) -> Any:
    """Return a model whose input has its channels last, as it lies in memory here and in OpenVINO's loops."""
    from openvino import Layout
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    return steps.build()


@cache
def load_corrector() -> FieldCorrector:
    """Return the network of the package."""
    return FieldCorrector()
