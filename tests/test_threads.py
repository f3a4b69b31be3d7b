import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deepgyro.threads import limit_to_one_core, run_in_bands


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr("deepgyro.threads.core_count", lambda: 3)


def bands_of(height, rows, **options):
    found = []
    run_in_bands(height, rows, lambda top, bottom: found.append((top, bottom)), **options)
    return sorted(found)


def test_every_row_is_in_one_band(three_cores):
    assert bands_of(50, 16) == [(0, 16), (16, 32), (32, 48), (48, 50)]
    assert bands_of(50, 16, first=1, step=2) == [(16, 32), (48, 50)]
    assert bands_of(0, 16) == []


def test_an_error_in_any_band_reaches_the_caller(three_cores):
    def fail(top, bottom):
        if top == 32:
            raise OverflowError("at 32")

    with pytest.raises(OverflowError, match="at 32"):
        run_in_bands(64, 16, fail)


def test_all_cores_take_bands(three_cores):
    all_here = threading.Barrier(3, timeout=10)

    run_in_bands(3, 1, lambda top, bottom: all_here.wait())


def test_many_threads_may_ask_at_once(three_cores):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda k: bands_of(64 + k, 16), range(40)))

    assert [found[-1][1] for found in results] == [64 + k for k in range(40)]


def test_one_core_works_in_the_calling_thread():
    names = set()

    with limit_to_one_core():
        run_in_bands(64, 16, lambda top, bottom: names.add(threading.current_thread().name))

    assert names == {threading.current_thread().name}
