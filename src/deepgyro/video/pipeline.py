"""Work in threads beside the main one, with a bounded number of items in between."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

_QUEUE_POLL_S = 0.1
"""How often a thread checks whether it was abandoned, s."""


def prefetch(items: Iterable[Item], max_ahead: int) -> Generator[Item, None, None]:
    """Yield what is iterated in a thread of its own, which is ahead by at most `max_ahead` items.

    Close it (`contextlib.closing`) where it may be abandoned before its end: that ends the thread.
    """
    pending: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(max_ahead)
    abandoned = threading.Event()

    def run() -> None:
        try:
            for item in items:
                if not _put_unless_abandoned(pending, (item, None, False), abandoned):
                    return
        except BaseException as error:
            _put_unless_abandoned(pending, (None, error, True), abandoned)
        else:
            _put_unless_abandoned(pending, (None, None, True), abandoned)

    thread = threading.Thread(target=run, name="deepgyro-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = pending.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        abandoned.set()
        thread.join()


@contextmanager
def run_in_background(work: Callable[[Item], object], max_pending: int) -> Iterator[Callable[[Item], None]]:
    """Give a function that submits items to a thread of its own, which works on them in their order.

    At most `max_pending` of them wait. An error of the work is raised by the next call, or at the end;
    leaving the block waits until all is done, or, if it is left by an error, until the current item is.
    """
    pending: queue.Queue[tuple[Item | None, bool]] = queue.Queue(max_pending)
    abandoned = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        while not abandoned.is_set():
            try:
                item, last = pending.get(timeout=_QUEUE_POLL_S)
            except queue.Empty:
                continue
            if last:
                return
            try:
                work(item)  # type: ignore[arg-type]
            except BaseException as error:
                errors.append(error)
                abandoned.set()

    def submit(item: Item) -> None:
        if not _put_unless_abandoned(pending, (item, False), abandoned):
            raise errors[0]

    thread = threading.Thread(target=run, name="deepgyro-behind", daemon=True)
    thread.start()
    try:
        yield submit
        _put_unless_abandoned(pending, (None, True), abandoned)
        thread.join()
    finally:
        abandoned.set()
        thread.join()
    if errors:
        raise errors[0]


def _put_unless_abandoned(buffer: queue.Queue[Item], item: Item, abandoned: threading.Event) -> bool:
    """Wait for room and put an item in; return False if the queue was abandoned."""
    while not abandoned.is_set():
        try:
            buffer.put(item, timeout=_QUEUE_POLL_S)
        except queue.Full:
            continue
        return True
    return False
