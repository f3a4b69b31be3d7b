"""Numbered pieces of work on a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from ...errors import DeepGyroError
from ...threads import limit_to_one_core
from .workers import NumberedTask, ProgressCallback, TaskResult

_TASKS_PER_CORE = 2
"""Pieces handed over for each core: one that it does and one that waits."""
_CONNECT_TIMEOUT_S = 5.0
"""A cluster that does not answer for so long is not there, s."""


@contextmanager
def ray_connection(address: str, *, workers: int) -> Iterator[None]:
    """Be connected to a cluster while the block runs.

    Parameters
    ----------
    address
        As `ray.init` takes it: ``HOST:PORT``, ``auto``, or ``local`` for a cluster on this machine that ends
        with the block.
    workers
        Cores of such a local cluster.

    Raises
    ------
    DeepGyroError
        If Ray is not installed, or cannot be reached.
    """
    ray = _import_ray()
    started = not ray.is_initialized()
    if started:
        _connect_to_ray(ray, address, workers)
    try:
        yield
    finally:
        if started:
            ray.shutdown()


def run_tasks_on_ray(
    task_function: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback
) -> Generator[TaskResult, None, None]:
    """Do pieces on the cluster of `ray_connection`, each on one core; yield the results as they are done.

    A piece whose machine is lost is done again elsewhere. Every machine must have this package in this
    version, and see the files that the work names under the same paths.

    Raises
    ------
    DeepGyroError
        If the cluster loses a piece again and again.
    """
    ray = _import_ray()
    task = ray.remote(num_cpus=1)(_run_task)
    shared = ray.put(task_function)
    waiting = iter(numbers)
    ahead = _TASKS_PER_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running = [task.remote(shared, number) for number in islice(waiting, ahead)]
    while running:
        done, running = ray.wait(running, num_returns=1)
        running += [task.remote(shared, number) for number in islice(waiting, 1)]
        count, result = _get_result(ray, done[0])
        tick(count)
        yield result


def _run_task(task: NumberedTask[TaskResult], number: int) -> tuple[int, TaskResult]:
    """Do a piece in a Ray worker; return how often it ticked, and its result."""
    count = 0

    def tick(more: int) -> None:
        nonlocal count
        count += more

    with limit_to_one_core():
        result = task(number, tick)
    return count, result


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise DeepGyroError("--ray needs Ray: pip install 'deepgyro[cluster]'") from error
    return ray


def _connect_to_ray(ray: Any, address: str, workers: int) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    options = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        _check_reachable(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise DeepGyroError(f"--ray {address}: no cluster there ({why}); 'local' starts one here") from error


def _check_reachable(address: str) -> None:
    """Find out whether anybody listens: `ray.init` would wait for ever."""
    target = urlsplit(f"//{address.removeprefix('ray://')}")
    if target.hostname and target.port:
        socket.create_connection((target.hostname, target.port), timeout=_CONNECT_TIMEOUT_S).close()


def _get_result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        why = " ".join(str(error).split())
        raise DeepGyroError(f"the cluster lost a piece of work ({why}); what is finished is kept") from error
