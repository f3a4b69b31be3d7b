import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from deepgyro.blur import Blur
from deepgyro.blur.differences import path_differences
from deepgyro.blurfield import paths_from_vectors

FRACTIONS = (-1.5, -0.5, 0.5, 1.5)


def sampled(picture, vectors, share):
    """The picture at ``x + share * d``, by an independent hand."""
    y, x = np.mgrid[: picture.shape[1], : picture.shape[2]].astype(float)
    where = [y + share * vectors[1], x + share * vectors[0]]
    return np.stack(
        [map_coordinates(plane.astype(float), where, order=1, mode="nearest") for plane in picture]
    )


@pytest.mark.parametrize(("height", "width"), [(40, 64), (33, 47), (5, 3), (1, 1)])
def test_they_are_the_differences_of_bilinear_samples(height, width):
    rng = np.random.default_rng(0)
    picture = rng.random((3, height, width)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    vectors = np.stack([9 * np.sin(x / 20) + 4, 7 * np.cos(y / 9)]).astype(np.float32)

    found = path_differences(picture, vectors, fractions=FRACTIONS, steps=(0.05, 0.2))

    expected = [
        (sampled(picture, vectors, k + e) - sampled(picture, vectors, k - e)) / (4 * e)
        for k in FRACTIONS
        for e in (0.05, 0.2)
    ]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_neighbours_may_move_as_they_like():
    rng = np.random.default_rng(1)
    picture = rng.random((3, 20, 37)).astype(np.float32)
    vectors = rng.normal(0, 15, (2, 20, 37)).astype(np.float32)

    (found,) = path_differences(picture, vectors, fractions=(0.5,), steps=(0.5,))

    expected = (sampled(picture, vectors, 1.0) - sampled(picture, vectors, 0.0)) / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_along_a_straight_path_they_hold_shifted_copies_of_the_sharp_picture():
    """``d . grad B(x) = S(x + d / 2) - S(x - d / 2)``, for a smooth S and small steps."""
    y, x = np.mgrid[:64, :96]
    sharp = (0.5 + 0.3 * np.sin(x / 9 + y / 13) + 0.1 * np.cos(y / 7))[None].repeat(3, 0).astype(np.float32)
    vectors = np.broadcast_to(np.float32([12.0, -5.0])[:, None, None], (2, 64, 96)).copy()
    field = paths_from_vectors(vectors.transpose(1, 2, 0))
    blurred = Blur(field)(sharp.transpose(1, 2, 0)).transpose(2, 0, 1).copy()

    (found,) = path_differences(blurred, vectors, fractions=(0.0,), steps=(0.1,))

    inside = (slice(None), slice(16, -16), slice(16, -16))
    expected = (sampled(sharp, vectors, 0.5) - sampled(sharp, vectors, -0.5)) / 2
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.01)


def test_without_a_path_there_are_no_differences():
    picture = np.random.default_rng(2).random((3, 10, 20)).astype(np.float32)

    found = path_differences(picture, np.zeros((2, 10, 20), np.float32), fractions=FRACTIONS, steps=(0.1,))

    np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 9, 20), (3, 10, 20), (2, 10, 19)])
def test_vectors_of_another_picture_are_refused(shape):
    with pytest.raises((ValueError, TypeError)):
        path_differences(
            np.zeros((3, 10, 20), np.float32), np.zeros(shape, np.float32), fractions=(0.5,), steps=(0.1,)
        )
