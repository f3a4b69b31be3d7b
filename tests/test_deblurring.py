"""Blurs made by the operator in linear light, and taken out again."""

import importlib
import logging
from importlib.resources import files
from shutil import copyfile

import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import motion_field, paths_from_vectors
from deepgyro.camera import Camera
from deepgyro.deblurring import deblur, deblur_picture
from deepgyro.errors import DeepGyroError
from deepgyro.frames import read_photo
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from deepgyro.restore import available_methods, weights_path
from deepgyro.telemetry import GyroLog
from deepgyro.tiles import split_into_tiles

HEIGHT, WIDTH = 160, 200


@pytest.fixture(scope="module")
def sharp():
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        pixels = read_photo(file.name).pixels
    return np.ascontiguousarray(pixels[100 : 100 + HEIGHT, 150 : 150 + WIDTH])


@pytest.fixture(scope="module")
def photo():
    """A part of the demo's photo large enough for a picture to correct its field."""
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        return np.ascontiguousarray(read_photo(file.name).pixels[:270, :480])


def straight(u, v=0.0, height=HEIGHT, width=WIDTH):
    return paths_from_vectors(np.broadcast_to(np.float32([u, v]), (height, width, 2)))


def curved(length, n=9):
    s = np.linspace(-1, 1, n)
    path = np.stack([length * s / 2, 0.2 * length * s**2], axis=-1)
    return np.broadcast_to(path, (HEIGHT, WIDTH, n, 2)).astype(np.float32)


def blurred_in_light(pixels, field):
    light = BlurOperator(field)(srgb_to_linear(to_unit_range(pixels)))
    return from_unit_range(linear_to_srgb(light), pixels.dtype)


