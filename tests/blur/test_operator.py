import multiprocessing
import warnings

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.signal import convolve2d

from deepgyro.blur import BlurOperator


def random_field(rng, height, width, n, reach):
    """Paths that wander, vary over the picture, and pause now and then."""
    steps = rng.normal(0, reach / n, (n, 2)) * (rng.random((n, 1)) > 0.2)
    path = np.cumsum(steps, axis=0)
    path -= path.mean(axis=0)
    turn = 1 + 0.3 * np.sin(np.linspace(0, 3, height))[:, None] * np.cos(np.linspace(0, 2, width))
    return (path * turn[..., None, None]).astype(np.float32)


@pytest.mark.parametrize("n", [2, 3, 9, 16])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_adjoint_passes_the_dot_product_test(n, channels):
    rng = np.random.default_rng(n)
    A = BlurOperator(random_field(rng, 61, 47, n, 12))
    x, y = rng.standard_normal((2, 61, 47, channels)).astype(np.float32)

    left, right = np.vdot(A(x).astype(float), y), np.vdot(x.astype(float), A.adjoint(y))

    scale = np.linalg.norm(A(x)) * np.linalg.norm(y)
    assert abs(left - right) < 1e-6 * scale


@pytest.mark.parametrize(
    "vector", [(7.3, -4.1), (0.4, 0.2), (0.0, 9.0), (-6.0, 0.0), (5.0, 5.0), (12.7, 0.3)]
)
def test_a_constant_field_equals_convolution_with_a_finely_sampled_segment(vector):
    rng = np.random.default_rng(0)
    x = rng.random((64, 80, 3)).astype(np.float32)
    field = np.broadcast_to(np.outer([-0.5, 0.5], vector), (64, 80, 2, 2)).astype(np.float32)
    kernel = np.zeros((31, 31))
    for s in (np.arange(40000) + 0.5) / 40000 - 0.5:  # independent of the operator: bilinear splats
        px, py = 15 + s * vector[0], 15 + s * vector[1]
        i, j = int(np.floor(px)), int(np.floor(py))
        a, b = px - i, py - j
        kernel[j : j + 2, i : i + 2] += np.outer([1 - b, b], [1 - a, a]) / 40000

    blurred = BlurOperator(field)(x)

    padded = np.pad(x.astype(float), ((15, 15), (15, 15), (0, 0)), mode="edge")
    expected = np.stack([convolve2d(padded[..., c], kernel, mode="valid") for c in range(3)], axis=-1)
    np.testing.assert_allclose(blurred, expected, atol=1e-5)


def test_a_curved_varying_path_equals_the_mean_of_many_warped_pictures():
    rng = np.random.default_rng(3)
    x = rng.random((40, 50, 3)).astype(np.float32)
    field = random_field(rng, 40, 50, 9, 9)
    ys, xs = np.mgrid[:40, :50].astype(float)
    total = np.zeros((40, 50, 3))
    count = 0
    for k in range(8):
        for s in (np.arange(200) + 0.5) / 200:
            path = (1 - s) * field[:, :, k] + s * field[:, :, k + 1]
            where = [ys - path[..., 1], xs - path[..., 0]]
            for c in range(3):
                total[..., c] += map_coordinates(x[..., c].astype(float), where, order=1, mode="nearest")
            count += 1

    np.testing.assert_allclose(BlurOperator(field)(x), total / count, atol=2e-5)


def test_neighbours_may_move_as_they_like():
    rng = np.random.default_rng(4)
    height, width, n = 12, 37, 3
    x = rng.random((height, width, 3)).astype(np.float32)
    field = rng.normal(0, 8, (height, width, n, 2)).astype(np.float32)
    field[rng.random((height, width)) < 0.3] = 0
    field[:, :, 1][rng.random((height, width)) < 0.3] = 0
    ys, xs = np.mgrid[:height, :width].astype(float)
    total = np.zeros((height, width, 3))
    samples = (np.arange(500) + 0.5) / 500
    for k in range(n - 1):
        for s in samples:
            path = (1 - s) * field[:, :, k] + s * field[:, :, k + 1]
            where = [ys - path[..., 1], xs - path[..., 0]]
            for c in range(3):
                total[..., c] += map_coordinates(x[..., c].astype(float), where, order=1, mode="nearest")

    A = BlurOperator(field)
    y = rng.standard_normal(x.shape).astype(np.float32)

    np.testing.assert_allclose(A(x), total / (len(samples) * (n - 1)), atol=2e-4)
    assert abs(np.vdot(A(x), y) - np.vdot(x, A.adjoint(y))) < 1e-6 * np.linalg.norm(x) * np.linalg.norm(y)


def test_a_part_of_a_larger_picture_sees_its_surroundings():
    rng = np.random.default_rng(8)
    picture = rng.random((70, 90, 3)).astype(np.float32)
    field = random_field(rng, 70, 90, 5, 9)
    part = np.ascontiguousarray(field[30:50, 40:75])

    np.testing.assert_allclose(
        BlurOperator(part).of_part(picture, top=30, left=40),
        BlurOperator(field)(picture)[30:50, 40:75],
        atol=1e-6,
    )


def test_a_zero_path_returns_the_picture_bit_for_bit():
    x = np.random.default_rng(0).random((33, 21, 3)).astype(np.float32)

    for n in (2, 7, 10):
        np.testing.assert_array_equal(BlurOperator(np.zeros((33, 21, n, 2), np.float32))(x), x)


