"""`deepgyro train`: the loop, from a configuration to checkpoints and a log."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader, default_collate

from ...errors import DeepGyroError
from ...runtime.session import has_bf16
from ..synthesis import PHYSICAL_PRESET, open_pool, with_encoded_share
from .baselines.adversarial import AdversarialTraining
from .baselines.wrapper import build_network
from .checkpoint import Progress, save_checkpoint
from .corrector.pairs import CellPairs
from .corrector.training import CorrectorTraining
from .dataset import FreshPairs, Sample, ShardPairs, batch_numbers, find_shards
from .rendering import LazyPairs, collate_lazy_pairs, render_batch
from .run import ReportProgress, Run, catch_signals
from .settings import TrainConfig
from .training import RestorationTraining, Training

CHECKPOINT_FILE, SLIM_CHECKPOINT_FILE = "checkpoint.safetensors", "checkpoint-slim.safetensors"
PREVIOUS_CHECKPOINT_FILE = "checkpoint-before.safetensors"

AnyPairs = ShardPairs | FreshPairs | CellPairs


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    stop_after: float | None = None,
    report: ReportProgress | None = None,
) -> Progress | None:
    """Train a network, or continue a training; return how far it is (None in a process that helps the first).

    A first SIGINT or SIGTERM ends the run with a checkpoint; a second one acts as usual.

    Parameters
    ----------
    out
        Folder for checkpoint.safetensors; checkpoint-before.safetensors, the one before it;
        checkpoint-slim.safetensors, the weights and their average in float16, to be kept in a repository;
        log.jsonl; TensorBoard's events; samples.png: blurred, guess and sharp of some validation pairs
        (not of the field corrector).
    resume
        Continue from the checkpoint there.
    stop_after
        Stop after so many minutes; the schedule stays that of the whole training.
    report
        Called by the first process after every step.

    Raises
    ------
    DeepGyroError
        If there are no pairs, the checkpoint cannot be continued, a checkpoint would be overwritten, or the
        gradient is not finite.
    """
    if not resume and (out / CHECKPOINT_FILE).exists():
        raise DeepGyroError(f"{out}: has a checkpoint: --resume continues from it; or give another --out")
    pairs = open_pairs(config)
    fabric = make_fabric(config)
    config = resolve_precision(config, fabric.device)
    training = make_training(config, fabric, out / CHECKPOINT_FILE if resume else None)
    progress = training.progress
    batches = load_batches(pairs, config, fabric, progress.pairs)
    with catch_signals() as caught, closing(Run(training, out, stop_after=stop_after, report=report)) as run:
        if resume:
            run.write_row({"run": progress.runs, "moments": progress.moments, "precision": config.precision})
        while True:
            # The first process decides for all.
            progress.minutes, stopped = fabric.broadcast((progress.minutes, bool(caught)))
            if stopped or run.is_over():
                break
            start = time.monotonic()
            batch = next(batches)
            arrival = time.monotonic()
            values = training.step(batch)
            run.add_step(values, arrival - start, time.monotonic() - arrival)
            run.write_row(run.take_row() if progress.step % config.log_steps == 0 else None)
            if run.is_checkpoint_due() and fabric.is_global_zero:
                save_checkpoints(training, out)
                run.validate()
        if fabric.is_global_zero:
            save_checkpoints(training, out)
            if not stopped:  # whoever stops it has no time
                run.validate()
    return progress if fabric.is_global_zero else None


def open_pairs(config: TrainConfig) -> AnyPairs:
    """Open the pairs to train on, and read one; check the patches, and that there are validation pairs."""
    multiple = 1 if config.corrector else build_network(config.network_config).multiple
    if any(side % multiple for side in config.patch_sides):
        raise DeepGyroError(f"patch is {config.patch}; multiples of {multiple} px are needed")
    find_shards(Path(config.validation))
    pairs = _make_pairs(config)
    pairs[0]
    return pairs


def _make_pairs(config: TrainConfig) -> AnyPairs:
    """Return the pairs of a data set, or pairs that are made of photos and gyro logs."""
    if config.corrector:
        assert config.pairs is not None  # TrainConfig checks it
        cache = Path(config.corrector.cache) if config.corrector.cache else None
        return CellPairs(Path(config.pairs), seed=config.seed, draws=config.corrector.draws, cache=cache)
    turned = build_network(config.network_config).turned
    if config.pairs is not None:
        return ShardPairs(
            Path(config.pairs), seed=config.seed, patch=config.patch_sides, without=config.without,
            encoding=config.encoding, turned=turned,
        )  # fmt: skip
    photos, logs = (list(map(Path, paths)) for paths in (config.photos, config.gyro))
    pool = open_pool(photos, logs, height=270, width=480, gyro_columns=config.gyro_columns)
    share = {"encoded": 1.0, "linear": 0.0, None: PHYSICAL_PRESET.image.encoded}[config.encoding]
    return FreshPairs(
        pool, with_encoded_share(PHYSICAL_PRESET, share), seed=config.seed, patch=config.patch_sides,
        without=config.without, turned=turned,
    )  # fmt: skip


def load_batches(pairs: AnyPairs, config: TrainConfig, fabric: Fabric, start: int) -> Iterator[Sample]:
    """Yield this process's batches on its device, from number `start` of all pairs on.

    Pairs that are made on the fly are rendered there if the configuration says so (`pairs_on`).
    """
    cuda = fabric.device.type == "cuda"
    on_device = config.pairs_on == "device" or (config.pairs_on == "auto" and cuda)
    dataset = LazyPairs(pairs) if on_device and isinstance(pairs, FreshPairs) else pairs
    lazy = isinstance(dataset, LazyPairs)
    loader = DataLoader(
        dataset,
        batch_sampler=batch_numbers(start, config.batch, rank=fabric.global_rank, ranks=fabric.world_size),
        num_workers=config.workers,
        collate_fn=collate_lazy_pairs if lazy else default_collate,
        pin_memory=cuda,
        multiprocessing_context="spawn" if config.workers else None,  # a fork would copy the threads' locks
        worker_init_fn=_ignore_sigint,
        generator=torch.Generator(),  # torch's own stays as a checkpoint left it
    )
    for batch in loader:
        batch = fabric.to_device(batch)
        yield render_batch(batch) if lazy else batch


def _ignore_sigint(_: int) -> None:
    """Leave Ctrl-C, which goes to all processes of a terminal, to the main one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def make_fabric(config: TrainConfig) -> Fabric:
    """Return the devices; with several, this same command is started for each other one."""
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            # Parameters without a gradient are always the same ones.
            strategy=DDPStrategy(static_graph=True) if config.devices > 1 else "auto",
            precision="32-true",  # its bf16-mixed rounds the inputs too: paths of 100 px to half a pixel
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        asked = f"accelerator {config.accelerator}, devices {config.devices}"
        raise DeepGyroError(f"{asked}: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric


def resolve_precision(config: TrainConfig, device: torch.device) -> TrainConfig:
    """Return a configuration with the precision that suits the device in place of auto."""
    if config.precision != "auto":
        return config
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and has_bf16()
    return replace(config, precision="bf16-mixed" if fast else "32-true")


def make_training(config: TrainConfig, fabric: Fabric, checkpoint: Path | None) -> Training[Any]:
    """Start a training, or continue from a checkpoint."""
    if config.deblurgan:
        return AdversarialTraining(config, config.deblurgan, fabric, checkpoint)
    if config.corrector:
        return CorrectorTraining(config, config.corrector, fabric, checkpoint)
    return RestorationTraining(config, fabric, checkpoint)


def save_checkpoints(training: Training[Any], out: Path) -> None:
    """Write both checkpoints, and keep the one before: the training may have diverged since."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT_FILE).exists():
        shutil.copyfile(out / CHECKPOINT_FILE, out / PREVIOUS_CHECKPOINT_FILE)
    for name, slim in ((CHECKPOINT_FILE, False), (SLIM_CHECKPOINT_FILE, True)):
        save_checkpoint(
            out / name, training.network, training.average, training.config, training.progress,
            optimizer=training.optimizer, slim=slim,
        )  # fmt: skip
