import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import paths_from_vectors
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from deepgyro.refine import kernels, lag_kernels
from deepgyro.refine.kernels import z_score
from deepgyro.refine.model import TERM_COUNT, FieldModel
from deepgyro.refine.statistic import DerivativePyramid, measure_region_minima

FULL = 0  # level


@pytest.fixture(scope="module")
def photo():
    """The demo's photo, at half its size: a scene with all kinds of edges."""
    from importlib.resources import files

    import cv2

    data = np.frombuffer(files("deepgyro.data").joinpath("coffee.jpg").read_bytes(), np.uint8)
    pixels = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(pixels[:270, :480])


def blurred(photo, vectors, noise=0.01):
    light = BlurOperator(paths_from_vectors(vectors))(srgb_to_linear(to_unit_range(photo)))
    noisy = linear_to_srgb(light) + np.random.default_rng(0).normal(0, noise, photo.shape)
    return from_unit_range(noisy.astype(np.float32), np.dtype(np.uint8))


def everywhere(u, v, height=270, width=480):
    return np.full((height, width, 2), (u, v), np.float32)


def where_it_dips(image, told, reach=8):
    """Return the shift of the deepest dip of the whole picture, and how deep it is."""
    height, width = image.shape[:2]
    model = FieldModel.from_prior(paths_from_vectors(told), height, width)
    dips = measure_region_minima(DerivativePyramid(image), model.prior, FULL, reach=reach)
    terms = model.design_matrix(dips.places) / 2**FULL
    shifts = np.stack(np.meshgrid(*[np.arange(-reach + 2.0, reach - 1)] * 2), -1).reshape(-1, 2)
    thetas = np.zeros((len(shifts), TERM_COUNT))
    thetas[:, 1:3] = shifts
    known = dips.minima, dips.energy, dips.vectors, terms
    z = np.array([z_score(*known, theta, dips.null_std) for theta in thetas])
    return shifts[z.argmin()].tolist(), float(z.min())


@pytest.mark.parametrize(("u", "v"), [(18, 0), (0, 14), (13, -9), (-22, -17), (40, 12)])
def test_the_correlation_dips_one_path_apart(photo, u, v):
    shift, z = where_it_dips(blurred(photo, everywhere(u, v)), everywhere(u, v))

    assert max(map(abs, shift)) <= 1  # px
    assert z < -5


def test_the_dip_is_where_the_path_ends_and_not_where_it_is_told_to(photo):
    shift, _ = where_it_dips(blurred(photo, everywhere(20, 6)), everywhere(16, 9))

    np.testing.assert_allclose(shift, [4, -3], atol=1)  # px


def test_a_sharp_picture_has_no_dip(photo):
    for vector in [(18, 0), (0, 14), (13, -9), (-22, -17)]:
        _, z = where_it_dips(photo, everywhere(*vector), reach=4)

        assert z > -4


def test_a_picture_without_anything_in_it_says_nothing():
    _, z = where_it_dips(np.full((90, 120, 3), 77, np.uint8), everywhere(12, 0, 90, 120))

    assert z == pytest.approx(0, abs=0.01)


def test_16_bits_and_floats_say_the_same(photo):
    image = blurred(photo, everywhere(20, 6))

    found = [
        where_it_dips(same, everywhere(18, 6))
        for same in (image, image.astype(np.uint16) * 257, image.astype(np.float32) / 255)
    ]

    assert found[0][0] == found[1][0] == found[2][0]
    np.testing.assert_allclose([z for _, z in found], found[0][1], rtol=0.02)


def test_the_compiled_correlations_are_what_their_formulas_give_on_arrays(on_arrays):
    rng = np.random.default_rng(0)
    planes = rng.normal(0, 0.3, (3, 40, 50)).astype(np.float32)
    derivatives = np.zeros((5, 40, 50 + kernels.MARGIN_PX), np.float32)
    derivatives[..., :50] = rng.normal(0, 0.3, (5, 40, 50))
    starts = rng.uniform((-1, -1), (50, 40), (30, 2)).astype(np.float32)
    corners = rng.integers(-1, 40, (30, 2))
    first, side = np.array([0, 14, 30]), 7
    directions, lags = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[4, 0], [7, 0], [3, 4], [6, 8]])

    results = []
    for module, lag_module in ((kernels, lag_kernels), (on_arrays(kernels), on_arrays(lag_kernels))):
        products, squares = (
            np.zeros((2, 5, side, kernels.MARGIN_PX), np.float32),
            np.zeros((2, 5), np.float32),
        )
        counts, correlations = np.zeros(2, np.int64), np.zeros((4, 4), np.float32)
        seen = np.zeros((4, 4), np.int64)
        module.correlate(derivatives, starts, corners, first, side, 0, 2, products, squares, counts)
        lag_module.correlate_lags(
            planes, directions, np.array([0, 2, 4]), lags[:, 1], lags[:, 0], np.array([0, 20, 40]),
            np.array([0, 25, 50]), 0, 2, correlations, seen,
        )  # fmt: skip
        results.append((products, squares, counts, correlations, seen))

    assert results[0][2].min() > 2
    for compiled, plain in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-5)  # sums of some hundred numbers
