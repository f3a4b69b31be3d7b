"""`deepgyro train`: one file to read from top to bottom."""

from __future__ import annotations

import math
import shutil
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from numpy import ndarray
from torch import Tensor
from torch.utils.data import DataLoader

from ...errors import DeepGyroError
from ...runtime.session import has_bf16
from ..synthesis import PHYSICAL_PRESET, open_pool, with_encoded_share
from ..synthesis.shards import SHARD_PATTERN
from .baselines.adversarial import AdversarialTraining
from .baselines.wrapper import build_network
from .checkpoint import Progress, load_checkpoint, save_checkpoint
from .corrector.network import CorrectorConfig
from .corrector.pairs import CellPairs
from .corrector.training import CorrectorTraining
from .dataset import BatchNumbers, FreshPairs, Sample, ShardPairs, collate_samples
from .journal import ReportProgress, TrainingLog
from .optimizer import Adam, MuonAndAdamW, Optimizer, update_average
from .recording import LazyPairs, collate_lazy_pairs, render_batch
from .settings import TrainConfig
from .sitting import TrainingClock, catch_signals, learning_rate
from .validation import mean_psnr, validate_with_pictures

TrainingPairs = ShardPairs | FreshPairs | LazyPairs | CellPairs
MAX_GRADIENT_RATIO = 1.5
"""A gradient is shortened to so many times the usual length."""
CHECKPOINT_FILE, SLIM_CHECKPOINT_FILE = "checkpoint.safetensors", "checkpoint-slim.safetensors"
PREVIOUS_CHECKPOINT_FILE = "checkpoint-before.safetensors"


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    sitting: float | None = None,
    report: ReportProgress | None = None,
) -> Progress | None:
    """Train a network, or go on with one.

    A first SIGINT or SIGTERM ends the sitting, with a checkpoint; a second one acts as ever.

    Parameters
    ----------
    config
        What and how.
    out
        Folder for checkpoint.safetensors; checkpoint-before.safetensors, the one before it;
        checkpoint-slim.safetensors, the weights and their average in float16, to be kept in a repository;
        log.jsonl; TensorBoard's events; samples.png: blurred, guess and sharp of some validation pairs
        (not of a network that corrects fields).
    resume
        Go on from the checkpoint there.
    sitting
        Stop after so many minutes; the schedule stays that of the whole training.
    report
        Told by the first process.

    Returns
    -------
    progress
        How far the training is; None in a process that only helps the first.

    Raises
    ------
    DeepGyroError
        If there are no pairs, or a checkpoint that cannot be gone on from, or one that would be lost; or if
        the gradient is no number any more.
    """
    if not resume and (out / CHECKPOINT_FILE).exists():
        raise DeepGyroError(f"{out}: a checkpoint is there: --resume goes on from it; or give another --out")
    pairs = open_pairs(config)
    fabric = make_fabric(config)
    config = resolve_precision(config, fabric.device)
    training = make_training(config, fabric, out / CHECKPOINT_FILE if resume else None)
    progress = training.progress
    clock = TrainingClock(config, progress, sitting)
    batches = iter(
        make_loader(lazy_pairs_on_device(fabric.device, config, pairs), config, progress.pairs, fabric)
    )
    with (
        catch_signals() as caught,
        closing(TrainingLog(out, training.names, progress, fabric, report)) as journal,
    ):
        if resume:
            known = {"sitting": progress.sittings, "moments": progress.moments, "precision": config.precision}
            journal.write_row(known, clock.minutes_left())
        while True:
            # The first process has the clock, and the say.
            progress.minutes, stopped = fabric.broadcast((progress.minutes, bool(caught)))
            if stopped or clock.is_over():
                break
            clock.start_step()
            batch = move_to_device(next(batches), fabric)
            clock.data_arrived()
            journal.add_values(training.step(batch))
            clock.stop_step()
            if progress.step % config.log_steps == 0:
                journal.write_row(
                    {**journal.take_means(), "rate": training.optimizer.rate, **clock.take_speed()},
                    clock.minutes_left(),
                )
            else:
                journal.report_step(clock.minutes_left())
            if clock.is_checkpoint_due() and fabric.is_global_zero:
                save_checkpoints(training, out)
                log_validation(journal, training, clock.minutes_left())
        if fabric.is_global_zero:
            save_checkpoints(training, out)
            if not stopped:  # whoever stops it has no time
                log_validation(journal, training, 0.0)
    return progress if fabric.is_global_zero else None