def test_a_flat_picture_stays_flat_and_its_border_too():
    field = random_field(np.random.default_rng(5), 30, 40, 9, 40)

    np.testing.assert_allclose(BlurOperator(field)(np.full((30, 40, 3), 0.7, np.float32)), 0.7, atol=1e-5)


def test_reversing_the_path_is_the_same_blur():
    rng = np.random.default_rng(6)
    field = random_field(rng, 30, 40, 9, 15)
    x = rng.random((30, 40, 3)).astype(np.float32)

    np.testing.assert_allclose(BlurOperator(field[:, :, ::-1])(x), BlurOperator(field)(x), atol=1e-6)


def test_the_result_does_not_depend_on_the_number_of_cores(monkeypatch):
    rng = np.random.default_rng(7)
    A = BlurOperator(random_field(rng, 130, 40, 5, 15))
    x = rng.random((130, 40, 3)).astype(np.float32)
    blurred, spread = A(x), A.adjoint(x)

    monkeypatch.setattr("deepgyro.threads.core_count", lambda: 1)

    np.testing.assert_array_equal(A(x), blurred)
    np.testing.assert_array_equal(A.adjoint(x), spread)


def test_the_adjoint_of_long_paths_is_the_same_on_one_core_and_on_several(monkeypatch):
    rng = np.random.default_rng(9)
    field = 4 * random_field(rng, 400, 48, 3, 60)
    field[..., 1] *= 2  # far beyond a band of rows
    A = BlurOperator(field)
    y = rng.random((400, 48, 3)).astype(np.float32)
    several = [A.adjoint(y) for _ in range(5)]

    monkeypatch.setattr("deepgyro.threads.core_count", lambda: 1)

    assert A.reach > 60
    for found in several:
        np.testing.assert_array_equal(found, A.adjoint(y))


@pytest.mark.parametrize("size", [1e-5, 3e-4, 1e-2, 1.0, 20.0])
def test_weights_add_up_to_one_however_short_the_paths(size):
    field = np.random.default_rng(0).normal(0, size, (20, 40, 3, 2)).astype(np.float32)
    field[::2, :, 1] = field[::2, :, 0]  # pauses

    np.testing.assert_allclose(BlurOperator(field)(np.ones((20, 40, 3), np.float32)), 1, atol=1e-5)


@pytest.mark.parametrize(
    "picture", [np.zeros((30, 40, 3)), np.zeros((30, 40, 3), np.uint8), np.zeros((30, 40, 4), np.float32)]
)
def test_a_part_of_a_picture_of_another_kind_is_refused(picture):
    with pytest.raises((ValueError, TypeError)):
        BlurOperator(np.zeros((8, 9, 2, 2), np.float32)).of_part(picture, top=2, left=3)


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (23, 0), (0, 32)])
def test_a_part_that_reaches_outside_is_refused(top, left):
    with pytest.raises(ValueError, match="not within"):
        BlurOperator(np.zeros((8, 9, 2, 2), np.float32)).of_part(
            np.zeros((30, 40, 3), np.float32), top=top, left=left
        )


@pytest.mark.parametrize(
    "field",
    [np.zeros((8, 9, 2, 2)), np.zeros((8, 9, 1, 2), np.float32), np.zeros((8, 9, 2), np.float32)],
    ids=["double", "one instant", "vectors"],
)
def test_a_field_that_the_compiled_loop_would_misread_is_refused(field):
    with pytest.raises((ValueError, TypeError)):
        BlurOperator(field)


def test_a_picture_that_the_compiled_loop_would_misread_is_refused():
    A = BlurOperator(np.zeros((8, 9, 2, 2), np.float32))

    for picture in (np.zeros((8, 9, 4)), np.zeros((9, 8, 3), np.float32), np.zeros((8, 9, 5), np.float32)):
        with pytest.raises((ValueError, TypeError)):
            A(picture)


def test_a_forked_process_blurs_too():
    A = BlurOperator(np.zeros((100, 20, 2, 2), np.float32))
    x = np.ones((100, 20, 3), np.float32)
    A(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of forks beside threads, rightly
        pool = multiprocessing.get_context("fork").Pool(1)
    with pool:
        forked = pool.apply_async(A.adjoint, (x,)).get(timeout=60)

    np.testing.assert_array_equal(forked, A.adjoint(x))


@pytest.mark.parametrize("bad", [1e5, np.nan, np.inf])
def test_an_absurd_field_is_refused(bad):
    field = np.zeros((8, 8, 2, 2), np.float32)
    field[3, 3, 0, 0] = bad

    with pytest.raises(ValueError, match="reaches"):
        BlurOperator(field)(np.zeros((8, 8, 3), np.float32))


def test_the_operator_is_written_as_a_matrix_and_its_transpose():
    rng = np.random.default_rng(0)
    A = BlurOperator(rng.normal(0, 3, (20, 30, 3, 2)).astype(np.float32))
    x, y = rng.normal(0, 1, (2, 20, 30, 3)).astype(np.float32)

    np.testing.assert_array_equal(A @ x, A(x))
    np.testing.assert_array_equal(A.T @ y, A.adjoint(y))
    assert A.T.T is A
    assert np.vdot(A @ x, y) == pytest.approx(np.vdot(x, A.T @ y), rel=1e-4, abs=1e-3)
