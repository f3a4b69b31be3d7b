from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from deepgyro.camera import Camera
from deepgyro.lab.synthesis import PAPER_PRESET, PHYSICAL_PRESET, simulate_camera_shake
from deepgyro.lab.synthesis.config import GyroDraws
from deepgyro.lab.synthesis.gyro import (
    GyroErrors,
    degrade_gyro_log,
    draw_gyro_errors,
    draw_gyro_kind,
    make_prior_nodes,
    miscalibrate_camera,
)
from deepgyro.lab.synthesis.motion import SimulatedExposure
from deepgyro.telemetry import GyroLog

NO_ERRORS = GyroErrors()
PERFECT = replace(PAPER_PRESET.gyro, offset=0.0, scale=0.0)  # the paper's gyro has no other errors


@pytest.fixture(scope="module")
def log():
    return simulate_camera_shake(np.random.default_rng(0), duration=4.0)


def degrade(log, **errors):
    return degrade_gyro_log(np.random.default_rng(1), log, replace(NO_ERRORS, **errors))


def test_a_sensor_without_faults_writes_what_there_was(log):
    degraded = degrade(log)

    np.testing.assert_array_equal(degraded.t, log.t)
    np.testing.assert_array_equal(degraded.omega, log.omega)


def test_rates_are_scaled_and_biased(log):
    degraded = degrade(log, scale=1.2, bias=(0.1, -0.2, 0.3))

    np.testing.assert_allclose(degraded.omega, 1.2 * log.omega + [0.1, -0.2, 0.3])


def test_noise_has_its_density_over_the_sensors_bandwidth(log):
    off = degrade(log, noise_density=2e-3).omega - log.omega

    assert off.std() == pytest.approx(2e-3 * np.sqrt(200 / 2), rel=0.05)  # rad/s, at 200 Hz


def test_rates_are_rounded_to_16_bits_and_end_at_the_full_scale():
    step = np.radians(500.0) / 2**15
    log = GyroLog(
        np.array([0.0, 0.1, 0.2]), np.array([[0.0, 0.4 * step, 12.0], [-12.0, 1.7 * step, 0], [0, 0, 0]])
    )

    degraded = degrade(log, full_scale=500.0)

    np.testing.assert_allclose(degraded.omega[0], [0, 0, (2**15 - 1) * step])
    np.testing.assert_allclose(degraded.omega[1], [-np.radians(500.0), 2 * step, 0], atol=1e-12)


def test_missing_samples_leave_no_gap_and_both_ends(log):
    degraded = degrade(log, missing=True)

    assert 0.6 * len(log.t) < len(degraded.t) < 0.9 * len(log.t)
    assert (degraded.t[0], degraded.t[-1]) == (log.t[0], log.t[-1])
    assert np.diff(degraded.t).max() < 0.011  # s: never two in a row, at 200 Hz


def test_a_calibration_is_wrong_in_axes_focal_length_and_readout():
    K = np.array([[500.0, 0, 10], [0, 510.0, 20], [0, 0, 1]])
    camera = Camera(100, 80, K, readout_time=0.02, cam_from_imu=np.eye(3))

    degraded = miscalibrate_camera(camera, replace(NO_ERRORS, tilt=(1.0, -2.0, 3.0), focal=1.1, readout=0.5))

    tilt = Rotation.from_matrix(degraded.cam_from_imu).as_rotvec(degrees=True)
    np.testing.assert_allclose(tilt, [1, -2, 3], atol=1e-9)
    np.testing.assert_allclose(degraded.K, [[550, 0, 10], [0, 561, 20], [0, 0, 1]])
    assert degraded.readout_time == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("name", "draws", "deviation"),
    [
        ("offset", {"offset": 0.003}, 0.003),
        ("offset", {"offset_tail": (1.0, 0.015)}, 0.015 / np.sqrt(3)),
        ("scale", {"scale": 0.2}, 0.2),
        ("bias", {"bias": 0.01}, 0.01),
        ("tilt", {"misalignment": 2.0}, 2.0),
        ("focal", {"focal": 0.05}, 0.05),
        ("readout", {"readout": 0.2}, 0.2),
    ],
)
def test_an_error_has_the_deviation_that_is_drawn_and_the_others_are_absent(name, draws, deviation):
    rng = np.random.default_rng(0)

    drawn = [draw_gyro_errors(rng, replace(PERFECT, **draws)) for _ in range(3000)]

    values = np.array([getattr(errors, name) for errors in drawn])
    assert values.std() == pytest.approx(deviation, rel=0.06)
    assert all(replace(errors, **{name: getattr(NO_ERRORS, name)}) == NO_ERRORS for errors in drawn)


