"""The optimisers: Muon for the convolutions within our stages and AdamW for the rest; Adam for baselines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

END_LAYERS = ("head", "tail")
"""A stage's first and last convolutions: they are AdamW's, as Muon's authors advise."""


class Muon(torch.optim.Optimizer):
    """Muon (K. Jordan et al., 2024) on convolutions as matrices (out, kernel in), with steps of AdamW's size.

    Their size is that of J. Liu et al., Muon is scalable for LLM training, 2025. `torch.optim.Muon` is the
    same, but multiplies in bfloat16 whatever the processor: that took half of a training step where it is no
    type of the processor's. Here all is float32.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, *, weight_decay: float, momentum: float = 0.95
    ) -> None:
        """Take on parameters (out, in, kh, kw)."""
        super().__init__(parameters, {"lr": rate, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # nobody gives a closure
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
                weights.sub_(_as_convolution(step, weights), alpha=group["lr"] * size)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return a matrix with singular values near one in place of its own: five steps of Newton and Schulz."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = wide @ wide.T
        gram = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        wide = torch.addmm(wide, gram, wide, beta=3.4445)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class MuonAndAdamW:
    """Muon on inner convolutions, AdamW on the rest, at one rate."""

    def __init__(self, network: nn.Module, rate: float, *, weight_decay: float = 1e-4) -> None:
        inner = {
            name: parameter
            for name, parameter in network.named_parameters()
            if parameter.ndim == 4 and not any(end in name.split(".") for end in END_LAYERS)
        }
        others = {name: p for name, p in network.named_parameters() if name not in inner}
        self._inner, self._others = inner, others
        self._muon = Muon(inner.values(), rate, weight_decay=weight_decay)
        self._adamw = torch.optim.AdamW(others.values(), rate, (0.9, 0.99), weight_decay=weight_decay)

    @property
    def rate(self) -> float:
        """The learning rate of both."""
        return float(self._adamw.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        for group in (*self._muon.param_groups, *self._adamw.param_groups):
            group["lr"] = rate

    def step(self) -> None:
        """Change the weights by their gradients."""
        self._muon.step()
        self._adamw.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self._inner.values(), *self._others.values()):
            parameter.grad = None

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the moments by name: MOMENT.PARAMETER; those of parameters that took part."""
        for part in self._parts():
            yield from part.moments()

    def set_moments(self, found: Mapping[str, Tensor], steps: int) -> None:
        """Take on moments of `moments`, after so many steps.

        Raises
        ------
        KeyError, RuntimeError
            If they are another network's.
        """
        for part in self._parts():
            part.set_moments(found, steps)

    def _parts(self) -> list[_OptimizerPart]:
        return [
            _OptimizerPart(self._muon, self._inner, _MUON_MOMENTS),
            _OptimizerPart(self._adamw, self._others, _ADAMW_MOMENTS),
        ]


class Adam:
    """Adam, or AdamW, for parts of a network that take their steps apart."""

    def __init__(
        self,
        network: nn.Module,
        rate: float,
        *,
        parts: Mapping[str, int] = {"": 1},  # it is only read
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        """Take on a network.

        parts: how the names of each part's parameters begin, and how many steps it takes where the training
        takes one; weight_decay: AdamW's.
        """
        self._parts: dict[str, _OptimizerPart] = {}
        self._often = dict(parts)
        for part in parts:
            own = {name: p for name, p in network.named_parameters() if name.startswith(part)}
            adam = torch.optim.AdamW(own.values(), rate, betas, weight_decay=weight_decay)
            self._parts[part] = _OptimizerPart(adam, own, _ADAMW_MOMENTS)

    @property
    def rate(self) -> float:
        """The learning rate of all parts."""
        return float(next(iter(self._parts.values())).optimizer.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        for part in self._parts.values():
            for group in part.optimizer.param_groups:
                group["lr"] = rate

    def step(self, part: str = "") -> None:
        """Change a part's weights by their gradients."""
        self._parts[part].optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts.values():
            part.optimizer.zero_grad()

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the moments by name: MOMENT.PARAMETER; those of parameters that took part."""
        for part in self._parts.values():
            yield from part.moments()

    def set_moments(self, found: Mapping[str, Tensor], steps: int) -> None:
        """Take on moments of `moments`, after so many steps of the training.

        Raises
        ------
        KeyError, RuntimeError
            If they are another network's.
        """
        for name, part in self._parts.items():
            part.set_moments(found, steps * self._often[name])


Optimizer = MuonAndAdamW | Adam


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Move averaged weights towards a network's after a step (from 0 on); the first steps count for more."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


@dataclass(frozen=True, eq=False)
class _OptimizerPart:
    """One of torch's optimisers, its parameters by name, and what it keeps of each."""

    optimizer: torch.optim.Optimizer
    parameters: Mapping[str, nn.Parameter]
    names: tuple[str, ...]

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.parameters.items():
            for moment in self.names:
                if moment in self.optimizer.state[parameter]:
                    yield f"{moment}.{name}", self.optimizer.state[parameter][moment]

    def set_moments(self, found: Mapping[str, Tensor], steps: int) -> None:
        for name, parameter in self.parameters.items():
            if f"{self.names[0]}.{name}" not in found:  # it has taken no part so far
                continue
            state: dict[str, Tensor] = (
                {} if self.names == _MUON_MOMENTS else {"step": torch.tensor(float(steps))}
            )
            for moment in self.names:
                kept = _as_matrix(parameter) if self.names == _MUON_MOMENTS else parameter
                empty = torch.empty_like(kept, requires_grad=False)
                state[moment] = empty.copy_(found[f"{moment}.{name}"])
            self.optimizer.state[parameter] = state


_MUON_MOMENTS, _ADAMW_MOMENTS = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
MOMENT_NAMES = _MUON_MOMENTS + _ADAMW_MOMENTS


def _as_matrix(weights: Tensor) -> Tensor:
    """Return weights (out, in, kh, kw) as (out, kh kw in): a view, of weights that are kept channels last."""
    return weights.permute(0, 2, 3, 1).flatten(1)


def _as_convolution(matrix: Tensor, weights: Tensor) -> Tensor:
    """Return a matrix (out, kh kw in) as (out, in, kh, kw): a view."""
    out, channels, height, width = weights.shape
    return matrix.view(out, height, width, channels).permute(0, 3, 1, 2)
