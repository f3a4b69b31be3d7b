"""Numbered tasks, one after the other in this process, or side by side in others.

`concurrent.futures` would not do: its processes outlive a parent that is killed, its shutdown waits for the
running tasks (before Python 3.14), and it does not say by which signal a process ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeVar

from ...errors import DeepGyroError
from ...threads import limit_to_one_core

_REPORT_INTERVAL_S = 0.1
"""Least time between two messages of a worker; by sending one it learns whether its parent is there, s."""

ProgressCallback = Callable[[int], object]
"""Called by a task with how many more of the things it makes are done."""
TaskResult = TypeVar("TaskResult")
NumberedTask = Callable[[int, ProgressCallback], TaskResult]
"""What is done for a number: it can be pickled, and repeated without harm."""


def run_tasks_here(
    task: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback
) -> Generator[TaskResult, None, None]:
    """Run a task for one number after the other in this process, on one core."""
    for number in numbers:
        with limit_to_one_core():
            result = task(number, tick)
        yield result


def run_tasks_in_processes(
    task: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback, *, workers: int
) -> Generator[TaskResult, None, None]:
    """Run a task for every number in processes, one core each; yield the results as they arrive.

    A process that outlives this one, however that ended, cleans up and ends.

    Raises
    ------
    DeepGyroError
        If a process dies. Any other exception in it is raised here unchanged.
    """
    processes: dict[Any, _WorkerProcess] = {}
    waiting = iter(numbers)
    try:
        for _ in range(workers):
            worker = _WorkerProcess()
            processes[worker.connection] = worker
        for worker in processes.values():  # all are starting by now
            worker.send(task)
        busy = {worker for worker in processes.values() if worker.send_next(waiting)}
        while busy:
            for connection in wait([worker.connection for worker in busy]):
                worker = processes[connection]
                message = worker.receive()
                tick(message.done_count)
                if message.error:
                    raise message.error
                if message.results and not worker.send_next(waiting):
                    busy.remove(worker)
                yield from message.results
    finally:
        for worker in processes.values():
            worker.terminate()


class _WorkerMessage(NamedTuple):
    done_count: int
    results: tuple[Any, ...] = ()  # of the task, if it is finished
    error: Exception | None = None


class _WorkerProcess:
    """A worker, as its parent sees it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
        self.connection, theirs = context.Pipe()
        self.has_reported = False
        self.process = context.Process(target=_run_worker, args=(theirs,), daemon=True)
        with _block_sigint():  # Ctrl-C goes to all processes of a terminal; the parent acts on it
            self.process.start()
        theirs.close()  # the worker holds the only one left: if it dies, the connection ends

    def send(self, message: object) -> None:
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._death_error() from error

    def send_next(self, numbers: Iterator[int]) -> bool:
        """Send it the next number; return whether there was one."""
        for number in numbers:
            self.send(number)
            return True
        return False

    def receive(self) -> _WorkerMessage:
        try:
            message: _WorkerMessage = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death_error() from error
        self.has_reported = True
        return message

    def terminate(self) -> None:
        """End it at once, without its cleaning up."""
        self.connection.close()
        self.process.terminate()
        self.process.join()

    def _death_error(self) -> DeepGyroError:
        self.process.join(5)
        code = self.process.exitcode or 0
        if code == -signal.SIGKILL:
            how = "was killed, most often because memory ran out: use fewer workers"
        else:
            how = f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
        if code > 0 and not self.has_reported:
            how += ' at its start (a script must call this under `if __name__ == "__main__":`)'
        return DeepGyroError(f"a worker {how}; what is finished is kept, the same command goes on from there")


def _run_worker(connection: Connection) -> None:
    """Run tasks in a worker until its parent is gone."""
    done, reported = 0, 0.0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        if time.monotonic() - reported >= _REPORT_INTERVAL_S:
            report()

    def report(*results: object, error: Exception | None = None) -> None:
        nonlocal done, reported
        try:
            connection.send(_WorkerMessage(done, results, error))
        except OSError:
            raise SystemExit from None  # the parent is gone: clean up on the way out
        done, reported = 0, time.monotonic()

    try:
        task: NumberedTask[object] = connection.recv()
        with limit_to_one_core():
            while True:
                number = connection.recv()
                try:
                    result = task(number, tick)
                except Exception as error:
                    error.add_note("".join(traceback.format_exception(error)))
                    report(error=error)
                else:
                    report(result)
    except (EOFError, OSError):
        pass  # the parent is gone


@contextmanager
def _block_sigint() -> Iterator[None]:
    """Block SIGINT, for good in a process that is started meanwhile."""
    if os.name != "posix":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first start does it, and unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
