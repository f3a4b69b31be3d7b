import json
import sys
from itertools import product

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deepgyro.benchmark import beside_paper, table1
from deepgyro.benchmark.contenders import contenders
from deepgyro.benchmark.datafolder import PLANAR
from deepgyro.benchmark.table1 import COLUMNS, LENGTHS, PAPER, make_case
from deepgyro.cli import main

KEYS = ["method", "field", "refined", "blurred_in", "blur_px", "psnr", "ssim"]


def picture(height=150, width=176, seed=0):
    """Blobs between 0.1 and 0.9, which noise does not clip."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (2, 3, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (0.1 + 0.7 * smooth).astype(np.float32)


def blurred_by_brute_force(sharp, u, v):
    """Correlate with the centred segment (u, v), drawn as ten thousand points with bilinear weights."""
    radius = int(max(abs(u), abs(v)) / 2) + 2
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1))
    for s in (np.arange(10_000) + 0.5) / 10_000 - 0.5:
        x, y = radius + s * u, radius + s * v
        for row, column in product((int(y), int(y) + 1), (int(x), int(x) + 1)):
            kernel[row, column] += (1 - abs(y - row)) * (1 - abs(x - column))
    kernel /= kernel.sum()
    return ndimage.correlate(sharp.astype(np.float64), kernel[..., None], mode="nearest")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with four small pictures where the bench looks for those of Table 1."""
    folder = tmp_path_factory.mktemp("data")
    for k, name in enumerate(PLANAR):
        place = folder / "eval/oxford_affine" / name
        place.mkdir(parents=True)
        pixels = (255 * picture(height=180, width=196, seed=k)).astype(np.uint8)
        Image.fromarray(pixels).save(place / "img1.png")
    return folder


@pytest.fixture(scope="module")
def done():
    """The shares that the progress was told."""
    return []


@pytest.fixture(scope="module")
def report(data, done):
    return table1(data, lengths=(10, 20), progress=done.append)


@pytest.mark.parametrize("blur_px", [10, 40])
def test_a_case_is_the_convolution_with_a_centred_segment_and_noise_of_30_db(blur_px):
    sharp = picture()
    component = blur_px / np.sqrt(2)

    case = make_case(sharp, blur_px, np.random.default_rng(5))

    clean = blurred_by_brute_force(sharp, component, component)
    sigma = np.sqrt((clean**2).mean()) / 10**1.5
    noise = sigma * np.random.default_rng(5).standard_normal(sharp.shape)
    np.testing.assert_allclose(case.blurred, clean + noise, atol=2e-5)
    np.testing.assert_allclose(case.vector, [component, component], atol=1e-5)  # px
    assert case.sharp is sharp


def test_a_blurred_picture_is_clipped_and_not_rounded():
    sharp = np.ones((20, 30, 3), np.float32)

    blurred = make_case(sharp, 10, np.random.default_rng(0)).blurred

    assert blurred.max() == 1
    assert 0.4 < np.mean(blurred == 1) < 0.6
    assert np.abs(255 * blurred - np.rint(255 * blurred)).max() > 0.4


def test_fields_are_the_vector_the_vector_off_by_5_and_3_px_and_none():
    case = make_case(picture(20, 30), 20, np.random.default_rng(0))

    exact, biased = case.field("exact"), case.field("biased")

    assert exact.shape == biased.shape == (20, 30, 2)
    np.testing.assert_allclose(exact, np.full((20, 30, 2), 20 / np.sqrt(2)), atol=1e-5)  # px
    np.testing.assert_allclose(biased - exact, np.broadcast_to([5.0, 3.0], (20, 30, 2)), atol=1e-5)
    assert case.field("none") is None


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "table1"
    assert all(list(row) == KEYS for row in report.rows)
    assert [(row["method"], row["field"], row["refined"], row["blur_px"]) for row in report.rows] == [
        (method, field, refined, blur_px)
        for method, field, refined in COLUMNS
        if method in contenders()
        for blur_px in (10, 20)
    ]
    assert {row["blurred_in"] for row in report.rows} == {"encoded"}


