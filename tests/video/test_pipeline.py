"""Threads beside the main one: order, bounds, errors, and that none stays behind."""

import threading
import time
from contextlib import closing

import pytest

from deepgyro.video.pipeline import prefetch, run_in_background


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("deepgyro-")} - {
        "deepgyro_0"
    }


def test_things_arrive_in_their_order_and_at_most_so_many_ahead():
    taken = []

    def things():
        for k in range(20):
            taken.append(k)
            yield k

    line = prefetch(things(), max_ahead=2)
    first = next(line)
    time.sleep(0.2)  # s

    assert first == 0
    assert len(taken) <= 5
    assert list(line) == list(range(1, 20))


def test_an_error_ahead_arrives_after_what_came_before_it():
    def things():
        yield 1
        raise OSError("gone")

    line = prefetch(things(), max_ahead=2)

    assert next(line) == 1
    with pytest.raises(OSError, match="gone"):
        next(line)


def test_a_line_that_is_left_ends_its_thread():
    with closing(prefetch(iter(range(10**9)), max_ahead=2)) as line:
        next(line)

    assert "deepgyro-ahead" not in threads()


def test_work_behind_is_all_done_when_the_block_ends():
    done = []

    def work(k):
        time.sleep(0.01)  # s
        done.append(k)

    with run_in_background(work, max_pending=2) as hand_over:
        for k in range(10):
            hand_over(k)

    assert done == list(range(10))
    assert "deepgyro-behind" not in threads()


def handed_over(work, things, error=None):
    with run_in_background(work, max_pending=2) as hand_over:
        for thing in things:
            hand_over(thing)
        if error:
            raise error


@pytest.mark.parametrize("count", [1, 50])
def test_an_error_behind_is_raised_in_the_block_or_at_its_end(count):
    def work(k):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        handed_over(work, range(count))


def test_a_block_left_by_an_error_leaves_no_thread():
    with pytest.raises(KeyboardInterrupt):
        handed_over(time.sleep, [0.01], KeyboardInterrupt())

    assert "deepgyro-behind" not in threads()
