"""`deepgyro train`: one file to read from top to bottom."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .. import __version__
from ..errors import DeepGyroError
from ..synthesis import unpack
from ..synthesis.shards import read_samples
from .dataset import Sample, ShardStream, collate, sample
from .network import DeepGyro, NetworkConfig


@dataclass(frozen=True)
class TrainConfig:
    """A training."""

    pairs: str
    """Folder of `deepgyro synth`."""
    validation: str
    """Folder of pairs of other photos and other logs."""
    minutes: float = 300.0
    """The whole training, over all sittings; the learning rate reaches its end there."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    batch: int = 4
    patch: int = 192
    """Side of the patches, px."""
    rate: float = 7e-4
    """Highest learning rate; it rises over `warmup` steps at every start, and falls as a cosine to 1 %."""
    warmup: int = 200
    ema: float = 0.999
    """Decay of the moving average of the weights a step; the average is what is used."""
    without: tuple[str, ...] = ("wrong",)
    """Kinds of gyro whose pairs are passed over: the gate carries those, not the network."""
    early: float = 0.3
    """Weight of the loss of each stage but the last."""
    checkpoint_minutes: float = 10.0
    seed: int = 0
    threads: int = 2


@dataclass
class Progress:
    """How far a training is."""

    step: int = 0
    minutes: float = 0.0
    sittings: int = 0


