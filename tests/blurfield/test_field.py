"""Geometry against closed forms; float64 inside, 1e-6 px."""

import numpy as np
import pytest

from deepgyro.blurfield import blur_field, measure_field, motion_field, reduce_instants
from deepgyro.camera import Camera, Distortion
from deepgyro.errors import ExposureNotCovered
from deepgyro.telemetry import GyroLog

F, CX, CY = 500.0, 159.5, 119.5  # px
K = np.array([[F, 0, CX], [0, F, CY], [0, 0, 1.0]])
ROWS, COLUMNS = np.arange(240), np.arange(320)
XS, YS = np.meshgrid(COLUMNS - CX, ROWS - CY)  # px from the centre
EXPOSURE = 0.02


def camera(**changes):
    settings = {"width": 320, "height": 240, "K": K, "readout_time": 0.0, "cam_from_imu": np.eye(3)}
    return Camera(**{**settings, **changes})


def steady(*omega, start=0.0, end=1.0):
    t = np.linspace(start, end, 101)
    return GyroLog(t, np.tile(np.array(omega, float), (101, 1)))


def exact(log, cam, t=0.5, exposure=EXPOSURE, n=2, reference="row", **options):
    field = motion_field(log, cam, t=t, exposure=exposure, n=n, reference=reference, **options)
    return field.at(np.arange(field.shape[0]), np.arange(field.shape[1]))


def pan(x, y, angle):
    """A turn to the right (about y, which points down) moves the picture to the left."""
    a = np.arctan2(x, F) - angle
    depth = np.hypot(x, F) * np.cos(a)
    return F * np.tan(a) - x, F * y / depth - y


@pytest.mark.parametrize("rate", [0.5, -2.0])
def test_pan_moves_pixels_by_the_tangent_of_the_turned_angle(rate):
    field = exact(steady(0, rate, 0), camera())

    for i, angle in ((0, -rate * EXPOSURE / 2), (1, rate * EXPOSURE / 2)):
        np.testing.assert_allclose(field[:, :, i], np.stack(pan(XS, YS, angle), -1), atol=1e-6)


@pytest.mark.parametrize("rate", [0.5, -2.0])
def test_tilt_up_moves_the_picture_down(rate):
    field = exact(steady(rate, 0, 0), camera())

    for i, angle in ((0, -rate * EXPOSURE / 2), (1, rate * EXPOSURE / 2)):
        dy, dx = pan(YS, XS, -angle)  # a right-handed turn about x lifts the view
        np.testing.assert_allclose(field[:, :, i], np.stack([dx, dy], -1), atol=1e-6)


def test_roll_turns_the_picture_about_the_centre_the_other_way():
    field = exact(steady(0, 0, 3.0), camera(), n=3)

    for i, angle in ((0, -0.03), (1, 0.0), (2, 0.03)):
        x = np.cos(angle) * XS + np.sin(angle) * YS
        y = -np.sin(angle) * XS + np.cos(angle) * YS
        np.testing.assert_allclose(field[:, :, i], np.stack([x - XS, y - YS], -1), atol=1e-6)


@pytest.mark.parametrize(
    ("direction", "delay"),
    [
        ("down", lambda x, y: y / 240),
        ("up", lambda x, y: (239 - y) / 240),
        ("right", lambda x, y: x / 320),
        ("left", lambda x, y: (319 - x) / 320),
    ],
)
def test_each_line_is_exposed_one_readout_step_after_the_line_read_before_it(direction, delay):
    # The rate rises linearly, so a line's blur tells when it was exposed: w(t) = 10 t about y.
    t = np.linspace(0, 1, 101)
    log = GyroLog(t, np.stack([0 * t, 10 * t, 0 * t], axis=-1))
    readout = 0.03

    field = exact(log, camera(readout_time=readout, readout_direction=direction))

    x, y = np.meshgrid(COLUMNS, ROWS)
    start = 0.5 + readout * delay(x, y)
    middle = start + EXPOSURE / 2
    turned = [5 * (s**2 - middle**2) for s in (start, start + EXPOSURE)]  # rad, the integral of 10 t
    for i in range(2):
        np.testing.assert_allclose(field[:, :, i], np.stack(pan(XS, YS, turned[i]), -1), atol=1e-6)


def test_a_still_camera_has_no_blur_whatever_the_readout():
    field = exact(steady(0, 0, 0), camera(readout_time=0.03))

    assert np.abs(field).max() < 1e-9  # px


