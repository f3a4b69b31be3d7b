import tracemalloc

import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.restore import MIN_CORE_PX, core_side, richardson_lucy
from deepgyro.restore.richardson_lucy import MAX_WINDOW_BYTES, _deconvolve_window


def horizontal(length, height, width):
    field = np.zeros((height, width, 2, 2), np.float32)
    field[..., 0, 0], field[..., 1, 0] = -length / 2, length / 2
    return field


def whole(parts, shape):
    out = np.full(shape, np.nan, np.float32)
    for window, sharp in parts:
        out[window] = sharp
    return out


def test_the_result_explains_the_picture_better_with_every_iteration():
    x = np.kron(np.random.default_rng(0).random((10, 12, 3)), np.ones((8, 8, 1))).astype(np.float32)
    field = horizontal(11, 80, 96)
    y = BlurOperator(field)(x)

    errors = [
        np.abs(
            BlurOperator(field)(whole(richardson_lucy(y, field, iterations=k, smoothness=0.0), y.shape)) - y
        ).mean()
        for k in (1, 4, 16)
    ]

    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


def test_a_clipped_highlight_neither_rings_nor_darkens_its_surroundings():
    x = np.full((60, 120, 3), 0.2, np.float32)
    x[25:35, 55:65] = 20.0  # a lamp
    field = horizontal(15, 60, 120)
    y = BlurOperator(field)(x).clip(0, 1)

    sharp = whole(richardson_lucy(y, field), y.shape)

    assert sharp[5:20].min() > 0.19
    assert sharp[28:32, :40].min() > 0.15
    assert sharp[28:32, 80:].min() > 0.15


def test_the_unknown_world_beyond_the_border_does_not_ring():
    x = np.tile(np.linspace(0.1, 0.9, 120, dtype=np.float32)[:, None], (60, 1, 3))
    inner = np.ascontiguousarray(BlurOperator(horizontal(15, 60, 120))(x)[:, 20:-20])

    sharp = whole(richardson_lucy(inner, horizontal(15, 60, 80)), inner.shape)

    assert np.abs(sharp - x[:, 20:-20]).max() < 0.02


@pytest.mark.parametrize(("reach", "n"), [(20, 5), (150, 9), (300, 5)])
def test_a_tile_stays_within_its_memory(reach, n):
    core = core_side(reach, n)
    side = core + 2 * (min(2 * reach, reach + 128) + 16)
    image, field = np.full((side, side, 3), 0.5, np.float32), np.zeros((side, side, n, 2), np.float32)
    field[..., -1, 0] = reach - 2

    tracemalloc.start()
    _deconvolve_window(image, field, reach, 1, 0.04, lambda share: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert core >= MIN_CORE_PX
    assert 0.4 * MAX_WINDOW_BYTES < peak + image.nbytes + field.nbytes < 1.15 * MAX_WINDOW_BYTES


def test_a_flat_picture_stays_flat():
    y = np.full((40, 50, 3), 0.3, np.float32)

    np.testing.assert_allclose(whole(richardson_lucy(y, horizontal(9, 40, 50)), y.shape), 0.3, atol=1e-3)
