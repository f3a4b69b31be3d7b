from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from deepgyro.camera import Camera, Distortion

K = np.array([[800.0, 0, 310.2], [0, 790, 250.7], [0, 0, 1]])
LENS = Distortion("radtan", (-0.2, 0.05, 0.001, -0.002))
CAMERA = Camera(width=640, height=480, K=K, distortion=LENS, readout_time=0.02, time_offset=0.5)
POINTS = np.array([[[0.1, 0.2, 1.0], [-0.3, 0.1, 2.0]], [[0.0, 0.0, 0.5], [0.2, -0.2, 1.0]]])


def test_a_ray_projects_by_the_pinhole_formula():
    camera = replace(CAMERA, distortion=Distortion())

    uv = camera.project(np.array([0.1, -0.2, 2.0]))

    np.testing.assert_allclose(uv, [800 * 0.05 + 310.2, 790 * -0.1 + 250.7], atol=1e-12)  # px


def test_project_undoes_rays_for_every_pixel():
    uv = np.stack(np.meshgrid(np.arange(0, 640.0, 40), np.arange(0, 480.0, 40)), axis=-1)

    rays = CAMERA.rays(uv)

    np.testing.assert_array_equal(rays[..., 2], 1)
    np.testing.assert_allclose(CAMERA.project(3 * rays), uv, atol=1e-9)  # px


@pytest.mark.parametrize("z", [0.0, -1.0, np.nan])
def test_a_ray_behind_the_camera_is_refused(z):
    with pytest.raises(ValueError, match="behind the camera"):
        CAMERA.project(np.array([[0.0, 0.0, 1.0], [0.1, 0.1, z]]))


@pytest.mark.parametrize(("height", "width"), [(240, 320), (960, 1280), (60, 80)])
def test_scaling_moves_points_as_pixel_areas_move(height, width):
    scaled = CAMERA.scale_to(height=height, width=width)

    expected = (CAMERA.project(POINTS) + 0.5) * width / 640 - 0.5
    np.testing.assert_allclose(scaled.project(POINTS), expected, atol=1e-10)  # px
    assert (scaled.height, scaled.width) == (height, width)
    assert scaled.readout_time == CAMERA.readout_time


def test_scaling_to_a_rounded_size_follows_each_side():
    camera = Camera(width=1920, height=1080, K=np.diag([1000.0, 1000.0, 1.0]))

    scaled = camera.scale_to(height=480, width=854)

    np.testing.assert_allclose(np.diag(scaled.K), [1000 * 854 / 1920, 1000 * 480 / 1080, 1])


@pytest.mark.parametrize(("height", "width"), [(360, 640), (640, 480), (0, 640)])
def test_a_picture_of_another_shape_is_no_resized_one(height, width):
    with pytest.raises(ValueError, match=r"crop of it or turned|at least 1 px"):
        CAMERA.scale_to(height=height, width=width)


def test_a_crop_moves_points_by_its_corner():
    crop = CAMERA.crop(top=100, left=50, height=200, width=300)

    np.testing.assert_allclose(crop.project(POINTS), CAMERA.project(POINTS) - [50, 100], atol=1e-10)  # px
    assert (crop.height, crop.width) == (200, 300)


@pytest.mark.parametrize(
    ("direction", "share", "delay"),
    [
        ("down", 200 / 480, 100 / 480),
        ("up", 200 / 480, 180 / 480),  # rows 479 down to 300 are read before the crop's row 299
        ("right", 300 / 640, 50 / 640),
        ("left", 300 / 640, 290 / 640),
    ],
)
def test_a_crop_keeps_the_time_at_which_each_line_is_read(direction, share, delay):
    camera = replace(CAMERA, readout_direction=direction)

    crop = camera.crop(top=100, left=50, height=200, width=300)

    assert crop.readout_time == pytest.approx(0.02 * share, abs=1e-15)  # s
    assert crop.time_offset == pytest.approx(0.5 + 0.02 * delay, abs=1e-15)  # s


def test_two_crops_in_a_row_are_one_crop():
    twice = CAMERA.crop(top=100, left=50, height=300, width=400).crop(top=20, left=30, height=100, width=100)

    once = CAMERA.crop(top=120, left=80, height=100, width=100)
    np.testing.assert_allclose(twice.K, once.K, atol=1e-12)
    assert twice.readout_time == pytest.approx(once.readout_time, abs=1e-15)
    assert twice.time_offset == pytest.approx(once.time_offset, abs=1e-15)


def test_an_unknown_readout_time_stays_unknown_in_a_crop():
    crop = replace(CAMERA, readout_time=None).crop(top=10, left=0, height=10, width=10)

    assert crop.readout_time is None


@pytest.mark.parametrize(
    ("top", "left", "height", "width"), [(-1, 0, 10, 10), (0, 0, 481, 10), (0, 600, 10, 41), (0, 0, 0, 10)]
)
def test_a_crop_must_lie_in_the_picture(top, left, height, width):
    with pytest.raises(ValueError, match="does not lie in"):
        CAMERA.crop(top=top, left=left, height=height, width=width)


def test_a_camera_cannot_be_changed():
    camera = Camera(width=640, height=480, K=K, cam_from_imu=np.eye(3))

    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        camera.cam_from_imu[0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        camera.width = 3
    assert K.flags.writeable


def test_a_rounded_mounting_becomes_a_rotation():
    angle = 0.3  # rad
    exact = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    camera = replace(CAMERA, cam_from_imu=exact.round(3))

    mounting = camera.cam_from_imu
    np.testing.assert_allclose(mounting @ mounting.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(mounting, exact, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "at least 1 px"),
        ({"K": np.diag([800.0, -800.0, 1.0])}, "above 0 px"),
        ({"K": np.diag([800.0, np.nan, 1.0])}, "not finite"),
        ({"K": np.array([[800.0, 1, 0], [0, 800, 0], [0, 0, 1]])}, "skew"),
        ({"readout_time": -0.01}, "from 0"),
        ({"readout_time": 24.5}, "divide it by 1000"),
        ({"readout_time": float("nan")}, "seconds"),
        ({"time_offset": float("inf")}, "finite number of seconds"),
        ({"cam_from_imu": -np.eye(3)}, "reflection"),
        ({"cam_from_imu": np.full((3, 3), np.nan)}, "must be finite"),
        ({"cam_from_imu": np.diag([1.0, 1.0, 1.01])}, r"determinant is 1\.01"),
    ],
)
def test_an_impossible_camera_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CAMERA, **change)