def test_time_offset_is_added_to_frame_times():
    t = np.linspace(0, 1, 101)
    log = GyroLog(t, np.stack([0 * t, 10 * t, 0 * t], axis=-1))

    shifted = exact(log, camera(time_offset=-0.2), t=0.7)

    np.testing.assert_allclose(shifted, exact(log, camera(), t=0.5), atol=1e-9)


def test_rates_are_carried_to_the_cameras_axes():
    shield = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1.0]])

    field = exact(steady(-1.0, 0.5, -2.0), camera(cam_from_imu=shield))

    np.testing.assert_allclose(field, exact(steady(-0.5, 1.0, 2.0), camera()), atol=1e-9)


def test_translation_over_a_wall_moves_pixels_by_f_v_t_over_d():
    wall = np.array([0, 0, 1 / 2.0])  # 2 m away, facing the camera

    field = exact(steady(0, 0, 0), camera(), velocity=np.array([0.3, -0.2, 0.0]), plane=wall)

    half = EXPOSURE / 2
    expected = np.array([[0.3 * half, -0.2 * half], [-0.3 * half, 0.2 * half]]) * F / 2
    np.testing.assert_allclose(field, np.broadcast_to(expected, field.shape), atol=1e-6)


def test_moving_towards_a_wall_zooms_about_the_centre():
    field = exact(
        steady(0, 0, 0), camera(), velocity=np.array([0, 0, 2.0]), plane=np.array([0, 0, 1.0]), t=0.5
    )

    middle, end = 1 - 2 * EXPOSURE / 2, 1 - 2 * EXPOSURE  # m to the wall
    zoom = middle / end - 1
    np.testing.assert_allclose(field[:, :, 1], zoom * np.stack([XS, YS], -1), atol=1e-6)


def test_a_slanted_plane_and_a_turn_agree_with_a_moved_pinhole():
    omega, velocity, plane = (
        np.array([0.3, -0.8, 0.6]),
        np.array([0.2, 0.1, -0.3]),
        np.array([0.1, -0.2, 0.4]),
    )
    field = exact(steady(*omega), camera(), velocity=velocity, plane=plane)

    def pose(s):  # seconds after the first line begins
        from deepgyro.rotations import so3_exp

        return so3_exp(omega * s), velocity * s

    R, c = pose(EXPOSURE / 2)
    rays = np.stack([XS / F, YS / F, np.ones_like(XS)], -1) @ R.T
    points = c + rays * ((1 - plane @ c) / (rays @ plane))[..., None]
    for i, s in enumerate((0.0, EXPOSURE)):
        R, c = pose(s)
        seen = (points - c) @ R
        uv = F * seen[..., :2] / seen[..., 2:]
        np.testing.assert_allclose(field[:, :, i], uv - np.stack([XS, YS], -1), atol=1e-6)


@pytest.mark.parametrize(
    "model", [("radtan", (-0.2, 0.05, 0.001, -0.002)), ("equidistant", (0.02, -0.01, 0.003, 0.0))]
)
@pytest.mark.parametrize("reference", ["row", "picture"])
def test_a_lens_bends_the_rays_before_and_after_the_turn(model, reference):
    from deepgyro.rotations import so3_exp

    cam = camera(distortion=Distortion(*model))
    omega = np.array([0.4, 1.0, -2.0])

    field = exact(steady(*omega), cam, reference=reference)

    uv = np.stack(np.meshgrid(COLUMNS, ROWS), -1).astype(float)
    rays = cam.rays(uv)
    sign = 1 if reference == "row" else -1
    for i, angle in ((0, -EXPOSURE / 2), (1, EXPOSURE / 2)):
        moved = cam.project(rays @ so3_exp(sign * omega * angle))
        np.testing.assert_allclose(field[:, :, i], sign * (moved - uv), atol=1e-6)