def psnr(a, b, most=255.0):
    return 10 * np.log10(most**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("method", available_methods())
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("length", [0.0, 0.3])
def test_without_blur_the_picture_comes_back_bit_for_bit(sharp, method, dtype, length):
    image = from_unit_range(to_unit_range(sharp), np.dtype(dtype))

    result = deblur_picture(image, straight(length), method=method)

    np.testing.assert_array_equal(result.image, image)
    assert result.image.dtype == dtype
    assert result.image is not image
    assert result.skipped == "no blur to take out"
    assert result.blur_max_px == pytest.approx(length, abs=1e-5)  # px


@pytest.mark.parametrize(("refine", "said"), [(True, "no blur is certain"), (False, "no gyro")])
def test_a_sharp_picture_without_a_field_comes_back_bit_for_bit(photo, caplog, refine, said):
    with caplog.at_level(logging.WARNING):
        image = deblur(photo, None, refine=refine)

    np.testing.assert_array_equal(image, photo)
    assert said in caplog.text


def test_a_blurred_picture_without_a_field_gets_sharper(photo):
    blurred = blurred_in_light(photo, straight(18.0, 6.0, 270, 480))

    result = deblur_picture(blurred, None)

    assert psnr(result.image, photo) > psnr(blurred, photo) + 2.5  # dB
    assert result.method == "deepgyro"
    assert result.blur_median_px == pytest.approx(19, abs=1.5)  # px
    assert "estimated from the picture" in result.note


@pytest.mark.parametrize("method", available_methods())
def test_a_field_that_cannot_be_meant_leaves_the_picture_as_it_came_and_says_so(sharp, method):
    result = deblur_picture(sharp, straight(0.6 * HEIGHT), method=method)

    np.testing.assert_array_equal(result.image, sharp)
    assert result.skipped is not None
    assert "too large" in str(result.skipped)
    assert result.blur_median_px == pytest.approx(0.6 * HEIGHT, rel=1e-5)


def test_pixels_that_did_not_move_stay_as_they_came(sharp):
    field = straight(12.0)
    field[:, : WIDTH // 2] = 0

    result = deblur(blurred_in_light(sharp, field), field, refine=False)

    np.testing.assert_array_equal(result[:, : WIDTH // 2], sharp[:, : WIDTH // 2])


@pytest.mark.parametrize(("length", "gain"), [(8, 4.5), (16, 5.0), (40, 5.5)])  # px, dB
def test_richardson_lucy_gains_decibels_on_a_curved_blur(sharp, length, gain):
    field = curved(length)
    blurred = blurred_in_light(sharp, field)

    result = deblur_picture(blurred, field, method="richardson-lucy", refine=False)

    assert (result.method, result.note) == ("richardson-lucy", "")
    assert psnr(result.image, sharp) > psnr(blurred, sharp) + gain


@pytest.mark.parametrize(("length", "gain"), [(8, 2.0), (16, 2.0), (40, 2.0)])  # px, dB
def test_the_network_gains_decibels_on_a_curved_blur_with_noise(sharp, length, gain):
    field = curved(length)
    noise = np.random.default_rng(0).normal(0, 2.5, sharp.shape)
    blurred = (blurred_in_light(sharp, field) + noise).round().clip(0, 255).astype(np.uint8)

    result = deblur_picture(blurred, field, refine=False)

    assert (result.method, result.note) == ("deepgyro", "")
    assert psnr(result.image, sharp) > psnr(blurred, sharp) + gain


@pytest.mark.parametrize(("length", "gain"), [(8, 2.0), (16, 1.0)])  # px, dB
def test_fastgyro_gains_decibels_on_a_straight_blur_away_from_the_border(sharp, length, gain):
    field = straight(length, 0.3 * length)
    blurred = blurred_in_light(sharp, field)

    result = deblur_picture(blurred, field, method="fastgyro", refine=False)

    inner = slice(24, -24)
    assert result.method == "fastgyro"
    assert psnr(result.image[inner, inner], sharp[inner, inner]) > (
        psnr(blurred[inner, inner], sharp[inner, inner]) + gain
    )


@pytest.mark.parametrize("length", [8, 16])  # px
def test_fastgyro_makes_a_straight_blur_no_worse_with_the_border_counted(sharp, length):
    field = straight(length, 0.3 * length)
    blurred = blurred_in_light(sharp, field)

    result = deblur(blurred, field, method="fastgyro", refine=False)

    assert psnr(result, sharp) > psnr(blurred, sharp)


def test_the_blur_is_reported_in_pixels(sharp):
    field = straight(12.0)
    field[: HEIGHT // 4] *= 1.5

    result = deblur_picture(sharp, field)

    assert result.blur_median_px == pytest.approx(12, abs=0.01)
    assert result.blur_max_px == pytest.approx(18, abs=0.01)


@pytest.mark.parametrize("method", available_methods())
def test_sixteen_bits_and_floats_agree_with_eight_bits_within_rounding(sharp, method):
    field = curved(10)
    blurred = blurred_in_light(sharp, field)

    eight = deblur(blurred, field, method=method, refine=False)
    sixteen = deblur(blurred.astype(np.uint16) * 257, field, method=method, refine=False)
    floats = deblur(to_unit_range(blurred), field, method=method, refine=False)

    assert (eight.dtype, sixteen.dtype, floats.dtype) == (np.uint8, np.uint16, np.float32)
    assert eight.shape == sixteen.shape == floats.shape == sharp.shape
    np.testing.assert_allclose(sixteen / 257, eight, atol=0.51)  # of 255
    np.testing.assert_allclose(floats * 255, eight, atol=0.51)


def test_a_picture_is_not_changed_in_place(sharp):
    field = straight(6.0)
    image, before = sharp.copy(), field.copy()

    deblur(image, field)

    np.testing.assert_array_equal(image, sharp)
    np.testing.assert_array_equal(field, before)


def test_linear_encoding_takes_out_a_blur_made_on_the_very_numbers(sharp):
    field = curved(16)
    values = to_unit_range(sharp)
    blurred = BlurOperator(field)(values)

    linear = deblur(blurred, field, encoding="linear")
    encoded = deblur(blurred, field)

    assert psnr(linear, values, 1) > psnr(blurred, values, 1) + 3  # dB
    assert psnr(linear, values, 1) > psnr(encoded, values, 1)


@pytest.mark.parametrize("method", available_methods())
def test_straight_vectors_equal_the_field_of_two_instants(sharp, method):
    vectors = np.stack(np.meshgrid(np.linspace(4, 9, WIDTH), np.linspace(-3, 5, HEIGHT)), axis=-1)
    vectors = vectors.astype(np.float32)

    from_vectors = deblur(sharp, vectors, method=method)

    np.testing.assert_array_equal(from_vectors, deblur(sharp, paths_from_vectors(vectors), method=method))


@pytest.mark.parametrize("method", available_methods())
def test_a_field_in_double_precision_is_taken_as_one_in_single(sharp, method):
    field = curved(8)

    result = deblur(sharp, field.astype(np.float64), method=method)

    np.testing.assert_array_equal(result, deblur(sharp, field, method=method))


@pytest.mark.parametrize("method", available_methods())
def test_a_field_computed_where_it_is_asked_for_equals_the_array(sharp, method):
    K = np.array([[150.0, 0, (WIDTH - 1) / 2], [0, 150, (HEIGHT - 1) / 2], [0, 0, 1]])
    camera = Camera(WIDTH, HEIGHT, K, readout_time=0.02, cam_from_imu=np.eye(3))
    t = np.linspace(0, 1, 101)
    log = GyroLog(t, np.stack([1 + np.sin(9 * t), 2 * np.cos(7 * t), 0.5 + 0 * t], axis=-1))
    field = motion_field(log, camera, t=0.4, exposure=0.04, reference="picture")

    result = deblur_picture(sharp, field, method=method, refine=False)

    assert result.method == method
    np.testing.assert_array_equal(result.image, deblur(sharp, field[:, :], method=method, refine=False))


def test_a_picture_in_tiles_equals_the_picture_as_a_whole(sharp, monkeypatch):
    module = importlib.import_module("deepgyro.restore.richardson_lucy")
    field = curved(5)
    blurred = to_unit_range(blurred_in_light(sharp, field))
    whole = deblur(blurred, field, method="richardson-lucy")
    used = []

    def small(height, width, *, core, margin):
        for tile in split_into_tiles(height, width, core=70, margin=margin):
            used.append(tile)
            yield tile

    monkeypatch.setattr(module, "split_into_tiles", small)
    tiled = deblur(blurred, field, method="richardson-lucy")

    assert len(used) == 9
    np.testing.assert_allclose(tiled, whole, atol=1 / 255)


def test_progress_rises_to_one(sharp):
    shares = []

    deblur_picture(sharp, straight(6.0), method="fastgyro", refine=False, progress=shares.append)

    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), "height, width, 3"),
        (np.zeros((HEIGHT, WIDTH, 4), np.uint8), "height, width, 3"),
        (np.zeros((HEIGHT, WIDTH, 3), np.float64), "float64; uint8, uint16 or float32"),
        (np.zeros((HEIGHT, WIDTH, 3), np.int32), "int32"),
        (np.full((HEIGHT, WIDTH, 3), np.nan, np.float32), "not finite"),
        (np.full((HEIGHT, WIDTH, 3), np.inf, np.float32), "not finite"),
    ],
    ids=["gray", "alpha", "float64", "int32", "nan", "infinite"],
)
def test_a_picture_that_does_not_fit_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        deblur(image, straight(6.0))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (straight(6.0, height=HEIGHT + 1), "is needed"),
        (straight(6.0).swapaxes(0, 1), "is needed"),
        (straight(6.0)[:, :, :1], "is needed"),
        (straight(6.0)[:, :, 0, [0, 0, 1]], "is needed"),
        (straight(6.0)[:, :, 0, 0], "is needed"),
        (straight(6.0).astype(np.int32), "int32"),
        (straight(6.0).astype(np.complex64), "complex64"),
        (np.full((HEIGHT, WIDTH, 2, 2), np.nan, np.float32), "not finite"),
        (np.full((HEIGHT, WIDTH, 2), np.nan, np.float32), "not finite"),
    ],
    ids=["height", "turned", "one instant", "three numbers", "gray", "int", "complex", "nan", "nan vectors"],
)
def test_a_field_that_does_not_fit_is_refused(sharp, field, message):
    with pytest.raises(ValueError, match=message):
        deblur(sharp, field)


