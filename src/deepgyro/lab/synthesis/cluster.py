"""Numbered tasks on a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from urllib.parse import urlsplit

from ...errors import DeepGyroError, require_extra
from ...threads import limit_to_one_core
from .workers import NumberedTask, ProgressCallback, TaskResult

_TASKS_PER_CORE = 2
"""Tasks submitted for each core: one that runs and one that waits."""
_CONNECT_TIMEOUT_S = 5.0
"""A cluster that does not answer for so long is not there, s."""


@contextmanager
def ray_connection(address: str, *, workers: int) -> Iterator[None]:
    """Connect to a cluster while the block runs.

    `address` is as `ray.init` takes it: ``HOST:PORT``, ``auto``, or ``local`` for a cluster on this machine,
    with as many cores as `workers`, that ends with the block.

    Raises
    ------
    DeepGyroError
        If Ray is not installed, or cannot be reached.
    """
    with require_extra("cluster"):
        import ray
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    options = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        _check_reachable(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise DeepGyroError(f"--ray {address}: no cluster there ({why}); 'local' starts one here") from error
    try:
        yield
    finally:
        ray.shutdown()


def run_tasks_on_ray(
    task: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback
) -> Generator[TaskResult, None, None]:
    """Run a task for every number on the cluster of `ray_connection`, one core each; yield the results.

    A task whose machine is lost is repeated elsewhere. Every machine must have this package in this version,
    and see the files that the task names under the same paths.

    Raises
    ------
    DeepGyroError
        If the cluster loses a task again and again.
    """
    import ray

    remote, shared = ray.remote(num_cpus=1)(_run_task), ray.put(task)
    waiting = iter(numbers)
    ahead = _TASKS_PER_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running = [remote.remote(shared, number) for number in islice(waiting, ahead)]
    while running:
        done, running = ray.wait(running, num_returns=1)
        running += [remote.remote(shared, number) for number in islice(waiting, 1)]
        try:
            count, result = ray.get(done[0])
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            why = " ".join(str(error).split())
            raise DeepGyroError(f"the cluster lost a task ({why}); what is finished is kept") from error
        tick(count)
        yield result


def _run_task(task: NumberedTask[TaskResult], number: int) -> tuple[int, TaskResult]:
    """Run a task in a Ray worker; return the count of its ticks, and its result."""
    counts: list[int] = []
    with limit_to_one_core():
        result = task(number, counts.append)
    return sum(counts), result


def _check_reachable(address: str) -> None:
    """Connect to the address once, since `ray.init` would wait for ever.

    Raises
    ------
    OSError
        If nothing listens there.
    """
    target = urlsplit(f"//{address.removeprefix('ray://')}")
    if target.hostname and target.port:
        socket.create_connection((target.hostname, target.port), timeout=_CONNECT_TIMEOUT_S).close()
