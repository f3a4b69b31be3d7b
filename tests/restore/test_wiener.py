import numpy as np

from deepgyro.blur import BlurOperator
from deepgyro.restore import wiener_fastgyro
from deepgyro.restore.wiener import MAX_KERNELS_PER_TILE, _distinct_vectors


def whole(parts, shape):
    out = np.full(shape, np.nan, np.float32)
    for window, sharp in parts:
        out[window] = sharp
    return out


def smooth_texture(height, width):
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / 4.0 + y / 9.0) + np.sin(x / 7.0 - y / 5.0)
    return np.repeat((0.5 + 0.2 * waves)[..., None], 3, axis=2).astype(np.float32)


def test_frequencies_that_the_blur_left_come_back_with_their_wiener_gain():
    x = smooth_texture(200, 220)
    field = np.zeros((200, 220, 2, 2), np.float32)
    field[..., 0, :], field[..., 1, :] = (-5, -2), (5, 2)

    sharp = whole(wiener_fastgyro(BlurOperator(field)(x), field), x.shape)

    inside = (slice(40, -40), slice(40, -40))
    assert np.abs(sharp - x)[inside].mean() < 0.25 * np.abs(BlurOperator(field)(x) - x)[inside].mean()


def test_the_number_of_filters_a_tile_is_bounded_however_many_vectors_it_has():
    vectors = np.random.default_rng(0).normal(0, 60, (64, 64, 2)).astype(np.float32)

    kernels, index = _distinct_vectors(vectors)

    assert len(kernels) <= MAX_KERNELS_PER_TILE
    folded = np.where(vectors[..., :1] < 0, -vectors, vectors)
    assert np.abs(kernels[index] - folded).max() < 60


def test_few_vectors_are_rounded_to_whole_pixels():
    kernels, index = _distinct_vectors(np.array([[[3.4, -2.6], [-3.4, 2.6], [0.2, 0.3]]], np.float32))

    np.testing.assert_array_equal(kernels[index], [[[3, -3], [3, -3], [0, 0]]])


def test_a_still_field_returns_the_picture_but_for_the_wiener_gain_of_one():
    x = smooth_texture(80, 90)

    sharp = whole(wiener_fastgyro(x, np.zeros((80, 90, 2, 2), np.float32)), x.shape)

    np.testing.assert_allclose(sharp - 0.5, (x - 0.5) / 1.01, atol=0.01)
