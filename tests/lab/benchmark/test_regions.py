import numpy as np
import pytest

from deepgyro.lab.benchmark.regions import (
    NORMALISED_RADIUS_PX,
    EllipticalRegions,
    detect_sift_regions,
    map_regions,
    measure_agreement,
    mutual_nearest_neighbours,
    overlap_errors,
)

SHIFT = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, -4.0], [0.0, 0.0, 1.0]])


def ellipse(a, b, angle=0.0):
    """Return the shape of an ellipse with half axes a and b, the first turned by an angle from x to y."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag([a**-2.0, b**-2.0]) @ turn.T


def error(first, second, offset=(0.0, 0.0)):
    return overlap_errors(first[None], second[None], np.array([offset]))[0]


def regions(centres, radius, descriptors):
    count = len(centres)
    shapes = np.broadcast_to(np.eye(2) / radius**2, (count, 2, 2))
    return EllipticalRegions(np.array(centres, float), shapes, np.array(descriptors, np.float32))


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_two_ellipses_across_each_other_share_4_a_b_atan_of_b_over_a(angle):
    a, b = 40.0, 22.0
    shared = 4 * a * b * np.arctan(b / a)

    found = error(ellipse(a, b, angle), ellipse(b, a, angle))

    assert found == pytest.approx(1 - shared / (2 * np.pi * a * b - shared), abs=1e-3)


@pytest.mark.parametrize("distance", [3.0, 11.0, 29.0, 61.0])
def test_two_circles_of_30_px_share_a_lens(distance):
    d = min(distance / NORMALISED_RADIUS_PX, 2.0)
    lens = 2 * np.arccos(d / 2) - d / 2 * np.sqrt(4 - d**2)
    circle = ellipse(NORMALISED_RADIUS_PX, NORMALISED_RADIUS_PX)

    found = error(circle, circle, (0.6 * distance, -0.8 * distance))

    assert found == pytest.approx(1 - lens / (2 * np.pi - lens), abs=1e-3)


def test_small_and_large_circles_tolerate_the_same_distance_in_pixels():
    small, large = ellipse(3.0, 3.0), ellipse(50.0, 50.0)

    assert error(small, small, (5.0, 2.0)) == pytest.approx(error(large, large, (5.0, 2.0)), abs=1e-9)


def test_a_circle_in_one_of_twice_the_area_is_half_of_it():
    assert error(ellipse(10.0, 10.0), ellipse(10 * 2**0.5, 10 * 2**0.5)) == pytest.approx(0.5, abs=1e-3)


def test_a_region_is_mapped_as_the_points_of_its_rim_are():
    homography = np.array([[1.1, 0.2, 5.0], [-0.1, 0.9, 3.0], [2e-4, -1e-4, 1.0]])
    before = regions([[200.0, 120.0]], 0.5, [[0.0]])

    after = map_regions(before, homography)

    angle = np.linspace(0, 2 * np.pi, 9)
    rim = before.centres + 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    there = np.c_[rim, np.ones(9)] @ homography.T
    off = there[:, :2] / there[:, 2:] - after.centres
    np.testing.assert_allclose(np.einsum("ki,ij,kj->k", off, after.shapes[0], off), np.ones(9), atol=3e-3)


def test_repeatability_and_matches_of_four_regions_by_hand():
    first = regions([[50, 50], [90, 50], [50, 90], [3, 50]], 6.0, [[0], [10], [20], [30]])
    second = regions([[57, 46], [97, 46], [150, 150]], 6.0, [[0], [21], [9]])

    found = measure_agreement(first, second, SHIFT, (200, 200), (200, 200))

    assert found.repeatability == pytest.approx(2 / 3)
    # (0, 0) is right; 10 and 9, 20 and 21 are mutual neighbours but not the same region.
    assert found.correct_matches == 1
    assert found.matching_score == pytest.approx(1 / 3)


def test_regions_that_the_other_picture_does_not_show_are_not_counted():
    first = regions([[50, 50], [198, 50]], 6.0, [[0], [1]])
    second = regions([[57, 46], [2, 46]], 6.0, [[0], [1]])

    assert measure_agreement(first, second, SHIFT, (200, 200), (200, 200)).repeatability == 1


def test_without_regions_nothing_agrees():
    none = regions(np.zeros((0, 2)), 1.0, np.zeros((0, 1)))

    found = measure_agreement(none, none, np.eye(3), (10, 10), (10, 10))

    assert (found.repeatability, found.correct_matches, found.matching_score) == (0, 0, 0)


def test_a_picture_shifted_by_whole_pixels_shows_the_same_regions(make):
    picture = make.picture(200, 260, 0)
    first, second = detect_sift_regions(picture[4:, :-7], 100), detect_sift_regions(picture[:-4, 7:], 100)

    found = measure_agreement(
        first, second, np.array([[1.0, 0, -7], [0, 1.0, 4], [0, 0, 1]]), (196, 253), (196, 253)
    )

    assert len(first) == len(second) == 100
    assert found.repeatability > 0.8
    assert found.matching_score > 0.7
    assert len(mutual_nearest_neighbours(first, second)) >= found.correct_matches


def test_a_picture_of_one_colour_has_no_regions():
    assert len(detect_sift_regions(np.full((50, 60, 3), 90, np.uint8))) == 0
