"""How the field corrector is trained and scored."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import default_collate

from ....errors import DeepGyroError
from ....refine.corrector import RIGHT_PX, RIGHT_SHARE
from ..dataset import Sample
from ..settings import TrainConfig
from ..training import Training, build_twice, make_optimizer
from .network import (
    PLACE_CHANNELS,
    CorrectorConfig,
    CorrectorOutput,
    FieldCorrectorNetwork,
    flatten_cells,
    solve_terms,
)
from .pairs import KIND_SHARP, KIND_SMOOTH_ERROR, CellPairs, row_to_sample

CELL_LOSS_WEIGHT, ODDS_LOSS_WEIGHT = 0.2, 0.3
"""Weights of the cells' loss and of the odds' losses; the corrected field's has 1."""
HUBER_THRESHOLD_PX = 1.0
"""Path ends that are farther off count less and less, px of the level: some errors cannot be observed."""
MAX_GRADIENT_NORM = 1.0
"""A gradient is shortened to this length."""
CONFIDENT_PROBABILITY, LIKELY_PROBABILITY = 0.9, 0.7
"""Thresholds of the probability in the validation."""
VALIDATION_DRAWS, VALIDATION_BATCH = 4, 64
"""Errors drawn for each validation pair; samples in a batch."""


class CorrectorTraining(Training[FieldCorrectorNetwork]):
    """Training of the field corrector."""

    names = ("loss", "error")
    """The loss, and the mean error of corrected path ends where they can be corrected, px."""

    def __init__(
        self, config: TrainConfig, sizes: CorrectorConfig, fabric: Fabric, checkpoint: Path | None
    ) -> None:
        """Start, or continue from a checkpoint."""
        torch.manual_seed(config.seed)
        network, average = build_twice(lambda: FieldCorrectorNetwork(sizes), fabric.device)
        optimizer = make_optimizer(config, network, weight_decay=sizes.weight_decay)
        super().__init__(config, fabric, network, average, optimizer, checkpoint)

    def update_weights(self, batch: Sample) -> Tensor:
        """Do one step; return the loss and the mean error of corrected path ends, px: (2,)."""
        with self.autocast():
            output = CorrectorOutput(*self.model(batch["features"]))
        loss, error = correction_loss(output, batch)
        self.descend(loss, MAX_GRADIENT_NORM)
        return torch.stack([loss.detach(), error])

    def validate(self, folder: Path) -> tuple[dict[str, float], None]:
        """Return how well fields of a data set are corrected; there is no picture."""
        return validate(self.average, folder), None


