import numpy as np
import pytest

from deepgyro.lab.benchmark.memory import measure_memory_rise


def test_memory_rises_by_what_is_written_to():
    rise = measure_memory_rise(lambda: np.ones(64 * 2**20, np.uint8))

    if rise is None:
        pytest.skip("this system does not tell")
    assert 60 < rise < 75  # MB


def test_work_is_done_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr("deepgyro.lab.benchmark.memory.CLEAR_REFS_FILE", tmp_path)
    done = []

    assert measure_memory_rise(lambda: done.append(1)) is None
    assert done == [1]
