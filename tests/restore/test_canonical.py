import math
from itertools import product

import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import blur_field, motion_field, paths_from_vectors
from deepgyro.camera import Camera
from deepgyro.lab.synthesis import simulate_camera_shake
from deepgyro.restore import (
    OrientedField,
    OrientedPicture,
    PictureOrientation,
    add_half_turn,
    canonical_orientation,
)

TURNS = [PictureOrientation(*ways) for ways in product([False, True], repeat=4)]


def uniform(u, v, height=8, width=12):
    return paths_from_vectors(np.full((height, width, 2), (u, v), np.float32))


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_picture_is_blurred_along_turned_paths(turn):
    rng = np.random.default_rng(0)
    sharp = rng.random((24, 32, 3), np.float32)
    rows, columns = np.mgrid[:24, :32].astype(np.float32)
    velocity = np.stack([5 + 0.1 * rows, 3 - 0.05 * columns], -1)
    tau = np.linspace(-0.5, 0.5, 5, dtype=np.float32)
    field = velocity[:, :, None] * tau[:, None] + np.stack([tau**2, -2 * tau**2], -1)  # curved
    blurred = BlurOperator(field)(sharp)

    found = BlurOperator(np.ascontiguousarray(turn.field(field)))(np.ascontiguousarray(turn.picture(sharp)))

    np.testing.assert_allclose(found, turn.picture(blurred), atol=1e-5)  # of 1


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_can_be_undone_and_seen_through_windows(turn):
    pixels = np.random.default_rng(0).random((9, 14, 3), np.float32)
    whole = turn.picture(pixels)
    part = slice(2, 7), slice(1, 6)

    seen = OrientedPicture(pixels, turn, 9, 14)[part]

    np.testing.assert_array_equal(turn.inverse(whole), pixels)
    np.testing.assert_array_equal(seen, whole[part])
    np.testing.assert_array_equal(turn.inverse(seen), pixels[turn.window(part, 9, 14)])


@pytest.mark.parametrize("degrees", range(-175, 181, 15))
def test_paths_run_right_and_down_by_at_most_45_degrees(degrees):
    u, v = 20 * math.cos(math.radians(degrees)), 20 * math.sin(math.radians(degrees))
    field = uniform(u, v)

    turn = canonical_orientation(field)
    for each in (turn, add_half_turn(turn)):
        turned = OrientedField(field, each)
        path = turned[:, :]

        assert path.shape == tuple(turned.shape)
        x, y = (path[..., -1, :] - path[..., 0, :])[0, 0].tolist()
        angle = math.degrees(math.atan2(y, x)) % 180
        assert angle <= 45 + 1e-3 or angle > 180 - 1e-3


@pytest.mark.parametrize("degrees", range(-175, 181, 30))
def test_a_field_and_its_reverse_are_told_alike(degrees):
    bend = np.array([1, 4, 9, 16], np.float32)[:, None] * np.float32([0.3, -0.2])
    straight = np.linspace(-10, 10, 4)[:, None] * [
        math.cos(math.radians(degrees)),
        math.sin(math.radians(degrees)),
    ]
    field = np.broadcast_to(np.float32(straight + bend), (8, 12, 4, 2))
    back = field[:, :, ::-1]

    forth, again = (canonical_orientation(each).field(each) for each in (field, back))

    np.testing.assert_array_equal(forth, again)
    assert (forth[:, :, -1, 0] > forth[:, :, 0, 0]).all()  # to the right


def test_a_field_that_is_computed_turns_as_its_array_does():
    camera = Camera(96, 64, np.array([[80.0, 0, 47.5], [0, 80.0, 31.5], [0, 0, 1]]), readout_time=0.02,
                    cam_from_imu=np.eye(3))  # fmt: skip
    log = simulate_camera_shake(np.random.default_rng(1), duration=1.0)
    asked = {"t": 0.4, "exposure": 0.05, "n": 5, "reference": "picture"}

    lazy = motion_field(log, camera, **asked)
    array = blur_field(log, camera, **asked, height=64, width=96)

    assert canonical_orientation(lazy) == canonical_orientation(array)
    np.testing.assert_array_equal(
        OrientedField(lazy, PictureOrientation(swap=True))[3:9, 4:7],
        OrientedField(array, PictureOrientation(swap=True))[3:9, 4:7],
    )


def test_no_blur_is_not_turned():
    assert canonical_orientation(uniform(0, 0)) == PictureOrientation()
