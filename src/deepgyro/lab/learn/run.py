"""One run of a training, from its start or a checkpoint to a stop: its time, its log, and the signals."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ...frames import encode_png
from .checkpoint import Progress
from .training import Training

ReportProgress = Callable[[Progress, float, Mapping[str, object] | None], object]
"""Called after every step with the progress, the minutes left in this run, and the row if one is logged."""


class Run:
    """The time and the log of a run: log.jsonl, TensorBoard's curves, samples.png of the first process."""

    def __init__(
        self, training: Training[Any], out: Path, *, stop_after: float | None, report: ReportProgress | None
    ) -> None:
        """Start a run of at most `stop_after` minutes; append to the log in a folder."""
        self.training, self.progress, self.out = training, training.progress, out
        self.limit = math.inf if stop_after is None else stop_after
        self.report = report or (lambda progress, left, row: None)
        self.first_step, self.first_minute = self.progress.step, self.progress.minutes
        self.last_checkpoint = self.progress.minutes
        self._start_row()
        self.board: SummaryWriter | None = None
        if training.fabric.is_global_zero:
            out.mkdir(parents=True, exist_ok=True)
            self.board = SummaryWriter(str(out), purge_step=self.progress.step)

    def _start_row(self) -> None:
        """Count from zero what the next row has."""
        self.sums = torch.zeros(len(self.training.names), device=self.training.fabric.device)
        self.steps, self.seconds, self.waiting = 0, 0.0, 0.0

    def add_step(self, values: Float[Tensor, " n"], waiting: float, working: float) -> None:
        """Count a step's values, and the seconds that it waited for data and then worked."""
        self.sums, self.steps = self.sums + values, self.steps + 1
        self.waiting, self.seconds = self.waiting + waiting, self.seconds + waiting + working
        self.progress.minutes += (waiting + working) / 60

    def is_over(self) -> bool:
        """Return whether the run has reached its limit, or the training its end."""
        done = self.training.config.progress_share(self.progress.step, self.progress.minutes)
        return done >= 1 or self.progress.minutes - self.first_minute >= self.limit

    def minutes_left(self) -> float:
        """Return the minutes left in this run; of a training of so many steps, at the mean speed so far."""
        config, minutes = self.training.config, self.progress.minutes - self.first_minute
        if config.steps:
            steps = max(self.progress.step - self.first_step, 1)
            left = (config.steps - self.progress.step) * minutes / steps
        else:
            left = (config.minutes or 0.0) - self.progress.minutes
        return max(min(left, self.limit - minutes), 0.0)

    def is_checkpoint_due(self) -> bool:
        """Return True once every `checkpoint_minutes`."""
        due = self.progress.minutes - self.last_checkpoint >= self.training.config.checkpoint_minutes
        if due:
            self.last_checkpoint = self.progress.minutes
        return due

    def take_row(self) -> dict[str, object]:
        """Return means and speed since the last row; every process must call it."""
        means: Any = self.training.fabric.all_reduce(self.sums / self.steps, reduce_op="mean")
        row = {
            **dict(zip(self.training.names, means.tolist(), strict=True)),
            "rate": self.training.optimizer.rate,
            "steps_per_second": round(self.steps / self.seconds, 3),
            "waiting": round(self.waiting / self.seconds, 3),
        }
        self._start_row()
        return row

    def write_row(self, values: Mapping[str, object] | None) -> None:
        """Write a row, draw its numbers, report it; None: report a step alone."""
        if not self.board:
            return
        row = values and {"step": self.progress.step, "minutes": round(self.progress.minutes, 3), **values}
        if row is not None and values is not None:
            with open(self.out / "log.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")
            for name, value in values.items():
                for key, number in value.items() if isinstance(value, dict) else [("", value)]:
                    if isinstance(number, float):
                        self.board.add_scalar(f"{name}/{key}".rstrip("/"), number, self.progress.step)
        self.report(self.progress, self.minutes_left(), row)

    def validate(self) -> None:
        """Write a row of scores on validation pairs, and show some of the pairs."""
        scores, picture = self.training.validate(Path(self.training.config.validation))
        self.write_row({"validation": scores})
        if self.board and picture is not None:
            (self.out / "samples.png").write_bytes(encode_png(picture))
            self.board.add_image("samples", picture, self.progress.step, dataformats="HWC")

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.board:
            self.board.close()


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
