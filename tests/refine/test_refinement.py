import numpy as np
import pytest

from deepgyro import refine_field
from deepgyro.blurfield import motion_field, paths_from_vectors
from deepgyro.camera import Camera
from deepgyro.lab.synthesis import simulate_camera_shake
from deepgyro.refine import CorrectedField

from .test_statistic import blurred, everywhere, photo  # noqa: F401


def ends(field):
    part = field[:, :]
    return part[:, :, -1] - part[:, :, 0]


def distance(field, vectors):
    return float(np.linalg.norm(ends(field) - vectors, axis=-1).mean())


@pytest.mark.parametrize(("u", "v"), [(18, 0), (20, -14), (-30, 20), (50, -10)])
def test_a_biased_field_is_corrected(photo, u, v):  # noqa: F811
    true = everywhere(u, v)

    fit = refine_field(blurred(photo, true), true + np.float32([5, 3]))

    assert distance(fit.field, true) < 1.6  # px; 5.8 before
    assert fit.confidence > 0.7
    assert fit.correction_px == pytest.approx(5.8, abs=1.5)
    assert "px of blur" in fit.note


def test_a_rolled_and_scaled_field_is_corrected(photo):  # noqa: F811
    y, x = np.mgrid[:270, :480].astype(np.float32)
    true = np.stack([24 - 0.04 * (y - 135), 8 + 0.04 * (x - 240)], -1)

    fit = refine_field(blurred(photo, true), 1.2 * true)

    assert distance(paths_from_vectors(1.2 * true), true) > 4
    assert distance(fit.field, true) < 1.2  # px


def test_a_right_field_stays_unchanged(photo):  # noqa: F811
    true = everywhere(28, 9)

    fit = refine_field(blurred(photo, true), true)

    assert distance(fit.field, true) < 0.7  # px
    assert fit.confidence > 0.9


def test_a_field_of_short_paths_stays_unchanged(photo):  # noqa: F811
    field = paths_from_vectors(everywhere(3, 1))

    fit = refine_field(photo, field)

    assert fit.field is field
    assert (fit.confidence, fit.note) == (0.0, "")


def test_a_sharp_picture_does_not_confirm_a_field(photo):  # noqa: F811
    for u, v in [(25, 10), (-14, 30), (3, 20)]:
        assert refine_field(photo, everywhere(u, v)).confidence < 0.5


def test_corrections_are_computed_in_the_requested_window():
    camera = Camera(96, 64, np.array([[80.0, 0, 47.5], [0, 80.0, 31.5], [0, 0, 1]]), readout_time=0.02,
                    cam_from_imu=np.eye(3))  # fmt: skip
    prior = motion_field(
        simulate_camera_shake(np.random.default_rng(1), duration=1.0),
        camera,
        t=0.4,
        exposure=0.05,
        n=5,
        reference="picture",
    )
    theta = np.array([0.1, 2.0, -1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.6, -0.3])

    field = CorrectedField(prior, theta)

    whole = field[:, :]
    np.testing.assert_allclose(field[10:20, 30:50], whole[10:20, 30:50], atol=1e-5)
    middle = ends(field)[32, 48] - 1.1 * ends(prior)[32, 48]
    np.testing.assert_allclose(middle, [2.0, -1.0], atol=0.02)  # px
    np.testing.assert_allclose(whole.mean(2), 1.1 * prior[:, :].mean(2), atol=1e-4)


def rolled(turn_x, turn_y, roll, lens=0.4, height=270, width=480):
    """The blur vectors of a camera that turns and rolls, px; roll: at half the diagonal."""
    half = np.hypot(height, width) / 2
    y, x = np.mgrid[:height, :width]
    u, v = (x - (width - 1) / 2) / half, (y - (height - 1) / 2) / half
    far = lens * (turn_x * u + turn_y * v)
    return np.stack([turn_x - roll * v + far * u, turn_y + roll * u + far * v], -1).astype(np.float32)


