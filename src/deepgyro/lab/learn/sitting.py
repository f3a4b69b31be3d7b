"""How long a sitting is, who ends it, and how fast is learnt meanwhile."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .checkpoint import Progress
from .settings import TrainConfig


class TrainingClock:
    """Counts the minutes of training, and knows what is due."""

    def __init__(self, config: TrainConfig, progress: Progress, sitting: float | None) -> None:
        """Begin a sitting of so many minutes, or of as many as are left."""
        self.config, self.progress = config, progress
        self.sitting = math.inf if sitting is None else sitting
        self.first_step, self.first_minute = progress.step, progress.minutes
        self.checked = progress.minutes
        self.steps, self.seconds, self.waiting = 0, 0.0, 0.0  # since the last row

    def start_step(self) -> None:
        """Begin a step: with waiting for its data."""
        self.began = time.monotonic()

    def data_arrived(self) -> None:
        """Have the data."""
        self.waiting += time.monotonic() - self.began

    def stop_step(self) -> None:
        """End a step."""
        seconds = time.monotonic() - self.began
        self.progress.minutes += seconds / 60
        self.steps, self.seconds = self.steps + 1, self.seconds + seconds

    def take_speed(self) -> dict[str, float]:
        """Return steps a second and the share of the time that data was waited for, since the last row."""
        speed = {
            "steps_per_second": round(self.steps / self.seconds, 3),
            "waiting": round(self.waiting / self.seconds, 3),
        }
        self.steps, self.seconds, self.waiting = 0, 0.0, 0.0
        return speed

    def is_over(self) -> bool:
        """Return whether the sitting, or the training, is."""
        done = self.config.progress_share(self.progress.step, self.progress.minutes)
        return done >= 1 or self.progress.minutes - self.first_minute >= self.sitting

    def minutes_left(self) -> float:
        """Return the minutes left in this sitting; where steps are counted, as they went so far."""
        minutes, steps = self.progress.minutes - self.first_minute, self.progress.step - self.first_step
        if self.config.steps:
            left = (self.config.steps - self.progress.step) * minutes / max(steps, 1)
        else:
            left = (self.config.minutes or 0.0) - self.progress.minutes
        return max(min(left, self.sitting - minutes), 0.0)

    def is_checkpoint_due(self) -> bool:
        """Return, once every so many minutes, that a checkpoint is due."""
        due = self.progress.minutes - self.checked >= self.config.checkpoint_minutes
        if due:
            self.checked = self.progress.minutes
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


def learning_rate(config: TrainConfig, progress: Progress) -> float:
    """Return the rate: level, but for a rise where the moments began, and the halvings or the fall."""
    done = min(config.progress_share(progress.step, progress.minutes), 1.0)
    rise = min(1.0, (progress.step - progress.moments_since + 1) / config.warmup)
    if config.halvings:
        return config.rate * rise * 0.5 ** min(int(done * (config.halvings + 1)), config.halvings)
    return config.rate * rise * max(0.01, min(1.0, (1 - done) / config.fall))
