"""One correction for all pictures of a recording."""

from dataclasses import replace

import numpy as np
import pytest

from deepgyro.blurfield import motion_field, sample_paths
from deepgyro.camera import Camera
from deepgyro.lab.synthesis import simulate_camera_shake
from deepgyro.recording.calibration import PRIOR_STD, Observation, fit_correction
from deepgyro.telemetry import GyroLog

HEIGHT, WIDTH = 270, 480  # px
K = np.array([[400.0, 0, 239.5], [0, 400, 134.5], [0, 0, 1]])
CAMERA = Camera(WIDTH, HEIGHT, K, readout_time=0.02, cam_from_imu=np.eye(3))
LOG = simulate_camera_shake(np.random.default_rng(4), duration=3.0, strength=1.5)
TIMES = 0.3 + 0.18 * np.arange(12)  # s
EXPOSURE = 0.03  # s


def vectors(t, *, scale=1.0, offset=0.0, bias=0.0, readout_time=0.02):
    camera = replace(CAMERA, time_offset=offset, readout_time=readout_time)
    log = GyroLog(LOG.t, scale * (LOG.omega + bias))
    field = motion_field(log, camera, t=t, exposure=EXPOSURE, n=2, reference="picture")
    paths = sample_paths(field, 5, 8).astype(float)
    return paths[:, :, 1] - paths[:, :, 0]


def gyro_vectors(k, change):
    return vectors(
        TIMES[k],
        scale=change.scale,
        offset=change.time_offset,
        bias=change.bias,
        readout_time=0.02 + change.readout_time,
    )


def observations(rng, noise=0.5, **truth):
    shifts = rng.normal(0, noise, (len(TIMES), 1, 1, 2))  # px: what refinement gets wrong is smooth
    return [Observation(vectors(t, **truth) + d, 0.9, WIDTH) for t, d in zip(TIMES, shifts, strict=True)]


def test_scale_and_offset_that_all_pictures_share_are_found():
    observed = observations(np.random.default_rng(0), scale=1.12, offset=0.004)

    calibration = fit_correction(observed, gyro_vectors)

    assert calibration.correction.scale == pytest.approx(1.12, abs=0.03)
    assert calibration.correction.time_offset == pytest.approx(0.004, abs=0.001)  # s
    assert abs(calibration.correction.readout_time) < 0.003  # s
    assert calibration.after_px < 1.2 < calibration.before_px
    assert calibration.count == len(TIMES)


def test_bias_is_found_as_far_as_its_prior_lets_it():
    observed = observations(np.random.default_rng(1), noise=0.1, bias=np.array([0.05, -0.04, 0.0]))  # rad/s

    calibration = fit_correction(observed, gyro_vectors)

    np.testing.assert_allclose(calibration.correction.bias, [0.035, -0.03, 0.0], atol=0.015)  # rad/s
    assert calibration.after_px < calibration.before_px


def test_pictures_that_are_far_off_count_little():
    rng = np.random.default_rng(2)
    observed = observations(rng, scale=1.1)
    for k in (2, 7, 8):
        observed[k] = Observation(rng.normal(0, 15, (1, 1, 2)) + 0 * observed[k].vectors, 0.8, WIDTH)  # px

    calibration = fit_correction(observed, gyro_vectors)

    assert calibration.correction.scale == pytest.approx(1.1, abs=0.03)
    assert calibration.count == len(TIMES) - 3


def test_pictures_that_confirm_the_gyro_change_nothing():
    calibration = fit_correction(observations(np.random.default_rng(3)), gyro_vectors)

    assert calibration.correction.scale == pytest.approx(1.0, abs=0.02)
    assert abs(calibration.correction.time_offset) < 0.001  # s


def test_an_unknown_that_is_held_stays():
    held = PRIOR_STD.copy()
    held[0] = 1e-6

    calibration = fit_correction(
        observations(np.random.default_rng(0), scale=1.05), gyro_vectors, prior_std=held
    )

    assert calibration.correction.scale == pytest.approx(1.0, abs=1e-4)


def test_two_pictures_and_pictures_that_agree_on_nothing_say_nothing():
    rng = np.random.default_rng(5)
    wild = [Observation(rng.normal(0, 20, (1, 1, 2)) + np.zeros((5, 8, 2)), 0.9, WIDTH) for _ in TIMES]  # px

    assert fit_correction(observations(rng)[:2], gyro_vectors) is None
    assert fit_correction(wild, gyro_vectors) is None
