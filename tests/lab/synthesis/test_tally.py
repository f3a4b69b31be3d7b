"""Counts of blur lengths, directions and distances: every place once, in the bin where it belongs."""

import numpy as np
import pytest

from deepgyro.blurfield import GridField
from deepgyro.lab.synthesis import PHYSICAL_PRESET, Pair, make_pair_at
from deepgyro.lab.synthesis.patches import MovingPatch, PatchedField, straight_paths
from deepgyro.lab.synthesis.tally import (
    DIRECTION_BIN_DEG,
    DISTANCE_BIN_EDGES_PX,
    LENGTH_BIN_EDGES_PX,
    FieldStatistics,
    LengthHistogram,
    bin_labels,
    statistics_table,
)

HEIGHT, WIDTH, STEP = 64, 96, 16
PLACES = 4 * 6


def constant(u, v):
    nodes = straight_paths(np.broadcast_to([u, v], (5, 7, 2)), 5)
    return GridField(nodes, HEIGHT, WIDTH, STEP)


def pair_of(exact, noisy, kind="raw", patches=()):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Pair(picture, picture, PatchedField(constant(*exact), patches), constant(*noisy), {"gyro": kind})


def counted(*pairs):
    tally = FieldStatistics()
    for pair in pairs:
        tally.add(pair)
    return tally


@pytest.mark.parametrize(
    ("length", "bin"), [(0, "0-5"), (3, "0-5"), (7, "5-10"), (98, "95-100"), (130, "100+"), (4000, "100+")]
)
def test_a_constant_field_is_counted_in_the_bin_of_its_length(length, bin):
    tally = counted(pair_of((0.6 * length, 0.8 * length), (0, 0)))

    expected = [PLACES * (name == bin) for name in bin_labels(LENGTH_BIN_EDGES_PX)]
    assert tally.lengths.counts_between(LENGTH_BIN_EDGES_PX).tolist() == expected


@pytest.mark.parametrize(
    ("degrees", "bin"),
    [(0, 0), (7, 0), (-7, 0), (8, 15), (45, 45), (-45, 135), (90, 90), (166, 165), (173, 0)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_field_is_counted_at_its_direction_whichever_end_comes_first(degrees, bin, sign):
    a = np.radians(degrees)

    tally = counted(pair_of((sign * 20 * np.cos(a), sign * 20 * np.sin(a)), (0, 0)))

    assert tally.directions[bin // DIRECTION_BIN_DEG] == PLACES == tally.directions.sum()


def test_a_blur_that_is_too_short_has_no_direction():
    tally = counted(pair_of((0.5, 0.5), (0, 0)), pair_of((0, 0), (0, 0)))

    assert tally.directions.sum() == 0
    assert len(tally.lengths) == 2 * PLACES


@pytest.mark.parametrize(
    ("noisy", "bin"), [((9, 0), "2-4"), ((12, 5), "4-8"), ((-12, -5), "4-8"), ((-12, 0), "0-0.25")]
)
def test_the_distance_is_that_to_the_noisy_field_or_to_its_reverse(noisy, bin):
    tally = counted(pair_of((12, 0), noisy))

    names = bin_labels(DISTANCE_BIN_EDGES_PX)
    assert tally.distances["raw"].counts_between(DISTANCE_BIN_EDGES_PX)[names.index(bin)] == PLACES


def test_a_field_that_is_told_as_it_is_is_no_distance_away():
    tally = counted(pair_of((12, 3), (12, 3), kind="exact"))

    assert tally.distances["exact"].zero_count == PLACES
    assert tally.distances["exact"].quantile(0.9) == 0


def test_every_place_is_counted_once_in_each_histogram():
    tally = counted(
        pair_of((3, 4), (0, 0), "none"), pair_of((30, 0), (0, 2)), pair_of((0, 200), (1, 1), "wrong")
    )

    assert tally.pair_count == 3
    assert tally.present_kinds == ["raw", "wrong", "none"]
    assert tally.lengths.counts_between(LENGTH_BIN_EDGES_PX).sum() == tally.directions.sum() == 3 * PLACES
    assert (
        sum(each.counts_between(DISTANCE_BIN_EDGES_PX).sum() for each in tally.distances.values())
        == 3 * PLACES
    )


def test_regions_that_move_by_themselves_are_counted_as_they_move():
    patch = MovingPatch(x=48.0, y=32.0, a=300.0, b=300.0, angle=0.0, u=20.0, v=0.0)  # all of the picture

    tally = counted(pair_of((0, 0), (0, 0), patches=(patch,)))

    assert tally.lengths.mean == pytest.approx(20, abs=1e-3)  # px
    assert tally.lengths.zero_count == 0


def test_mean_and_quantiles_are_those_of_the_numbers():
    lengths = np.random.default_rng(0).gamma(1.5, 20, (40, 500))
    lengths[:2] = 0
    tally = LengthHistogram()

    for part in lengths:
        tally.add(part)

    assert tally.mean == pytest.approx(lengths.mean(), abs=1e-6)
    for share in (0.01, 0.3, 0.5, 0.9, 0.99):
        assert tally.quantile(share) == pytest.approx(np.quantile(lengths, share), abs=1 / 16)  # px
    assert tally.zero_count == 1000


def test_the_table_has_a_row_for_every_bin_and_the_numbers():
    tally = counted(pair_of((30, 40), (30, 42)), pair_of((0, 0), (0, 0), "exact"))

    text = statistics_table(tally)

    assert "48 places of 2 pairs: mean 25.00 px" in text
    assert "50.0 % are zero" in text
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    assert ["50-55", "24", "50.0 %"] in rows
    assert ["45", "0", "0.0 %"] in rows
    assert ["60", "24", "100.0 %"] in rows  # 53 degrees
    assert ["2-4", "0.0 %", "100.0 %"] in rows
    assert ["pairs", "1", "1"] in rows


def test_no_pairs_are_no_table():
    with pytest.raises(ValueError, match="no pairs"):
        statistics_table(FieldStatistics())


def test_pairs_of_any_kind_can_be_counted(material):
    pairs = [
        make_pair_at(material.pool, PHYSICAL_PRESET, 0, index, height=64, width=80) for index in range(30)
    ]

    tally = counted(*pairs)

    assert tally.pair_count == 30
    assert len(tally.lengths) == 30 * 4 * 5
    assert statistics_table(tally)
