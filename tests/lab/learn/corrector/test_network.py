import numpy as np
import pytest
import torch

from deepgyro.lab.learn.corrector.network import (
    PLACE_CHANNELS,
    CorrectorConfig,
    CorrectorOutput,
    FieldCorrectorNetwork,
    flatten_cells,
    solve_terms,
)
from deepgyro.lab.learn.corrector.pairs import CellPairs, mirror_samples
from deepgyro.refine.cells import measure_cells
from deepgyro.refine.corrector import TERM_PRIOR_STD
from deepgyro.refine.model import FieldModel
from deepgyro.refine.statistic import DerivativePyramid

SMALL = CorrectorConfig(width=8, first=8, blocks=1)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def random_output(batch, seed=0):
    """Return residuals and weights for a batch's cells, as the network might estimate them."""
    generator = torch.Generator().manual_seed(seed)
    residuals = torch.randn(batch["target"].shape, generator=generator)
    return residuals, torch.rand(batch["target"].shape, generator=generator)


def test_both_twins_fit_the_same_terms(pairs):
    rng = np.random.default_rng(0)
    series = CellPairs(pairs, seed=0)
    true, _, height, width = series.exact_vectors(0)
    cells = measure_cells(DerivativePyramid(series.read_picture(0, rng, sharp=False)), true)
    residuals, weights = rng.normal(0, 1, (144, 2)), rng.random((144, 2))

    terms = FieldModel(true, height, width).design_matrix(cells.places)  # as in refine/corrector.py
    terms[:, :, 0] = cells.vectors
    A = (np.stack([cells.along, cells.across], 1) @ terms).reshape(-1, 10)
    W = np.diag(weights.ravel())
    expected = np.linalg.solve(A.T @ W @ A + np.diag(1 / TERM_PRIOR_STD**2), A.T @ W @ residuals.ravel())
    inputs = [torch.from_numpy(x[None].astype(np.float32)) for x in (residuals, weights, cells.vectors)]
    theta, fitted = solve_terms(*inputs)

    np.testing.assert_allclose(theta[0], expected, atol=0.02)
    np.testing.assert_allclose(fitted[0], (A @ expected).reshape(-1, 2), atol=0.02)  # px


def test_moves_that_terms_make_are_found_again(batch):
    _, fitted = solve_terms(*random_output(batch), batch["vectors"])

    again = solve_terms(fitted, torch.full_like(fitted, 1e4), batch["vectors"])[1]

    torch.testing.assert_close(again, fitted, atol=0.02, rtol=0.01)


@pytest.mark.parametrize("axis", [-2, -1])
def test_a_mirrored_picture_is_solved_as_the_mirrored_solution(batch, axis):
    residuals, weights = random_output(batch)
    fitted = solve_terms(residuals, weights, batch["vectors"])[1]

    def mirrored(values):
        return mirror_samples({**batch, "target": values}, axis)["target"]

    sign = torch.tensor([1.0, -1.0])
    vectors = mirror_samples(batch, axis)["vectors"]
    found = solve_terms(mirrored(residuals), mirrored(weights) * sign, vectors)[1]

    torch.testing.assert_close(found, mirrored(fitted), atol=1e-3, rtol=1e-3)
    assert same(mirror_samples(mirror_samples(batch, axis), axis), batch)


def test_an_untrained_network_moves_nothing(batch):
    guess = CorrectorOutput(*FieldCorrectorNetwork(SMALL)(batch["features"]))

    assert not guess.residuals.any()
    empty = batch["features"][:, PLACE_CHANNELS] == 0
    assert empty.any()
    assert (flatten_cells(guess.log_spread)[empty.flatten(1)] == 4).all()
