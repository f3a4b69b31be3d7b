"""Our network: small U-Nets with the blur operator between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from ..blur import Blur
from ..blur.differences import path_differences
from ..light import linear_to_srgb, srgb_to_linear
from . import arithmetic


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes of a network, and what it looks at."""

    stages: int = 3
    widths: tuple[int, ...] = (24, 48, 72)
    """Channels of each level; the first is at half the picture's size."""
    blocks: tuple[int, ...] = (1, 1, 2)
    """Residual blocks of each level, on the way down and (but for the last) on the way up."""
    fractions: tuple[float, ...] = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)
    """Of the path, where differences along it are taken."""
    steps: tuple[float, ...] = (0.05, 0.15)
    """Of the path, half the distance of a difference's two samples."""

    @property
    def differences(self) -> int:
        """Channels of the differences of a picture."""
        return 3 * len(self.fractions) * len(self.steps)


MAPS = 4
"""Channels that tell of the path: length, cosine and sine of the doubled angle, and whether there is one."""


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the convolutions make of it."""
        out: Tensor = x + self.second(torch.relu(self.first(x)))
        return out


class Stage(nn.Module):
    """A residual U-Net on the picture in blocks of 2 x 2 pixels; it starts as the identity."""

    def __init__(self, channels: int, config: NetworkConfig) -> None:
        super().__init__()
        widths, blocks = config.widths, config.blocks
        self.head = nn.Conv2d(4 * channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(_blocks(w, k) for w, k in zip(widths, blocks, strict=True))
        self.after = nn.ModuleList(_blocks(w, k) for w, k in zip(widths[:-1], blocks[:-1], strict=True))
        self.tail = nn.Conv2d(widths[0], 12, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, picture: Tensor) -> Tensor:
        """Return (b, 3, h, w), what to add to the picture; h and w are multiples of 2^levels."""
        x: Tensor = self.head(nn.functional.pixel_unshuffle(picture, 2))
        levels = []
        for k, blocks in enumerate(self.before):
            x = blocks(x)
            if k < len(self.down):
                levels.append(x)
                x = self.down[k](x)
        for k in reversed(range(len(self.up))):
            x = self.after[k](self.up[k](x) + levels[k])
        return nn.functional.pixel_shuffle(self.tail(x), 2)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


class DeepGyro(nn.Module):
    """Stages that each see what the guess before them, blurred along the path, leaves unexplained.

    The first sees the blurred picture B and its differences along the path; each other one its predecessor's
    guess y, the residual r = B - A(y), and the differences of r. No gradient flows through the residual:
    each stage learns from its own guess, and from those after it that build upon it.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        first = 3 + MAPS + config.differences
        self.stages = nn.ModuleList(
            Stage(first if k == 0 else first + 3, config) for k in range(config.stages)
        )

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be multiples of this, px."""
        return int(2 ** len(self.config.widths))

    def forward(self, blurred: Tensor, paths: Tensor, gyro: Tensor, linear: Tensor) -> list[Tensor]:
        """Return every stage's guess, the last the best.

        Parameters
        ----------
        blurred
            (b, 3, h, w), encoded, 0 to 1.
        paths
            (b, 2 n, h, w), px, as `dataset.sample` has them.
        gyro
            (b,), 0 where there is none.
        linear
            (b,), 1 if light was blurred, 0 if these very values were.
        """
        vectors = (paths[:, -2:] - paths[:, :2]).contiguous()
        maps = torch.cat([path_maps(vectors), gyro.view(-1, 1, 1, 1).expand(-1, 1, *blurred.shape[2:])], 1)
        guess, guesses = blurred, []
        for k, stage in enumerate(self.stages):
            if k == 0:
                seen = [blurred, maps, self._differences(blurred, vectors)]
            else:
                residual = blurred - reblurred(guess.detach().float(), paths, linear)
                seen = [guess, residual, maps, self._differences(residual, vectors)]
            guess = guess + stage(torch.cat(seen, 1).contiguous(memory_format=torch.channels_last))
            guesses.append(guess)
        return guesses

    def _differences(self, picture: Tensor, vectors: Tensor) -> Tensor:
        return each(
            lambda image, vector: path_differences(
                image, vector, fractions=self.config.fractions, steps=self.config.steps
            ).reshape(-1, *image.shape[1:]),
            picture,
            vectors,
        )


def path_maps(vectors: Tensor) -> Tensor:
    """Return length / 32 px and the cosine and sine of the doubled angle (0 for short paths): (b, 3, h, w).

    A path and its reverse have the same maps.
    """
    u, v = vectors[:, :1], vectors[:, 1:]
    length = torch.sqrt(u**2 + v**2)
    sure = torch.tanh(length / 4) / (length**2).clamp(min=1e-6)
    return torch.cat([length / 32, (u**2 - v**2) * sure, 2 * u * v * sure], 1)


def reblurred(guess: Tensor, paths: Tensor, linear: Tensor) -> Tensor:
    """Return A(guess), encoded: what the camera would have recorded of the guess. Carries no gradient."""

    def blur(image: ndarray, channels: ndarray, light: np.floating) -> ndarray:
        height, width = image.shape[1:]
        field = np.ascontiguousarray(channels.reshape(-1, 2, height, width).transpose(2, 3, 0, 1))
        picture = np.ascontiguousarray(image.transpose(1, 2, 0))
        A = Blur(field)
        again = linear_to_srgb(A(srgb_to_linear(picture.clip(0, 1)))) if light > 0.5 else A(picture)
        return again.transpose(2, 0, 1)

    return each(blur, guess, paths, linear)


def each(work: Callable[..., ndarray], *batches: Tensor) -> Tensor:
    """Return ``work(a[i], b[i], ...)`` on arrays for every i of a batch, one after the other on all cores."""
    arrays = [batch.detach().cpu().numpy() for batch in batches]
    results = [np.ascontiguousarray(work(*items)) for items in zip(*arrays, strict=True)]
    return torch.from_numpy(np.stack(results)).to(batches[0].device)


def multiply_adds(network: DeepGyro, height: int, width: int) -> float:
    """Return the convolutions' multiply-adds for a picture, in 10^9; A and the differences are not in it."""
    blurred, paths = torch.zeros(1, 3, height, width), torch.zeros(1, 4, height, width)
    return arithmetic.multiply_adds(network, blurred, paths, torch.ones(1), torch.zeros(1))