def test_the_shares_of_the_kinds_are_those_of_the_data_card():
    rng = np.random.default_rng(0)

    kinds = [draw_gyro_kind(rng, PHYSICAL_PRESET.gyro) for _ in range(8000)]

    card = {"refined": 0.55, "exact": 0.15, "raw": 0.15, "none": 0.08, "wrong": 0.07}
    for kind, share in card.items():
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.015)
    with pytest.raises(ValueError, match="at most 1"):
        draw_gyro_kind(rng, GyroDraws(exact=0.9, refined=0.9))


def test_the_papers_numbers_are_those_of_the_data_card():
    assert (PAPER_PRESET.motion.rate, PAPER_PRESET.motion.exposure, PAPER_PRESET.motion.longest) == (
        2.0,
        (0.03, 0.03),
        100.0,
    )
    assert PAPER_PRESET.camera.readout == (0.0, 0.03)
    assert (PAPER_PRESET.gyro.offset, PAPER_PRESET.gyro.scale, PAPER_PRESET.image.encoded_noise) == (
        0.01,
        0.2,
        30.0,
    )
    assert (PAPER_PRESET.image.jpeg, PAPER_PRESET.motion.instants, PAPER_PRESET.motion.reference) == (
        0.0,
        2,
        "row",
    )


@pytest.fixture(scope="module")
def exposure(log):
    K = np.array([[400.0, 0, 47.5], [0, 400.0, 29.5], [0, 0, 1]])
    camera = Camera(96, 60, K, readout_time=0.02, cam_from_imu=np.eye(3))
    return SimulatedExposure(log, camera, 1.0, 0.03, 3, "picture", log_time=1.0)


def make_prior(exposure, kind, draws, motion_nodes=None):
    nodes = exposure.field().sample_on_grid(16).nodes
    motion = nodes if motion_nodes is None else motion_nodes
    other, rng = {"motion": PHYSICAL_PRESET.motion, "other_log": exposure.log}, np.random.default_rng(0)
    return nodes, *make_prior_nodes(rng, kind, motion, nodes, exposure, draws, **other)


def test_a_raw_gyro_without_errors_gives_the_field_of_the_rotation(exposure):
    rotation_nodes, nodes, _ = make_prior(exposure, "raw", PERFECT)

    np.testing.assert_allclose(nodes, rotation_nodes, atol=1e-5)


def test_a_late_clock_gives_the_motion_of_another_time(exposure):
    _, nodes, drawn = make_prior(exposure, "raw", replace(PERFECT, offset=0.01))

    later = replace(exposure, t=exposure.t + drawn["offset"]).field().sample_on_grid(16).nodes
    assert abs(drawn["offset"]) > 1e-3
    np.testing.assert_allclose(nodes, later, atol=1e-5)


def test_a_field_off_by_a_multiple_of_5_and_3_px_says_by_what(exposure):
    rotation_nodes, nodes, drawn = make_prior(exposure, "raw", replace(PERFECT, biased=1.0))

    vectors = (nodes - rotation_nodes)[..., -1, :] - (nodes - rotation_nodes)[..., 0, :]
    np.testing.assert_allclose(vectors, np.broadcast_to(drawn["bias_px"], vectors.shape), atol=1e-4)
    assert np.abs(drawn["bias_px"]) / [5, 3] == pytest.approx([abs(drawn["bias_px"][0]) / 5] * 2)


def test_a_refined_field_knows_the_mean_of_a_translation_and_not_where_it_differs(exposure):
    rng = np.random.default_rng(5)
    nodes = exposure.field().sample_on_grid(16).nodes
    moved = rng.normal(0, 3, (*nodes.shape[:2], 1, 2)) * np.array([-1.0, 0.0, 1.0])[:, None]
    motion_nodes = (nodes + moved).astype(np.float32)

    draws = replace(PERFECT, refined_scale=0.0, refined_offset=0.0)
    rotation_nodes, nodes, _ = make_prior(exposure, "refined", draws, motion_nodes=motion_nodes)

    expected = np.broadcast_to(moved.mean((0, 1)), nodes.shape)
    np.testing.assert_allclose(nodes - rotation_nodes, expected, atol=1e-4)
