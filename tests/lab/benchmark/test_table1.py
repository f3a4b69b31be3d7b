import json
import sys
from itertools import product

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_table1
from deepgyro.lab.benchmark.datafolder import PLANAR_SCENES
from deepgyro.lab.benchmark.scores import psnr
from deepgyro.lab.benchmark.table1 import (
    PUBLISHED_COLUMNS,
    TABLE1_BLUR_LENGTHS_PX,
    TABLE1_COLUMNS,
    make_case,
    make_cases,
    table1_display_rows,
)
from deepgyro.light import linear_to_srgb, srgb_to_linear

KEYS = ["method", "field", "refined", "blurred_in", "blur_px", "psnr", "ssim"]
METHODS = ("blurred", "fastgyro", "richardson-lucy", "deepgyro")


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
    for k, name in enumerate(PLANAR_SCENES):
        place = folder / "eval/oxford_affine" / name
        place.mkdir(parents=True)
        pixels = (255 * picture(height=90, width=110, seed=k)).astype(np.uint8)
        Image.fromarray(pixels).save(place / "img1.png")
    return folder


@pytest.fixture(scope="module")
def done():
    """The shares that the progress was told."""
    return []


@pytest.fixture(scope="module")
def report(data, done):
    return bench_table1(data, methods=METHODS, lengths=(10, 20), progress=done.append)


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
    assert [tuple(row[key] for key in ("blurred_in", *KEYS[:3], "blur_px")) for row in report.rows] == [
        (made_in, *column, blur_px)
        for made_in in ("encoded", "linear")
        for column in TABLE1_COLUMNS
        if column[0] in METHODS
        for blur_px in (10, 20)
    ]


def test_methods_gain_with_the_exact_field_and_lose_by_the_bias(report):
    keys = ("blurred_in", "method", "field", "blur_px")
    gained = {tuple(row[key] for key in keys): row["psnr"] for row in report.rows if not row["refined"]}

    for made_in, method, blur_px in product(("encoded", "linear"), ("fastgyro", "richardson-lucy"), (10, 20)):
        exact, biased = (gained[made_in, method, field, blur_px] for field in ("exact", "biased"))
        assert exact > biased + 1  # dB
    for made_in in ("encoded", "linear"):
        exact = gained[made_in, "richardson-lucy", "exact", 10]
        assert exact > gained[made_in, "blurred", "none", 10] + 1  # dB


def test_blur_of_light_is_made_on_light_and_told():
    sharp = picture()

    encoded, linear = (
        make_case(sharp, 20, np.random.default_rng(5), blurred_in=made_in)
        for made_in in ("encoded", "linear")
    )

    component = 20 / np.sqrt(2)
    light = blurred_by_brute_force(srgb_to_linear(sharp), component, component)
    clean = linear_to_srgb(light.astype(np.float32))
    sigma = np.sqrt((clean**2).mean()) / 10**1.5
    noise = sigma * np.random.default_rng(5).standard_normal(sharp.shape)
    np.testing.assert_allclose(linear.blurred, (clean + noise).clip(0, 1), atol=1e-4)
    assert (encoded.encoding, linear.encoding) == ("linear", "srgb")


def test_the_mean_over_directions_is_that_of_blurs_a_part_of_half_a_turn_apart(data):
    sharp, rng = picture(40, 50), np.random.default_rng(0)
    vectors = [make_case(sharp, 20, rng, direction=direction).vector for direction in (45.0, 135.0)]
    np.testing.assert_allclose(vectors, 20 / np.sqrt(2) * np.array([[1, 1], [-1, 1]]), atol=1e-5)  # px
    paths = [data / "eval/oxford_affine" / name / "img1.png" for name in PLANAR_SCENES]

    (row,) = bench_table1(data, methods=["blurred"], lengths=[20], directions=2, blurred_in=["encoded"]).rows

    scores = [psnr(case.sharp, case.blurred) for _, case in make_cases(paths, [20], directions=2)]
    assert len(scores) == 8
    assert row["psnr"] == pytest.approx(np.mean(scores), abs=1e-3)  # dB


def test_other_photos_can_be_taken(data, tmp_path):
    (tmp_path / "1.png").symlink_to(data / "eval/oxford_affine/bikes/img1.png")

    other, all_four = (
        bench_table1(data, images=images, methods=["blurred"], lengths=[10]).rows[0]["psnr"]
        for images in (tmp_path, None)
    )

    assert abs(other - all_four) > 0.05  # dB


