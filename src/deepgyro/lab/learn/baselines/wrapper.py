"""The baselines' networks with the inputs of ours; and the network that a training asks for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .. import arithmetic
from ..network.stages import DeepGyro, NetworkConfig
from .deblurgan import GanConfig, Generator
from .paper import PaperUNet, UNetConfig


class OnePieceModel(nn.Module):
    """A network that sees a picture in one piece, perhaps with its straight blur vector, and makes one guess.

    Pictures are not turned for it (`blurfield/canonical.py`): one that is given no path must not read its
    direction off the way a picture lies.
    """

    turned = False
    """Whether pictures are turned so that their paths run right and down."""

    def __init__(self, network: PaperUNet | Generator) -> None:
        """Take a network that is untrained."""
        super().__init__()
        self.network = network

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be multiples of this, px."""
        return self.network.multiple

    @property
    def inputs(self) -> int:
        """Channels it sees: three of the picture, and two of the blur vector if it is given that."""
        return self.network.inputs if isinstance(self.network, PaperUNet) else 3

    def forward(self, blurred: Tensor, paths: Tensor, gyro: Tensor, linear: Tensor) -> list[Tensor]:
        """Return the one guess; see `DeepGyro.forward` for what it is given."""
        seen = torch.cat([blurred, vector_maps(paths)], 1) if self.inputs == 5 else blurred
        return [self.forward_inputs(seen.contiguous(memory_format=torch.channels_last))]

    def forward_inputs(self, seen: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the sharp picture of what is seen; both encoded, 0 to 1."""
        if isinstance(self.network, PaperUNet):
            return self.network(seen)  # type: ignore[no-any-return]
        return (self.network(2 * seen - 1) + 1) / 2  # type: ignore[no-any-return]


def vector_maps(paths: Float[Tensor, "b coordinates h w"]) -> Float[Tensor, "b 2 h w"]:
    """Return the blur vectors as the paper's network sees them: the twin of `runtime.baselines.vector_maps`.

    ``(px + 128) / 255`` of each component, turned so that v <= 0, as the original program has them; not
    rounded to whole px.
    """
    vectors = paths[:, -2:] - paths[:, :2]
    u, v = vectors[:, :1], vectors[:, 1:]
    up = torch.where((v > 0) | ((v == 0) & (u < 0)), -1.0, 1.0)
    return (up * vectors + 128) / 255


RestorationNetwork = DeepGyro | OnePieceModel
"""What can be trained: from pictures and paths it returns its guesses, the last the best."""


def build_network(sizes: NetworkConfig | UNetConfig | GanConfig) -> RestorationNetwork:
    """Return a network of these sizes."""
    if isinstance(sizes, UNetConfig):
        return OnePieceModel(PaperUNet(sizes.inputs, sizes.width))
    if isinstance(sizes, GanConfig):
        return OnePieceModel(Generator(sizes.width, sizes.blocks))
    return DeepGyro(sizes)


def count_network_gmac(network: RestorationNetwork, height: int, width: int) -> float:
    """Return the convolutions' multiply-adds for a picture, in 10^9; A and the differences are not in it."""
    blurred, paths = torch.zeros(1, 3, height, width), torch.zeros(1, 4, height, width)
    return arithmetic.count_multiply_adds(network, blurred, paths, torch.ones(1), torch.zeros(1))