@pytest.mark.parametrize(
    ("turn_x", "turn_y", "roll"), [(24, 0, 0), (-15, 12, 0), (20, 14, 15), (8, -30, -12), (-45, 10, 20)]
)
def test_without_gyro_the_blur_is_estimated_from_the_picture(photo, turn_x, turn_y, roll):  # noqa: F811
    true = rolled(turn_x, turn_y, roll)

    fit = refine_field(blurred(photo, true), None)

    length = np.linalg.norm(true, axis=-1).mean()
    assert min(distance(fit.field, true), distance(fit.field, -true)) < 0.1 * length
    assert fit.confidence > 0.7
    assert "estimated from the picture" in fit.note
    assert fit.field.shape == (270, 480, 2, 2)


def test_the_blur_of_a_portrait_picture_is_estimated(photo):  # noqa: F811
    true = rolled(30, 8, 6)

    fit = refine_field(np.ascontiguousarray(blurred(photo, true).transpose(1, 0, 2)), None)

    found = ends(fit.field).transpose(1, 0, 2)[..., ::-1]
    assert min(np.linalg.norm(found - s * true, axis=-1).mean() for s in (-1, 1)) < 3  # px
    assert fit.confidence > 0.7


def test_a_larger_picture_has_a_longer_blur(photo):  # noqa: F811
    import cv2

    true = rolled(25, 10, 8)
    image = cv2.resize(blurred(photo, true), (1920, 1080), interpolation=cv2.INTER_CUBIC)

    fit = refine_field(image, None)

    found = ends(fit.field)[2::4, 2::4] / 4
    assert min(np.linalg.norm(found - s * true, axis=-1).mean() for s in (-1, 1)) < 3  # px
    assert fit.confidence > 0.7


def test_no_blur_is_confident_in_a_sharp_picture(photo):  # noqa: F811
    fit = refine_field(photo, None)

    assert fit.confidence < 0.7
    assert fit.note.startswith("no blur is certain in the picture: if it is blurred")


def test_the_blur_of_a_tiny_picture_is_not_estimated(photo):  # noqa: F811
    fit = refine_field(np.ascontiguousarray(photo[:40, :60]), None)

    assert (fit.field, fit.confidence) == (None, 0.0)
    assert "too small" in fit.note


def test_a_mismatched_gyro_of_a_blurred_picture_is_replaced(photo):  # noqa: F811
    true = rolled(28, 4, 5)

    fit = refine_field(blurred(photo, true), everywhere(-10, 40))

    assert min(distance(fit.field, true), distance(fit.field, -true)) < 3  # px
    assert fit.note.startswith("gyro and picture disagree")


@pytest.mark.parametrize(("u", "v"), [(25, 10), (-14, 30), (3, 12)])
def test_a_mismatched_gyro_of_a_sharp_picture_is_ignored(photo, u, v):  # noqa: F811
    fit = refine_field(photo, everywhere(u, v))

    assert fit.field is None
    assert fit.note.startswith("gyro and picture disagree")
    assert fit.note.endswith("the gyro is ignored")


def test_a_field_of_another_size_is_refused(photo):  # noqa: F811
    with pytest.raises(ValueError, match="480 x 100"):
        refine_field(photo, everywhere(10, 0, 100, 480))


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        (lambda image, field: (image[..., :2], field), r"the picture is \(270, 480, 2\)"),
        (lambda image, field: (image, field[:, :, :1]), "n >= 2"),
        (lambda image, field: (image, field * np.float32(np.nan)), "not finite"),
    ],
)
def test_what_is_no_picture_or_no_field_is_refused(photo, spoil, fragment):  # noqa: F811
    field = np.zeros((*photo.shape[:2], 2, 2), np.float32)
    field[:, :, 1] = 10

    with pytest.raises(ValueError, match=fragment):
        refine_field(*spoil(photo, field))
