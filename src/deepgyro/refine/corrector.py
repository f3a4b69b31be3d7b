"""A small network that estimates from a picture's cells where their paths end."""

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
"""Evaluations of the network, each about the ends of the one before."""
CONVERGED_STEP_PX, CONVERGED_STEP_BLIND_PX = 0.6, 0.4
"""A smaller mean step of the ends is the last, with a prior field and without one, px of the level."""
ABANDON_LOG_ODDS = -8.0
"""Log-odds under which the evaluation is the last: such fields do not become right."""
TERM_PRIOR_STD = np.array([0.1, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
"""Standard deviations of the remaining error's terms. The first has no unit, the others px of the level."""
RIGHT_SHARE, RIGHT_PX = 0.12, 1.5
"""A field is right if its error is less than this share of its length, or than so many px."""


@dataclass(frozen=True, eq=False)
class EndpointResiduals:
    """Errors of the ends of cells' paths."""

    residuals: Float32[ndarray, "cells 2"]
    """Along the path and across it, px of the level."""
    standard_deviations: Float64[ndarray, "cells 2"]
    """Mean distance of the true errors from these, px of the level (Laplace's distribution)."""
    weights: Float32[ndarray, "cells 2"]
    """In the least squares: inverse variances, lowered for the correlation of neighbours."""
    log_odds: float
    """That the corrected field is right (`RIGHT_SHARE`)."""
    sharp_log_odds: float
    """That the picture is sharp, whatever the prior."""


@dataclass(frozen=True, eq=False)
class FieldFit:
    """The terms of a field that a picture has corrected."""

    theta: Float64[ndarray, " k"]
    covariance: Float64[ndarray, "k k"]
    """Of theta, if the field is right."""
    log_odds: float
    """As in `EndpointResiduals`."""
    sharp_log_odds: float
    """As in `EndpointResiduals`."""
    cell_confidences: Float32[ndarray, "rows columns"]
    """Probability that the field is right in each cell, from that cell alone."""


def fit_field(pyramid: DerivativePyramid, model: FieldModel, theta: Float64[ndarray, " k"]) -> FieldFit:
    """Correct a field, the terms theta added to the prior, that is wrong by a few px: MAP least squares.

    The network estimates the errors of each cell's path end, along the path and across it, with their
    standard deviations. The terms that explain them best, with priors on their sizes (`model.term_scales`)
    and on the remaining error (`TERM_PRIOR_STD`), are added.
    """
    network, scales = load_corrector(), model.term_scales
    converged = CONVERGED_STEP_PX if model.has_gyro else CONVERGED_STEP_BLIND_PX
    for evaluation in range(MAX_CORRECTION_ROUNDS):
        cells = measure_cells(pyramid, model.vectors(theta))
        ends = network(cells)
        if evaluation == 0:
            terms = model.design_matrix(cells.places)
        terms[:, :, 0] = cells.vectors  # a factor on the present field; px of the level, like the others
        axes = np.stack([cells.along, cells.across], 1)
        A = (axes @ terms).reshape(-1, TERM_COUNT)
        weights = ends.weights.reshape(-1)
        unit = np.full(TERM_COUNT, 2.0**cells.level)
        unit[0] = 1
        scaled = theta / unit
        precision = 1 / ((scales / unit) ** 2 + scaled**2)  # Cauchy's distribution
        covariance = np.linalg.inv((A.T * weights) @ A + np.diag(1 / TERM_PRIOR_STD**2 + precision))
        step = covariance @ ((A.T * weights) @ ends.residuals.reshape(-1) - precision * scaled)
        added = unit * step
        added[0] *= model.has_gyro
        theta = (1 + step[0]) * theta + added
        explained = (A @ step).reshape(-1, 2)
        if mean_vector_length(explained) < converged or ends.log_odds < ABANDON_LOG_ODDS:
            break
    confidences = _cell_confidences(ends.residuals - explained, ends.standard_deviations, cells)
    confidences = confidences.reshape(CELL_ROWS, CELL_COLUMNS)
    upright = confidences.T if cells.transposed else confidences
    return FieldFit(theta, covariance * np.outer(unit, unit), ends.log_odds, ends.sharp_log_odds, upright)


def _cell_confidences(
    residuals: Float64[ndarray, "cells 2"], stds: Float64[ndarray, "cells 2"], cells: Cells
) -> Float32[ndarray, " cells"]:
    """Return the probability that each cell's remaining error is within `RIGHT_SHARE`."""
    length = np.linalg.norm(cells.vectors, axis=1)
    reach = np.maximum(RIGHT_SHARE * length, RIGHT_PX / 2.0**cells.level)[:, None] / np.sqrt(2)  # a square
    inside = _laplace_cdf((reach - residuals) / stds) - _laplace_cdf((-reach - residuals) / stds)
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
        """Return the errors of the cells' path ends."""
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
