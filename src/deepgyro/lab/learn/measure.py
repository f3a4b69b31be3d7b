"""How fast a training runs, compared with its convolutions alone."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DeepGyroError
from ..report import BenchReport, Row, make_report
from .baselines.wrapper import count_multiply_adds
from .dataset import Sample
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
    No files are written. One turn goes before, uncounted.

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
    whole, without = (RestorationTraining(config, fabric, None) for _ in range(2))
    assert isinstance(without.network, DeepGyro)
    without.network.make_operators = NoOperators
    batches = load_batches(pairs, config, fabric, 0)
    batch = next(batches)
    inputs = batch["blurred"], batch["noisy"], batch["gyro"], batch["linear"]
    convolutions = list(_convolution_runs(without.network, inputs, mixed=config.uses_bf16))

    def time_ms(work: Callable[[], object]) -> float:
        _synchronize_device(fabric.device)
        start = time.perf_counter()
        work()
        _synchronize_device(fabric.device)
        return 1e3 * (time.perf_counter() - start)

    turns: list[list[float]] = []
    for turn in range(steps + 1):
        times = [sum(time_ms(run) for run in convolutions)]
        for training in (without, whole):
            loaded: list[Sample] = []
            waiting = time_ms(lambda loaded=loaded: loaded.append(next(batches)))  # type: ignore[misc]
            times.append(waiting + time_ms(lambda step=training.step, loaded=loaded: step(loaded[0])))  # type: ignore[misc]
        turns.append([*times, waiting])
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


def _synchronize_device(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _convolution_runs(
    network: nn.Module, inputs: tuple[Tensor, ...], *, mixed: bool
) -> Iterator[Callable[[], None]]:
    """Yield a function for each convolution that runs it alone, forward and backward, as in a step."""
    calls: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, _: calls.append((module, inputs[0])))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    dtype = torch.bfloat16 if mixed else torch.float32
    for module, x in calls:
        yield _convolution_run(copy.deepcopy(module).to(dtype), x.detach().to(dtype), x.requires_grad)


def _convolution_run(convolution: nn.Module, x: Tensor, needs_gradient: bool) -> Callable[[], None]:
    """Return what runs a convolution forward and backward, with the gradient of its input if needed."""
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(needs_gradient)
    gradient = torch.ones_like(convolution(x))

    def run() -> None:
        convolution.zero_grad()
        convolution(x).backward(gradient)

    return run
