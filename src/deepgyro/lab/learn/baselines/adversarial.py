"""How DeblurGAN is trained.

[1] Kupyn et al., DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks, CVPR 2018.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from numpy import ndarray
from torch import Tensor, nn

from ....errors import DeepGyroError
from ..dataset import Sample
from ..optimizer import adam
from ..settings import TrainConfig
from ..training import Training, mean_psnr, sample_pictures, validate
from .deblurgan import Critic, GanConfig, VggFeatures, gradient_penalty
from .wrapper import RestorationNetwork, build_network


class AdversarialTraining(Training[RestorationNetwork]):
    """Training of generator and critic."""

    def __init__(self, config: TrainConfig, gan: GanConfig, fabric: Fabric, checkpoint: Path | None) -> None:
        """Start, or continue from a checkpoint."""
        if fabric.world_size > 1:
            raise DeepGyroError("deblurgan is trained on one device; devices: 1 is needed")
        torch.manual_seed(config.seed)
        self.gan = gan
        networks = nn.ModuleDict({"generator": build_network(gan), "critic": Critic(gan.width)})
        networks, average = networks.to(fabric.device), build_network(gan).to(fabric.device).eval()
        self.generator, self.critic = networks["generator"], networks["critic"]
        steps = {"generator": 1, "critic": gan.critic_steps}
        optimizer = adam(networks, config.rate, steps=steps, betas=(0.5, 0.999))
        self.features = VggFeatures(Path(gan.features)).to(fabric.device) if gan.features else None
        super().__init__(config, fabric, networks, average, optimizer, checkpoint, averaged=self.generator)

    def update_weights(self, batch: Sample) -> Tensor:
        """Do the critic's steps and one of the generator's, all on one batch, as the released program does.

        Returns the generator's loss and the gain over the blurred pictures, dB: (2,).
        """
        sharp, step = batch["sharp"], self.progress.step
        with self.autocast():
            inputs = batch["blurred"], batch["prior"], batch["gyro"], batch["linear"]
            fake = self.generator(*inputs)[-1].float()
        for k in range(self.gan.critic_steps):
            self.optimizer.zero_grad()
            rng = np.random.default_rng([self.config.seed, step, k])
            self.fabric.backward(self.compute_critic_loss(sharp, fake.detach(), rng))
            self.optimizer.step("critic")
        self.optimizer.zero_grad()
        loss = self.compute_generator_loss(sharp, fake)
        self.fabric.backward(loss)
        if not math.isfinite(float(loss.detach())):
            raise DeepGyroError(f"the loss of step {step} is not finite: continue with a lower rate")
        self.optimizer.step("generator")
        with torch.no_grad():
            gain = mean_psnr(fake, sharp) - mean_psnr(batch["blurred"], sharp)
        return torch.stack([loss.detach(), gain])

    def validate(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"]]:
        """Return mean gains on a data set, dB, and a picture of some pairs."""
        mixed = self.config.uses_bf16
        return validate(self.average, folder, mixed=mixed), sample_pictures(self.average, folder, mixed=mixed)

    def compute_critic_loss(self, sharp: Tensor, fake: Tensor, rng: np.random.Generator) -> Float[Tensor, ""]:
        """Return the critic's loss: fake against real, and the penalty of its slope ([1], section 3)."""
        real, fake = _to_signed_range(sharp), _to_signed_range(fake)
        with self.autocast():
            loss: Tensor = self.critic(fake).float().mean() - self.critic(real).float().mean()
        return loss + self.gan.penalty * gradient_penalty(self.critic, real, fake, rng)  # in float32

    def compute_generator_loss(self, sharp: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        """Return the generator's loss: the content's difference, and the critic's value ([1], eq. 1)."""
        with self.autocast():
            value = self.critic(_to_signed_range(fake)).float().mean()
        target, content = sharp, fake
        if self.features:  # in float32: its first layer takes whole numbers up to 255
            target, content = self.features(sharp), self.features(fake)
        loss: Tensor = self.gan.content * ((content - target) ** 2).mean() - value
        return loss


def _to_signed_range(picture: Tensor) -> Tensor:
    """Return values of 0 to 1 as -1 to 1."""
    return 2 * picture - 1
