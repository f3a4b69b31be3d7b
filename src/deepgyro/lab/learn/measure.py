"""How fast a training runs, compared with its convolutions alone."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DeepGyroError
from ..report import BenchReport, Row, make_report
from .baselines.wrapper import count_multiply_adds
from .network.stages import DeepGyro, NetworkConfig
from .settings import TrainConfig
from .train import load_batches, make_fabric, open_pairs, resolve_precision
from .training import RestorationTraining

TIMED_STEPS = 10


class NoOperators:
    """Operators that do nothing: no blur, and maps and differences of zeros."""

    def __init__(
        self, paths: Tensor, linear: Tensor, fractions: tuple[float, ...], steps: tuple[float, ...]
    ) -> None:
        self._zero, self._shape = paths.new_zeros(1), (len(paths), 3, *paths.shape[2:])
        self._differences = 3 * len(fractions) * len(steps)

    def maps(self) -> Tensor:
        """Return zeros."""
        return self._zero.expand(self._shape)

    def differences(self, pictures: Tensor) -> Tensor:
        """Return zeros."""
        return self._zero.expand(len(pictures), self._differences, *pictures.shape[2:])

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
    No files are written. A first turn is not counted.

    steps: counted turns; progress: called with the share that is done. A baseline, which has no operators
    between its stages, and missing pairs are a DeepGyroError.
    """
    if config.corrector or not isinstance(config.network_config, NetworkConfig):
        raise DeepGyroError("bench training compares steps with and without operators; here there are none")
    pairs = open_pairs(config)
    fabric = make_fabric(config)
    config = resolve_precision(config, fabric.device)
    whole, without = (RestorationTraining(config, fabric, None) for _ in range(2))
    assert isinstance(without.network, DeepGyro)
    without.network.make_operators = NoOperators
    batches = load_batches(pairs, config, fabric, 0)
    batch = next(batches)
    inputs = batch["blurred"], batch["prior"], batch["gyro"], batch["linear"]
    convolutions = list(_convolution_runs(without.network, inputs, mixed=config.uses_bf16))

    def now_ms() -> float:
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        return 1e3 * time.perf_counter()

    turns: list[list[float]] = []
    for turn in range(steps + 1):
        times = [0.0]
        for run in convolutions:
            start = now_ms()
            run()
            times[0] += now_ms() - start
        for training in (without, whole):
            start = now_ms()
            batch = next(batches)
            arrival = now_ms()
            training.step(batch)
            times.append(now_ms() - start)
        turns.append([*times, arrival - start])
        if progress:
            progress((turn + 1) / (steps + 1))
    alone, least, step, waiting = (float(x) for x in np.median(turns[1:], axis=0))
    gmac = count_multiply_adds(without.network, *inputs)
    row: Row = {
        "device": str(fabric.device),
        "precision": config.precision,
        "gmac": round(gmac, 2),
        "convolutions_ms": round(alone, 2),
        "without_ms": round(least, 2),
        "step_ms": round(step, 2),
        "waiting_ms": round(waiting, 2),
        "gflops": round(6e3 * gmac / alone, 1),  # backward has twice as many as forward
        "share": round(alone / least, 3),
        "operators": round(step / least, 3),
    }
    return make_report("training", [row])


def _convolution_runs(
    network: nn.Module, inputs: tuple[Tensor, ...], *, mixed: bool
) -> Iterator[Callable[[], None]]:
    """Yield a function for each convolution that runs it alone, forward and backward, as in a step."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, y: calls.append((module, inputs[0], y)))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    dtype = torch.bfloat16 if mixed else torch.float32
    for module, x, y in calls:
        own = x.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        own.requires_grad_(x.requires_grad)
        yield partial(_run_convolution, copy.deepcopy(module).to(dtype), own, torch.ones_like(y, dtype=dtype))


def _run_convolution(convolution: nn.Module, x: Tensor, gradient: Tensor) -> None:
    """Run a convolution forward and backward."""
    convolution.zero_grad()
    convolution(x).backward(gradient)
