import numpy as np
import pytest

from deepgyro.refine.cells import CELL_COLUMNS, CELL_ROWS, MAP_SIDE_PX, SEARCH_REACH_PX, measure_cells
from deepgyro.refine.statistic import DerivativePyramid

from .test_statistic import blurred, everywhere, photo  # noqa: F401


def directional_derivative(planes, direction):
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
    pyramid = DerivativePyramid(photo)
    planes = pyramid.planes(0)

    cells = measure_cells(pyramid, vectors[::6, ::6])

    # The cell in the middle, whose places lie two px apart; its derivatives are those along the path.
    plane = directional_derivative(planes, np.array([8, 5]) / np.hypot(8, 5))
    top, bottom, left, right = 4 * 30, 5 * 30, 8 * 30, 9 * 30
    products, squares = np.zeros((15, 15)), 0.0
    for y in range(1, 270, 2):
        for x in range(1, 480, 2):
            if top <= y < bottom and left <= x < right:
                m, j = x + 4, y + 3
                start = at(plane, m - 8.0, j - 5.0)
                squares += start**2
                products += start * plane[j - 7 : j + 8, m - 7 : m + 8]
    expected = np.zeros((MAP_SIDE_PX, MAP_SIDE_PX))
    along = np.array([8, 5]) / np.hypot(8, 5)
    across = np.array([-along[1], along[0]])
    for i in range(MAP_SIDE_PX):
        for j in range(MAP_SIDE_PX):
            if (i - SEARCH_REACH_PX) ** 2 + (j - SEARCH_REACH_PX) ** 2 <= 36:
                x, y = (i - SEARCH_REACH_PX) * along + (j - SEARCH_REACH_PX) * across + 7
                expected[i, j] = at(products, x, y) / squares
    found = cells.maps.reshape(CELL_ROWS, CELL_COLUMNS, -1, MAP_SIDE_PX, MAP_SIDE_PX)[4, 8, 0]
    np.testing.assert_allclose(found, expected.clip(-1.5, 1.5), atol=1e-4)
    assert cells.counts.reshape(CELL_ROWS, CELL_COLUMNS)[4, 8] == 225
    np.testing.assert_allclose(cells.energy.reshape(CELL_ROWS, CELL_COLUMNS)[4, 8], squares / 225, rtol=1e-4)


def test_places_whose_paths_leave_the_picture_are_left_out(photo):  # noqa: F811
    cells = measure_cells(DerivativePyramid(photo), everywhere(90, 0)[::6, ::6])

    counts = cells.counts.reshape(CELL_ROWS, CELL_COLUMNS)
    assert (counts[:, 0] == 0).all()
    assert (counts[:, -1] == 0).all()
    assert (counts[1:-1, 2:-2] == 225).all()
    assert (cells.maps[:, 0].reshape(CELL_ROWS, CELL_COLUMNS, -1)[:, 0] == 0).all()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 64), (64, 300), (301, 65)])
def test_small_pictures_have_all_their_cells(photo, height, width):  # noqa: F811
    part = np.ascontiguousarray(np.pad(photo, ((0, 40), (0, 0), (0, 0)))[:height, :width])

    cells = measure_cells(DerivativePyramid(part), everywhere(6, 4, 10, 12))

    assert np.isfinite(cells.maps).all()
    assert np.isfinite(cells.features).all()
    assert len(cells.maps) == CELL_ROWS * CELL_COLUMNS


def test_a_nearly_square_portrait_picture_is_transposed_at_every_level():
    pyramid = DerivativePyramid(np.random.default_rng(0).integers(0, 256, (1081, 1080, 3), dtype=np.uint8))

    short, long = (measure_cells(pyramid, everywhere(length, 0)) for length in (20, 70))

    assert (short.level, long.level) == (0, 1)
    assert short.transposed
    assert long.transposed
    np.testing.assert_array_equal(short.places, long.places)


def test_places_of_a_halved_picture_lie_as_close_as_those_of_a_small_one():
    large = np.random.default_rng(0).integers(0, 256, (640, 800, 3), dtype=np.uint8)

    halved = measure_cells(DerivativePyramid(large), everywhere(40, 0))
    small = measure_cells(DerivativePyramid(np.ascontiguousarray(large[::2, ::2])), everywhere(20, 0))

    assert (halved.level, small.level) == (1, 0)
    np.testing.assert_array_equal(halved.counts, small.counts)
