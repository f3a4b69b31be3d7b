"""`reference="picture"` against a brute-force rendering of a rolling-shutter camera."""

import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import blur_field, motion_field
from deepgyro.camera import Camera
from deepgyro.rotations import so3_exp
from deepgyro.telemetry import GyroLog

H, W, F = 135, 160, 300.0
EXPOSURE, READOUT = 0.02, 0.02
K = np.array([[F, 0, 79.5], [0, F, 67.0], [0, 0, 1]])
RAYS = np.stack(np.meshgrid((np.arange(W) - 79.5) / F, (np.arange(H) - 67.0) / F), -1)
RAYS = np.concatenate([RAYS, np.ones((H, W, 1))], -1)
T = np.linspace(0, 1, 201)


def camera(direction="down"):
    return Camera(W, H, K, readout_time=READOUT, readout_direction=direction, cam_from_imu=np.eye(3))


def scene(rays):
    """A smooth pattern on the sphere; waves of 10 px and longer."""
    x, y = rays[..., 0] / rays[..., 2] * F, rays[..., 1] / rays[..., 2] * F
    waves = np.sin(x / 3.1 + y / 5.3) + np.sin(y / 2.3 - x / 7.7) + np.sin(x / 1.9) * np.cos(y / 2.1)
    return (0.5 + waves / 8)[..., None].astype(np.float32)


def render(omega, delays, share):
    """What each pixel sees at a share (0 to 1) of its line's exposure, turning steadily at omega (rad/s)."""
    times = READOUT * delays + share * EXPOSURE
    return scene(np.einsum("hwij,hwj->hwi", so3_exp(times[..., None] * omega), RAYS))


@pytest.mark.parametrize("direction", ["down", "up", "right", "left"])
@pytest.mark.parametrize("omega", [(2.0, 0, 0), (-2.0, 0, 0), (0, 2.0, 0), (0.7, 1.5, -1.0)])
def test_blurring_the_sharp_rolling_shutter_picture_along_it_is_what_the_camera_records(direction, omega):
    y, x = np.mgrid[:H, :W]
    delays = {"down": y / H, "up": (H - 1 - y) / H, "right": x / W, "left": (W - 1 - x) / W}[direction]
    sharp = render(np.array(omega), delays, 0.5)
    recorded = np.mean([render(np.array(omega), delays, s) for s in (np.arange(64) + 0.5) / 64], axis=0)
    log = GyroLog(T, np.tile(omega, (201, 1)).astype(float))

    def error(reference):
        field = blur_field(log, camera(direction), t=0.4, exposure=EXPOSURE, n=9, reference=reference)
        difference = BlurOperator(field)(sharp) - recorded
        return np.abs(difference[20:-20, 20:-20]).max()

    assert error("picture") < 0.01  # of a scene from 0.1 to 0.9: what bilinear look-up leaves
    along = omega[0] if direction in ("down", "up") else omega[1]
    if abs(along) == 2:  # rad/s: the picture moves with or against the shutter, and eq. 5 alone is off
        assert error("row") > 3 * error("picture")


@pytest.mark.parametrize("down", [8.0, -8.0, 30.0])  # px during the exposure
def test_a_steady_shift_down_is_lengthened_by_the_factor_of_the_theory(down):
    far = Camera(
        W,
        H,
        np.array([[1e6, 0, 79.5], [0, 1e6, 67.0], [0, 0, 1]]),
        readout_time=READOUT,
        cam_from_imu=np.eye(3),
    )
    log = GyroLog(T, np.tile([down / 1e6 / EXPOSURE, 0, 0], (201, 1)))  # a turn about x lifts the view

    field = motion_field(log, far, t=0.4, exposure=EXPOSURE, n=3, reference="picture").at(
        np.array([67]), np.array([80])
    )

    lengthened = down / (1 - down * READOUT / (EXPOSURE * H))
    np.testing.assert_allclose(field[0, 0, :, 1], lengthened * np.array([-0.5, 0, 0.5]), atol=1e-3)


def test_a_picture_that_runs_with_the_shutter_is_refused():
    log = GyroLog(T, np.tile([1.0 * H / F / READOUT, 0, 0], (201, 1)))

    with pytest.raises(ValueError, match="as fast as the rolling shutter"):
        blur_field(log, camera(), t=0.4, exposure=EXPOSURE / 4, reference="picture")


@pytest.mark.parametrize("reference", ["picture", "row"])
def test_a_tabulated_field_is_the_same(reference):
    log = GyroLog(T, np.random.default_rng(0).normal(0, 1.0, (201, 3)))
    field = motion_field(log, camera(), t=0.4, exposure=EXPOSURE, n=5, reference=reference)
    window = slice(7, 99), slice(31, 160)

    np.testing.assert_array_equal(field.tabulate()[window], field[window])
