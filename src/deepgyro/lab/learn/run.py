"""One run of a training, from its start or a checkpoint to a stop: its clock, the signals and its log."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from numpy import ndarray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ...frames import encode_png
from .checkpoint import Progress
from .settings import TrainConfig

ReportProgress = Callable[[Progress, float, Mapping[str, object] | None], object]
"""Called after every step with the progress, the minutes left in this run, and the row if one is logged."""


class RunClock:
    """Counts the minutes of training, without validation and checkpoints."""

    def __init__(self, config: TrainConfig, progress: Progress, limit: float | None) -> None:
        """Start a run of at most `limit` minutes."""
        self.config, self.progress = config, progress
        self.limit = math.inf if limit is None else limit
        self.first_step, self.first_minute = progress.step, progress.minutes
        self.last_checkpoint = progress.minutes
        self.steps, self.seconds, self.waiting = 0, 0.0, 0.0  # since the last row

    def add_step(self, waiting: float, working: float) -> None:
        """Count a step that waited for data and then worked for so many seconds."""
        self.progress.minutes += (waiting + working) / 60
        self.steps, self.waiting = self.steps + 1, self.waiting + waiting
        self.seconds += waiting + working

    def take_speed(self) -> dict[str, float]:
        """Return steps per second and the share of time spent waiting for data, since the last call."""
        speed = {
            "steps_per_second": round(self.steps / self.seconds, 3),
            "waiting": round(self.waiting / self.seconds, 3),
        }
        self.steps, self.seconds, self.waiting = 0, 0.0, 0.0
        return speed

    def is_over(self) -> bool:
        """Return whether the run has reached its limit, or the training its end."""
        done = self.config.progress_share(self.progress.step, self.progress.minutes)
        return done >= 1 or self.progress.minutes - self.first_minute >= self.limit

    def minutes_left(self) -> float:
        """Return the minutes left in this run; of a training of so many steps, at the mean speed so far."""
        minutes, steps = self.progress.minutes - self.first_minute, self.progress.step - self.first_step
        if self.config.steps:
            left = (self.config.steps - self.progress.step) * minutes / max(steps, 1)
        else:
            left = (self.config.minutes or 0.0) - self.progress.minutes
        return max(min(left, self.limit - minutes), 0.0)

    def is_checkpoint_due(self) -> bool:
        """Return True once every `checkpoint_minutes`."""
        due = self.progress.minutes - self.last_checkpoint >= self.config.checkpoint_minutes
        if due:
            self.last_checkpoint = self.progress.minutes
        return due


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Put the first SIGINT or SIGTERM into a list; the next one acts as before."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # where Python takes no signals
        yield caught
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def catch(number: int, _: object) -> None:
        caught.append(number)
        restore()

    for number in before:
        signal.signal(number, catch)
    try:
        yield caught
    finally:
        restore()


class TrainingLog:
    """What the first process writes: log.jsonl, TensorBoard's curves, samples.png, calls of `report`."""

    def __init__(
        self,
        out: Path,
        names: tuple[str, ...],
        progress: Progress,
        fabric: Fabric,
        report: ReportProgress | None,
    ) -> None:
        """Append to the log in a folder; `names`: of the values of a step."""
        self.out, self.names, self.progress, self.fabric = out, names, progress, fabric
        self.report = report or (lambda progress, left, row: None)
        self.sums, self.count = torch.zeros(len(names), device=fabric.device), 0
        self.board: SummaryWriter | None = None
        if fabric.is_global_zero:
            out.mkdir(parents=True, exist_ok=True)
            self.board = SummaryWriter(str(out), purge_step=progress.step)

    def add_values(self, values: Float[Tensor, " n"]) -> None:
        """Add a step's values to the next row."""
        self.sums, self.count = self.sums + values, self.count + 1

    def take_means(self) -> dict[str, float]:
        """Return the means of all processes since the last call; every process must call it."""
        means = self.fabric.all_reduce(self.sums / self.count, reduce_op="mean")
        self.sums, self.count = torch.zeros_like(self.sums), 0
        return dict(zip(self.names, means.tolist(), strict=True))  # type: ignore[union-attr]

    def write_row(self, values: Mapping[str, object] | None, left: float) -> None:
        """Write a row, draw its numbers, report it; None: report a step alone."""
        if not self.board:
            return
        if values is None:
            self.report(self.progress, left, None)
            return
        row = {"step": self.progress.step, "minutes": round(self.progress.minutes, 3), **values}
        with open(self.out / "log.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            for key, number in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(number, float):
                    self.board.add_scalar(f"{name}/{key}".rstrip("/"), number, self.progress.step)
        self.report(self.progress, left, row)

    def write_validation(
        self, validation: tuple[Mapping[str, float], UInt8[ndarray, "h w 3"] | None], left: float
    ) -> None:
        """Write a row of scores on validation pairs, and show some of the pairs."""
        scores, picture = validation
        self.write_row({"validation": scores}, left)
        if self.board and picture is not None:
            (self.out / "samples.png").write_bytes(encode_png(picture))
            self.board.add_image("samples", picture, self.progress.step, dataformats="HWC")

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.board:
            self.board.close()
