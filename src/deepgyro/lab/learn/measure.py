"""How fast a training runs, against what the same convolutions reach alone."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DeepGyroError
from ..report import BenchReport, Row, make_report
from . import arithmetic
from .dataset import Sample
from .network.stages import DeepGyro, NetworkConfig
from .settings import TrainConfig
from .train import (
    Training,
    lazy_pairs_on_device,
    make_fabric,
    make_loader,
    move_to_device,
    open_pairs,
    resolve_precision,
)

_Convolution = nn.Conv2d | nn.ConvTranspose2d


TIMED_STEPS = 10


class NoOperators:
    """What lies between the stages, left out: nothing is blurred, and there are no differences."""

    def __init__(
        self, paths: Tensor, linear: Tensor, fractions: tuple[float, ...], steps: tuple[float, ...]
    ) -> None:
        """Keep the size; see `operators.between`."""
        self._maps = paths.new_zeros(1).expand(len(paths), 3, *paths.shape[2:])
        self._differences = paths.new_zeros(1).expand(
            len(paths), 3 * len(fractions) * len(steps), *paths.shape[2:]
        )

    def maps(self) -> Tensor:
        """Return zeros."""
        return self._maps

    def differences(self, pictures: Tensor) -> Tensor:
        """Return zeros."""
        return self._differences

    def reblur(self, guesses: Tensor) -> Tensor:
        """Return the guesses."""
        return guesses.detach()


def bench_training(
    config: TrainConfig, *, steps: int = TIMED_STEPS, progress: Callable[[float], None] | None = None
) -> BenchReport:
    """Time steps of a training, with the operators and without, and its convolutions alone, in turns.

    One row, medians, ms: ``convolutions_ms``: every convolution alone, forward and backward, one after the
    other; ``without_ms``: a whole step (data, forward, backward, optimiser, average) without the blur
    operator, the differences and the maps; ``step_ms``: a whole step; ``waiting_ms``: of that for its data.
    ``gflops``: the convolutions' rate alone, 10^9 operations a second; ``share``: which share of it the
    training reaches without the operators; ``operators``: how many times as long a step takes with them.
    The training leaves nothing behind. One turn goes before, uncounted.

    Parameters
    ----------
    config
        A training of ours; a baseline has no operators between its stages.
    steps
        Counted turns.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If the network is a baseline, or there are no pairs.
    """
    if config.corrector or not isinstance(config.network_config, NetworkConfig):
        raise DeepGyroError("bench training compares steps with and without operators; here there are none")
    pairs = open_pairs(config)
    fabric = make_fabric(config)
    config = resolve_precision(config, fabric.device)
    whole, without = (Training(config, fabric, None) for _ in range(2))
    assert isinstance(without.network, DeepGyro)
    without.network.between = NoOperators
    batches = iter(make_loader(lazy_pairs_on_device(fabric.device, config, pairs), config, 0, fabric))
    batch = move_to_device(next(batches), fabric)
    alone = list(_timed_convolutions(without, batch))

    def time_ms(work: Callable[[], object]) -> float:
        _synchronize_device(fabric.device)
        start = time.perf_counter()
        work()
        _synchronize_device(fabric.device)
        return 1e3 * (time.perf_counter() - start)

    turns: list[list[float]] = []
    for turn in range(steps + 1):
        times = [sum(time_ms(work) for work in alone)]
        for training in (without, whole):
            given: list[Sample] = []
            waiting = time_ms(lambda given=given: given.append(move_to_device(next(batches), fabric)))  # type: ignore[misc]
            times.append(waiting + time_ms(lambda step=training.step, given=given: step(given[0])))  # type: ignore[misc]
        turns.append([*times, waiting])
        if progress:
            progress((turn + 1) / (steps + 1))
    convolutions, least, step, waiting = (float(x) for x in np.median(turns[1:], axis=0))
    inputs = batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"]
    gmac = arithmetic.count_multiply_adds(without.network, *inputs)
    row: Row = {
        "device": str(fabric.device),
        "precision": config.precision,
        "gmac": round(gmac, 2),
        "convolutions_ms": round(convolutions, 2),
        "without_ms": round(least, 2),
        "step_ms": round(step, 2),
        "waiting_ms": round(waiting, 2),
        "gflops": round(6e3 * gmac / convolutions, 1),  # backward has twice as many as forward
        "share": round(convolutions / least, 3),
        "operators": round(step / least, 3),
    }
    return make_report("training", [row])


def _synchronize_device(device: torch.device) -> None:
    """Let a GPU finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _timed_convolutions(training: Training, batch: Sample) -> Iterator[Callable[[], None]]:
    """Yield what runs each convolution alone, forward and backward, on inputs of its size in a step."""
    seen: list[tuple[_Convolution, Tensor]] = []

    def note(module: _Convolution, given: tuple[Tensor], _: Tensor) -> None:
        seen.append((module, given[0]))

    modules = [m for m in training.network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [module.register_forward_hook(note) for module in modules]
    training.network(batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"])
    for hook in hooks:
        hook.remove()
    kept = torch.bfloat16 if training.config.uses_bf16 else torch.float32
    for module, given in seen:
        yield _time_convolution(
            copy.deepcopy(module).to(kept), given.detach().to(kept), needed=given.requires_grad
        )


def _time_convolution(convolution: _Convolution, given: Tensor, *, needed: bool) -> Callable[[], None]:
    """Return what runs a convolution forward and backward; `needed`: its input's gradient, too."""
    given = given.contiguous(memory_format=torch.channels_last).requires_grad_(needed)
    gradient = torch.ones_like(convolution(given))

    def work() -> None:
        convolution.zero_grad()
        convolution(given).backward(gradient)

    return work