def correction_loss(output: CorrectorOutput, batch: Sample) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the loss of an output, and the mean error of corrected path ends, px.

    The loss has three parts: minus the log likelihood of the cells' own residuals (Laplace); the error of the
    path ends of the camera's motion after the fit of terms, px of the level (its logarithm, beyond
    `HUBER_THRESHOLD_PX`); and the cross entropies of both odds. The first two count correctable fields alone.
    """
    residuals, spread = flatten_cells(output.residuals), flatten_cells(output.log_spread)
    target, own = batch["target"], batch["own"]
    _, fitted = solve_terms(residuals, flatten_cells(output.weights), batch["vectors"])
    outcome = measure_outcome(fitted, output, batch)
    correctable = outcome["correctable"].float()
    is_used = (batch["features"][:, PLACE_CHANNELS] > 0).flatten(1) & outcome["correctable"][:, None]
    used = is_used.float()[..., None]
    unlikely = spread + torch.sqrt((residuals - own) ** 2 + 1e-4) * torch.exp(-spread)
    cell_loss = (unlikely * used).mean(-1).sum() / used.sum().clamp(min=1)
    distance = torch.sqrt(((fitted - target) ** 2).sum(-1).mean(1) + 1e-3)
    count = correctable.sum().clamp(min=1)
    classes = ((output.log_odds, outcome["right"]), (output.sharp_log_odds, batch["kind"] == KIND_SHARP))
    odds_loss = sum(binary_cross_entropy_with_logits(odds, label.float()) for odds, label in classes)
    loss = (
        CELL_LOSS_WEIGHT * cell_loss
        + (HUBER_THRESHOLD_PX * torch.log1p(distance / HUBER_THRESHOLD_PX) * correctable).sum() / count
        + ODDS_LOSS_WEIGHT * odds_loss
    )
    return loss, (outcome["after"] * correctable).sum().detach() / count


def measure_outcome(fitted: Float[Tensor, "b cells 2"], output: CorrectorOutput, batch: Sample) -> Sample:
    """Return how good fitted residuals are (px of the level, along the path and across it), each (b,).

    before, after: mean distance of the prior and of the corrected path ends from the true ones, px; right:
    whether the corrected field is right (`RIGHT_PX`, `RIGHT_SHARE`); probability: the network's estimate that
    it is; correctable: whether the prior field has a smooth error; mistaken: whether a sharp picture is
    classified as blurred, or a blurred one as sharp.
    """
    pixel, correctable = batch["pixel"], batch["kind"] == KIND_SMOOTH_ERROR
    after = pixel * (fitted.detach() - batch["target"]).norm(dim=-1).mean(1)
    return {
        "before": pixel * batch["target"].norm(dim=-1).mean(1),
        "after": after,
        "right": correctable & (after < (RIGHT_SHARE * batch["length"]).clamp(min=RIGHT_PX)),
        "probability": torch.sigmoid(output.log_odds.detach()),
        "correctable": correctable,
        "mistaken": (output.sharp_log_odds.detach() > 0) != (batch["kind"] == KIND_SHARP),
    }


@torch.no_grad()
def validate(network: FieldCorrectorNetwork, folder: Path) -> dict[str, float]:
    """Return the errors of a data set's fields before and after, px, and how often the odds mislead.

    "sure and right": the share of right fields among those with a probability over 0.9; "wrong, held for
    right": the share of those over 0.7 among wrong ones.
    """
    device = next(network.parameters()).device
    outcomes = []
    for part in validation_batches(folder):
        batch = {name: value.to(device) for name, value in part.items()}
        output = CorrectorOutput(*network(batch["features"]))
        weights = flatten_cells(output.weights)
        _, fitted = solve_terms(flatten_cells(output.residuals), weights, batch["vectors"])
        outcomes.append(measure_outcome(fitted, output, batch))
    before, after, right, probability, correctable, mistaken = (
        torch.cat([each[name] for each in outcomes]).cpu().numpy()
        for name in ("before", "after", "right", "probability", "correctable", "mistaken")
    )
    scores: dict[str, float] = {}
    for name, error in (("before", before[correctable]), ("after", after[correctable])):
        if len(error):
            scores[f"{name}, median"] = float(np.median(error))
            scores[f"{name}, 90 %"] = float(np.quantile(error, 0.9))
    if (confident := probability > CONFIDENT_PROBABILITY).any():
        scores["sure and right"] = float(right[confident].mean())
    if (~right).any():
        scores["wrong, held for right"] = float((probability[~right] > LIKELY_PROBABILITY).mean())
    scores["sharp and blurred mistaken"] = float(mistaken.mean())
    return {name: round(value, 3) for name, value in scores.items()}


@lru_cache(maxsize=1)
def validation_batches(folder: Path) -> list[Sample]:
    """Return a data set's pairs in batches, each pair with the same `VALIDATION_DRAWS` errors every time."""
    pairs = CellPairs(folder, seed=0, draws=VALIDATION_DRAWS)
    rows = (pairs.read_row(pair, draw) for draw in range(VALIDATION_DRAWS) for pair in range(len(pairs)))
    samples = [row_to_sample(row) for row in rows if row is not None]
    if not samples:
        raise DeepGyroError(f"{folder}: no pair there has a blur that can be corrected")
    starts = range(0, len(samples), VALIDATION_BATCH)
    return [default_collate(samples[start : start + VALIDATION_BATCH]) for start in starts]
