import numpy as np
import pytest

from deepgyro.telemetry import GyroLog


def turning(n: int = 100, rate: float = 200.0) -> GyroLog:
    t = np.arange(n) / rate
    return GyroLog(t, np.stack([np.sin(t), np.cos(t), 0.1 * t], axis=1))


def test_the_rate_is_that_of_the_median_interval_and_not_of_the_mean():
    t = np.array([0.0, 0.01, 0.02, 0.03, 5.0])

    log = GyroLog(t, np.zeros((5, 3)))

    assert log.rate == pytest.approx(100.0, abs=1e-9)  # Hz
    assert log.duration == 5.0


def test_an_interval_is_covered_up_to_the_first_and_the_last_sample():
    log = turning()

    assert log.covers(log.t[0], log.t[-1])
    assert log.covers(0.1, 0.1)
    assert not log.covers(-1e-6, 0.1)
    assert not log.covers(0.1, log.t[-1] + 1e-6)


def test_an_interval_that_touches_a_gap_is_not_covered():
    t = np.concatenate([np.arange(50) * 0.005, 0.4 + np.arange(50) * 0.005])
    log = GyroLog(t, np.zeros((100, 3)))

    assert log.covers(0.0, 0.245)
    assert not log.covers(0.2, 0.25)
    assert not log.covers(0.3, 0.31)
    assert not log.covers(0.1, 0.5)
    assert log.covers(0.4, 0.5)
    np.testing.assert_allclose(log.gaps(), [[0.245, 0.4]], atol=1e-12)  # s


def test_a_pause_of_five_samples_at_200_hz_is_no_gap():
    t = np.concatenate([np.arange(50) * 0.005, 0.27 + np.arange(50) * 0.005])
    log = GyroLog(t, np.zeros((100, 3)))

    assert len(log.gaps()) == 0
    assert len(log.gaps(longer_than=0.02)) == 1
    assert log.covers(0.2, 0.3)


def test_a_slow_log_has_a_longer_gap_limit():
    log = turning(rate=20.0)

    assert log.gap_limit == pytest.approx(0.25, abs=1e-9)  # s


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.1), (np.nan, 0.1), (0.1, np.inf)])
def test_an_interval_that_is_none_raises(start, end):
    with pytest.raises(ValueError, match="interval"):
        turning().covers(start, end)


def test_three_samples_at_the_end_of_the_range_are_saturated():
    omega = np.zeros((20, 3))
    omega[:, 0] = np.linspace(-1, 1, 20)
    omega[5:8, 1] = 8.72664
    omega[11, 1] = 8.72664
    omega[13:18, 1] = -8.7269

    saturated = GyroLog(np.arange(20) * 0.01, omega).saturation_mask

    assert not saturated[:, [0, 2]].any()
    np.testing.assert_array_equal(np.flatnonzero(saturated[:, 1]), [5, 6, 7, 13, 14, 15, 16, 17])


def test_a_gyro_that_lies_still_is_not_saturated():
    log = GyroLog(np.arange(20) * 0.01, np.full((20, 3), 0.25))

    assert not log.saturation_mask.any()


@pytest.mark.parametrize(
    ("t", "omega", "words"),
    [
        ([0.0], [[0, 0, 0]], "at least 2"),
        ([0.0, 0.0], [[0, 0, 0], [0, 0, 0]], "stands still"),
        ([0.1, 0.0], [[0, 0, 0], [0, 0, 0]], "backwards"),
        ([0.0, 0.1], [[0, 0, 0], [0, np.nan, 0]], "sample 1: a value is not finite"),
        ([0.0, 0.1], [[0, 0, 0], [0, -250.0, 0]], "deg/s taken as rad/s"),
    ],
)
def test_arrays_that_are_no_log_raise(t, omega, words):
    with pytest.raises(ValueError, match=words):
        GyroLog(np.array(t), np.array(omega, dtype=np.float64))


@pytest.mark.parametrize(
    ("t", "omega"), [(np.arange(2, dtype=np.float32), np.zeros((2, 3))), (np.arange(2.0), np.zeros((1, 3)))]
)
def test_arrays_of_another_type_or_shape_raise(t, omega):
    with pytest.raises((ValueError, TypeError)):  # TypeError: jaxtyping, which only the tests install
        GyroLog(t, omega)
