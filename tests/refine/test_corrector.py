import numpy as np
import pytest

from deepgyro import refine_field
from deepgyro.blurfield import paths_from_vectors
from deepgyro.refine.cells import CELL_COLUMNS, CELL_ROWS, measure_cells
from deepgyro.refine.corrector import fit_field
from deepgyro.refine.model import TERM_COUNT, FieldModel, mean_vector_distance
from deepgyro.refine.statistic import DerivativePyramid

from .test_statistic import blurred, everywhere, photo  # noqa: F401


def prior_model(vectors):
    return FieldModel.from_prior(paths_from_vectors(vectors), *vectors.shape[:2])


def transposed(vectors):
    """Return the vectors of the transposed picture."""
    return np.ascontiguousarray(vectors.swapaxes(0, 1)[..., ::-1])


@pytest.mark.parametrize(("u", "v"), [(12, 5), (-26, 14), (44, 30)])
def test_an_error_of_some_px_is_corrected(photo, u, v):  # noqa: F811
    true = everywhere(u, v)
    model = prior_model(true + np.float32([2, -1.5]))

    fit = fit_field(DerivativePyramid(blurred(photo, true)), model, np.zeros(TERM_COUNT))

    assert np.linalg.norm(model.vectors(fit.theta) - [u, v], axis=-1).mean() < 0.8  # px; 2.5 before
    assert fit.log_odds > 2


@pytest.mark.parametrize(("u", "v"), [(12, 0), (3, 20), (-30, 25)])
def test_a_sharp_picture_is_distinguished_from_a_blurred_one(photo, u, v):  # noqa: F811
    model = prior_model(everywhere(u, v))
    pictures = photo, blurred(photo, everywhere(u, v)), blurred(photo, everywhere(-v, u))

    sharp, along, across = (
        fit_field(DerivativePyramid(image), model, np.zeros(TERM_COUNT)) for image in pictures
    )

    assert sharp.log_odds < 0 < along.log_odds
    assert along.sharp_log_odds < 0 < sharp.sharp_log_odds
    own = mean_vector_distance(
        model.vectors(across.theta), everywhere(-v, u)[::6, ::6]
    )  # it may walk as far as that
    assert across.log_odds < 2 or own < 2  # under half of a probability, or right


def test_a_region_that_moves_by_itself_has_a_low_confidence(photo):  # noqa: F811
    camera = everywhere(22, -8)
    moving = camera.copy()
    moving[60:210, 120:300] += np.float32([4, 18])
    image = blurred(photo, moving)

    fit = refine_field(image, camera)

    assert fit.confidence > 0.7
    x, y = np.arange(16) * 30 + 15, np.arange(9) * 30 + 15
    inside = ((y > 75) & (y < 195))[:, None] & ((x > 135) & (x < 285))
    outside = ~(((y > 45) & (y < 225))[:, None] & ((x > 105) & (x < 315)))
    assert np.median(fit.regions[inside]) < 0.3
    assert np.median(fit.regions[outside]) > 0.7


def test_a_path_and_its_reverse_are_one(photo):  # noqa: F811
    true = everywhere(-26, 14)
    pyramid = DerivativePyramid(blurred(photo, true))
    off = true + np.float32([2, -1.5])

    models = [prior_model(sign * off) for sign in (1, -1)]
    there, back = (model.vectors(fit_field(pyramid, model, np.zeros(TERM_COUNT)).theta) for model in models)

    assert np.linalg.norm(there + back, axis=-1).mean() < 0.6  # px


def test_a_portrait_picture_gives_the_same_field(photo):  # noqa: F811
    true = everywhere(26, 14)
    image, off = blurred(photo, true), true + np.float32([2, -1.5])
    upright = np.ascontiguousarray(image.swapaxes(0, 1))

    wide = fit_field(DerivativePyramid(image), prior_model(off), np.zeros(TERM_COUNT))
    high = fit_field(DerivativePyramid(upright), prior_model(transposed(off)), np.zeros(TERM_COUNT))

    a, b = prior_model(off).vectors(wide.theta), prior_model(transposed(off)).vectors(high.theta)
    np.testing.assert_allclose(a.mean((0, 1)), b.mean((0, 1))[::-1], atol=0.1)  # px
    assert wide.cell_confidences.shape == (CELL_ROWS, CELL_COLUMNS)
    np.testing.assert_allclose(wide.cell_confidences, high.cell_confidences.T, atol=0.05)


def test_the_maps_have_a_minimum_at_the_end_of_the_path(photo):  # noqa: F811
    true = everywhere(24, 10)
    pyramid = DerivativePyramid(blurred(photo, true))
    length = np.hypot(24, 10)

    cells = measure_cells(pyramid, true * np.float32(1 - 3 / length))  # 3 px too short

    along = np.median(cells.maps[:, 0, :, 5], 0)  # in the direction of the path, about the prior end
    assert abs(int(along.argmin()) - 5 - 3) <= 1
    own = np.median(cells.maps[:, 3], 0)
    assert own.argmax() == own.size // 2  # the autocorrelation of a place is largest at no shift


def test_parts_without_texture_are_not_confirmed(photo):  # noqa: F811
    true = everywhere(30, 6)
    image = blurred(photo, true)
    image[:, :240] = 128

    fit = refine_field(image, true)

    assert fit.confidence > 0.7
    assert np.median(fit.regions[:, :7]) < 0.5 < 0.8 < np.median(fit.regions[:, 9:])


def test_noise_makes_the_covariance_larger(photo):  # noqa: F811
    true = everywhere(30, 6)
    image = blurred(photo, true).astype(np.float32)
    noisy = image + np.random.default_rng(0).normal(0, 8, image.shape)

    fits = [refine_field(np.clip(x, 0, 255).astype(np.uint8), true) for x in (image, noisy)]

    clear, dim = (np.sqrt(np.diag(fit.covariance)[1:3]) for fit in fits)  # of the turn, px
    assert (clear < dim).all()
    assert (dim < 3).all()


def test_small_pictures_give_a_larger_covariance(photo):  # noqa: F811
    true = everywhere(12, 5)
    image = blurred(photo, true)

    whole, part = refine_field(image, true), refine_field(image[:120, :160], true[:120, :160])

    assert np.diag(part.covariance)[1:3].sum() > np.diag(whole.covariance)[1:3].sum()
