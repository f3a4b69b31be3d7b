"""Numbered pieces of work, done one after the other here, or beside each other in processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ...errors import DeepGyroError
from ...threads import limit_to_one_core

_REPORT_INTERVAL_S = 0.1
"""A worker tells how far it is, and finds out whether anybody listens, not more often than this, s."""

ProgressCallback = Callable[[int], object]
"""Called by a piece of work with how many more of the things it makes are done."""
TaskResult = TypeVar("TaskResult")
NumberedTask = Callable[[int, ProgressCallback], TaskResult]
"""What is done for a number. It can be pickled, and to do a piece again does no harm."""


def run_tasks_here(
    task: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback
) -> Generator[TaskResult, None, None]:
    """Do one piece after the other in this process, on one core."""
    for number in numbers:
        with limit_to_one_core():
            result = task(number, tick)
        yield result


def run_tasks_in_processes(
    task: NumberedTask[TaskResult], numbers: Iterable[int], tick: ProgressCallback, *, workers: int
) -> Generator[TaskResult, None, None]:
    """Do pieces beside each other, each in a process on one core; yield the results as they are done.

    A process ends when this one has, however that ended, and cleans up first.

    Raises
    ------
    DeepGyroError
        If a process dies. Any other exception in it is raised here as it is.
    """
    crew: dict[Connection, _WorkerProcess] = {}
    waiting = iter(numbers)
    try:
        for _ in range(workers):
            worker = _WorkerProcess()
            crew[worker.connection] = worker
        for worker in crew.values():  # all are starting by now
            worker.send(task)
        busy = set()
        for worker, number in zip(crew.values(), islice(waiting, workers), strict=False):
            worker.send(number)
            busy.add(worker.connection)
        while busy:
            for connection in wait(busy):
                worker = crew[connection]  # type: ignore[index]  # only connections are waited for
                news = worker.receive()
                tick(news.done_count)
                if news.error:
                    raise news.error
                if not news.results:
                    continue
                busy.remove(worker.connection)
                for number in islice(waiting, 1):
                    worker.send(number)
                    busy.add(worker.connection)
                yield from news.results
    finally:
        for worker in crew.values():
            worker.terminate()


@dataclass(frozen=True)
class _WorkerMessage:
    """What a worker says: how many things more are done, and whether its piece is."""

    done_count: int
    results: tuple[Any, ...] = ()
    """The piece's result, if it is done."""
    error: Exception | None = None


class _WorkerProcess:
    """A process that does pieces of work, as seen from here."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
        self.connection, theirs = context.Pipe()
        self.has_reported = False
        self.process = context.Process(target=_run_worker, args=(theirs,), daemon=True)
        with _block_sigint():  # Ctrl-C goes to all processes of a terminal; it is for this one to act on
            self.process.start()
        theirs.close()  # the only one left is the worker's: if it dies, the connection ends

    def send(self, message: object) -> None:
        """Send it the work, or a number."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._death_error() from error

    def receive(self) -> _WorkerMessage:
        """Wait for what it says."""
        try:
            news: _WorkerMessage = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death_error() from error
        self.has_reported = True
        return news

    def terminate(self) -> None:
        """End it at once; what it was at is not cleaned up."""
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
    """Do pieces of work in a worker, until nobody asks for more."""
    done, reported = 0, 0.0

    def tick(count: int) -> None:
        nonlocal done, reported
        done += count
        if time.monotonic() - reported >= _REPORT_INTERVAL_S:
            tell(_WorkerMessage(done))

    def tell(news: _WorkerMessage) -> None:
        nonlocal done, reported
        try:
            connection.send(news)
        except OSError:
            raise SystemExit from None  # nobody listens any more: clean up on the way out
        done, reported = 0, time.monotonic()

    try:
        work: NumberedTask[object] = connection.recv()
        with limit_to_one_core():
            while True:
                number = connection.recv()
                try:
                    result = work(number, tick)
                except Exception as error:
                    error.add_note("".join(traceback.format_exception(error)))
                    tell(_WorkerMessage(done, error=error))
                else:
                    tell(_WorkerMessage(done, (result,)))
    except (EOFError, OSError):
        pass  # the same while waiting


@contextmanager
def _block_sigint() -> Iterator[None]:
    """Hold SIGINT back; a process that is started meanwhile holds it back for ever."""
    if os.name != "posix":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first start does it, and lets SIGINT through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
