import cv2
import numpy as np
import pytest

from deepgyro.lab.synthesis.config import ImageDraws
from deepgyro.lab.synthesis.image import (
    HIGHLIGHT_KNEE_U8,
    crop_with_margin,
    draw_window,
    encode_random_jpeg,
    render_exposure,
    srgb_decode_table,
    srgb_encode_table,
)
from deepgyro.light import linear_to_srgb, srgb_to_linear

CLEAN = {"highlights": 0.0, "shot": (0.0, 0.0), "read": (0.0, 0.0)}


def at_rest(height, width):
    return np.zeros((height, width, 2, 2), np.float32)


def test_every_encoded_value_survives_a_camera_at_rest():
    scene = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)

    made = render_exposure(np.random.default_rng(0), scene, 0, 0, at_rest(16, 16), ImageDraws(**CLEAN))

    np.testing.assert_array_equal(made.blurred, scene)
    np.testing.assert_array_equal(made.sharp, scene)


@pytest.mark.parametrize("value", [30, 128, 220])
def test_noise_has_the_deviation_of_shots_and_reading(value):
    scene = np.full((200, 300, 3), value, np.uint8)
    draws = ImageDraws(highlights=0.0, shot=(0.02, 0.02), read=(0.005, 0.005))

    made = render_exposure(np.random.default_rng(0), scene, 0, 0, at_rest(200, 300), draws)

    light = float(srgb_to_linear(np.float32([value / 255]))[0])
    recorded = srgb_to_linear(made.blurred.astype(np.float32) / 255).astype(float)
    expected = np.sqrt(0.02**2 * light + 0.005**2)
    assert recorded.std() == pytest.approx(expected, rel=0.05)
    assert recorded.mean() == pytest.approx(light, abs=0.05 * expected)


def test_noise_is_nearly_normal_and_white():
    scene = np.full((300, 400, 3), 150, np.uint8)
    draws = ImageDraws(highlights=0.0, shot=(0.0, 0.0), read=(0.03, 0.03))

    made = render_exposure(np.random.default_rng(1), scene, 0, 0, at_rest(300, 400), draws)

    noise = srgb_to_linear(made.blurred.astype(np.float32) / 255).astype(float)
    noise = (noise - noise.mean()) / noise.std()
    assert abs((noise**3).mean()) < 0.03
    assert 2.75 < (noise**4).mean() < 3.0
    for shifted in (noise[1:] * noise[:-1], noise[:, 1:] * noise[:, :-1], noise[..., 1:] * noise[..., :-1]):
        assert abs(shifted.mean()) < 0.01


def test_highlights_keep_their_hue_and_the_rest_is_left_alone():
    scene = np.zeros((20, 30, 3), np.uint8)
    scene[:, :10] = [200, 120, 40]
    scene[:, 10:20] = [255, 60, 60]  # a clipped channel alone is a colour, not a lamp
    scene[:, 20:] = [255, 250, 240]
    field = np.broadcast_to(np.float32([[-0.0, -9], [0.0, 9]]), (20, 30, 2, 2))  # up and down: nothing mixes
    draws = ImageDraws(**CLEAN | {"highlights": 1.0, "highlight_gain": (4.0, 4.0)})

    made = render_exposure(np.random.default_rng(0), scene, 0, 0, np.ascontiguousarray(field), draws)

    np.testing.assert_array_equal(made.sharp[:, :20], scene[:, :20])
    np.testing.assert_array_equal(made.blurred[:, :20], scene[:, :20])
    assert (made.sharp[:, 20:] == 255).all()
    assert min(240, 250) > HIGHLIGHT_KNEE_U8


def test_light_adds_up_and_is_clipped_after_that():
    scene = np.zeros((21, 21, 3), np.uint8)
    scene[10, 10] = 255
    field = np.ascontiguousarray(np.broadcast_to(np.float32([[-4, 0], [4, 0]]), (21, 21, 2, 2)))
    draws = ImageDraws(**CLEAN | {"highlights": 1.0, "highlight_gain": (3.0, 3.0)})

    made = render_exposure(np.random.default_rng(0), scene, 0, 0, field, draws)

    expected = linear_to_srgb(np.float32([4 / 8]))[0] * 255  # white times 4, over 8 px
    np.testing.assert_allclose(made.blurred[10, 8:13, 0], expected, atol=1)


def test_windows_come_from_all_over_the_photo_at_most_at_its_size():
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[..., 0] = np.arange(200)
    rng = np.random.default_rng(0)
    sizes, lefts, mirrored = set(), set(), set()

    for _ in range(100):
        window = draw_window(rng, photo, 60, 80, ImageDraws())
        assert window.photo.shape[0] >= window.top + 60
        assert window.photo.shape[1] >= window.left + 80
        sizes.add(window.photo.shape[:2])
        lefts.add(window.left)
        mirrored.add(window.photo[0, 0, 0] > window.photo[0, -1, 0])
        assert window.metadata["mirrored"] == (window.photo[0, 0, 0] > window.photo[0, -1, 0])

    assert max(sizes) == (100, 200)
    assert min(sizes)[0] < 65
    assert len(lefts) > 30
    assert len(mirrored) == 2


def test_the_surroundings_end_where_the_photo_ends():
    photo = np.arange(100 * 3, dtype=np.uint8).reshape(10, 10, 3)

    part, top, left = crop_with_margin(photo, 2, 5, 4, 3, margin=3)

    np.testing.assert_array_equal(part, photo[:9, 2:10])
    np.testing.assert_array_equal(part[top : top + 4, left : left + 3], photo[2:6, 5:8])


def test_a_jpeg_is_of_the_same_colours_and_of_many_qualities():
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 200  # red
    image[20:40, 20:40] = [10, 60, 220]
    rng = np.random.default_rng(0)

    files, facts = zip(*(encode_random_jpeg(rng, image, ImageDraws()) for _ in range(12)), strict=True)

    assert len({len(data) for data in files}) > 4
    assert {fact["sampling"] for fact in facts} == {"4:2:0", "4:4:4"}
    assert len({fact["quality"] for fact in facts}) > 4
    decoded = cv2.imdecode(np.frombuffer(files[0], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decoded.astype(int) - image).mean() < 3


def test_each_pair_has_its_own_noise():
    scene = np.full((60, 80, 3), 150, np.uint8)
    draws = ImageDraws(highlights=0.0, shot=(0.0, 0.0), read=(0.03, 0.03))

    a, b = (render_exposure(np.random.default_rng(k), scene, 0, 0, at_rest(60, 80), draws) for k in (0, 1))

    noise = [made.blurred.astype(float).ravel() for made in (a, b)]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05


def test_the_tables_of_light_are_those_of_the_standard():
    values = np.arange(256, dtype=np.float32) / 255

    np.testing.assert_allclose(srgb_decode_table(), srgb_to_linear(values), rtol=1e-6)
    light = np.arange(65536, dtype=np.float32) / 65535
    np.testing.assert_allclose(srgb_encode_table(), 255 * linear_to_srgb(light), atol=0.5001)