def open_pairs(config: TrainConfig) -> ShardPairs | FreshPairs | CellPairs:
    """Open the pairs to train on, try one, and see that there are some to validate with.

    Raises
    ------
    DeepGyroError
        If there are none, or the patches don't fit.
    """
    if not config.corrector:
        check_patch(config)
    if not any(Path(config.validation).glob(SHARD_PATTERN)):
        raise DeepGyroError(
            f"{config.validation}: no {SHARD_PATTERN} there (validation); make some with deepgyro synth"
        )
    pairs = (
        open_picture_pairs(config) if config.corrector is None else open_cell_pairs(config, config.corrector)
    )
    pairs[0]
    return pairs


def check_patch(config: TrainConfig) -> None:
    """Refuse patches that the network cannot take.

    Raises
    ------
    DeepGyroError
        If the sides are not multiples of what it needs.
    """
    multiple = build_network(config.network_config).multiple
    if any(side % multiple for side in config.patch_sides):
        raise DeepGyroError(f"patch is {config.patch}; multiples of {multiple} px are needed")


def open_picture_pairs(config: TrainConfig) -> ShardPairs | FreshPairs:
    """Open pairs for a network that makes pictures."""
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


def open_cell_pairs(config: TrainConfig, corrector: CorrectorConfig) -> CellPairs:
    """Open pairs for the network that corrects fields."""
    assert config.pairs is not None  # TrainConfig has seen to it
    cache = Path(corrector.cache) if corrector.cache else None
    return CellPairs(Path(config.pairs), seed=config.seed, draws=corrector.draws, cache=cache)


def lazy_pairs_on_device(device: torch.device, config: TrainConfig, pairs: TrainingPairs) -> TrainingPairs:
    """Return pairs, or the scenes in their place if it is the device that records them."""
    there = config.pairs_on == "device" or (config.pairs_on == "auto" and device.type == "cuda")
    return LazyPairs(pairs) if there and isinstance(pairs, FreshPairs) else pairs


def move_to_device(batch: Sample, fabric: Fabric) -> Sample:
    """Return a batch on the device, recorded there if it is one of scenes."""
    batch = fabric.to_device(batch)
    return render_batch(batch) if "scene" in batch else batch


def make_loader(pairs: TrainingPairs, config: TrainConfig, start: int, fabric: Fabric) -> DataLoader[Sample]:
    """Return this process's batches, from number `start` of all pairs on."""
    return DataLoader(
        pairs,
        batch_sampler=BatchNumbers(start, config.batch, rank=fabric.global_rank, ranks=fabric.world_size),
        num_workers=config.workers,
        collate_fn=collate_lazy_pairs if isinstance(pairs, LazyPairs) else collate_samples,
        pin_memory=fabric.device.type == "cuda",
        multiprocessing_context="spawn" if config.workers else None,  # a fork would copy the threads' locks
        worker_init_fn=_ignore_sigint,
        generator=torch.Generator(),  # torch's own stays as a checkpoint left it
    )


