import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from deepgyro.blur import BlurOperator
from deepgyro.blur.border import LANES
from deepgyro.blur.differences import PathDifferences
from deepgyro.blurfield import paths_from_vectors

FRACTIONS = (-1.5, -0.5, 0.5, 1.5)


def straight(vectors):
    """Ends of straight paths about their pixels."""
    return np.concatenate([-vectors / 2, vectors / 2])


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

    found = PathDifferences(straight(vectors), FRACTIONS, (0.05, 0.2))(picture)

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

    (found,) = PathDifferences(straight(vectors), (0.5,), (0.5,))(picture)

    expected = (sampled(picture, vectors, 1.0) - sampled(picture, vectors, 0.0)) / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_along_a_straight_path_they_hold_shifted_copies_of_the_sharp_picture():
    """``d . grad B(x) = S(x + d / 2) - S(x - d / 2)``, for a smooth S and small steps."""
    y, x = np.mgrid[:64, :96]
    sharp = (0.5 + 0.3 * np.sin(x / 9 + y / 13) + 0.1 * np.cos(y / 7))[None].repeat(3, 0).astype(np.float32)
    vectors = np.broadcast_to(np.float32([12.0, -5.0])[:, None, None], (2, 64, 96)).copy()
    field = paths_from_vectors(vectors.transpose(1, 2, 0))
    blurred = BlurOperator(field)(sharp.transpose(1, 2, 0)).transpose(2, 0, 1).copy()

    (found,) = PathDifferences(straight(vectors), (0.0,), (0.1,))(blurred)

    inside = (slice(None), slice(16, -16), slice(16, -16))
    expected = (sampled(sharp, vectors, 0.5) - sampled(sharp, vectors, -0.5)) / 2
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.01)


def test_without_a_path_there_are_no_differences():
    picture = np.random.default_rng(2).random((3, 10, 20)).astype(np.float32)

    found = PathDifferences(np.zeros((4, 10, 20), np.float32), FRACTIONS, (0.1,))(picture)

    np.testing.assert_allclose(found, 0, atol=1e-6)


def random_ends(height, width):
    return np.random.default_rng(3).normal(0, 6, (4, height, width)).astype(np.float32)


def test_the_ends_of_a_path_are_where_they_are_taken():
    """Half a path before and after its middle are its first and last points, wherever they lie."""
    rng = np.random.default_rng(4)
    picture, ends = rng.random((3, 20, 37)).astype(np.float32), random_ends(20, 37)

    (found,) = PathDifferences(ends, (0.0,), (0.5,))(picture)

    expected = (sampled(picture, ends[2:], 1.0) - sampled(picture, ends[:2], 1.0)) / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_part_sees_what_surrounds_it():
    rng = np.random.default_rng(6)
    picture, ends = rng.random((3, 60, 90)).astype(np.float32), random_ends(60, 90)
    whole = PathDifferences(ends, FRACTIONS, (0.1,))(picture)

    for top, bottom, left, right in ((0, 20, 0, 30), (17, 43, 22, 75), (40, 60, 50, 90)):
        D = PathDifferences(np.ascontiguousarray(ends[:, top:bottom, left:right]), FRACTIONS, (0.1,))
        columns = -(-(right - left) // LANES) * LANES
        out = np.empty((4, 3, bottom - top + 5, columns), np.float32)
        D.difference_part(picture, out, top=top, left=left)
        np.testing.assert_array_equal(
            out[:, :, : bottom - top, : right - left], whole[:, :, top:bottom, left:right]
        )


def test_samples_lie_within_the_reach():
    ends = random_ends(30, 48)
    D = PathDifferences(ends, FRACTIONS, (0.1,))
    reach = D.reach(int(np.ceil(np.abs(ends).max())))
    picture = np.zeros((3, 30, 48), np.float32)
    picture[:, 15, 24] = 1

    y, x = np.nonzero(np.abs(D(picture)).max((0, 1)))

    assert max(np.abs(y - 15).max(), np.abs(x - 24).max()) <= reach


@pytest.mark.parametrize("shape", [(3, 9, 20), (3, 10, 19), (2, 10, 20)])
def test_a_picture_of_another_size_is_refused(shape):
    D = PathDifferences(np.zeros((4, 10, 20), np.float32), (0.5,), (0.1,))

    with pytest.raises((ValueError, TypeError)):
        D(np.zeros(shape, np.float32))


def test_ends_of_another_kind_are_refused():
    with pytest.raises((ValueError, TypeError)):
        PathDifferences(np.zeros((2, 10, 20), np.float32), (0.5,), (0.1,))
