"""How the network that corrects fields is trained: in place of `train.Training`, in the same loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ....errors import DeepGyroError
from ....refine.corrector import RIGHT_PX, RIGHT_SHARE
from ..checkpoint import Progress, load_checkpoint
from ..dataset import Sample, collate_samples
from ..optimizer import Adam, MuonAndAdamW, Optimizer, update_average
from ..settings import TrainConfig
from ..sitting import learning_rate
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
"""Weights of the loss of cells alone, and of those of the odds; the moved field's has 1."""
HUBER_THRESHOLD_PX = 1.0
"""Ends that are farther off count less and less, px of the level: some are beyond what can be seen."""
MAX_GRADIENT_NORM = 1.0
"""A gradient is shortened to this length."""
CONFIDENT_PROBABILITY, LIKELY_PROBABILITY = 0.9, 0.7
"""Probabilities that the validation looks at."""
VALIDATION_DRAWS, VALIDATION_BATCH = 4, 64
"""Errors of each pair that is validated with; and how many are looked at at once."""


@dataclass(frozen=True, eq=False)
class CorrectionOutcome:
    """What comes of a guess."""

    before: Float[Tensor, " b"]
    """Mean distance of the prior ends from the true ones, px."""
    after: Float[Tensor, " b"]
    """That of the moved ends."""
    right: Bool[Tensor, " b"]
    """Whether the moved field is right (`RIGHT`)."""
    probability: Float[Tensor, " b"]
    """That it is, as the network says."""
    off: Bool[Tensor, " b"]
    """Whether the prior field was one that can be corrected."""
    mistaken: Bool[Tensor, " b"]
    """Whether a sharp picture was held for a blurred one, or a blurred for a sharp."""


class CorrectorTraining:
    """The network, and all that changes with it at every step."""

    names = ("loss", "error")
    """The loss, and how far moved ends are off where they can be corrected, px."""

    def __init__(
        self, config: TrainConfig, sizes: CorrectorConfig, fabric: Fabric, checkpoint: Path | None
    ) -> None:
        """Begin, or go on from a checkpoint."""
        torch.manual_seed(config.seed)
        self.config, self.fabric = config, fabric
        self.network, self.average = (
            FieldCorrectorNetwork(sizes).to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for _ in range(2)
        )
        self.average.requires_grad_(False).load_state_dict(self.network.state_dict())
        self.optimizer: Optimizer = (
            MuonAndAdamW(self.network, config.rate)
            if config.optimizer == "muon"
            else Adam(self.network, config.rate, weight_decay=sizes.weight_decay)
        )
        self.progress = Progress()
        if checkpoint:
            self.progress = load_checkpoint(checkpoint, self.network, self.average, self.optimizer)
        self.progress.sittings += 1
        self.model = fabric.setup_module(self.network)

    def step(self, batch: Sample) -> Tensor:
        """Do one step; return the loss and the moved ends' mean distance from the true ones, px: (2,)."""
        config, progress = self.config, self.progress
        self.optimizer.rate = learning_rate(config, progress)
        with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=config.uses_bf16):
            guess = CorrectorOutput(*self.model(batch["seen"]))
        loss, error = correction_loss(guess, batch)
        self.fabric.backward(loss)
        gradient = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM))
        if not math.isfinite(gradient):
            raise DeepGyroError(f"the gradient of step {progress.step} is no number: go on with a lower rate")
        self.optimizer.step()
        self.optimizer.zero_grad()
        update_average(self.average, self.network, progress.step, config.ema)
        progress.step += 1
        progress.pairs += config.batch * self.fabric.world_size
        return torch.stack([loss.detach(), error])

    def validate(self, folder: Path) -> tuple[dict[str, float], None]:
        """Return how well fields of a data set are corrected; there is no picture to show."""
        return validate(self.average, folder), None


