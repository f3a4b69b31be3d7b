"""One file from which a training goes on: weights, their average, the optimiser's moments, counters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from .. import __version__
from ..errors import DeepGyroError
from ..synthesis.shards import write_durably
from .settings import TrainConfig

_MOMENTS = ("exp_avg", "exp_avg_sq")  # as AdamW names them


@dataclass
class Progress:
    """How far a training is."""

    step: int = 0
    pairs: int = 0
    """Number of the next pair."""
    minutes: float = 0.0
    """Of training; validation and checkpoints are not counted."""
    sittings: int = 0
    moments_since: int = 0
    """Step at which the optimiser's moments began; the rate rises from there."""
    moments: str = "none"
    """As what this sitting found the moments: float32; bfloat16, from a slim checkpoint; none."""


def save_checkpoint(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    config: TrainConfig,
    progress: Progress,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    slim: bool = False,
) -> None:
    """Write a checkpoint; the file appears once it is whole.

    Its metadata has the configuration and the progress, and of folders only their names: no path of the
    machine.

    Parameters
    ----------
    path
        The file; it replaces any other.
    network, average
        The weights, and their moving average.
    config, progress
        What is trained how, and how far it is.
    optimizer
        An AdamW of the network's parameters, whose moments are kept.
    slim
        Keep the moments in bfloat16: 12 bytes a parameter instead of 16. A training that goes on from there
        does so without a warm-up, but not bit for bit.

    Raises
    ------
    DeepGyroError
        If it cannot be written.
    """
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    if optimizer is not None:
        kept = torch.bfloat16 if slim else torch.float32
        tensors |= {name: value.to(kept) for name, value in _moments(network, optimizer)}
    tensors["generator"] = torch.get_rng_state()
    settings: dict[str, Any] = asdict(config)
    for name in ("pairs", "validation"):
        settings[name] = settings[name] and Path(settings[name]).name
    for name in ("photos", "gyro"):
        settings[name] = [Path(folder).name for folder in settings[name]]
    about = {"config": settings, "progress": asdict(progress), "deepgyro": __version__}
    content = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        metadata={"deepgyro": json.dumps(about)},
    )
    write_durably(path, lambda file: file.write(content))


def load_checkpoint(
    path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> Progress:
    """Read a checkpoint into networks, an optimiser and torch's generator; return how far the training was.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint, or one of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["deepgyro"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        for prefix, module in (("weights.", network), ("average.", average)):
            module.load_state_dict(
                {
                    name.removeprefix(prefix): value
                    for name, value in tensors.items()
                    if name.startswith(prefix)
                }
            )
        progress = Progress(**about["progress"])
        found = {str(tensor.dtype) for name, tensor in tensors.items() if name.startswith(_MOMENTS)}
        progress.moments = found.pop().removeprefix("torch.") if found else "none"
        if progress.moments == "none":
            progress.moments_since = progress.step
        elif optimizer is not None:
            _set_moments(network, optimizer, tensors, progress.step - progress.moments_since)
        if "generator" in tensors:
            torch.set_rng_state(tensors["generator"])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise DeepGyroError(
            f"{path}: no checkpoint of this network ({' '.join(str(error).split())})"
        ) from error
    return progress


def _moments(network: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            if moment in optimizer.state[parameter]:
                yield f"{moment}.{name}", optimizer.state[parameter][moment]


def _set_moments(
    network: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], steps: int
) -> None:
    for name, parameter in network.named_parameters():
        if f"{_MOMENTS[0]}.{name}" in tensors:  # the others have taken no part so far
            optimizer.state[parameter] = {"step": torch.tensor(float(steps))} | {
                moment: torch.empty_like(parameter, requires_grad=False).copy_(tensors[f"{moment}.{name}"])
                for moment in _MOMENTS
            }
