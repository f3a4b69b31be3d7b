import cv2
import numpy as np
import pytest

from deepgyro.camera import Distortion

AXES = np.linspace(-0.6, 0.6, 9)
GRID = np.stack(np.meshgrid(AXES, AXES), axis=-1)  # normalised; holds the axis itself

RADTAN = [
    (-0.28, 0.07, 0.0002, -0.0003),
    (0.14370434, -0.4948425, -0.00087726, 0.00189781, 0.48900564),
    (0.3, 0.1, 0.01, -0.02, 0.05),
    (0.0, 0.0, 0.01, 0.02),
]
EQUIDISTANT = [
    (0.0034823894, 0.00071503485, -0.0020532361, 0.00020293674),
    (0.06729246, -0.05275207, 0.12141442, -0.07741177),
    (0.0, 0.0, 0.0, 0.0),
]
ALL = [("radtan", c) for c in RADTAN] + [("equidistant", c) for c in EQUIDISTANT]


@pytest.mark.parametrize("coefficients", RADTAN)
def test_radtan_agrees_with_opencv(coefficients):
    points = np.concatenate([GRID, np.ones((9, 9, 1))], axis=-1).reshape(-1, 3)

    ours = Distortion("radtan", coefficients).distort(GRID)

    theirs, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))
    np.testing.assert_allclose(ours.reshape(-1, 2), theirs[:, 0], atol=1e-9)


@pytest.mark.parametrize("coefficients", EQUIDISTANT)
def test_equidistant_agrees_with_opencv_fisheye(coefficients):
    ours = Distortion("equidistant", coefficients).distort(2 * GRID)

    theirs = cv2.fisheye.distortPoints(2 * GRID.reshape(1, -1, 2), np.eye(3), np.array(coefficients))
    np.testing.assert_allclose(ours.reshape(-1, 2), theirs[0], atol=1e-9)


@pytest.mark.parametrize(("model", "coefficients"), ALL)
def test_undistort_gives_back_the_ray(model, coefficients):
    lens = Distortion(model, coefficients)

    back = lens.undistort(lens.distort(GRID))

    np.testing.assert_allclose(back, GRID, atol=1e-11)
    np.testing.assert_allclose(lens.distort(back), lens.distort(GRID), atol=1e-12)


def test_a_fisheye_is_undone_up_to_85_degrees_off_the_axis():
    lens = Distortion("equidistant", EQUIDISTANT[0])
    rays = np.array([[np.tan(np.radians(85)), 0.0], [0.0, -np.tan(np.radians(85))]])

    back = lens.undistort(lens.distort(rays))

    np.testing.assert_allclose(back, rays, rtol=1e-10)


def test_no_distortion_leaves_points_alone():
    lens = Distortion()

    np.testing.assert_array_equal(lens.distort(GRID), GRID)
    np.testing.assert_array_equal(lens.undistort(GRID), GRID)


def test_no_points_are_no_trouble():
    empty = np.empty((0, 2))

    for model, coefficients in ALL:
        assert Distortion(model, coefficients).undistort(empty).shape == (0, 2)


@pytest.mark.parametrize(
    ("model", "coefficients", "beyond"),
    [
        ("radtan", (-0.28, 0.0, 0.0, 0.0), 1.0),  # the polynomial stops rising at r = 1.09, where it is 0.73
        ("radtan", (-0.28, 0.0, 0.001, 0.001), 1.0),
        ("radtan", (-0.3, 0.02, 0.0, 0.0), 3.0),  # a root of the polynomial lies there, past the fold
        ("equidistant", (0.0, 0.0, 0.0, 0.0), 1.6),  # more than 90 degrees
        ("equidistant", (-0.3, 0.0, 0.0, 0.0), 0.9),
        ("radtan", (-0.28, 0.07, 0.0, 0.0), np.nan),
    ],
)
def test_a_point_outside_the_lens_model_is_refused(model, coefficients, beyond):
    points = np.array([[0.1, 0.1], [beyond, 0.0]])

    with pytest.raises(ValueError, match=r"1 of 2 points lie outside|not finite"):
        Distortion(model, coefficients).undistort(points)


@pytest.mark.parametrize(
    ("model", "coefficients", "message"),
    [
        ("radtan", (0.1,), "needs 4 or 5"),
        ("equidistant", (0.1, 0.2, 0.3, 0.4, 0.5), "needs 4"),
        ("none", (0.1,), "needs 0"),
        ("radtan", (0.1, 0.2, np.inf, 0.4), "finite"),
    ],
)
def test_coefficients_must_fit_the_model(model, coefficients, message):
    with pytest.raises(ValueError, match=message):
        Distortion(model, coefficients)
