"""How DeblurGAN is trained: in place of `train.Training`, in the same loop.

[1] Kupyn et al., DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks, CVPR 2018.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from numpy import ndarray
from torch import Tensor, nn

from ....errors import DeepGyroError
from ..checkpoint import Progress, load_checkpoint
from ..dataset import Sample
from ..optimizer import Adam, update_average
from ..settings import TrainConfig
from ..sitting import learning_rate
from ..validation import mean_psnr, validate_with_pictures
from .deblurgan import Critic, GanConfig, gradient_penalty
from .vgg import VggFeatures
from .wrapper import build_network


class AdversarialTraining:
    """Generator and critic, and all that changes with them at every step."""

    names = ("loss", "gain")

    def __init__(
        self, config: TrainConfig, networks: GanConfig, fabric: Fabric, checkpoint: Path | None
    ) -> None:
        """Begin, or go on from a checkpoint.

        Raises
        ------
        DeepGyroError
            If there are several devices, or the features' weights or the checkpoint cannot be read.
        """
        if fabric.world_size > 1:
            raise DeepGyroError("deblurgan is trained on one device; devices: 1 is needed")
        torch.manual_seed(config.seed)
        self.config, self.networks, self.fabric = config, networks, fabric
        self.network, self.average = (
            nn.ModuleDict({"generator": build_network(networks), "critic": Critic(networks.width)}).to(
                fabric.device
            ),
            build_network(networks).to(fabric.device).requires_grad_(False).eval(),
        )
        self.average.load_state_dict(self.network["generator"].state_dict())
        self.optimizer = Adam(
            self.network,
            config.rate,
            parts={"generator": 1, "critic": networks.critic_steps},
            betas=(0.5, 0.999),
        )
        self.features = VggFeatures(Path(networks.features)).to(fabric.device) if networks.features else None
        self.progress = Progress()
        if checkpoint:
            self.progress = load_checkpoint(checkpoint, self.network, self.average, self.optimizer)
        self.progress.sittings += 1

    def step(self, batch: Sample) -> Tensor:
        """Do the critic's steps and one of the generator's, all on one batch, as the released program does.

        Returns the generator's loss and the gain over the blurred pictures, dB: (2,).
        """
        config, progress, sharp = self.config, self.progress, batch["sharp"]
        self.optimizer.rate = learning_rate(config, progress)
        with self.autocast():
            inputs = batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"]
            fake = self.network["generator"](*inputs)[-1].float()
        for k in range(self.networks.critic_steps):
            self.optimizer.zero_grad()
            rng = np.random.default_rng([config.seed, progress.step, k])
            self.fabric.backward(self.compute_critic_loss(sharp, fake.detach(), rng))
            self.optimizer.step("critic")
        self.optimizer.zero_grad()
        loss = self.compute_generator_loss(sharp, fake)
        self.fabric.backward(loss)
        if not math.isfinite(float(loss.detach())):
            raise DeepGyroError(f"the loss of step {progress.step} is no number: go on with a lower rate")
        self.optimizer.step("generator")
        update_average(self.average, self.network["generator"], progress.step, config.ema)
        with torch.no_grad():
            gain = mean_psnr(fake, sharp) - mean_psnr(batch["blurred"], sharp)
        progress.step += 1
        progress.pairs += config.batch
        return torch.stack([loss.detach(), gain])

    def validate(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"]]:
        """Return mean gains on a data set, and some of its pairs as a picture."""
        return validate_with_pictures(self.average, folder, mixed=self.config.uses_bf16)

    def autocast(self) -> AbstractContextManager[object]:
        """Return what lets convolutions run in bfloat16, if they should.

        One for each forward pass: it keeps the weights that it has rounded, and steps change them.
        """
        return torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.config.uses_bf16)

    def compute_critic_loss(self, sharp: Tensor, fake: Tensor, rng: np.random.Generator) -> Float[Tensor, ""]:
        """Return how little the critic tells real from fake, and what its slope costs ([1], section 3)."""
        critic = self.network["critic"]
        with self.autocast():
            loss: Tensor = (
                critic(_to_signed_range(fake)).float().mean() - critic(_to_signed_range(sharp)).float().mean()
            )
        penalty = gradient_penalty(critic, _to_signed_range(sharp), _to_signed_range(fake), rng)  # in float32
        return loss + self.networks.penalty * penalty

    def compute_generator_loss(self, sharp: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        """Return how little the critic is misled, and how far the content is off ([1], eq. 1)."""
        with self.autocast():
            misled = self.network["critic"](_to_signed_range(fake)).float().mean()
        wanted, found = sharp, fake
        if self.features:  # in float32: its first layer sees whole numbers up to 255
            wanted, found = self.features(sharp), self.features(fake)
        loss: Tensor = self.networks.content * ((found - wanted) ** 2).mean() - misled
        return loss


def _to_signed_range(picture: Tensor) -> Tensor:
    """Return values of 0 to 1 as -1 to 1."""
    return 2 * picture - 1
