"""What a clip says of how it was taken."""

import pytest

from deepgyro.telemetry.clip import read_exposures


@pytest.mark.parametrize(
    ("values", "before", "expected"),
    [
        ([0.01, 0.02], [], [0.01, 0.02]),
        ([0.01, 0.0, 0.02, "?"], [], [0.01, 0.01, 0.02, 0.02]),
        ([0.0, 0.02], [0.04], [0.04, 0.02]),
        ([None, 0.02], [], [0.02, 0.02]),
        ([0.0, 0.0], [], []),
    ],
)
def test_each_frame_keeps_its_own_exposure(values, before, expected):
    assert read_exposures({"Unit": "s", "Data": values}, default=before) == expected


def test_exposures_of_an_unknown_unit_are_none():
    assert read_exposures({"Unit": "deg", "Data": [1.0]}) == []
