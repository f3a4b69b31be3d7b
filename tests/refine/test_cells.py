import numpy as np
import pytest

from deepgyro.refine.cells import COLUMNS, REACH, ROWS, SIDE, cells_of
from deepgyro.refine.statistic import Pyramid

from .test_statistic import blurred, everywhere, photo  # noqa: F401


def bent(planes, direction):
    a, b = direction
    return a * a * planes[0] + 2 * a * b * planes[1] + b * b * planes[2]


def at(plane, x, y):
    """Bilinear, at a place inside."""
    i, k = int(np.floor(y)), int(np.floor(x))
    v, u = y - i, x - k
    rows = [(1 - u) * plane[i + d, k] + u * plane[i + d, k + 1] for d in (0, 1)]
    return (1 - v) * rows[0] + v * rows[1]


def test_maps_are_the_correlations_of_both_ends_of_every_path(photo):  # noqa: F811
    vectors = everywhere(8, 5)
    pyramid = Pyramid(photo)
    planes = pyramid.planes(0)

    cells = cells_of(pyramid, vectors[::6, ::6])

    # The cell in the middle, whose places lie two px apart; its derivatives are those along the path.
    plane = bent(planes, np.array([8, 5]) / np.hypot(8, 5))
    top, bottom, left, right = 4 * 30, 5 * 30, 8 * 30, 9 * 30
    products, squares = np.zeros((15, 15)), 0.0
    for y in range(1, 270, 2):
        for x in range(1, 480, 2):
            if top <= y < bottom and left <= x < right:
                m, j = x + 4, y + 3
                start = at(plane, m - 8.0, j - 5.0)
                squares += start**2
                products += start * plane[j - 7 : j + 8, m - 7 : m + 8]
    expected = np.zeros((SIDE, SIDE))
    along = np.array([8, 5]) / np.hypot(8, 5)
    across = np.array([-along[1], along[0]])
    for i in range(SIDE):
        for j in range(SIDE):
            if (i - REACH) ** 2 + (j - REACH) ** 2 <= 36:
                x, y = (i - REACH) * along + (j - REACH) * across + 7
                expected[i, j] = at(products, x, y) / squares
    found = cells.maps.reshape(ROWS, COLUMNS, -1, SIDE, SIDE)[4, 8, 0]
    np.testing.assert_allclose(found, expected.clip(-1.5, 1.5), atol=1e-4)
    assert cells.counts.reshape(ROWS, COLUMNS)[4, 8] == 225
    np.testing.assert_allclose(cells.energy.reshape(ROWS, COLUMNS)[4, 8], squares / 225, rtol=1e-4)


def test_places_whose_paths_leave_the_picture_are_passed_over(photo):  # noqa: F811
    cells = cells_of(Pyramid(photo), everywhere(90, 0)[::6, ::6])

    counts = cells.counts.reshape(ROWS, COLUMNS)
    assert (counts[:, 0] == 0).all()
    assert (counts[:, -1] == 0).all()
    assert (counts[1:-1, 2:-2] == 225).all()
    assert (cells.maps[:, 0].reshape(ROWS, COLUMNS, -1)[:, 0] == 0).all()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 64), (64, 300), (301, 65)])
def test_small_pictures_have_all_their_cells(photo, height, width):  # noqa: F811
    part = np.ascontiguousarray(np.pad(photo, ((0, 40), (0, 0), (0, 0)))[:height, :width])

    cells = cells_of(Pyramid(part), everywhere(6, 4, 10, 12))

    assert np.isfinite(cells.maps).all()
    assert np.isfinite(cells.facts).all()
    assert len(cells.maps) == ROWS * COLUMNS


def test_a_picture_that_is_hardly_higher_than_wide_lies_on_its_side_at_every_level():
    pyramid = Pyramid(np.random.default_rng(0).integers(0, 256, (1081, 1080, 3), dtype=np.uint8))

    short, long = (cells_of(pyramid, everywhere(length, 0)) for length in (20, 70))

    assert (short.level, long.level) == (0, 1)
    assert short.lying
    assert long.lying
    np.testing.assert_array_equal(short.places, long.places)


def test_places_of_a_halved_picture_lie_as_close_as_those_of_a_small_one():
    large = np.random.default_rng(0).integers(0, 256, (640, 800, 3), dtype=np.uint8)

    halved = cells_of(Pyramid(large), everywhere(40, 0))
    small = cells_of(Pyramid(np.ascontiguousarray(large[::2, ::2])), everywhere(20, 0))

    assert (halved.level, small.level) == (1, 0)
    np.testing.assert_array_equal(halved.counts, small.counts)
