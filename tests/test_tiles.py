import numpy as np
import pytest

from deepgyro.tiles import split_into_tiles


@pytest.mark.parametrize(("height", "width"), [(1, 1), (100, 100), (101, 399), (1000, 64)])
def test_cores_are_the_picture_and_windows_reach_a_margin_beyond_them(height, width):
    count = np.zeros((height, width), int)

    for tile in split_into_tiles(height, width, core=100, margin=7):
        count[tile.core] += 1
        rows, columns = tile.window
        assert rows.start == max(tile.core[0].start - 7, 0)
        assert columns.stop == min(tile.core[1].stop + 7, width)
        inside = np.zeros((height, width), bool)[tile.window]
        inside[tile.core_in_window] = True
        whole = np.zeros((height, width), bool)
        whole[tile.core] = True
        np.testing.assert_array_equal(whole[tile.window], inside)

    assert (count == 1).all()


def test_cores_are_nearly_equal():
    sizes = {tile.core[1].stop - tile.core[1].start for tile in split_into_tiles(10, 401, core=100, margin=0)}

    assert sizes == {80, 81}
