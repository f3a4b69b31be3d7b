import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from deepgyro.blur import BlurOperator
from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_natural
from deepgyro.lab.benchmark.natural import make_moving_region_case
from deepgyro.lab.benchmark.recordings import EXAMPLES_FOLDER, PAPER_CROPS
from deepgyro.light import linear_to_srgb, srgb_to_linear, to_unit_range

KEYS = ["picture", "method", "blur_px", "reblur_error", "blur_effect", "psnr"]
SMALL = {"recordings": (), "methods": ("blurred", "fastgyro")}


@pytest.fixture(scope="module")
def data(held, make, tmp_path_factory):
    """The validation photos and logs, and crops of 60 x 72 px with a field of (9, -4) px."""
    folder = tmp_path_factory.mktemp("natural")
    for name in ("photos", "gyro"):
        (folder / name).symlink_to(held / name)
    for part, value in (("blurx", 137), ("blury", 124)):
        (folder / "real/shield_crops" / part).mkdir(parents=True)
        for name in PAPER_CROPS:
            Image.fromarray(np.full((60, 72), value, np.uint8)).save(
                folder / "real/shield_crops" / part / f"{name}.png"
            )
    (folder / "real/shield_crops/blurred").mkdir()
    for seed, name in enumerate(PAPER_CROPS):
        picture = make.picture(60, 72, seed)
        Image.fromarray(picture).save(folder / "real/shield_crops/blurred" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def done():
    """The shares that the progress was told."""
    return []


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return tmp_path_factory.mktemp("page") / "natural.html"


@pytest.fixture(scope="module")
def report(data, done, page):
    return bench_natural(data, **SMALL, page=page, progress=done.append)


def test_rows_are_flat_and_say_what_can_be_known(report):
    assert report.bench == "natural"
    assert all(list(row) == KEYS for row in report.rows)
    pictures = [*(f"shield_crops/{name}" for name in PAPER_CROPS), "synthetic/moving_region"]
    assert [(row["picture"], row["method"]) for row in report.rows] == [
        (picture, method) for picture in pictures for method in ("blurred", "fastgyro")
    ]
    assert {row["psnr"] is None for row in report.rows[:10]} == {True}
    assert report.rows[0]["blur_px"] == pytest.approx(97**0.5, abs=0.1)  # px


def test_deblurring_lowers_the_reblur_error(report):
    error = {(row["picture"], row["method"]): row["reblur_error"] for row in report.rows}

    assert error["shield_crops/tower", "fastgyro"] < error["shield_crops/tower", "blurred"]


def test_the_page_holds_every_picture_and_needs_no_other_file(report, page):
    text = page.read_text()

    pictures = [
        Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", text)
    ]
    assert len(pictures) == 5 * 3 + 4  # field and two methods of each crop; of the last one the truth too
    assert {picture.size for picture in pictures[:15]} == {(72, 60)}
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert "shield_crops/tower" in text
    assert report.commit in text


def test_a_page_that_exists_is_kept(capsys, data, page, report):
    code = main(["bench", "natural", "--data", str(data), "--page", str(page)])

    assert code == 1
    assert "--overwrite" in capsys.readouterr().err


def test_what_moves_by_itself_is_blurred_otherwise_than_the_field_says(held):
    subject = make_moving_region_case(held, 1)

    (patch,) = subject.moving_patches
    again = linear_to_srgb(BlurOperator(subject.field)(srgb_to_linear(to_unit_range(subject.sharp))))
    off = np.abs(again - to_unit_range(subject.blurred)).mean(-1)
    y, x = np.mgrid[: off.shape[0], : off.shape[1]]
    radius = np.hypot((x - patch.x) / patch.a, (y - patch.y) / patch.b)
    assert off[radius < 0.7].mean() > 2 * off[(radius > 1) & (x > 20) & (x < 130)].mean()


def test_the_same_seed_gives_the_same_figures(data, report):
    assert bench_natural(data, **SMALL).rows == report.rows


def test_progress_goes_up_to_one(report, done):
    assert done == sorted(done)
    assert done[-1] == 1


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_natural", lambda *_, **__: report)

    code = main(["bench", "natural", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_command_prints_a_table(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_natural", lambda *_, **__: report)

    assert main(["bench", "natural", "--method", "fastgyro"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == KEYS


def test_what_is_missing_is_said_in_one_line(capsys, held):
    code = main(["bench", "natural", "--data", str(held)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"error: {held / 'real/shield_crops/blurred/bridge.png'} is missing")


def test_photos_of_a_recording_are_deblurred_with_its_gyro(shared):
    rows = bench_natural(shared, recordings=("shield_burst",), count=1, methods=("blurred",)).rows

    (row,) = [row for row in rows if row["picture"].startswith("shield_burst/")]
    assert 50 < row["blur_px"] < 70  # px, at 960 px of width: four times that at 240


def test_without_a_checkout_the_camera_files_are_missed(capsys, monkeypatch, shared, tmp_path):
    monkeypatch.setattr("deepgyro.lab.benchmark.recordings.EXAMPLES_FOLDER", tmp_path)

    assert main(["bench", "natural", "--data", str(shared), "--method", "blurred"]) == 1
    assert "checkout" in capsys.readouterr().err
    assert (EXAMPLES_FOLDER / "shield.yaml").is_file()
