"""The field corrector: a network that estimates by how much the end of each cell's path is off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ....refine.cells import CELL_COLUMNS, CELL_ROWS, FEATURE_COUNT, MAP_COUNT, MAP_SIDE_PX
from ....refine.corrector import TERM_PRIOR_STD
from ....refine.model import TERM_COUNT, USUAL_LENS_STRENGTH, term_basis
from ..network.stages import Block

CORRECTOR_HEIGHT_PX, CORRECTOR_WIDTH_PX = 270, 480
"""Of the pictures that it is trained on, px: its terms depend on their shape."""
MAP_INPUTS = MAP_COUNT * MAP_SIDE_PX**2
"""Channels of maps; the other features come after them."""
PLACE_CHANNELS, LENGTH_CHANNEL = MAP_INPUTS + 4, MAP_INPUTS + 2
"""Channels of the share of a cell's places that are used, and of the logarithm of its path's length."""
BLOCK_DILATIONS = (1, 2)
"""Of the blocks, alternately."""
MAX_LOG_STD = 4.0
"""Bound of the logarithm of the spread, and its value for an empty cell."""


@dataclass(frozen=True)
class CorrectorConfig:
    """The field corrector, and what it is trained on: see pairs.py.

    It does not use the entries patch, loss, early, without and encoding of `TrainConfig`.
    """

    width: int = 64
    """Channels of the blocks."""
    first: int = 128
    """Channels of the layers before them."""
    blocks: int = 4
    """Of two convolutions each."""
    weight_decay: float = 0.02
    """Of AdamW (optimizer: adam)."""
    draws: int = 2
    """Errors of each pair, one an epoch in turn."""
    cache: str | None = None
    """Folder for the features, 143 kB a pair and error; None: computed in every epoch, 15 ms each."""

    def __post_init__(self) -> None:
        if min(self.width, self.first, self.draws) < 1 or min(self.blocks, self.weight_decay) < 0:
            raise ValueError("width, first, draws: whole numbers over 0; blocks, weight_decay: 0 or more")


@dataclass(frozen=True, eq=False)
class CorrectorOutput:
    """What the network estimates."""

    residuals: Float[Tensor, "b 2 rows columns"]
    """By how much the path's end is off, along the path and across it, px of the level."""
    log_spread: Float[Tensor, "b 2 rows columns"]
    """Logarithm of how far off that may be."""
    weights: Float[Tensor, "b 2 rows columns"]
    """Of each in the fit of terms."""
    log_odds: Float[Tensor, " b"]
    """Logarithm of the odds that the corrected field is right."""
    sharp_log_odds: Float[Tensor, " b"]
    """Logarithm of the odds that the picture is sharp."""


class FieldCorrectorNetwork(nn.Module):
    """Convolutions over the cells; it starts with all residuals 0."""

    def __init__(self, config: CorrectorConfig) -> None:
        super().__init__()
        width = config.width
        self.read = nn.Conv2d(MAP_INPUTS + FEATURE_COUNT, config.first, 1)
        self.near = nn.Conv2d(config.first, config.first, 5, padding=2, groups=config.first)
        self.far = nn.Conv2d(config.first, config.first, 1, bias=False)
        self.narrow = nn.Conv2d(config.first, width, 1)
        self.blocks = nn.ModuleList(Block(width, BLOCK_DILATIONS[k % 2]) for k in range(config.blocks))
        self.tail = nn.Conv2d(width, 4, 1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)
        self.log_temper = nn.Parameter(torch.tensor(-3.0))
        """Weights are scaled by its exponential, as the errors of neighbours are correlated."""
        self.judge = nn.Sequential(nn.Linear(2 * width + 4, 48), nn.ReLU(), nn.Linear(48, 2))

    def forward(self, features: Float[Tensor, "b channels rows columns"]) -> tuple[Tensor, ...]:
        """Return the parts of a `CorrectorOutput` of the maps and other features of `refine.cells.Cells`."""
        x = self.read(features)  # linear: what cells have in common adds up before the ReLU
        x = torch.relu(x + self.near(x) + self.far(x.mean((2, 3), keepdim=True)))
        x = torch.relu(self.narrow(x))
        for block in self.blocks:
            x = block(x)
        residuals, spread = self.tail(x).float().chunk(2, 1)
        used = features[:, PLACE_CHANNELS : PLACE_CHANNELS + 1] > 0
        spread = torch.where(used, spread.clamp(-MAX_LOG_STD, MAX_LOG_STD), MAX_LOG_STD)
        activations = torch.relu(x).float() * used
        share = used.float().mean((2, 3))
        log_information = torch.exp(-2 * spread).sum((2, 3)).clamp(min=1e-6).log()
        mean = activations.mean((2, 3)) / share.clamp(min=1 / (CELL_ROWS * CELL_COLUMNS))
        length = features[:, LENGTH_CHANNEL : LENGTH_CHANNEL + 1].mean((2, 3))
        summary = torch.cat([mean, activations.amax((2, 3)), log_information, share, length], 1)
        odds = self.judge(summary).float()
        return residuals, spread, torch.exp(self.log_temper - 2 * spread), odds[:, 0], odds[:, 1]


def flatten_cells(values: Float[Tensor, "b 2 rows columns"]) -> Float[Tensor, "b cells 2"]:
    """Return maps of two values as the two of each cell, row by row."""
    return values.flatten(2).transpose(1, 2)


def solve_terms(
    residuals: Float[Tensor, "b cells 2"],
    weights: Float[Tensor, "b cells 2"],
    vectors: Float[Tensor, "b cells 2"],
) -> tuple[Float[Tensor, "b terms"], Float[Tensor, "b cells 2"]]:
    """Return the terms that fit cells' residuals best, and the fitted residuals, as `refine.corrector`.

    Weighted least squares with the prior `TERM_PRIOR_STD`. residuals: of the path's end, along the path and
    across it, px of the level; vectors: from the start to the end of the path, px of the level.
    """
    along = vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    across = torch.stack([-along[..., 1], along[..., 0]], -1)
    fixed = _cell_term_basis().to(vectors).expand(len(vectors), -1, -1, -1)
    terms = torch.stack([along, across], -2) @ torch.cat([vectors[..., None], fixed], -1)
    A, w, y = terms.flatten(1, 2), weights.flatten(1, 2), residuals.flatten(1, 2)
    weighted = (A * w[..., None]).transpose(1, 2)
    prior = torch.from_numpy(1 / TERM_PRIOR_STD**2).to(vectors)
    theta: Tensor = torch.linalg.solve(weighted @ A + torch.diag(prior), (weighted @ y[..., None])[..., 0])
    return theta, (terms @ theta[:, None, :, None])[..., 0]


@cache
def _cell_term_basis() -> Float[Tensor, "cells 2 terms_1"]:
    """Return the basis of all terms but the first at the cells of a training picture."""
    y, x = np.meshgrid(
        ((np.arange(CELL_ROWS) + 0.5) / CELL_ROWS - 0.5) * CORRECTOR_HEIGHT_PX,
        ((np.arange(CELL_COLUMNS) + 0.5) / CELL_COLUMNS - 0.5) * CORRECTOR_WIDTH_PX,
        indexing="ij",
    )
    half = np.hypot(CORRECTOR_HEIGHT_PX, CORRECTOR_WIDTH_PX) / 2
    terms = term_basis(x.ravel() / half, y.ravel() / half, USUAL_LENS_STRENGTH)
    assert terms.shape[-1] == TERM_COUNT - 1
    return torch.from_numpy(terms)