@pytest.mark.parametrize("method", available_methods())
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("pixel", [(0, 0), (1, 1)])  # the second is not on the grid that is looked at
def test_a_single_number_that_is_not_finite_is_refused(sharp, method, value, pixel):
    field = straight(6.0)
    field[pixel] = value

    with pytest.raises(ValueError, match="not finite"):
        deblur(sharp, field, method=method)


@pytest.mark.parametrize("options", [{"method": "magic"}, {"encoding": "gamma"}])
def test_an_unknown_option_is_refused(sharp, options):
    with pytest.raises(ValueError, match="is needed"):
        deblur(sharp, straight(6.0), **options)


@pytest.mark.parametrize("method", available_methods())
def test_a_float_picture_a_little_out_of_range_stays_finite(sharp, method):
    image = to_unit_range(sharp) * np.float32(1.06) - np.float32(0.03)  # as resizing leaves it

    result = deblur(image, straight(8.0), method=method)

    assert np.isfinite(result).all()


@pytest.mark.parametrize("method", available_methods())
@pytest.mark.parametrize("level", [0, 255])
def test_a_black_and_a_white_picture_stay_so(level, method):
    image = np.full((HEIGHT, WIDTH, 3), level, np.uint8)

    off = np.abs(deblur(image, straight(9.0), method=method).astype(int) - level)

    assert np.mean(off > 1) < 1e-3
    assert off.max() <= 16  # a network is a little off in a few corner pixels


