"""Counts of blur lengths, directions and distances: every place once, in its bin."""

import numpy as np
import pytest

from deepgyro.blurfield import GridField
from deepgyro.lab.synthesis import PHYSICAL_PRESET, Pair, make_pair_at
from deepgyro.lab.synthesis.histograms import (
    DIRECTION_BIN_DEG,
    DISTANCE_BIN_EDGES_PX,
    LENGTH_BIN_EDGES_PX,
    count_directions,
    count_in_bins,
    draw_histograms,
    sample_fields,
)
from deepgyro.lab.synthesis.motion import straight_paths
from deepgyro.lab.synthesis.patches import MovingPatch, PatchedField

HEIGHT, WIDTH, STEP = 64, 96, 16
PLACES = 4 * 6


def constant(u, v):
    nodes = straight_paths(np.broadcast_to([u, v], (5, 7, 2)), 5)
    return GridField(nodes, HEIGHT, WIDTH, STEP)


def sample(exact, prior, kind="raw", patches=()):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return sample_fields(
        Pair(picture, picture, PatchedField(constant(*exact), patches), constant(*prior), {"gyro": kind})
    )


@pytest.mark.parametrize(("length", "start"), [(0, 0), (3, 0), (7, 5), (98, 95), (130, 100), (4000, 100)])
def test_a_constant_field_is_counted_in_the_bin_of_its_length(length, start):
    fields = sample((0.6 * length, 0.8 * length), (0, 0))

    expected = [PLACES * (edge == start) for edge in LENGTH_BIN_EDGES_PX]
    assert count_in_bins(fields.lengths, LENGTH_BIN_EDGES_PX).tolist() == expected


@pytest.mark.parametrize(
    ("degrees", "centre"),
    [(0, 0), (7, 0), (-7, 0), (8, 15), (45, 45), (-45, 135), (90, 90), (166, 165), (173, 0)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_field_is_counted_at_its_direction_whichever_end_comes_first(degrees, centre, sign):
    a = np.radians(degrees)

    counts = count_directions(sample((sign * 20 * np.cos(a), sign * 20 * np.sin(a)), (0, 0)).angles)

    assert len(counts) == 180 // DIRECTION_BIN_DEG
    assert counts[centre // DIRECTION_BIN_DEG] == PLACES == counts.sum()


@pytest.mark.parametrize("vector", [(0.5, 0.5), (0, 0)])
def test_a_blur_that_is_too_short_has_no_direction(vector):
    fields = sample(vector, (0, 0))

    assert (len(fields.angles), len(fields.lengths)) == (0, PLACES)


@pytest.mark.parametrize(
    ("prior", "start"), [((9, 0), 2.0), ((12, 5), 4.0), ((-12, -5), 4.0), ((-12, 0), 0.0)]
)
def test_the_distance_is_that_to_the_prior_field_or_to_its_reverse(prior, start):
    counts = count_in_bins(sample((12, 0), prior).distances, DISTANCE_BIN_EDGES_PX)

    assert counts[DISTANCE_BIN_EDGES_PX.index(start)] == PLACES


def test_an_exact_prior_field_is_no_distance_away():
    assert sample((12, 3), (12, 3), kind="exact").distances.tolist() == [0] * PLACES


def test_moving_regions_are_counted_as_they_move():
    patch = MovingPatch(x=48.0, y=32.0, a=300.0, b=300.0, angle=0.0, u=20.0, v=0.0)  # all of the picture

    fields = sample((0, 0), (0, 0), patches=(patch,))

    np.testing.assert_allclose(fields.lengths, 20, atol=1e-3)  # px


def test_pairs_of_any_kind_can_be_sampled(material):
    pairs = (make_pair_at(material.pool, PHYSICAL_PRESET, 0, k, height=64, width=80) for k in range(30))

    fields = [sample_fields(pair) for pair in pairs]

    assert {len(each.lengths) for each in fields} == {len(each.distances) for each in fields} == {4 * 5}
    assert len({each.gyro for each in fields}) >= 4
    assert draw_histograms(fields).shape == (520, 1920, 3)
