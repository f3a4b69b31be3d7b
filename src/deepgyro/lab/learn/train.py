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
from .baselines.wrapper import untrained
from .checkpoint import Progress, load_checkpoint, save_checkpoint
from .corrector.network import CorrectorConfig
from .corrector.pairs import CellPairs
from .corrector.training import CorrectorTraining
from .dataset import FreshPairs, Numbers, Sample, ShardPairs, collate
from .journal import Journal, Report
from .optimizer import Adam, MuonAndAdamW, Optimizer, follow
from .recording import Scenes, collate_scenes, recorded
from .settings import TrainConfig
from .sitting import Clock, learning_rate, signals_caught
from .validation import examine, psnr

Pairs = ShardPairs | FreshPairs | Scenes | CellPairs
OUTLIER = 1.5
"""A gradient is shortened to so many times the usual length."""
CHECKPOINT, SLIM = "checkpoint.safetensors", "checkpoint-slim.safetensors"
BEFORE = "checkpoint-before.safetensors"


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    sitting: float | None = None,
    report: Report | None = None,
) -> Progress | None:
    """Train a network, or go on with one.

    A first SIGINT or SIGTERM ends the sitting, with a checkpoint; a second one acts as ever.

    Parameters
    ----------
    config
        What and how.
    out
        Folder for checkpoint.safetensors; checkpoint-before.safetensors, the one before it;
        checkpoint-slim.safetensors, the same as the first with the moments in bfloat16;
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
    if not resume and (out / CHECKPOINT).exists():
        raise DeepGyroError(f"{out}: a checkpoint is there: --resume goes on from it; or give another --out")
    pairs = open_pairs(config)
    fabric = launched(config)
    config = settled(config, fabric.device)
    training = begun(config, fabric, out / CHECKPOINT if resume else None)
    progress = training.progress
    clock = Clock(config, progress, sitting)
    batches = iter(loader(given_on(fabric.device, config, pairs), config, progress.pairs, fabric))
    with (
        signals_caught() as caught,
        closing(Journal(out, training.names, progress, fabric, report)) as journal,
    ):
        if resume:
            known = {"sitting": progress.sittings, "moments": progress.moments, "precision": config.precision}
            journal.write(known, clock.left())
        while True:
            # The first process has the clock, and the say.
            progress.minutes, stopped = fabric.broadcast((progress.minutes, bool(caught)))
            if stopped or clock.over():
                break
            clock.start()
            batch = on_device(next(batches), fabric)
            clock.waited()
            journal.add(training.step(batch))
            clock.stop()
            if progress.step % config.log_steps == 0:
                journal.write(
                    {**journal.means(), "rate": training.optimizer.rate, **clock.speed()}, clock.left()
                )
            else:
                journal.step(clock.left())
            if clock.checkpoint_due() and fabric.is_global_zero:
                save(training, out)
                validate_in(journal, training, clock.left())
        if fabric.is_global_zero:
            save(training, out)
            if not stopped:  # whoever stops it has no time
                validate_in(journal, training, 0.0)
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
    pairs = picture_pairs(config) if config.corrector is None else cell_pairs(config, config.corrector)
    pairs[0]
    return pairs


def check_patch(config: TrainConfig) -> None:
    """Refuse patches that the network cannot take.

    Raises
    ------
    DeepGyroError
        If the sides are not multiples of what it needs.
    """
    multiple = untrained(config.sizes).multiple
    if any(side % multiple for side in config.sides):
        raise DeepGyroError(f"patch is {config.patch}; multiples of {multiple} px are needed")


def picture_pairs(config: TrainConfig) -> ShardPairs | FreshPairs:
    """Open pairs for a network that makes pictures."""
    turned = untrained(config.sizes).turned
    if config.pairs is not None:
        return ShardPairs(
            Path(config.pairs), seed=config.seed, patch=config.sides, without=config.without,
            encoding=config.encoding, turned=turned,
        )  # fmt: skip
    photos, logs = (list(map(Path, paths)) for paths in (config.photos, config.gyro))
    pool = open_pool(photos, logs, height=270, width=480, gyro_columns=config.gyro_columns)
    share = {"encoded": 1.0, "linear": 0.0, None: PHYSICAL_PRESET.image.encoded}[config.encoding]
    return FreshPairs(
        pool, with_encoded_share(PHYSICAL_PRESET, share), seed=config.seed, patch=config.sides,
        without=config.without, turned=turned,
    )  # fmt: skip


def cell_pairs(config: TrainConfig, corrector: CorrectorConfig) -> CellPairs:
    """Open pairs for the network that corrects fields."""
    assert config.pairs is not None  # TrainConfig has seen to it
    cache = Path(corrector.cache) if corrector.cache else None
    return CellPairs(Path(config.pairs), seed=config.seed, draws=corrector.draws, cache=cache)


def given_on(device: torch.device, config: TrainConfig, pairs: Pairs) -> Pairs:
    """Return pairs, or the scenes in their place if it is the device that records them."""
    there = config.pairs_on == "device" or (config.pairs_on == "auto" and device.type == "cuda")
    return Scenes(pairs) if there and isinstance(pairs, FreshPairs) else pairs


def on_device(batch: Sample, fabric: Fabric) -> Sample:
    """Return a batch on the device, recorded there if it is one of scenes."""
    batch = fabric.to_device(batch)
    return recorded(batch) if "scene" in batch else batch


def loader(pairs: Pairs, config: TrainConfig, start: int, fabric: Fabric) -> DataLoader[Sample]:
    """Return this process's batches, from number `start` of all pairs on."""
    return DataLoader(
        pairs,
        batch_sampler=Numbers(start, config.batch, rank=fabric.global_rank, ranks=fabric.world_size),
        num_workers=config.workers,
        collate_fn=collate_scenes if isinstance(pairs, Scenes) else collate,
        pin_memory=fabric.device.type == "cuda",
        multiprocessing_context="spawn" if config.workers else None,  # a fork would copy the threads' locks
        worker_init_fn=_deaf,
        generator=torch.Generator(),  # torch's own stays as a checkpoint left it
    )


