import numpy as np
import pytest

from deepgyro import refine_field
from deepgyro.blurfield import motion_field, paths_from_vectors
from deepgyro.camera import Camera
from deepgyro.refine import CorrectedField
from deepgyro.synthesis import hand_shake

from .test_statistic import blurred, everywhere, photo  # noqa: F401


def ends(field):
    part = field[:, :]
    return part[:, :, -1] - part[:, :, 0]


def distance(field, vectors):
    return float(np.linalg.norm(ends(field) - vectors, axis=-1).mean())


@pytest.mark.parametrize(("u", "v"), [(18, 0), (20, -14), (-30, 20), (50, -10)])
def test_a_biased_field_is_put_right(photo, u, v):  # noqa: F811
    true = everywhere(u, v)

    fit = refine_field(blurred(photo, true), true + np.float32([5, 3]))

    assert distance(fit.field, true) < 1.6  # px; 5.8 before
    assert fit.confidence > 0.7
    assert fit.correction_px == pytest.approx(5.8, abs=1.5)
    assert "px of blur" in fit.note


def test_a_rolled_and_scaled_field_is_put_right(photo):  # noqa: F811
    y, x = np.mgrid[:270, :480].astype(np.float32)
    true = np.stack([24 - 0.04 * (y - 135), 8 + 0.04 * (x - 240)], -1)

    fit = refine_field(blurred(photo, true), 1.2 * true)

    assert distance(paths_from_vectors(1.2 * true), true) > 4
    assert distance(fit.field, true) < 1.2  # px


def test_a_right_field_stays(photo):  # noqa: F811
    true = everywhere(28, 9)

    fit = refine_field(blurred(photo, true), true)

    assert distance(fit.field, true) < 0.7  # px
    assert fit.confidence > 0.9


def test_paths_that_are_too_short_to_tell_are_left_alone(photo):  # noqa: F811
    field = paths_from_vectors(everywhere(3, 1))

    fit = refine_field(photo, field)

    assert fit.field is field
    assert (fit.confidence, fit.note) == (0.0, "")


def test_a_sharp_picture_is_not_believed_to_be_blurred(photo):  # noqa: F811
    for u, v in [(25, 10), (-14, 30), (3, 20)]:
        assert refine_field(photo, everywhere(u, v)).confidence < 0.5


def test_the_corrections_are_made_where_they_are_asked_for():
    camera = Camera(96, 64, np.array([[80.0, 0, 47.5], [0, 80.0, 31.5], [0, 0, 1]]), readout_time=0.02,
                    cam_from_imu=np.eye(3))  # fmt: skip
    told = motion_field(
        hand_shake(np.random.default_rng(1), duration=1.0),
        camera,
        t=0.4,
        exposure=0.05,
        n=5,
        reference="picture",
    )
    theta = np.array([0.1, 2.0, -1.0, 0.5, 0.4, 0.3, 0.2, 0.1])

    field = CorrectedField(told, theta)

    whole = field[:, :]
    np.testing.assert_allclose(field[10:20, 30:50], whole[10:20, 30:50], atol=1e-5)
    middle = ends(field)[32, 48] - 1.1 * ends(told)[32, 48]
    np.testing.assert_allclose(middle, [2.0, -1.0], atol=0.02)  # px
    np.testing.assert_allclose(whole.mean(2), 1.1 * told[:, :].mean(2), atol=1e-4)


def test_a_field_of_another_size_is_refused(photo):  # noqa: F811
    with pytest.raises(ValueError, match="480 x 100"):
        refine_field(photo, everywhere(10, 0, 100, 480))
