"""Work that goes on beside the main thread, with a bounded number of things in between."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

_QUEUE_POLL_S = 0.1
"""How often a thread looks whether it is still wanted, s."""


def prefetch(items: Iterable[Item], max_ahead: int) -> Generator[Item, None, None]:
    """Yield what is iterated in a thread of its own, which is ahead by at most `max_ahead` items.

    Close it (`contextlib.closing`) where it may be left before its end: that ends the thread.
    """
    line: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(max_ahead)
    left = threading.Event()

    def run() -> None:
        try:
            for item in items:
                if not _put_unless_abandoned(line, (item, None, False), left):
                    return
        except BaseException as error:
            _put_unless_abandoned(line, (None, error, True), left)
        else:
            _put_unless_abandoned(line, (None, None, True), left)

    thread = threading.Thread(target=run, name="deepgyro-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = line.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        left.set()
        thread.join()


@contextmanager
def run_in_background(work: Callable[[Item], object], max_pending: int) -> Iterator[Callable[[Item], None]]:
    """Give a function that hands things over to a thread of its own, which does the work in their order.

    At most `max_pending` of them wait. An error of the work is raised by the next call, or at the end;
    leaving the
    block waits until all is done, or, if it is left by an error, until the thing in hand is.
    """
    line: queue.Queue[tuple[Item | None, bool]] = queue.Queue(max_pending)
    left = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        while not left.is_set():
            try:
                item, last = line.get(timeout=_QUEUE_POLL_S)
            except queue.Empty:
                continue
            if last:
                return
            try:
                work(item)  # type: ignore[arg-type]
            except BaseException as error:
                errors.append(error)
                left.set()

    def hand_over(item: Item) -> None:
        if not _put_unless_abandoned(line, (item, False), left):
            raise errors[0]

    thread = threading.Thread(target=run, name="deepgyro-behind", daemon=True)
    thread.start()
    try:
        yield hand_over
        _put_unless_abandoned(line, (None, True), left)
        thread.join()
    finally:
        left.set()
        thread.join()
    if errors:
        raise errors[0]


def _put_unless_abandoned(buffer: queue.Queue[Item], item: Item, abandoned: threading.Event) -> bool:
    """Wait for room and put an item in; return False if nobody wants it any more."""
    while not abandoned.is_set():
        try:
            buffer.put(item, timeout=_QUEUE_POLL_S)
        except queue.Full:
            continue
        return True
    return False
