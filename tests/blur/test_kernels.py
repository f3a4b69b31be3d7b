"""The loops' formulas as plain Python on NumPy arrays, against sampled integrals and the compiled ones."""

import numpy as np
import pytest

from deepgyro.blur import BlurOperator, kernels
from deepgyro.blur.border import LANES
from deepgyro.blur.differences import PathDifferences
from deepgyro.blur.simd import first, load, ramp, store
from deepgyro.compiling import kernel

ROUNDING = 2e-6  # of values up to 1


def random_paths(rng, height, width, n, reach):
    """Smooth paths; those of a corner differ by more than may be walked together, and some are still."""
    field = np.cumsum(rng.normal(0, reach / n, (n, 2)), 0) * np.ones((height, width, 1, 1))
    field[:, -7:] *= rng.normal(0, 2, (height, 7, 1, 1))
    field[1:3, :5] = 0
    field[0] = 0
    return field.astype(np.float32)


def test_the_weights_of_a_straight_piece_are_the_integrals_of_bilinear_interpolation(on_arrays):
    formulas = on_arrays(kernels)
    rng = np.random.default_rng(0)
    start, end = rng.uniform(8, 12, (2, 2, LANES))  # major, minor; px
    end[1] = start[1] + rng.uniform(-1, 1, LANES) * np.abs(end[0] - start[0])
    end[:, :2] = start[:, :2]  # pauses
    major, minor = np.stack([start, end], 1).astype(np.float32).reshape(2, 2 * LANES)
    piece = np.empty(formulas.PIECE_ROWS * LANES, np.float32)

    formulas.start_piece(piece, np.ones(LANES, np.float32), major, minor, 0, LANES, np.float32(1), 0)
    found = np.zeros((LANES, 20, 20))  # major, minor
    for i in range(19):
        *_, a0, a1, b0, b1, c0, c1, rows, _ = formulas.column_weights(piece, np.float32(i))
        for lane in np.flatnonzero(rows < formulas.NOWHERE):
            j = int(rows[lane])
            found[lane, i, j : j + 3] += a0[lane], b0[lane], c0[lane]
            found[lane, i + 1, j : j + 3] += a1[lane], b1[lane], c1[lane]

    samples = 20000
    expected = np.zeros_like(found)
    for s in (np.arange(samples) + 0.5) / samples:
        m, v = start + s * (end - start)
        i, j = np.floor(m).astype(int), np.floor(v).astype(int)
        for k, weight in ((0, 1 - (m - i)), (1, m - i)):
            for q, other in ((0, 1 - (v - j)), (1, v - j)):
                expected[np.arange(LANES), i + k, j + q] += weight * other / samples
    np.testing.assert_allclose(found, expected, atol=3e-4)  # a pause is a piece of 0.001 px
    np.testing.assert_allclose(found[2:], expected[2:], atol=5e-6)


@pytest.mark.parametrize("n", [2, 4])
def test_the_compiled_walk_does_what_its_formulas_do_on_arrays(on_arrays, monkeypatch, n):
    rng = np.random.default_rng(n)
    field = random_paths(rng, 6, 21, n, 6)
    picture = rng.random((6, 21, 3)).astype(np.float32)
    A = BlurOperator(field)

    compiled = A(picture), A.adjoint(picture)
    monkeypatch.setattr(kernels, "walk", on_arrays(kernels).walk)
    plain = A(picture), A.adjoint(picture)

    np.testing.assert_allclose(compiled[0], plain[0], atol=ROUNDING)
    np.testing.assert_allclose(compiled[1], plain[1], atol=ROUNDING * plain[1].max())


def test_the_compiled_differences_do_what_their_formulas_do_on_arrays(on_arrays, monkeypatch):
    rng = np.random.default_rng(1)
    ends = rng.normal(0, 3, (4, 5, 19)).astype(np.float32)
    picture = rng.random((3, 5, 19)).astype(np.float32)
    D = PathDifferences(ends, (-0.25, 0.25), (0.1, 0.25))

    compiled = D(picture)
    monkeypatch.setattr(kernels, "differences", on_arrays(kernels).differences)

    np.testing.assert_allclose(compiled, D(picture), atol=5 * ROUNDING)  # each is up to 1 / (4 * 0.1)


def calculate(x, y, number, out, reduced):
    a, b = load(x, 0), load(y, 0)
    store(out, 0 * LANES, a + b * number)
    store(out, 1 * LANES, (a - b) / (2 + a * a))
    store(out, 2 * LANES, np.minimum(a, b) - np.maximum(a, 0.25))
    store(out, 3 * LANES, np.floor(4 * a) + np.abs(b))
    store(out, 4 * LANES, np.where((a < b) & (a >= 0), 1, np.where(a > b, b, ramp())))
    store(out, 5 * LANES, np.where(np.floor(a) == -1, a, np.where(a <= -0.5, 1.5, 2)))
    store(out, 6 * LANES, np.where(a != first(a), 1, number))
    reduced[0], reduced[1], reduced[2] = np.min(a), np.max(b), first(b)
    reduced[3] = np.any(a > 0.99) + 2 * np.any(b < 0.99)


def test_vectors_calculate_as_arrays_do():
    x, y = np.random.default_rng(2).uniform(-1, 0.9, (2, LANES)).astype(np.float32)
    results = [(np.empty(7 * LANES, np.float32), np.empty(4, np.float32)) for _ in range(2)]

    kernel(calculate)(x, y, np.float32(0.3), *results[0])
    calculate(x, y, np.float32(0.3), *results[1])

    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-6)
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_only_arrays_of_float32_are_read_as_vectors():
    with pytest.raises(Exception, match="load"):
        kernel(lambda x: first(load(x, 0)))(np.zeros(LANES))
