import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from deepgyro.blurfield import GridField, measure_field
from deepgyro.blurfield.grid import node_positions


@pytest.mark.parametrize(
    ("height", "width", "step"), [(40, 60, 16), (33, 17, 16), (7, 5, 16), (1, 9, 4), (270, 480, 16)]
)
def test_between_the_nodes_a_field_is_bilinear(height, width, step):
    rows, columns = node_positions(height, step), node_positions(width, step)
    nodes = np.random.default_rng(0).normal(0, 9, (len(rows), len(columns), 2, 2)).astype(np.float32)
    if height == 1:
        nodes[1] = nodes[0]

    field = GridField(nodes, height, width, step)[:, :]

    if height == 1:
        expected = RegularGridInterpolator((columns,), nodes[0])(np.arange(width))[None]
    else:
        at = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
        expected = RegularGridInterpolator((rows, columns), nodes)(at)
    np.testing.assert_allclose(field, expected, atol=1e-5)


def test_a_window_is_the_same_part_of_the_whole():
    nodes = np.random.default_rng(1).normal(0, 9, (4, 5, 3, 2)).astype(np.float32)
    field = GridField(nodes, 40, 60, 16)

    np.testing.assert_array_equal(field[5:37, 20:33], field[:, :][5:37, 20:33])
    assert field[0:0, 3:9].shape == (0, 6, 3, 2)


def test_nodes_that_do_not_fit_the_size_are_refused():
    with pytest.raises(ValueError, match="nodes"):
        GridField(np.zeros((3, 5, 2, 2), np.float32), 40, 60, 16)


def test_extent_of_a_grid_is_that_of_its_pixels():
    nodes = np.random.default_rng(2).normal(0, 5, (4, 5, 3, 2)).astype(np.float32)  # px
    grid = GridField(nodes, 40, 60, 16)

    _, longest, reach = measure_field(grid)

    pixels = measure_field(grid[:, :])
    assert longest == pytest.approx(pixels[1], rel=1e-5)  # px: the longest path is at a node
    assert reach == pixels[2]
