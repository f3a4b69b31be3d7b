import json

import pytest

from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_sharp

KEYS = ["method", "case", "prior_px", "psnr"]
SMALL = {
    "count": 2,
    "mismatched_lengths": (10,),
    "height": 64,
    "width": 80,
    "methods": ("blurred", "fastgyro", "deepgyro"),
}


@pytest.fixture(scope="module")
def report(held):
    return bench_sharp(held, **SMALL)


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "sharp"
    assert all(list(row) == KEYS for row in report.rows)
    cases = [("zero", 0), ("half", 0), ("mismatched", 10)]
    assert [(row["method"], row["case"], row["prior_px"]) for row in report.rows] == [
        (method, *case) for method in ("blurred", "deepgyro", "fastgyro") for case in cases
    ]


def test_the_input_has_mild_noise_and_half_a_pixel_of_blur_takes_some_more(report):
    psnr = {row["case"]: row["psnr"] for row in report.rows if row["method"] == "blurred"}

    assert 35 < psnr["zero"] < 48  # dB
    assert 30 < psnr["half"] < psnr["zero"]  # dB
    assert psnr["mismatched"] == pytest.approx(psnr["zero"], abs=0.3)  # dB: other noise


def test_without_blur_a_sharp_picture_comes_back(report):
    psnr = {(row["method"], row["case"]): row["psnr"] for row in report.rows}

    for method in ("deepgyro", "fastgyro"):
        assert psnr[method, "zero"] == psnr["blurred", "zero"]
        assert psnr[method, "mismatched"] < psnr["blurred", "mismatched"]


def test_the_same_seed_gives_the_same_figures_and_another_one_others(held, report):
    again, other = (bench_sharp(held, **SMALL, seed=seed).rows for seed in (1, 2))

    assert again == report.rows
    assert other != report.rows


def test_progress_goes_up_to_one(held):
    done = []

    bench_sharp(held, **SMALL | {"methods": ("blurred",)}, progress=done.append)

    assert done == sorted(done)
    assert done[-1] == 1


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_sharp", lambda *_, **__: report)

    code = main(["bench", "sharp", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_command_prints_a_table(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_sharp", lambda *_, **__: report)

    assert main(["bench", "sharp", "--method", "fastgyro"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == KEYS
    assert lines[-2].startswith("deepgyro: trained for")
    assert len(lines) == 3 + len(report.rows)


def test_more_photos_than_there_are_are_refused(capsys, held):
    assert main(["bench", "sharp", "--data", str(held), "--count", "4"]) == 2
    assert "3 photos" in capsys.readouterr().err


def test_what_is_missing_is_said_in_one_line(capsys, tmp_path):
    (tmp_path / "photos/val").mkdir(parents=True)

    code = main(["bench", "sharp", "--data", str(tmp_path)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert "holds no photo" in line
