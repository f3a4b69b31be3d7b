"""Drawings of a field: strokes where they belong, of their true length, coloured by direction."""

import numpy as np
import pytest

from deepgyro.blurfield import paths_from_vectors
from deepgyro.blurfield.picture import MAX_DRAWING_SIDE_PX, direction_colour, draw_field

RED = direction_colour(np.array([1.0, 0.0]))


def straight(u, v, height, width):
    return np.broadcast_to(paths_from_vectors(np.full((1, 1, 2), (u, v), np.float32)), (height, width, 2, 2))


def coloured(drawing, colour):
    return (drawing == np.array(colour, np.uint8)).all(axis=-1)


def test_the_drawing_has_the_size_of_the_photo_which_lies_faded_under_it():
    photo = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)

    drawing = draw_field(straight(0, 0, 90, 140), photo)

    assert (drawing.shape, drawing.dtype) == (photo.shape, np.uint8)
    np.testing.assert_allclose(drawing[:10], 110 + 0.57 * photo[:10], atol=1)


def test_a_photo_that_lies_under_the_drawing_is_not_changed():
    photo = np.zeros((90, 140, 3), np.uint8)

    draw_field(straight(12, 0, 90, 140), photo)

    assert not photo.any()


@pytest.mark.parametrize(("height", "width"), [(1200, 3200), (3200, 1200)])
def test_a_large_photo_is_drawn_smaller(height, width):
    photo = np.zeros((height, width, 3), np.uint8)

    drawing = draw_field(straight(9, 0, height, width), photo)

    assert max(drawing.shape) == MAX_DRAWING_SIDE_PX
    assert drawing.shape[:2] == (height // 2, width // 2)


def test_a_horizontal_field_is_drawn_as_horizontal_strokes_of_its_length():
    drawing = draw_field(straight(20, 0, 160, 400), spacing=40.0)

    found = coloured(drawing, RED)[:, :180]  # left of the wheel
    rows, columns = np.nonzero(found)
    assert set(rows) <= {y + d for y in (20, 60, 100, 140) for d in (-1, 0, 1)}
    for centre in (20, 60, 100, 140):
        stroke = columns[(columns > centre - 20) & (columns <= centre + 20)]
        assert stroke.min() == pytest.approx(centre - 10, abs=1.5)  # px
        assert stroke.max() == pytest.approx(centre + 10, abs=1.5)


def test_strokes_shrink_with_a_photo_that_is_drawn_smaller():
    drawing = draw_field(straight(40, 0, 1600, 3200), spacing=40.0)

    found = coloured(drawing, RED)[20, :40]
    assert found.sum() == pytest.approx(20, abs=2.5)  # px


def test_a_curved_path_is_drawn_through_all_its_points():
    path = np.array([[-10, 10], [0, 0], [10, 10]], np.float32)  # a V; its ends alone would be a line

    drawing = draw_field(np.broadcast_to(path, (160, 160, 3, 2)), spacing=40.0)

    white = (drawing == 255).all(axis=-1)
    for x, y in path.astype(int):
        assert not white[20 + y, 20 + x]
    assert white[20 + 10, 20]  # between the ends


def test_opposite_directions_are_drawn_alike():
    there, back = straight(14, 9, 120, 160), straight(-14, -9, 120, 160)

    # OpenCV rounds the edge of a stroke differently from either end.
    np.testing.assert_allclose(draw_field(there).astype(int), draw_field(back), atol=1)


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_opposite_directions_have_one_colour_and_others_another(degrees):
    a = np.radians(degrees)
    vector, across = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])

    colour = np.array(direction_colour(vector))

    np.testing.assert_allclose(direction_colour(-vector), colour, atol=8)  # one step of hue
    assert np.abs(colour - direction_colour(across)).max() > 100


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (40, 3)])
def test_the_smallest_pictures_are_drawn_too(height, width):
    drawing = draw_field(straight(3, 1, height, width))

    assert drawing.shape == (height, width, 3)
