"""The paper's U-Net.

[1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019, fig. 3.
[2] Their program, github.com/jannemus/DeepGyro: models.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetConfig:
    """The paper's network."""

    inputs: int = 5
    """5: DeepGyro, which is given the blur vector; 3: DeepBlind, which is not."""
    width: int = 64
    """Channels at the picture's size."""

    def __post_init__(self) -> None:
        if self.inputs not in (3, 5) or self.width < 1:
            raise ValueError(
                f"inputs {self.inputs}, width {self.width}: 3 or 5 inputs and a width over 0 are needed"
            )


class PaperUNet(nn.Module):
    """The network of [1], fig. 3: a plain U-Net without normalisation or a skip from input to output.

    Five inputs R, G, B, U, V: DeepGyro (`deepgyro-paper`); three, R, G, B: DeepBlind (`deepblind-paper`).
    """

    multiple = 16
    """Height and width of a picture must be multiples of this, px."""

    def __init__(self, inputs: int = 5, width: int = 64) -> None:
        """Make one of `width` channels at the picture's size, and twice as many at each of four halvings."""
        super().__init__()
        self.inputs = inputs
        widths = [width * 2**k for k in range(5)]
        self.down = nn.ModuleList(_double_conv(a, b) for a, b in pairwise([inputs, *widths]))
        self.up = nn.ModuleList(Up(w) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, 3, 1)
        for parameter in self.parameters():  # as in Keras, the authors' library
            (nn.init.xavier_uniform_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)

    def forward(self, x: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the sharp picture, encoded, 0 to 1 (not clipped)."""
        maps: list[Tensor] = []
        for level in self.down:
            x = level(torch.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        for up, encoded in zip(self.up, reversed(maps[:-1]), strict=True):
            x = up(x, encoded)
        sharp: Tensor = self.last(x)
        return sharp


class Up(nn.Module):
    """One level up: twice the size and half the channels, joined with the encoder's level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.larger = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.after = _double_conv(2 * width, width)

    def forward(
        self, x: Float[Tensor, "b deep h w"], encoded: Float[Tensor, "b c 2*h 2*w"]
    ) -> Float[Tensor, "b c 2*h 2*w"]:
        """Return the level above; the decoder's channels come before the encoder's, as in [2]."""
        out: Tensor = self.after(torch.cat([self.larger(x), encoded], 1))
        return out


def _double_conv(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )
