"""The paper's networks and DeblurGAN as methods of `deblur`, with the checkout's weights."""

import json
import shutil
from importlib.resources import files
from typing import get_args

import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import paths_from_vectors
from deepgyro.cli import main
from deepgyro.cli.app import BaselineMethod, MethodName
from deepgyro.deblurring import deblur, deblur_picture
from deepgyro.errors import DeepGyroError
from deepgyro.frames import read_photo
from deepgyro.light import from_unit_range, to_unit_range
from deepgyro.restore import BASELINES, BASELINES_FOLDER, METHODS, open_method

HEIGHT, WIDTH = 90, 120


@pytest.fixture(scope="module")
def vectors():
    return np.broadcast_to(np.float32([9, 5]), (HEIGHT, WIDTH, 2))


@pytest.fixture(scope="module")
def blurred(vectors):
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        sharp = read_photo(file.name).pixels[100 : 100 + HEIGHT, 150 : 150 + WIDTH]
    return from_unit_range(
        BlurOperator(paths_from_vectors(vectors))(to_unit_range(np.ascontiguousarray(sharp))), sharp.dtype
    )


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_baseline_makes_a_picture_of_the_same_kind(blurred, vectors, method, dtype):
    image = from_unit_range(to_unit_range(blurred), np.dtype(dtype))

    result = deblur_picture(image, vectors, method=method, refine=False)

    assert result.image.flags.c_contiguous
    assert (result.image.shape, result.image.dtype, result.method) == (image.shape, dtype, method)
    assert result.blur_median_px == pytest.approx(np.hypot(9, 5), abs=0.01)
    change = np.abs(to_unit_range(result.image) - to_unit_range(image))
    assert 0.001 < change.mean() < 0.1


@pytest.mark.parametrize("method", ["deepblind-paper", "deblurgan"])
def test_those_that_see_the_picture_alone_need_no_field(blurred, vectors, method):
    np.testing.assert_array_equal(
        deblur(blurred, None, method=method), deblur(blurred, vectors, method=method)
    )


@pytest.mark.parametrize("method", BASELINES)
def test_a_field_that_tells_of_no_blur_leaves_the_picture_alone(blurred, vectors, method):
    result = deblur_picture(blurred, 0 * vectors, method=method)

    np.testing.assert_array_equal(result.image, blurred)
    assert result.skipped == "no blur to take out"


def test_the_papers_network_uses_its_field(blurred, vectors):
    right, wrong = (
        deblur(blurred, v, method="deepgyro-paper", refine=False) for v in (vectors, vectors * [1, -1])
    )

    assert (right != wrong).mean() > 0.2


def test_weights_that_are_not_there_end_in_one_line(blurred, monkeypatch, tmp_path):
    monkeypatch.setattr("deepgyro.restore.baselines.BASELINES_FOLDER", tmp_path)

    with pytest.raises(DeepGyroError, match=r"^deblurgan: its weights are not in this package.*--weights$"):
        deblur(blurred, None, method="deblurgan")


def test_a_picture_too_large_for_one_piece_is_refused(blurred, monkeypatch):
    monkeypatch.setattr("deepgyro.restore.Baseline.max_pixels", HEIGHT * WIDTH - 1)

    with pytest.raises(ValueError, match="120 x 90 px are too many"):
        deblur(blurred, None, method="deepblind-paper")


def test_weights_of_other_networks_are_refused():
    with pytest.raises(DeepGyroError, match="no network for deblurgan"):
        open_method("deblurgan", BASELINES_FOLDER / "deepgyro-paper.onnx")
    with pytest.raises(DeepGyroError, match="no such file"):
        open_method("deblurgan", BASELINES_FOLDER / "nothing.onnx")


def test_the_command_offers_the_methods_of_the_library():
    assert get_args(MethodName) == METHODS
    assert get_args(BaselineMethod) == BASELINES


def test_the_command_takes_a_baseline_and_a_file_of_one(tmp_path, capsys):
    mine = tmp_path / "mine.onnx"
    shutil.copyfile(BASELINES_FOLDER / "deepblind-paper.onnx", mine)
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        photo = file.name
    command = ["deblur", photo, "--method", "deepblind-paper", "--json"]

    for more, name in (((), "a.png"), (("--weights", str(mine)), "b.png")):
        assert main([*command, *more, "--out", str(tmp_path / name)]) == 0
        (report,) = json.loads(capsys.readouterr().out)["photos"]
        assert report["method"] == "deepblind-paper"

    np.testing.assert_array_equal(
        read_photo(tmp_path / "a.png").pixels, read_photo(tmp_path / "b.png").pixels
    )
