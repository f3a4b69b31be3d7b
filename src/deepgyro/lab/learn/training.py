"""What changes at every step of a training, and how good the network is on validation pairs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from lightning_fabric import Fabric
from numpy import ndarray
from torch import Tensor, nn

from ...errors import DeepGyroError
from ..synthesis import unpack_pair
from ..synthesis.shards import read_samples
from .baselines.wrapper import RestorationNetwork, build_network
from .checkpoint import Progress, load_checkpoint
from .dataset import Sample, make_sample
from .optimizer import Optimizer, adam, muon_and_adamw, update_average
from .settings import TrainConfig

MAX_GRADIENT_RATIO = 1.5
"""A gradient is shortened to so many times the moving average of its length."""
VALIDATION_PAIR_COUNT, SAMPLE_PICTURE_COUNT = 64, 4
"""Pairs that are scored, and pairs that are shown."""

Network = TypeVar("Network", bound=nn.Module)


class Training(ABC, Generic[Network]):
    """A network in training; subclasses define its steps."""

    names: tuple[str, str] = ("loss", "gain")
    """Of the values that a step returns: gain over the blurred pictures, dB."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        network: nn.Module,
        average: Network,
        optimizer: Optimizer,
        checkpoint: Path | None,
        *,
        averaged: nn.Module | None = None,
    ) -> None:
        """Start, or continue from a checkpoint; `averaged`: the part of the network that is averaged."""
        self.config, self.fabric, self.network, self.average = config, fabric, network, average
        self.averaged, self.optimizer = averaged or network, optimizer
        self.average.requires_grad_(False).load_state_dict(self.averaged.state_dict())
        self.progress = Progress()
        if checkpoint:
            self.progress = load_checkpoint(checkpoint, network, average, optimizer)
        self.progress.runs += 1
        self.model = fabric.setup_module(network)

    @abstractmethod
    def update_weights(self, batch: Sample) -> Tensor:
        """Change the weights by a batch; return the values that `names` names: (2,)."""

    @abstractmethod
    def validate(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"] | None]:
        """Return the average's scores on a data set, and a picture of some pairs if there is one."""

    def step(self, batch: Sample) -> Tensor:
        """Do one step; return the values that `names` names: (2,)."""
        progress = self.progress
        self.optimizer.rate = learning_rate(self.config, progress)
        values = self.update_weights(batch)
        update_average(self.average, self.averaged, progress.step, self.config.ema)
        progress.step += 1
        progress.pairs += self.config.batch * self.fabric.world_size
        return values

    def autocast(self) -> torch.autocast:
        """Return a context for one forward pass, as it keeps the weights that it has rounded to bfloat16."""
        return torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.config.uses_bf16)

    def descend(self, loss: Tensor, max_norm: float) -> float:
        """Do the optimiser's step down a loss, the gradient cut to a length; return the uncut length."""
        self.fabric.backward(loss)
        gradient = float(nn.utils.clip_grad_norm_(self.network.parameters(), max_norm))
        if not math.isfinite(gradient):
            raise DeepGyroError(
                f"the gradient of step {self.progress.step} is not finite: continue with a lower rate"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        return gradient


class RestorationTraining(Training[RestorationNetwork]):
    """Training of a network that restores pictures: ours, or the paper's."""

    def __init__(self, config: TrainConfig, fabric: Fabric, checkpoint: Path | None) -> None:
        """Start, or continue from a checkpoint."""
        torch.manual_seed(config.seed)
        network, average = build_twice(lambda: build_network(config.network_config), fabric.device)
        super().__init__(config, fabric, network, average, make_optimizer(config, network), checkpoint)

    def update_weights(self, batch: Sample) -> Tensor:
        """Do one step; return the loss and the gain over the blurred pictures, dB: (2,)."""
        config, progress, sharp = self.config, self.progress, batch["sharp"]
        with self.autocast():
            guesses = self.model(batch["blurred"], batch["prior"], batch["gyro"], batch["linear"])
        loss = compute_loss(guesses, sharp, config.early, config.loss)
        # Muon's steps have one size whatever the gradient's: one batch that is far off must not steer many.
        max_norm = MAX_GRADIENT_RATIO * progress.gradient if progress.gradient else 0.3
        max_norm = max_norm if config.optimizer == "muon" else math.inf
        gradient = min(self.descend(loss, max_norm), max_norm)
        progress.gradient = 0.99 * (progress.gradient or gradient) + 0.01 * gradient
        with torch.no_grad():
            gain = mean_psnr(guesses[-1].float(), sharp) - mean_psnr(batch["blurred"], sharp)
        return torch.stack([loss.detach(), gain])

    def validate(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"]]:
        """Return mean gains on a data set, dB, and a picture of some pairs."""
        mixed = self.config.uses_bf16
        return validate(self.average, folder, mixed=mixed), sample_pictures(self.average, folder, mixed=mixed)


def build_twice(build: Callable[[], Network], device: torch.device) -> tuple[Network, Network]:
    """Return an untrained network and one for its average, on a device."""
    first, second = (build().to(device, memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    return first, second


def make_optimizer(config: TrainConfig, network: nn.Module, *, weight_decay: float = 0.0) -> Optimizer:
    """Return the optimiser that a configuration names; `weight_decay`: of Adam."""
    if config.optimizer == "muon":
        return muon_and_adamw(network, config.rate)
    return adam(network, config.rate, weight_decay=weight_decay)


def learning_rate(config: TrainConfig, progress: Progress) -> float:
    """Return the learning rate: a warm-up where the moments start, then constant, then halvings or a fall."""
    done = min(config.progress_share(progress.step, progress.minutes), 1.0)
    warmup = min(1.0, (progress.step - progress.moments_since + 1) / config.warmup)
    if config.halvings:
        return config.rate * warmup * 0.5 ** min(int(done * (config.halvings + 1)), config.halvings)
    return config.rate * warmup * max(0.01, min(1.0, (1 - done) / config.fall))


def compute_loss(guesses: list[Tensor], sharp: Tensor, early: float, loss: str = "charbonnier") -> Tensor:
    """Return the loss of encoded values: that of the last guess, and `early` times those of the others."""
    losses = [_reduce_squares((guess.float() - sharp) ** 2, loss) for guess in guesses]
    return losses[-1] + early * sum(losses[:-1], torch.zeros((), device=sharp.device))


def _reduce_squares(squares: Tensor, loss: str) -> Tensor:
    if loss == "charbonnier":
        return torch.sqrt(squares + 1e-6).mean()
    if loss == "squared":
        return squares.mean()
    # The factor makes gradients about as long as Charbonnier's: a training can continue with either.
    return 0.03 * torch.log(squares.mean((1, 2, 3)) + 1e-5).mean()


def mean_psnr(picture: Tensor, sharp: Tensor) -> Tensor:
    """Return the mean of the pictures' PSNR, dB."""
    error = ((picture.clamp(0, 1) - sharp) ** 2).mean((1, 2, 3)).clamp(min=1e-8)
    return (-10 * torch.log10(error)).mean()


@torch.no_grad()
def restore_sample(
    network: RestorationNetwork, item: Sample, field: str = "prior", *, mixed: bool = False
) -> Tensor:
    """Return the last guess of one whole sample with the field `field`: (3, h, w) float32, encoded.

    mixed: convolutions in bfloat16; processors without it take a hundred times as long.
    """
    device = next(network.parameters()).device
    gyro = torch.ones(()) if field == "exact" else item["gyro"]
    inputs = [value[None].to(device) for value in (item["blurred"], item[field], gyro, item["linear"])]
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        return network(*inputs)[-1][0].float().cpu()  # type: ignore[no-any-return]


def whole_samples(
    network: RestorationNetwork, folder: Path, count: int
) -> Iterator[tuple[Sample, Mapping[str, object]]]:
    """Yield the first pairs of a data set, cut to the network's multiple, and each one's metadata."""
    for pair in islice(map(unpack_pair, read_samples(folder)), count):
        item = make_sample(pair, turned=network.turned)
        height, width = (side // network.multiple * network.multiple for side in item["sharp"].shape[1:])
        yield {k: v[:, :height, :width] if v.ndim else v for k, v in item.items()}, pair.metadata


def validate(network: RestorationNetwork, folder: Path, *, mixed: bool = False) -> dict[str, float]:
    """Return mean gains over the blurred picture, dB: by the kind of prior field, and for exact fields."""
    gains: dict[str, list[float]] = {}
    for item, metadata in whole_samples(network, folder, VALIDATION_PAIR_COUNT):
        sharp = item["sharp"][None]
        before = mean_psnr(item["blurred"][None], sharp)
        exact = f"exact field, {metadata['encoding']}"
        for kind, field in ((str(metadata["gyro"]), "prior"), (exact, "exact")):
            gain = mean_psnr(restore_sample(network, item, field, mixed=mixed)[None], sharp) - before
            gains.setdefault(kind, []).append(float(gain))
    return {kind: round(float(np.mean(values)), 3) for kind, values in sorted(gains.items())}


def sample_pictures(network: RestorationNetwork, folder: Path, *, mixed: bool) -> UInt8[ndarray, "h w 3"]:
    """Return the first pairs of a data set below each other, each as blurred | guess | sharp."""
    rows = []
    for item, _ in whole_samples(network, folder, SAMPLE_PICTURE_COUNT):
        row = [item["blurred"], restore_sample(network, item, mixed=mixed), item["sharp"]]
        portrait = row[0].shape[1] > row[0].shape[2]  # pairs are turned: all to landscape, to fit together
        rows.append(torch.cat([x.transpose(1, 2) for x in row] if portrait else row, 2))
    picture = torch.cat(rows, 1).clamp(0, 1) * 255
    return np.asarray(picture.round().byte().permute(1, 2, 0))
