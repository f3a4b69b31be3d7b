"""The optimiser: Muon for the convolutions within the stages, AdamW for what is left."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

ENDS = ("head", "tail")
"""A stage's first and last convolutions: they are AdamW's, as Muon's authors advise."""


class MuonAndAdamW:
    """Muon (K. Jordan et al., 2024) on inner convolutions as matrices (out, kernel in), AdamW on the rest.

    Muon's steps have the size of AdamW's (J. Liu et al., Muon is scalable for LLM training, 2025), so both
    have one rate.
    """

    def __init__(self, network: nn.Module, rate: float, *, weight_decay: float = 1e-4) -> None:
        inner = {
            name: parameter
            for name, parameter in network.named_parameters()
            if parameter.ndim == 4 and not any(end in name.split(".") for end in ENDS)
        }
        others = {name: p for name, p in network.named_parameters() if name not in inner}
        self._inner, self._others = inner, others
        # The same numbers in the same memory, seen as matrices: torch's Muon takes no others.
        self._matrices = {name: nn.Parameter(_matrix(p.data)) for name, p in inner.items()}
        if any(self._matrices[name].data_ptr() != p.data_ptr() for name, p in inner.items()):
            raise ValueError("the network's weights must be kept channels last")
        self._muon = torch.optim.Muon(
            self._matrices.values(), rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
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
        for name, matrix in self._matrices.items():
            gradient = self._inner[name].grad
            matrix.grad = None if gradient is None else _matrix(gradient)
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self._inner.values(), *self._others.values()):
            parameter.grad = None

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the moments by name: MOMENT.PARAMETER; those of parameters that took part."""
        for optimizer, parameters, moments in self._parts():
            for name, parameter in parameters.items():
                for moment in moments:
                    if moment in optimizer.state[parameter]:
                        yield f"{moment}.{name}", optimizer.state[parameter][moment]

    def set_moments(self, found: dict[str, Tensor], steps: int) -> None:
        """Take on moments of `moments`, after so many steps.

        Raises
        ------
        KeyError, RuntimeError
            If they are another network's.
        """
        for optimizer, parameters, moments in self._parts():
            for name, parameter in parameters.items():
                if f"{moments[0]}.{name}" not in found:  # it has taken no part so far
                    continue
                state: dict[str, Tensor] = {} if moments == _MUON else {"step": torch.tensor(float(steps))}
                for moment in moments:
                    empty = torch.empty_like(parameter, requires_grad=False)
                    state[moment] = empty.copy_(found[f"{moment}.{name}"])
                optimizer.state[parameter] = state

    def _parts(self) -> list[tuple[torch.optim.Optimizer, dict[str, nn.Parameter], tuple[str, ...]]]:
        return [(self._muon, self._matrices, _MUON), (self._adamw, self._others, _ADAMW)]


_MUON, _ADAMW = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
MOMENTS = _MUON + _ADAMW


def _matrix(weights: Tensor) -> Tensor:
    """Return weights (out, in, kh, kw) as (out, kh kw in), in the order of their memory."""
    return weights.permute(0, 2, 3, 1).flatten(1)
