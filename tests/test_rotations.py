import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from deepgyro.rotations import integrate_rates, so3_exp


def test_exp_of_a_quarter_turn_about_z_carries_x_to_y():
    rotation = so3_exp(np.array([0.0, 0.0, np.pi / 2]))

    np.testing.assert_allclose(rotation @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("angle", [0.0, 1e-13, 1e-6, 0.3, 2.0, 3.1415])
def test_exp_is_the_rotation_by_the_vector_at_every_angle(angle):
    phi = angle * np.array([[0.6, 0.0, -0.8], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])

    np.testing.assert_allclose(so3_exp(phi), Rotation.from_rotvec(phi).as_matrix(), atol=1e-15)


def test_a_constant_rate_is_integrated_exactly_at_and_between_samples():
    t = np.array([0.0, 0.01, 0.013, 0.05])
    omega = np.tile([3.0, -2.0, 1.0], (4, 1))

    times = np.array([0.0, 0.004, 0.0131, 0.05])
    turned = integrate_rates(t, omega).at(times)

    np.testing.assert_allclose(turned, so3_exp(times[:, None] * [3.0, -2.0, 1.0]), atol=1e-14)


def test_a_violent_shake_agrees_with_a_thousand_times_finer_integration():
    rng = np.random.default_rng(0)
    t = np.arange(20) * 0.005
    omega = rng.normal(0, 8, (20, 3))  # rad/s
    fine_t = np.linspace(t[0], t[-1], 19 * 1000 + 1)
    fine_omega = np.stack([np.interp(fine_t, t, w) for w in omega.T], axis=-1)

    coarse = integrate_rates(t, omega).at(fine_t[::250])
    fine = integrate_rates(fine_t, fine_omega).world_from_body[::250]

    assert np.abs(coarse - fine).max() < 1e-5  # rad; the mean rates alone are off by 7e-4


def test_integration_keeps_rotations_orthonormal_over_a_long_log():
    rng = np.random.default_rng(1)
    t = np.arange(20000) * 0.005

    R = integrate_rates(t, rng.normal(0, 2, (20000, 3))).world_from_body

    assert np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max() < 1e-11


def test_times_outside_the_samples_are_refused():
    orientation = integrate_rates(np.array([0.0, 1.0]), np.zeros((2, 3)))

    with pytest.raises(ValueError, match="outside the gyro samples"):
        orientation.at(np.array([0.5, 1.001]))
