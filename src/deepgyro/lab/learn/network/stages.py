"""Our network: small U-Nets with the blur operator between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ....restore.inputs import PATH_CHANNELS
from .operators import OperatorFactory, stage_operators


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes of a network, and the differences among its inputs."""

    stages: int = 3
    widths: tuple[int, ...] = (32, 48, 64)
    """Channels of each level; the first is at half the picture's size. Multiples of 16 are quickest."""
    blocks: tuple[int, ...] = (1, 1, 2)
    """Residual blocks of each level, on the way down and (but for the last) on the way up."""
    fractions: tuple[float, ...] = (-1.5, -0.5, 0.5, 1.5)
    """Of the path, where differences along it are taken."""
    steps: tuple[float, ...] = (0.1,)
    """Of the path, half the distance of a difference's two samples."""
    memory: int = 16
    """Channels of the hidden state that a stage passes to the next, at half the picture's size."""
    up_blocks: tuple[int, ...] | None = None
    """Blocks on the way up, of each level but the last; None: as on the way down."""

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.widths) or not self.widths:
            raise ValueError(f"widths {self.widths}, blocks {self.blocks}: one for each level is needed")
        if len(self.decoder_blocks) != len(self.widths) - 1:
            raise ValueError(f"widths {self.widths}, up_blocks {self.up_blocks}: one fewer is needed")
        if min(self.stages, self.memory, *self.widths) < 1 or min(*self.blocks, *self.decoder_blocks, 0) < 0:
            raise ValueError("stages, memory, widths: whole numbers over 0 are needed; blocks: 0 or more")
        if not self.fractions or not self.steps or min(self.steps) <= 0:
            raise ValueError("fractions, steps: at least one of each is needed, and steps over 0")

    @property
    def decoder_blocks(self) -> tuple[int, ...]:
        """Residual blocks on the way up, of each level but the last."""
        return self.blocks[:-1] if self.up_blocks is None else self.up_blocks

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be multiples of this, px."""
        return int(2 ** len(self.widths))

    @property
    def margin(self) -> int:
        """Radius of a stage's receptive field, px, rounded up to a multiple."""
        far = 0
        for level, (down, up) in enumerate(zip(self.blocks, (*self.decoder_blocks, 0), strict=True)):
            # Each of a block's two convolutions reaches one cell farther.
            far += (2 * (down + up) + 1) * 2 ** (level + 1)
        return -(-far // self.multiple) * self.multiple

    def input_channels(self, stage: int) -> int:
        """Return the channels of the inputs of a stage (from 0 on)."""
        return 3 * (1 if stage == 0 else 2) + PATH_CHANNELS + 3 * len(self.fractions) * len(self.steps)


class Block(nn.Module):
    """Two convolutions and a shortcut; the first may be dilated."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus the output of the convolutions."""
        out: Tensor = x + self.second(torch.relu(self.first(x)))
        return out


class Stage(nn.Module):
    """A residual U-Net on blocks of 2 x 2 pixels; it starts as the identity."""

    def __init__(self, config: NetworkConfig, number: int) -> None:
        super().__init__()
        widths = config.widths
        self.head = nn.Conv2d(config.input_channels(number), widths[0], 2, stride=2)
        self.recall = nn.Conv2d(config.memory, widths[0], 1) if number > 0 else None
        self.remember = nn.Conv2d(widths[0], config.memory, 1) if number < config.stages - 1 else None
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(
            _residual_blocks(w, k) for w, k in zip(widths, config.blocks, strict=True)
        )
        self.after = nn.ModuleList(
            _residual_blocks(w, k) for w, k in zip(widths[:-1], config.decoder_blocks, strict=True)
        )
        self.tail = nn.Conv2d(widths[0], 12, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the change of the picture, (b, 3, h, w), and the hidden state for the next stage.

        features: (b, channels, h, w), h and w multiples of `NetworkConfig.multiple`. Hidden states:
        (b, config.memory, h / 2, w / 2), None before the first stage and after the last.
        """
        x: Tensor = self.head(features)
        if self.recall is not None:
            x = x + self.recall(hidden)
        levels = []
        for k, blocks in enumerate(self.before):
            x = blocks(x)
            if k < len(self.down):
                levels.append(x)
                x = self.down[k](x)
        for k in reversed(range(len(self.up))):
            x = self.after[k](self.up[k](x) + levels[k])
        change = nn.functional.pixel_shuffle(self.tail(x), 2)
        return change, self.remember(x) if self.remember is not None else None


def _residual_blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


class DeepGyro(nn.Module):
    """Stages that each correct the guess of the one before, given what it leaves unexplained.

    Inputs of the first: the blurred picture B and its differences along the path; of each other one: its
    predecessor's guess y, the residual r = B - A(y), the differences of r, and its predecessor's hidden
    state. No gradient flows through the residual (it takes a quarter longer and gains nothing).
    """

    turned = True
    """Whether pictures are brought to `canonical_orientation`: their paths run right and down."""

    def __init__(self, config: NetworkConfig, make_operators: OperatorFactory = stage_operators) -> None:
        """Make untrained stages; `make_operators`: returns the operators between them."""
        super().__init__()
        self.config, self.make_operators, self.multiple = config, make_operators, config.multiple
        self.stages = nn.ModuleList(Stage(config, k) for k in range(config.stages))

    def forward(self, blurred: Tensor, paths: Tensor, gyro: Tensor, linear: Tensor) -> list[Tensor]:
        """Return every stage's guess, the last the best.

        blurred: (b, 3, h, w), encoded, 0 to 1; paths: (b, 2 n, h, w), px, as in `make_sample`; gyro: (b,), 0
        where there is none; linear: (b,), 1 if light was blurred, 0 if encoded values were.
        """
        operators = self.make_operators(paths, linear, self.config.fractions, self.config.steps)
        flag = gyro.view(-1, 1, 1, 1).expand(-1, 1, *blurred.shape[2:])
        maps = torch.cat([operators.maps(), flag], 1)
        guess, guesses, hidden = blurred, [], None
        for k, stage in enumerate(self.stages):
            if k == 0:
                inputs = [blurred, maps, operators.differences(blurred)]
            else:
                residual = blurred - operators.reblur(guess)
                inputs = [guess, residual, maps, operators.differences(residual)]
            features = torch.cat(inputs, 1).contiguous(memory_format=torch.channels_last)
            change, hidden = stage(features, hidden)
            guess = guess + change
            guesses.append(guess)
        return guesses
