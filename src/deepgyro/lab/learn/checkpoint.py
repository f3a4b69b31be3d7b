"""One file from which a training goes on: weights, their average, the optimiser's moments, counters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ... import __version__
from ...errors import DeepGyroError
from ...files import write_atomically
from .optimizer import MOMENT_NAMES, Optimizer
from .settings import TrainConfig


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
    gradient: float = 0.0
    """Its length as a rule: a moving average; 0: not known yet."""
    moments: str = "none"
    """As what this run found the moments: float32; none, as in a slim checkpoint; bfloat16, in old ones."""


def save_checkpoint(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    config: TrainConfig,
    progress: Progress,
    *,
    optimizer: Optimizer | None = None,
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
        Of the network's parameters: its moments are kept.
    slim
        Keep the weights and their average alone, in float16: 4 bytes a parameter instead of 12, with Adam of
        16. A training that goes on from there begins its moments anew, with a warm-up.

    Raises
    ------
    DeepGyroError
        If it cannot be written.
    """
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    if slim:
        tensors = {name: value.half() for name, value in tensors.items()}
    elif optimizer is not None:
        tensors |= {name: value.float() for name, value in optimizer.moments()}
    tensors["generator"] = torch.get_rng_state()
    settings: dict[str, Any] = asdict(config)
    for name in ("pairs", "validation"):
        settings[name] = settings[name] and Path(settings[name]).name
    for name in ("photos", "gyro"):
        settings[name] = [Path(folder).name for folder in settings[name]]
    if config.deblurgan and config.deblurgan.features:
        settings["deblurgan"]["features"] = Path(config.deblurgan.features).name
    if config.corrector and config.corrector.cache:
        settings["corrector"]["cache"] = Path(config.corrector.cache).name
    about = {"config": settings, "progress": asdict(progress), "deepgyro": __version__}
    content = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        metadata={"deepgyro": json.dumps(about)},
    )
    write_atomically(path, lambda file: file.write(content), overwrite=True, durable=True)


def read_checkpoint_metadata(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says of itself: config, progress, and the version of deepgyro.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint.
    """
    try:
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = json.loads(file.metadata()["deepgyro"])
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise DeepGyroError(
            f"{path}: no checkpoint of this network ({' '.join(str(error).split())})"
        ) from error
    return about


def load_checkpoint(
    path: Path, network: nn.Module | None, average: nn.Module, optimizer: Optimizer | None = None
) -> Progress:
    """Read a checkpoint into networks, an optimiser and torch's generator; return how far the training was.

    network: None: the average alone.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint, or one of another network.
    """
    about = read_checkpoint_metadata(path)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        for prefix, module in (("weights.", network), ("average.", average)):
            if module is None:
                continue
            module.load_state_dict(
                {
                    name.removeprefix(prefix): value
                    for name, value in tensors.items()
                    if name.startswith(prefix)
                }
            )
        progress = Progress(**about["progress"])
        found = {str(tensor.dtype) for name, tensor in tensors.items() if name.startswith(MOMENT_NAMES)}
        progress.moments = found.pop().removeprefix("torch.") if found else "none"
        if progress.moments == "none":
            progress.moments_since = progress.step
        elif optimizer is not None:
            optimizer.set_moments(tensors, progress.step - progress.moments_since)
        if "generator" in tensors:
            torch.set_rng_state(tensors["generator"])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise DeepGyroError(
            f"{path}: no checkpoint of this network ({' '.join(str(error).split())})"
        ) from error
    return progress
