"""The field corrector: a small network that estimates the endpoint residuals of a picture's cells."""

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
"""Evaluations at most, each about the ends that the one before found."""
CONVERGED_STEP_PX, CONVERGED_STEP_BLIND_PX = 0.6, 0.4
"""Mean step of the ends that ends the fit, with a prior field and without one, px of the level."""
ABANDON_LOG_ODDS = -8.0
"""Log odds that end it too: such fields are not right in the end."""
TERM_PRIOR_STD = np.array([0.1, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
"""Standard deviations of a step's terms. The first has no unit, the others px of the level."""
RIGHT_SHARE, RIGHT_PX = 0.12, 1.5
"""A field is right whose error is under this share of its length, or under so many px."""


@dataclass(frozen=True, eq=False)
class EndpointResiduals:
    """Errors of the ends of cells' paths."""

    residuals: Float32[ndarray, "cells 2"]
    """Along the path and across it, px of the level."""
    standard_deviations: Float64[ndarray, "cells 2"]
    """Mean distance of the true residuals from these, px of the level (Laplace's distribution)."""
    weights: Float32[ndarray, "cells 2"]
    """Of the least squares: one over the variance, less as neighbours are correlated."""
    log_odds: float
    """Log odds that the field is right (`RIGHT_SHARE`) after the step."""
    sharp_log_odds: float
    """Log odds that the picture is sharp, whatever the prior."""


@dataclass(frozen=True, eq=False)
class FieldFit:
    """The terms of a field corrected from a picture."""

    theta: Float64[ndarray, " k"]
    covariance: Float64[ndarray, "k k"]
    """Of theta, if the field is right."""
    log_odds: float
    """As `EndpointResiduals.log_odds`."""
    sharp_log_odds: float
    """As `EndpointResiduals.sharp_log_odds`."""
    cell_confidences: Float32[ndarray, "rows columns"]
    """Probability that the field is right in each cell, from that cell alone."""


def fit_field(pyramid: DerivativePyramid, model: FieldModel, theta: Float64[ndarray, " k"]) -> FieldFit:
    """Correct a field that is off by a few px: the model's with the terms theta.

    The network estimates each cell's endpoint residual, along the path and across it, and its weight.
    Weighted least squares gives the step of the terms, with the priors `TERM_PRIOR_STD` on the step and
    `FieldModel.term_scales` on the sum.
    """
    network, scales = load_corrector(), model.term_scales
    converged = CONVERGED_STEP_PX if model.has_gyro else CONVERGED_STEP_BLIND_PX
    for evaluation in range(MAX_CORRECTION_ROUNDS):
        cells = measure_cells(pyramid, model.vectors(theta))
        ends = network(cells)
        if evaluation == 0:
            terms = model.design_matrix(cells.places)
        terms[:, :, 0] = cells.vectors  # a factor on the field as it is now; px of the level, like the others
        axes = np.stack([cells.along, cells.across], 1)
        A = (axes @ terms).reshape(-1, TERM_COUNT)
        weight = ends.weights.reshape(-1)
        unit = np.full(TERM_COUNT, 2.0**cells.level)
        unit[0] = 1
        now = theta / unit
        prior = 1 / ((scales / unit) ** 2 + now**2)  # Cauchy's distribution
        covariance = np.linalg.inv((A.T * weight) @ A + np.diag(1 / TERM_PRIOR_STD**2 + prior))
        step = covariance @ ((A.T * weight) @ ends.residuals.reshape(-1) - prior * now)
        added = unit * step
        added[0] *= model.has_gyro
        theta = (1 + step[0]) * theta + added
        moves = (A @ step).reshape(-1, 2)
        if mean_vector_length(moves) < converged or ends.log_odds < ABANDON_LOG_ODDS:
            break
    left = ends.residuals - moves
    right = _probability_right(left, ends.standard_deviations, cells).reshape(CELL_ROWS, CELL_COLUMNS)
    right = right.T if cells.transposed else right
    return FieldFit(theta, covariance * np.outer(unit, unit), ends.log_odds, ends.sharp_log_odds, right)


def _probability_right(
    left: Float64[ndarray, "cells 2"], std: Float64[ndarray, "cells 2"], cells: Cells
) -> Float32[ndarray, " cells"]:
    """Return the probability that each cell's remaining residual is within `RIGHT_SHARE`."""
    length = np.linalg.norm(cells.vectors, axis=1)
    reach = np.maximum(RIGHT_SHARE * length, RIGHT_PX / 2.0**cells.level)[:, None] / np.sqrt(2)  # a square
    inside = _laplace_cdf((reach - left) / std) - _laplace_cdf((-reach - left) / std)
    return np.asarray(inside.prod(1), np.float32)


def _laplace_cdf(x: Float64[ndarray, "*n"]) -> Float64[ndarray, "*n"]:
    """Return Laplace's distribution function."""
    return np.asarray(np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.maximum(x, 0)) / 2))


class FieldCorrector:
    """The network of an ONNX file, ready to run."""

    def __init__(self, path: Path = CORRECTOR_WEIGHTS) -> None:
        model, _ = read_model(path)
        self._compiled: Any = compile_model(_to_channels_last(model), "fp32", min(core_count(), 2))

    def __call__(self, cells: Cells) -> EndpointResiduals:
        """Return the endpoint residuals of a picture's cells."""
        inputs = {"seen": cells.network_inputs[None]}
        results = self._compiled.create_infer_request().infer(inputs, share_inputs=True)
        residuals, log_std, weights = (
            results[name].reshape(2, -1).T for name in ("moves", "log_spread", "weights")
        )
        odds, sharp = (float(np.ravel(results[name])[0]) for name in ("odds", "sharp"))
        share = min(1.0, float(cells.counts.max()) / TRAINED_PLACES_PER_CELL)  # small pictures show less
        std = np.exp(log_std) / np.sqrt(max(share, 1e-3))
        return EndpointResiduals(residuals, std, share * weights, odds, sharp)


def _to_channels_last(model: Any) -> Any:
    """Return a model whose input has its channels last, as in memory here and in OpenVINO's loops."""
    from openvino import Layout
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    return steps.build()


@cache
def load_corrector() -> FieldCorrector:
    """Return the network of the package; opened once."""
    return FieldCorrector()
