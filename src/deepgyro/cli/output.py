"""What commands print: progress, lines for people, JSON; and how they are stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def print_json(value: object) -> None:
    """Print one JSON value."""
    print(json.dumps(value, indent=2))


def print_message(text: str) -> None:
    """Print a line for a person."""
    print(text, file=sys.stderr)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let a polite kill end the work inside as Ctrl-C does."""
    import signal

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class ProgressBar:
    """A progress bar with the time left, on stderr; none where that is no terminal."""

    def __init__(self, count: int, unit: str) -> None:
        from tqdm import tqdm

        shape = "{percentage:3.0f}% |{bar}| {n:.1f}/{total} {unit}s, {remaining} left{postfix}"
        self.bar = tqdm(total=count, unit=unit, bar_format=shape, disable=None, leave=False)
        self.done = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show_share(self, share: float) -> None:
        """Show that a share of the one in hand is done."""
        self.bar.n = self.done + share
        self.bar.refresh()

    def finish_one(self) -> None:
        """Show that one more is done."""
        self.done += 1
        self.bar.n = self.done
        self.bar.refresh()

    def show_count(self, done: int) -> None:
        """Show that so many are done."""
        self.done = done
        self.bar.update(done - self.bar.n)

    def show_progress(self, done: int, total: int) -> None:
        """Show that so many of so many are done."""
        self.bar.total = total
        self.show_count(done)

    def show_remaining(self, done: float, left: float) -> None:
        """Show how much is done, and what is left by now."""
        self.bar.total = round(done + left, 1)
        self.bar.n = done
        self.bar.refresh()

    def show_note(self, text: str) -> None:
        """Show a few words behind the time left."""
        self.bar.set_postfix_str(text, refresh=False)

    def print(self, text: str) -> None:
        """Print a line of results above the bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def print_message(self, text: str) -> None:
        """Print a line for a person above the bar."""
        self.bar.write(text, file=sys.stderr)