def read_config(path: Path) -> TrainConfig:
    """Read a training's configuration; what it leaves out is as in `TrainConfig`.

    Raises
    ------
    DeepGyroError
        If it is no such file: the message names the entry.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DeepGyroError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise DeepGyroError(f"{path}: entries such as pairs: FOLDER are needed")
    network = content.pop("network", {})
    for kind, entries in ((TrainConfig, content), (NetworkConfig, network)):
        if unknown := set(entries) - {entry.name for entry in fields(kind)}:
            raise DeepGyroError(f"{path}: {', '.join(sorted(unknown))}: no such entry; is it misspelt?")
    if missing := {"pairs", "validation"} - set(content):
        raise DeepGyroError(f"{path}: {', '.join(sorted(missing))} is missing: a folder of deepgyro synth")
    return TrainConfig(
        **_typed(TrainConfig, content, path), network=NetworkConfig(**_typed(NetworkConfig, network, path))
    )


def _typed(kind: type, entries: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return entries as the types that a configuration has: whole numbers as floats, lists as tuples."""
    types = {entry.name: str(entry.type) for entry in fields(kind)}
    typed: dict[str, Any] = {}
    for name, value in entries.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {"int": isinstance(value, int), "float": number, "str": isinstance(value, str)}
        if not fits.get(types[name], isinstance(value, list)):
            raise DeepGyroError(f"{path}: {name} is {value!r}; {types[name]} is needed")
        typed[name] = (
            float(value) if types[name] == "float" else tuple(value) if isinstance(value, list) else value
        )
    return typed


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    sitting: float | None = None,
    report: Callable[[Progress, Mapping[str, object] | None], object] | None = None,
) -> Progress:
    """Train a network, or go on with one.

    Parameters
    ----------
    config
        What and how.
    out
        Folder for checkpoint.safetensors and log.jsonl.
    resume
        Go on from the checkpoint there.
    sitting
        Stop after so many minutes; the schedule stays that of the whole training.
    report
        Called with the progress after every step, and with a row where one is logged.

    Raises
    ------
    DeepGyroError
        If there are no pairs, or a checkpoint that cannot be gone on from, or one that would be lost.
    """
    if not resume and (out / "checkpoint.safetensors").exists():
        raise DeepGyroError(f"{out}: a checkpoint is there: --resume goes on from it; or give another --out")
    report = report or (lambda progress, row: None)
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    network, average = DeepGyro(config.network), DeepGyro(config.network).requires_grad_(False)
    for each in (network, average):
        each.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), config.rate, (0.9, 0.99), weight_decay=1e-4)
    progress = Progress()
    if resume:
        progress = load_checkpoint(out / "checkpoint.safetensors", network, average)
    else:
        average.load_state_dict(network.state_dict())
    progress.sittings += 1
    out.mkdir(parents=True, exist_ok=True)
    batches = _batches(config, progress.sittings)
    began, before, saved, first = time.monotonic(), progress.minutes, time.monotonic(), progress.step
    losses: list[float] = []
    while progress.minutes < config.minutes and (sitting is None or progress.minutes - before < sitting):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, progress, progress.step - first)
        item = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            guesses = network(item["blurred"], item["noisy"], item["gyro"], item["linear"])
        loss = total_loss(guesses, item["sharp"], config.early)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.3)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(config.ema, (1 + progress.step) / (10 + progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        progress.step += 1
        progress.minutes = before + (time.monotonic() - began) / 60
        losses.append(
            psnr(guesses[-1].detach().float(), item["sharp"]) - psnr(item["blurred"], item["sharp"])
        )
        if progress.step % 100 == 0:
            row = {
                "step": progress.step,
                "minutes": round(progress.minutes, 2),
                "gain": float(np.mean(losses)),
            }
            losses.clear()
            report(progress, _log(out, row))
        else:
            report(progress, None)
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            save_checkpoint(out / "checkpoint.safetensors", network, average, config, progress)
            checked = {"step": progress.step, "validation": validate(average, Path(config.validation))}
            report(progress, _log(out, checked))
            saved = time.monotonic()
    save_checkpoint(out / "checkpoint.safetensors", network, average, config, progress)
    checked = {"step": progress.step, "validation": validate(average, Path(config.validation))}
    report(progress, _log(out, checked))
    return progress


def learning_rate(config: TrainConfig, progress: Progress, steps: int) -> float:
    """Return the rate: a cosine over the whole training, warmed up anew at every start."""
    done = min(progress.minutes / config.minutes, 1.0)
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
    return config.rate * cosine * min(1.0, (steps + 1) / config.warmup)


def total_loss(guesses: list[Tensor], sharp: Tensor, early: float) -> Tensor:
    """Return the Charbonnier loss of encoded values: the last guess's, and `early` times each other's."""
    losses = [torch.sqrt((guess.float() - sharp) ** 2 + 1e-6).mean() for guess in guesses]
    return losses[-1] + early * sum(losses[:-1], torch.zeros(()))


def psnr(picture: Tensor, sharp: Tensor) -> float:
    """Return the mean of the pictures' PSNR, dB."""
    error = ((picture.clamp(0, 1) - sharp) ** 2).mean((1, 2, 3)).clamp(min=1e-8)
    return float((-10 * torch.log10(error)).mean())


@torch.no_grad()
def validate(network: DeepGyro, folder: Path, *, count: int = 64) -> dict[str, float]:
    """Return mean gains over the blurred picture, dB: by what the network was told, and for exact fields."""
    gains: dict[str, list[float]] = {}
    for pair in islice(map(unpack, read_samples(folder)), count):
        height, width = (side // network.multiple * network.multiple for side in pair.sharp.shape[:2])
        item = {
            name: value[None, :, :height, :width] if value.ndim else value[None]
            for name, value in sample(pair).items()
        }
        before = psnr(item["blurred"], item["sharp"])
        for kind, told in (
            (str(pair.facts["gyro"]), "noisy"),
            (f"exact field, {pair.facts['encoding']}", "exact"),
        ):
            gyro = torch.ones(1) if told == "exact" else item["gyro"]
            with torch.autocast("cpu", torch.bfloat16):
                guess = network(item["blurred"], item[told], gyro, item["linear"])[-1]
            gains.setdefault(kind, []).append(psnr(guess.float(), item["sharp"]) - before)
    return {kind: round(float(np.mean(values)), 3) for kind, values in sorted(gains.items())}


def save_checkpoint(
    path: Path, network: DeepGyro, average: DeepGyro, config: TrainConfig, progress: Progress
) -> None:
    """Write weights and their average, with the training's configuration and progress as metadata."""
    tensors = {f"weights.{k}": v.contiguous() for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v.contiguous() for k, v in average.state_dict().items()}
    about = {"config": asdict(config), "progress": asdict(progress), "deepgyro": __version__}
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"deepgyro": json.dumps(about)})
    part.replace(path)


def load_checkpoint(path: Path, network: DeepGyro, average: DeepGyro) -> Progress:
    """Read weights and their average into networks; return how far the training was.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint, or one of another network.
    """
    from safetensors import SafetensorError, safe_open

    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["deepgyro"])
        for prefix, module in (("weights.", network), ("average.", average)):
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(state)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise DeepGyroError(
            f"{path}: no checkpoint of this network ({' '.join(str(error).split())})"
        ) from error
    return Progress(**about["progress"])


def _batches(config: TrainConfig, sitting: int) -> Iterator[Sample]:
    stream = ShardStream(
        Path(config.pairs), seed=config.seed + 1000 * sitting, patch=config.patch, without=config.without
    )
    loader = torch.utils.data.DataLoader(stream, batch_size=config.batch, num_workers=0, collate_fn=collate)
    return iter(loader)


def _log(out: Path, row: Mapping[str, object]) -> Mapping[str, object]:
    with open(out / "log.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")
    return row
