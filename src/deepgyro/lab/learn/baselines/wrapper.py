"""Baselines with the inputs of our network; networks by their configuration, and what they cost."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..network.stages import DeepGyro, NetworkConfig
from .deblurgan import GanConfig, Generator
from .paper import PaperUNet, UNetConfig


class OnePieceModel(nn.Module):
    """A network of one stage, with a picture and perhaps its straight blur vectors as inputs.

    Pictures are not brought to `canonical_orientation` for it: a network without paths must not learn their
    direction from the orientation of the picture.
    """

    turned = False
    """Whether pictures are turned so that their paths run right and down."""

    def __init__(self, network: PaperUNet | Generator) -> None:
        super().__init__()
        self.network, self.multiple = network, network.multiple
        self.inputs = network.inputs if isinstance(network, PaperUNet) else 3  # 5 with the blur vectors

    def forward(self, blurred: Tensor, paths: Tensor, gyro: Tensor, linear: Tensor) -> list[Tensor]:
        """Return the one guess; see `DeepGyro.forward`."""
        features = torch.cat([blurred, vector_maps(paths)], 1) if self.inputs == 5 else blurred
        return [self.forward_inputs(features.contiguous(memory_format=torch.channels_last))]

    def forward_inputs(self, features: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the sharp picture; encoded, 0 to 1."""
        if isinstance(self.network, PaperUNet):
            return self.network(features)  # type: ignore[no-any-return]
        return (self.network(2 * features - 1) + 1) / 2  # type: ignore[no-any-return]


def vector_maps(paths: Float[Tensor, "b coordinates h w"]) -> Float[Tensor, "b 2 h w"]:
    """Return the blur vectors as inputs of the paper's network: the twin of `restore.baselines.vector_maps`.

    ``(px + 128) / 255`` of each component, with the sign for which v <= 0, as in the original program; not
    rounded to whole px.
    """
    vectors = paths[:, -2:] - paths[:, :2]
    u, v = vectors[:, :1], vectors[:, 1:]
    up = torch.where((v > 0) | ((v == 0) & (u < 0)), -1.0, 1.0)
    return (up * vectors + 128) / 255


RestorationNetwork = DeepGyro | OnePieceModel
"""From pictures and paths it returns its guesses, the last the best."""


def build_network(sizes: NetworkConfig | UNetConfig | GanConfig) -> RestorationNetwork:
    """Return a network of these sizes."""
    if isinstance(sizes, UNetConfig):
        return OnePieceModel(PaperUNet(sizes.inputs, sizes.width))
    if isinstance(sizes, GanConfig):
        return OnePieceModel(Generator(sizes.width, sizes.blocks))
    return DeepGyro(sizes)


def count_multiply_adds(network: nn.Module, *inputs: Tensor) -> float:
    """Return the multiply-adds of all 2D convolutions in ``network(*inputs)``, in 10^9."""
    total = 0

    def count(module: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        pixels = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        total += pixels.numel() // pixels.shape[1] * module.weight.numel()

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total / 1e9