def test_methods_gain_with_the_exact_field_and_lose_by_the_bias(report):
    gained = {(row["method"], row["field"], row["blur_px"]): row["psnr"] for row in report.rows}

    for method, blur_px in product(("fastgyro", "richardson-lucy"), (10, 20)):
        assert gained[method, "exact", blur_px] > gained[method, "biased", blur_px] + 1  # dB
    assert gained["richardson-lucy", "exact", 10] > gained["blurred", "none", 10] + 1  # dB


def test_progress_goes_up_to_one(report, done):
    assert done == sorted(done)
    assert done[-1] == 1


def test_some_methods_alone_give_the_same_numbers(data, report):
    alone = table1(data, methods=["blurred"], lengths=[20])

    assert alone.rows == report.rows[1:2]


def test_the_papers_figures_stand_beside_ours_and_what_is_missing_below(report):
    shown = beside_paper(report.rows)

    first, below = shown[0], shown[len(report.rows) :]
    assert (first["paper"], first["its psnr"], first["its ssim"]) == ("blurred", 23.41, "0.792")
    assert first["psnr"] == report.rows[0]["psnr"]
    missing = [
        (f"{method} (missing)", PAPER[method, field].name)
        for method, field, refined in COLUMNS
        if method not in contenders()
        for _ in LENGTHS
    ]
    assert [(row["method"], row["paper"]) for row in below] == missing
    assert all(row["psnr"] is None and row["ssim"] is None for row in below)


def test_the_command_prints_a_table(capsys, data):
    code = main(["bench", "table1", "--data", str(data), "--method", "blurred"])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split()[:3] == ["method", "field", "refined"]
    assert lines[1].split()[:5] == ["blurred", "none", "False", "encoded", "10"]
    assert lines[1].split()[-3:] == ["blurred", "23.41", "0.792"]
    assert len(lines) == 2 + len(LENGTHS)


def test_a_method_whose_weights_are_missing_has_no_number(capsys, data):
    code = main(["bench", "table1", "--data", str(data), "--method", "blurred", "deblurgan"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[6].split() == [
        "deblurgan",
        "(missing)",
        "none",
        "False",
        "encoded",
        "10",
        "DeblurGAN",
        "21.46",
        "0.694",
    ]


def test_the_command_prints_one_json_object(capsys, data, report):
    code = main(["bench", "table1", "--data", str(data), "--method", "blurred", "--json"])

    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert list(result) == ["bench", "machine", "commit", "rows"]
    assert [row["blur_px"] for row in result["rows"]] == list(LENGTHS)
    assert result["rows"][:2] == list(report.rows[:2])


def test_missing_pictures_are_named_in_one_line(capsys, tmp_path):
    code = main(["bench", "table1", "--data", str(tmp_path)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'eval/oxford_affine/graf/img1.png'} is missing")
    assert "--data" in line


def test_a_method_that_is_none_is_refused(capsys, data):
    assert main(["bench", "table1", "--data", str(data), "--method", "wiener"]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_without_the_extra_the_command_says_how_to_get_it(capsys, monkeypatch, data):
    monkeypatch.setitem(sys.modules, "skimage", None)

    assert main(["bench", "table1", "--data", str(data)]) == 1
    assert "deepgyro[bench]" in capsys.readouterr().err


@pytest.mark.slow
def test_the_blurred_column_is_the_papers(shared):
    ours = table1(shared, methods=["blurred"])

    psnrs, ssims = ([row[name] for row in ours.rows] for name in ("psnr", "ssim"))
    np.testing.assert_allclose(psnrs, [23.34, 20.66, 18.71, 17.75, 17.12], atol=0.15)  # dB, ours before
    np.testing.assert_allclose(psnrs, PAPER["blurred", "none"].psnr, atol=0.25)  # dB
    np.testing.assert_allclose(ssims, PAPER["blurred", "none"].ssim, atol=0.01)