def correction_loss(guess: CorrectorOutput, batch: Sample) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the loss of a guess; and how far moved ends are off, px.

    The loss has three parts: minus the logarithm of the likelihood of the cells' own moves (Laplace); how far
    the ends of the camera's motion are off when the terms that explain those best are added, px of the level
    (the logarithm, beyond `HUBER_THRESHOLD_PX`); and the cross entropies of both odds. The first two are of
    fields that can
    be corrected.
    """
    moves, spread = flatten_cells(guess.residuals), flatten_cells(guess.log_spread)
    wanted, own = batch["wanted"], batch["own"]
    _, moved = solve_terms(moves, flatten_cells(guess.weights), batch["vectors"])
    came = measure_outcome(moved, guess, batch)
    off = came.off.float()
    counted = ((batch["seen"][:, PLACE_CHANNELS] > 0).flatten(1) & came.off[:, None]).float()[..., None]
    unlikely = spread + torch.sqrt((moves - own) ** 2 + 1e-4) * torch.exp(-spread)
    cells = (unlikely * counted).mean(-1).sum() / counted.sum().clamp(min=1)
    apart = torch.sqrt(((moved - wanted) ** 2).sum(-1).mean(1) + 1e-3)
    count = off.sum().clamp(min=1)
    truths = ((guess.log_odds, came.right), (guess.sharp_log_odds, batch["kind"] == KIND_SHARP))
    odds = sum(binary_cross_entropy_with_logits(said, is_so.float()) for said, is_so in truths)
    loss = (
        CELL_LOSS_WEIGHT * cells
        + (HUBER_THRESHOLD_PX * torch.log1p(apart / HUBER_THRESHOLD_PX) * off).sum() / count
        + ODDS_LOSS_WEIGHT * odds
    )
    return loss, (came.after * off).sum().detach() / count


def measure_outcome(
    moved: Float[Tensor, "b cells 2"], guess: CorrectorOutput, batch: Sample
) -> CorrectionOutcome:
    """Return what comes of it if ends are moved so (px of the level, along the path and across it)."""
    pixel, off = batch["pixel"], batch["kind"] == KIND_SMOOTH_ERROR
    after = pixel * (moved.detach() - batch["wanted"]).norm(dim=-1).mean(1)
    return CorrectionOutcome(
        before=pixel * batch["wanted"].norm(dim=-1).mean(1),
        after=after,
        right=off & (after < (RIGHT_SHARE * batch["length"]).clamp(min=RIGHT_PX)),
        probability=torch.sigmoid(guess.log_odds.detach()),
        off=off,
        mistaken=(guess.sharp_log_odds.detach() > 0) != (batch["kind"] == KIND_SHARP),
    )


@torch.no_grad()
def validate(network: FieldCorrectorNetwork, folder: Path) -> dict[str, float]:
    """Return how far fields of a data set are off before and after, px, and how often the odds mislead.

    "sure and right": the share of right fields among those with a probability over 0.9; "wrong, held for
    right": the share of those over 0.7 among wrong ones.
    """
    device = next(network.parameters()).device
    outcomes = []
    for part in validation_batches(folder):
        batch = {name: value.to(device) for name, value in part.items()}
        guess = CorrectorOutput(*network(batch["seen"]))
        moved = solve_terms(flatten_cells(guess.residuals), flatten_cells(guess.weights), batch["vectors"])[1]
        outcomes.append(measure_outcome(moved, guess, batch))
    before, after, right, probability, off, mistaken = (
        torch.cat([getattr(each, name) for each in outcomes]).cpu().numpy()
        for name in ("before", "after", "right", "probability", "off", "mistaken")
    )
    found: dict[str, float] = {}
    for name, error in (("before", before[off]), ("after", after[off])):
        if len(error):
            found[f"{name}, median"] = float(np.median(error))
            found[f"{name}, 90 %"] = float(np.quantile(error, 0.9))
    if (sure := probability > CONFIDENT_PROBABILITY).any():
        found["sure and right"] = float(right[sure].mean())
    if (~right).any():
        found["wrong, held for right"] = float((probability[~right] > LIKELY_PROBABILITY).mean())
    found["sharp and blurred mistaken"] = float(mistaken.mean())
    return {name: round(value, 3) for name, value in found.items()}


@lru_cache(maxsize=1)
def validation_batches(folder: Path) -> list[Sample]:
    """Return the pairs of a data set, each with `VALIDATION_DRAWS` errors that are always the same, in
    batches."""
    pairs = CellPairs(folder, seed=0, draws=VALIDATION_DRAWS)
    rows = (pairs.read_row(pair, draw) for draw in range(VALIDATION_DRAWS) for pair in range(len(pairs)))
    samples = [row_to_sample(row) for row in rows if row is not None]
    if not samples:
        raise DeepGyroError(f"{folder}: no pair there has a blur that can be corrected")
    return [
        collate_samples(samples[first : first + VALIDATION_BATCH])
        for first in range(0, len(samples), VALIDATION_BATCH)
    ]
