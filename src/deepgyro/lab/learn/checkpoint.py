"""Checkpoints: weights, their average, the optimiser's moments and counters in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
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
    """Of training, without validation and checkpoints."""
    runs: int = 0
    moments_since: int = 0
    """Step at which the optimiser's moments started; the rate warms up from there."""
    gradient: float = 0.0
    """Moving average of its length; 0: not known yet."""
    moments: str = "none"
    """Type of the loaded moments: float32; none, as in a slim checkpoint; bfloat16, in old ones."""


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
    """Write a checkpoint: weights, their moving average, the optimiser's moments, configuration and progress.

    It has only the names of folders: no path of the machine. slim: weights and average alone, in float16: 4
    bytes a parameter instead of 12, with Adam of 16; a training that continues from there starts with new
    moments and a warm-up.
    """
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    if slim:
        tensors = {name: value.half() for name, value in tensors.items()}
    elif optimizer is not None:
        tensors |= {name: value.float() for name, value in optimizer.moments()}
    tensors["generator"] = torch.get_rng_state()
    settings: dict[str, Any] = asdict(config)
    for name in ("photos", "gyro"):
        settings[name] = [Path(folder).name for folder in settings[name]]
    for section, name in ((settings, "pairs"), (settings, "validation"), (settings["deblurgan"], "features"),
                          (settings["corrector"], "cache")):  # fmt: skip
        if section and section[name]:
            section[name] = Path(section[name]).name
    metadata = {"config": settings, "progress": asdict(progress), "deepgyro": __version__}
    content = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        metadata={"deepgyro": json.dumps(metadata)},
    )
    write_atomically(path, lambda file: file.write(content), overwrite=True, durable=True)


def read_checkpoint_metadata(path: Path) -> dict[str, Any]:
    """Return a checkpoint's config, progress, and version of deepgyro."""
    with _explain_errors(path), safe_open(path, "pt") as file:
        metadata: dict[str, Any] = json.loads(file.metadata()["deepgyro"])
        return metadata


def load_checkpoint(
    path: Path, network: nn.Module | None, average: nn.Module, optimizer: Optimizer | None = None
) -> Progress:
    """Read a checkpoint into networks (None: the average alone), an optimiser and torch's generator."""
    with _explain_errors(path):
        counters, tensors = read_checkpoint_metadata(path)["progress"], load_file(path)
        for prefix, module in (("weights.", network), ("average.", average)):
            if module is not None:
                own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                module.load_state_dict(own)
        if "sittings" in counters:  # as older versions call the runs
            counters["runs"] = counters.pop("sittings")
        progress = Progress(**counters)
        types = {str(value.dtype) for name, value in tensors.items() if name.startswith(MOMENT_NAMES)}
        progress.moments = types.pop().removeprefix("torch.") if types else "none"
        if progress.moments == "none":
            progress.moments_since = progress.step
        elif optimizer is not None:
            optimizer.set_moments(tensors, progress.step - progress.moments_since)
        if "generator" in tensors:
            torch.set_rng_state(tensors["generator"])
    return progress


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    """Raise what is wrong with a checkpoint as a DeepGyroError."""
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise DeepGyroError(f"{path}: no checkpoint of this network ({reason})") from error
