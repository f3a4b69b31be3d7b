import numpy as np
import pytest

from deepgyro.blurfield import GridField
from deepgyro.lab.synthesis import PHYSICAL_PRESET
from deepgyro.lab.synthesis.motion import draw_camera, draw_exposure, draw_log_uniform, draw_rotation
from deepgyro.lab.synthesis.patches import MovingPatch, PatchedField
from deepgyro.telemetry import GyroLog


def test_random_rotations_are_proper_and_point_everywhere():
    rng = np.random.default_rng(0)
    rotations = np.stack([draw_rotation(rng) for _ in range(2000)])

    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(1, 2), np.broadcast_to(np.eye(3), (2000, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    assert np.abs(rotations.mean(0)).max() < 0.05


def test_cameras_are_within_what_is_drawn():
    rng = np.random.default_rng(0)

    cameras = [draw_camera(rng, PHYSICAL_PRESET.camera, height=270, width=480) for _ in range(200)]

    focal = [camera.K[0, 0] / 480 for camera in cameras]
    assert 0.6 <= min(focal) < 0.7
    assert 1.4 < max(focal) <= 1.6
    readout = [camera.readout_time for camera in cameras]
    assert min(readout) < 0.003
    assert 0.027 < max(readout) <= 0.03
    assert {camera.readout_direction for camera in cameras} == {"down", "up", "left", "right"}


def test_every_factor_is_as_likely():
    rng = np.random.default_rng(0)

    draws = [draw_log_uniform(rng, (0.01, 1.0)) for _ in range(4000)]

    assert np.mean(np.array(draws) < 0.1) == pytest.approx(0.5, abs=0.04)
    assert draw_log_uniform(rng, (0.0, 0.0)) == 0


def test_a_window_of_a_patched_field_is_the_same_part_of_the_whole():
    rng = np.random.default_rng(0)
    nodes = rng.normal(0, 5, (4, 5, 3, 2)).astype(np.float32)
    field = PatchedField(GridField(nodes, 40, 60, 16), (MovingPatch(20.0, 15.0, 12.0, 5.0, 0.7, 6.0, -4.0),))

    whole = field[:, :]

    assert whole.shape == field.shape == (40, 60, 3, 2)
    np.testing.assert_array_equal(field[7:31, 11:50], whole[7:31, 11:50])
    bare = field.grid[:, :]
    np.testing.assert_allclose(whole[15, 20] - bare[15, 20], [[-3, 2], [0, 0], [3, -2]], atol=1e-5)
    np.testing.assert_array_equal(whole[39, 59], bare[39, 59])
    assert field.max_reach_px >= np.abs(whole).max()


def test_the_reach_holds_where_regions_overlap():
    patches = (MovingPatch(20.0, 15.0, 12.0, 9.0, 0.0, 30.0, 0.0),) * 3
    field = PatchedField(GridField(np.zeros((4, 5, 2, 2), np.float32), 40, 60, 16), patches)

    assert np.abs(field[:, :]).max() == 45
    assert field.max_reach_px >= 45


def test_a_knock_in_a_quiet_log_is_drawn_again_where_no_picture_can_show_it():
    t = np.arange(0, 4, 0.005)
    omega = np.full((len(t), 3), 1e-3)
    omega[(t % 0.5) < 0.03] = [3.0, -2.0, 4.0]
    log = GyroLog(t, omega)
    rng = np.random.default_rng(0)

    for _ in range(60):
        camera = draw_camera(rng, PHYSICAL_PRESET.camera, height=64, width=80)
        taken = draw_exposure(rng, log, camera, PHYSICAL_PRESET.motion)
        assert np.abs(taken.log.omega).max() <= 35.01  # rad/s