def test_a_smaller_picture_scales_the_field():
    log, cam = steady(0.3, 0.8, 0), camera(readout_time=0.02)

    half = exact(log, cam, height=120, width=160)
    full = exact(log, cam)

    blocks = full.reshape(120, 2, 160, 2, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(half, blocks / 2, atol=2e-3)  # px; half a row's time apart


def test_windows_equal_the_whole():
    field = motion_field(
        steady(0.3, 0.8, 2), camera(readout_time=0.02), t=0.5, exposure=EXPOSURE, reference="picture"
    )

    whole = field[:, :]

    assert whole.shape == (240, 320, 9, 2)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(field[30:100, 200:320], whole[30:100, 200:320])
    np.testing.assert_array_equal(field[::7, 3::9], whole[::7, 3::9])


@pytest.mark.parametrize("lens", [Distortion(), Distortion("radtan", (-0.2, 0.05, 0.001, -0.002))])
@pytest.mark.parametrize("reference", ["row", "picture"])
def test_interpolated_fields_agree_with_exact_ones_in_a_violent_shake(reference, lens):
    t = np.arange(0, 1, 0.005)
    log = GyroLog(t, np.random.default_rng(0).normal(0, 2, (200, 3)))  # rad/s, new every 5 ms
    cam = camera(readout_time=0.02, distortion=lens)
    field = motion_field(log, cam, t=0.5, exposure=EXPOSURE, n=5, reference=reference)

    np.testing.assert_allclose(field[:, :], field.at(ROWS, COLUMNS), atol=0.1)  # px


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 1), (3, 4)])
def test_the_smallest_pictures_have_fields(height, width):
    cam = Camera(width, height, K, readout_time=0.02, cam_from_imu=np.eye(3))

    field = motion_field(steady(0, 0.01, 0), cam, t=0.5, exposure=EXPOSURE, n=3, reference="picture")

    np.testing.assert_allclose(field[:, :], field.at(np.arange(height), np.arange(width)), atol=1e-3)


def test_n_instants_lie_on_one_curve():
    log = steady(0.3, 0.8, 3)

    nine = exact(log, camera(), n=9)

    np.testing.assert_allclose(nine[:, :, [0, 8]], exact(log, camera(), n=2), atol=1e-9)
    np.testing.assert_allclose(nine[:, :, 4], 0, atol=1e-9)


def test_a_straight_steady_path_needs_two_instants_and_a_shaken_one_more():
    pan = motion_field(steady(0, 0.3, 0), camera(), t=0.5, exposure=EXPOSURE, n=33, reference="picture")
    t = np.arange(0, 1, 0.005)
    shake = GyroLog(t, np.stack([2 * np.sin(250 * t), 2 * np.cos(250 * t), 0 * t], -1))
    shaken = motion_field(shake, camera(), t=0.5, exposure=EXPOSURE, n=33, reference="picture")

    fewer = reduce_instants(shaken)

    assert reduce_instants(pan).shape[2] == 2
    step = 32 // (fewer.shape[2] - 1)
    assert 2 < fewer.shape[2] < 33
    np.testing.assert_array_equal(fewer[:, :], shaken[:, :][:, :, ::step])
    between = (shaken[:, :][:, :, :-step:step] + shaken[:, :][:, :, step::step]) / 2
    assert np.abs(between - shaken[:, :][:, :, step // 2 :: step]).max() < 0.3  # px


def test_the_extent_of_an_array_misses_no_pixel():
    field = np.zeros((600, 1000, 2, 2), np.float32)
    field[301:308, 503:516, 1, 0] = 40

    median, longest, reach = measure_field(field)

    assert (median, longest, reach) == (0.0, 40.0, 40)


@pytest.mark.parametrize(("t", "what"), [(-0.001, "-0.001"), (0.985, "1.005")])
def test_an_exposure_outside_the_log_is_refused(t, what):
    with pytest.raises(ExposureNotCovered, match=what):
        blur_field(steady(0, 1, 0), camera(), t=t, exposure=EXPOSURE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exposure": -0.01}, "exposure is -0.01 s: a positive time"),
        ({"exposure": float("nan")}, "exposure is nan"),
        ({"t": float("nan")}, "t is nan"),
        ({"n": 1}, "at least its start and its end"),
        ({"velocity": np.ones(3)}, "velocity and plane belong together"),
        ({"height": 0}, "at least 1 px"),
    ],
)
def test_impossible_exposures_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        blur_field(steady(0, 1, 0), camera(), **{"t": 0.5, "exposure": EXPOSURE, **options})


def test_degrees_taken_for_radians_turn_pixels_behind_the_camera():
    with pytest.raises(ValueError, match=r"behind the camera.*deg/s"):
        blur_field(steady(0, 90, 0), camera(), t=0.5, exposure=0.04)


@pytest.mark.parametrize("gap", ["readout_time", "cam_from_imu"])
def test_a_camera_that_lacks_what_is_needed_is_refused(gap):
    with pytest.raises(ValueError, match=f"has no {gap}"):
        blur_field(steady(0, 1, 0), camera(**{gap: None}), t=0.5, exposure=EXPOSURE)