def _deaf(_: int) -> None:
    """Let Ctrl-C, which goes to all processes of a terminal, be for the main one to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def launched(config: TrainConfig) -> Fabric:
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


def settled(config: TrainConfig, device: torch.device) -> TrainConfig:
    """Return a configuration whose precision is known: that which suits the device where it is auto."""
    if config.precision != "auto":
        return config
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and has_bf16()
    return replace(config, precision="bf16-mixed" if fast else "32-true")


def begun(
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
            untrained(config.sizes).to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=config.mixed):
            guesses = self.model(batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"])
        loss = total_loss(guesses, sharp, config.early, config.loss)
        self.fabric.backward(loss)
        # Muon's steps have one size whatever the gradient's: one batch that is far off must not steer many.
        most = OUTLIER * progress.gradient if progress.gradient else 0.3
        most = most if config.optimizer == "muon" else math.inf
        gradient = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), most))
        if not math.isfinite(gradient):
            raise DeepGyroError(f"the gradient of step {progress.step} is no number: go on with a lower rate")
        progress.gradient = 0.99 * (progress.gradient or min(gradient, most)) + 0.01 * min(gradient, most)
        self.optimizer.step()
        self.optimizer.zero_grad()
        follow(self.average, self.network, progress.step, config.ema)
        with torch.no_grad():
            gain = psnr(guesses[-1].float(), sharp) - psnr(batch["blurred"], sharp)
        progress.step += 1
        progress.pairs += config.batch * self.fabric.world_size
        return torch.stack([loss.detach(), gain])

    def validated(self, folder: Path) -> tuple[dict[str, float], UInt8[ndarray, "h w 3"]]:
        """Return mean gains on a data set, and some of its pairs as a picture."""
        return examine(self.average, folder, mixed=self.config.mixed)


def validate_in(
    journal: Journal, training: Training | AdversarialTraining | CorrectorTraining, left: float
) -> None:
    """Write into the journal how good a training is, `left` minutes before its sitting ends."""
    values, picture = training.validated(Path(training.config.validation))
    journal.validate(values, picture, left)


def save(training: Training | AdversarialTraining | CorrectorTraining, out: Path) -> None:
    """Write both checkpoints, and keep the one before."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT).exists():
        shutil.copyfile(out / CHECKPOINT, out / BEFORE)  # the training may have gone astray since
    for name, slim in ((CHECKPOINT, False), (SLIM, True)):
        save_checkpoint(
            out / name, training.network, training.average, training.config, training.progress,
            optimizer=training.optimizer, slim=slim,
        )  # fmt: skip


def total_loss(guesses: list[Tensor], sharp: Tensor, early: float, loss: str = "charbonnier") -> Tensor:
    """Return the loss of encoded values: the last guess's, and `early` times each other's."""
    losses = [_error((guess.float() - sharp) ** 2, loss) for guess in guesses]
    return losses[-1] + early * sum(losses[:-1], torch.zeros((), device=sharp.device))


def _error(squares: Tensor, loss: str) -> Tensor:
    if loss == "charbonnier":
        return torch.sqrt(squares + 1e-6).mean()
    if loss == "squared":
        return squares.mean()
    # The factor makes gradients about as long as Charbonnier's: a training can go on with either.
    return 0.03 * torch.log(squares.mean((1, 2, 3)) + 1e-5).mean()
