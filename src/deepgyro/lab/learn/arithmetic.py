"""What a network costs: counts its convolutions' multiply-adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def count_multiply_adds(network: nn.Module, *inputs: Tensor) -> float:
    """Return the multiply-adds of all 2D convolutions in ``network(*inputs)``, in 10^9.

    The network and its inputs may be on torch's meta device: then nothing is computed.
    """
    total = 0

    def count(module: nn.Conv2d | nn.ConvTranspose2d, given: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        over = given[0] if isinstance(module, nn.ConvTranspose2d) else output
        total += over.numel() // over.shape[1] * module.weight.numel()

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total / 1e9
