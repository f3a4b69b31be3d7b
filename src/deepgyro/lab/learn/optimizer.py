"""The optimisers: Muon for the convolutions within our stages and AdamW for the rest; Adam for baselines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

END_LAYERS = ("head", "tail")
"""A stage's first and last convolutions: they are AdamW's, as Muon's authors advise."""
_MUON_MOMENTS, _ADAMW_MOMENTS = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
MOMENT_NAMES = _MUON_MOMENTS + _ADAMW_MOMENTS


class Muon(torch.optim.Optimizer):
    """Muon (K. Jordan et al., 2024) on convolutions as matrices (out, kernel in), with steps of AdamW's size.

    Their size is that of J. Liu et al., Muon is scalable for LLM training, 2025. `torch.optim.Muon` is the
    same, but multiplies in bfloat16 also where the processor has no bfloat16: that took half of a training
    step. Here all is float32.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, *, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": rate, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # without a closure
        """Change the weights by their gradients."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                gradient = _as_matrix(weights.grad)
                state = self.state[weights]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(gradient)
                momentum = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
                step = orthogonalize(gradient.lerp(momentum, group["momentum"]))
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                size = 0.2 * math.sqrt(max(step.shape))
                step = step.view_as(weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
                weights.sub_(step, alpha=group["lr"] * size)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return a matrix with singular values near one in place of its own: five steps of Newton and Schulz."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = wide @ wide.T
        gram = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        wide = torch.addmm(wide, gram, wide, beta=3.4445)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


@dataclass(frozen=True, eq=False)
class ParameterGroup:
    """Some of a network's parameters by name, and the torch optimiser that moves them."""

    optimizer: torch.optim.Optimizer
    parameters: Mapping[str, nn.Parameter]
    steps: int = 1
    """Its steps for each of the training's."""


class Optimizer:
    """Groups of a network's parameters, at one rate, with moments that can be saved by name."""

    def __init__(self, groups: Mapping[str, ParameterGroup]) -> None:
        self.groups = groups

    @property
    def rate(self) -> float:
        """The learning rate of all groups."""
        return float(next(iter(self.groups.values())).optimizer.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        for group in self.groups.values():
            group.optimizer.param_groups[0]["lr"] = rate

    def step(self, *names: str) -> None:
        """Change the weights by their gradients; `names`: of these groups alone."""
        for name in names or self.groups:
            self.groups[name].optimizer.step()

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for group in self.groups.values():
            group.optimizer.zero_grad()

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the moments by name, MOMENT.PARAMETER, of the parameters that had a gradient."""
        for group in self.groups.values():
            for name, parameter in group.parameters.items():
                for moment in MOMENT_NAMES:
                    if moment in group.optimizer.state[parameter]:
                        yield f"{moment}.{name}", group.optimizer.state[parameter][moment]

    def set_moments(self, moments: Mapping[str, Tensor], steps: int) -> None:
        """Set the moments that `moments` has yielded, after so many steps of the training."""
        for group in self.groups.values():
            is_muon = isinstance(group.optimizer, Muon)
            names = _MUON_MOMENTS if is_muon else _ADAMW_MOMENTS
            for name, parameter in group.parameters.items():
                if f"{names[0]}.{name}" not in moments:  # it has had no gradient so far
                    continue
                state = {} if is_muon else {"step": torch.tensor(float(steps * group.steps))}
                for moment in names:
                    like = torch.empty_like(_as_matrix(parameter) if is_muon else parameter)
                    state[moment] = like.detach().copy_(moments[f"{moment}.{name}"])
                group.optimizer.state[parameter] = state


def muon_and_adamw(network: nn.Module, rate: float, *, weight_decay: float = 1e-4) -> Optimizer:
    """Return Muon for the inner convolutions and AdamW for the rest."""
    inner = {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.ndim == 4 and not any(end in name.split(".") for end in END_LAYERS)
    }
    others = {name: p for name, p in network.named_parameters() if name not in inner}
    muon = Muon(inner.values(), rate, weight_decay=weight_decay)
    adamw = torch.optim.AdamW(others.values(), rate, (0.9, 0.99), weight_decay=weight_decay)
    return Optimizer({"inner": ParameterGroup(muon, inner), "others": ParameterGroup(adamw, others)})


def adam(
    network: nn.Module,
    rate: float,
    *,
    steps: Mapping[str, int] = {"": 1},  # it is only read
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> Optimizer:
    """Return Adam, or AdamW; `steps`: prefixes of the groups' parameters, and each one's steps."""
    groups = {}
    for prefix, count in steps.items():
        own = {name: p for name, p in network.named_parameters() if name.startswith(prefix)}
        optimizer = torch.optim.AdamW(own.values(), rate, betas, weight_decay=weight_decay)
        groups[prefix] = ParameterGroup(optimizer, own, count)
    return Optimizer(groups)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Move averaged weights towards a network's after a step (from 0 on); the first steps count for more."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


def _as_matrix(weights: Tensor) -> Tensor:
    """Return weights (out, in, kh, kw) as (out, kh kw in): a view, of weights that are kept channels last."""
    return weights.permute(0, 2, 3, 1).flatten(1)
