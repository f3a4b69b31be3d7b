"""Work shared among the processor's cores, in bands of rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_single_core: ContextVar[bool] = ContextVar("_alone", default=False)


@cache
def _thread_pool(process: int) -> ThreadPoolExecutor:
    """Return the process's pool; one that was forked off has none of its parent's threads."""
    return ThreadPoolExecutor(core_count(), thread_name_prefix="deepgyro")


def core_count() -> int:
    """Return how many cores this process may use; 1 within `limit_to_one_core`."""
    if _single_core.get():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def limit_to_one_core() -> Iterator[None]:
    """Keep the work inside on one core, as a worker does that has others beside it."""
    import cv2

    before = cv2.getNumThreads()
    token = _single_core.set(True)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
        _single_core.reset(token)


def run_in_bands(
    height: int, rows: int, work: Callable[[int, int], object], *, first: int = 0, step: int = 1
) -> None:
    """Call ``work(top, bottom)`` for bands of `rows` rows that cover 0 to height, on all cores.

    With `first` and `step` only for every step-th band from the first on. The bands do not depend on the
    number of cores, so neither does the result. The work must release the interpreter's lock (NumPy, Numba
    with ``nogil``) and must not call `run_in_bands` itself.
    """
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)][first::step]
    left = iter(bands)

    def take() -> None:
        for band in left:
            work(*band)

    # This thread works too: a task for each band would cost 15 us each, and a core would sit and wait.
    others = [_thread_pool(os.getpid()).submit(take) for _ in range(min(core_count(), len(bands)) - 1)]
    try:
        take()
    finally:
        started = [other for other in others if not other.cancel()]
        wait(started)
    for other in started:
        other.result()