@pytest.mark.parametrize("method", available_methods())
def test_a_field_with_one_wild_number_leaves_the_picture_as_it_came(sharp, method):
    field = straight(8.0).copy()
    field[5, 7, 1] = 1e5

    result = deblur_picture(sharp, field, method=method)

    assert result.skipped is not None
    np.testing.assert_array_equal(result.image, sharp)


def test_the_picture_corrects_a_biased_field(photo):
    field = straight(24.0, 10.0, *photo.shape[:2])
    blurred = blurred_in_light(photo, field)
    told = field + straight(6.0, -4.0, *photo.shape[:2])

    refined, believed = (deblur_picture(blurred, told, refine=refine) for refine in (True, False))

    assert psnr(refined.image, photo) > psnr(believed.image, photo) + 2  # dB
    assert psnr(refined.image, photo) > psnr(blurred, photo) + 2
    assert "px of blur" in refined.note
    assert believed.note == ""
    assert refined.blur_median_px == pytest.approx(26, abs=1)


def test_a_gyro_that_the_picture_contradicts_is_ignored(photo):
    result = deblur_picture(photo, straight(5.0, 30.0, *photo.shape[:2]))

    np.testing.assert_array_equal(result.image, photo)
    assert result.skipped is not None
    assert "disagree" in str(result.skipped)


def test_a_network_whose_weights_are_missing_is_refused_in_one_line(sharp, monkeypatch, tmp_path):
    monkeypatch.setattr("deepgyro.restore.weights.WEIGHTS_FOLDER", tmp_path)

    assert not any(method.startswith("deepgyro") for method in available_methods())
    with pytest.raises(DeepGyroError, match=r"^deepgyro-fast: its weights are not in this package .*: none$"):
        deblur(sharp, straight(9), method="deepgyro-fast")


def test_the_fast_network_deblurs_once_its_weights_are_there(sharp, monkeypatch, tmp_path):
    copyfile(weights_path("deepgyro"), tmp_path / "deepgyro-fast.onnx")
    monkeypatch.setattr("deepgyro.restore.weights.WEIGHTS_FOLDER", tmp_path)
    field = curved(8)

    fast = deblur_picture(sharp, field, method="deepgyro-fast", refine=False)

    assert "deepgyro-fast" in available_methods()
    assert fast.method == "deepgyro-fast"
    assert (fast.image != sharp).any()