def test_no_direction_is_refused(capsys, data):
    assert main(["bench", "table1", "--data", str(data), "--directions", "0"]) == 2
    assert "at least one" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_figures(data, report):
    again = bench_table1(data, methods=["deepgyro"], lengths=[10], blurred_in=["linear"])

    figures = {tuple(row[key] for key in KEYS[:5]): row["psnr"] for row in report.rows}
    for row in again.rows:
        assert row["psnr"] == pytest.approx(figures[tuple(row[key] for key in KEYS[:5])], abs=0.01)  # dB


def test_progress_goes_up_to_one(report, done):
    assert done == sorted(done)
    assert done[-1] == 1


def test_some_methods_alone_give_the_same_numbers(data, report):
    alone = bench_table1(data, methods=["blurred"], lengths=[20], blurred_in=["encoded"])

    assert alone.rows == report.rows[1:2]


def test_the_papers_figures_stand_below_ours_and_what_is_missing_has_none(report):
    shown = table1_display_rows(report.rows)

    first, paper = shown[:2]
    assert first["10 px"] == f"{report.rows[0]['psnr']:.2f} {report.rows[0]['ssim']:.3f}"
    assert (paper["method"], paper["10 px"]) == ("  the paper's blurred", "23.41 0.792")
    absent = [line for line in shown if "(missing)" in line["method"]]
    assert sorted(line["method"].split()[0] for line in absent) == sorted(
        2 * [method for method, *_ in TABLE1_COLUMNS if method not in METHODS]
    )
    assert all(line["10 px"] is None and line["20 px"] is None for line in absent)
    alike = [line["method"] for line in shown if line["field"] == "exact" and line["blurred in"] == "encoded"]
    assert alike[:2] == ["deepgyro", "deepgyro-fast (missing)"]  # those that DeepGyro* is comparable with
    star = [line["method"] for line in shown].index("  the paper's DeepGyro*")
    assert {line["field"] for line in shown[star - 4 : star]} == {"exact"}
    assert not any("paper's" in line["method"] for line in shown if line["blurred in"] == "linear")
    assert not any("paper's" in line["method"] for line in table1_display_rows(report.rows, published=False))


def test_the_command_prints_a_table(capsys, data):
    code = main(["bench", "table1", "--data", str(data), "--method", "blurred"])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == [
        "blurred",
        "in",
        "method",
        "field",
        *" ".join(f"{L} px" for L in TABLE1_BLUR_LENGTHS_PX).split(),
    ]
    assert lines[2].split()[:6] == ["encoded", "the", "paper's", "blurred", "23.41", "0.792"]
    assert lines[3].split()[:3] == ["linear", "blurred", "none"]
    assert len(lines) == 5


def test_a_method_whose_weights_are_missing_has_no_number(capsys, data, tmp_path):
    command = ["bench", "table1", "--data", str(data), "--baselines", str(tmp_path)]

    code = main([*command, "--method", "blurred", "deblurgan", "--blurred-in", "encoded"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[3].split() == ["encoded", "deblurgan", "(missing)", "none"]
    assert lines[4].split()[:6] == ["encoded", "the", "paper's", "DeblurGAN", "21.46", "0.694"]


def test_the_command_prints_one_json_object(capsys, data, report):
    code = main(["bench", "table1", "--data", str(data), "--method", "blurred", "--json"])

    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert list(result) == ["bench", "machine", "commit", "rows"]
    assert [row["blur_px"] for row in result["rows"]] == 2 * list(TABLE1_BLUR_LENGTHS_PX)
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
    ours = bench_table1(shared, methods=["blurred"], blurred_in=["encoded"])

    psnrs, ssims = ([row[name] for row in ours.rows] for name in ("psnr", "ssim"))
    np.testing.assert_allclose(psnrs, [23.34, 20.66, 18.71, 17.75, 17.12], atol=0.15)  # dB, ours before
    np.testing.assert_allclose(psnrs, PUBLISHED_COLUMNS["blurred", "none"].psnr, atol=0.25)  # dB
    np.testing.assert_allclose(ssims, PUBLISHED_COLUMNS["blurred", "none"].ssim, atol=0.01)