def _ignore_sigint(_: int) -> None:
    """Let Ctrl-C, which goes to all processes of a terminal, be for the main one to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def make_fabric(config: TrainConfig) -> Fabric:
    """Return the devices at work; with several, this same command is started for each other one.

    Raises
    ------
    DeepGyroError
        If there are no such devices.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            # Parameters that take no part have no gradient, and always the same ones don't.
            strategy=DDPStrategy(static_graph=True) if config.devices > 1 else "auto",
            precision="32-true",  # its bf16-mixed rounds the inputs too: paths of 100 px to half a pixel
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        asked = f"accelerator {config.accelerator}, devices {config.devices}"
        raise DeepGyroError(f"{asked}: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric


def resolve_precision(config: TrainConfig, device: torch.device) -> TrainConfig:
    """Return a configuration whose precision is known: that which suits the device where it is auto."""
    if config.precision != "auto":
        return config
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and has_bf16()
    return replace(config, precision="bf16-mixed" if fast else "32-true")


def make_training(
    config: TrainConfig, fabric: Fabric, checkpoint: Path | None
) -> Training | AdversarialTraining | CorrectorTraining:
    """Return a training that begins, or goes on from a checkpoint."""
    if config.deblurgan:
        return AdversarialTraining(config, config.deblurgan, fabric, checkpoint)
    if config.corrector:
        return CorrectorTraining(config, config.corrector, fabric, checkpoint)
    return Training(config, fabric, checkpoint)


class Training:
    """The network, and all that changes with it at every step."""

    names = ("loss", "gain")

    def __init__(self, config: TrainConfig, fabric: Fabric, checkpoint: Path | None) -> None:
        """Begin, or go on from a checkpoint."""
        torch.manual_seed(config.seed)
        self.config, self.fabric = config, fabric
        self.network, self.average = (
            build_network(config.network_config).to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for _ in range(2)
        )
        self.average.requires_grad_(False).load_state_dict(self.network.state_dict())
        self.optimizer: Optimizer = (
            MuonAndAdamW(self.network, config.rate)
            if config.optimizer == "muon"
            else Adam(self.network, config.rate)
        )
        self.progress = Progress()
        if checkpoint:
            self.progress = load_checkpoint(checkpoint, self.network, self.average, self.optimizer)
        self.progress.sittings += 1
        self.model = fabric.setup_module(self.network)

    def step(self, batch: Sample) -> Tensor:
        """Do one step; return the loss and the gain over the blurred pictures, dB: (2,)."""
        config, progress, sharp = self.config, self.progress, batch["sharp"]
        self.optimizer.rate = learning_rate(config, progress)
        with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=config.uses_bf16):
            guesses = self.model(batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"])
        loss = compute_loss(guesses, sharp, config.early, config.loss)
        self.fabric.backward(loss)
        # Muon's steps have one size whatever the gradient's: one batch that is far off must not steer many.
        most = MAX_GRADIENT_RATIO * progress.gradient if progress.gradient else 0.3
        most = most if config.optimizer == "muon" else math.inf
        gradient = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), most))
        if not math.isfinite(gradient):
            raise DeepGyroError(f"the gradient of step {progress.step} is no number: go on with a lower rate")
        progress.gradient = 0.99 * (progress.gradient or min(gradient, most)) + 0.01 * min(gradient, most)
        self.optimizer.step()
        self.optimizer.zero_grad()
        update_average(self.average, self.network, progress.step, config.ema)
        with torch.no_grad():
            gain = mean_psnr(guesses[-1].float(), sharp) - mean_psnr(batch["blurred"], sharp)
        progress.step += 1
        progress.pairs += config.batch * self.fabric.world_size
        return torch.stack([loss.detach(), gain])

    def validate(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"]]:
        """Return mean gains on a data set, and some of its pairs as a picture."""
        return validate_with_pictures(self.average, folder, mixed=self.config.uses_bf16)


def log_validation(
    journal: TrainingLog, training: Training | AdversarialTraining | CorrectorTraining, left: float
) -> None:
    """Write into the journal how good a training is, `left` minutes before its sitting ends."""
    values, picture = training.validate(Path(training.config.validation))
    journal.write_validation(values, picture, left)


def save_checkpoints(training: Training | AdversarialTraining | CorrectorTraining, out: Path) -> None:
    """Write both checkpoints, and keep the one before."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT_FILE).exists():
        shutil.copyfile(
            out / CHECKPOINT_FILE, out / PREVIOUS_CHECKPOINT_FILE
        )  # the training may have gone astray since
    for name, slim in ((CHECKPOINT_FILE, False), (SLIM_CHECKPOINT_FILE, True)):
        save_checkpoint(
            out / name, training.network, training.average, training.config, training.progress,
            optimizer=training.optimizer, slim=slim,
        )  # fmt: skip


def compute_loss(guesses: list[Tensor], sharp: Tensor, early: float, loss: str = "charbonnier") -> Tensor:
    """Return the loss of encoded values: the last guess's, and `early` times each other's."""
    losses = [_squared_error((guess.float() - sharp) ** 2, loss) for guess in guesses]
    return losses[-1] + early * sum(losses[:-1], torch.zeros((), device=sharp.device))


def _squared_error(squares: Tensor, loss: str) -> Tensor:
    if loss == "charbonnier":
        return torch.sqrt(squares + 1e-6).mean()
    if loss == "squared":
        return squares.mean()
    # The factor makes gradients about as long as Charbonnier's: a training can go on with either.
    return 0.03 * torch.log(squares.mean((1, 2, 3)) + 1e-5).mean()
