import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgyro.blurfield import path_lengths
from deepgyro.cli import main
from deepgyro.deblurring import deblur_picture
from deepgyro.lab.benchmark import bench_errors
from deepgyro.lab.benchmark.contenders import add_missing_networks, select_methods
from deepgyro.lab.benchmark.datafolder import read_validation_logs
from deepgyro.lab.benchmark.errors import (
    ERRORS_BLUR_LENGTHS_PX,
    all_perturbations,
    errors_by_method,
    errors_display_rows,
)
from deepgyro.lab.benchmark.scores import psnr
from deepgyro.lab.benchmark.shots import draw_photos, simulate_photo
from deepgyro.restore import available_methods

KEYS = ["method", "error", "level", "blur_px", "psnr", "psnr_in"]
SMALL = {"count": 1, "lengths": (6,), "height": 64, "width": 80, "methods": ("blurred", "fastgyro")}


@pytest.fixture(scope="module")
def done():
    """The shares that the progress was told."""
    return []


@pytest.fixture(scope="module")
def report(held, done, tmp_path_factory):
    plot = tmp_path_factory.mktemp("plot") / "errors.png"
    report = bench_errors(held, **SMALL, plot=plot, progress=done.append)
    with Image.open(plot) as picture:
        assert picture.format == "PNG"
        assert len(np.unique(np.asarray(picture))) > 50  # not an empty page
    return report


@pytest.fixture(scope="module")
def shot(held, make):
    """A photo blurred by 12 px."""
    rng = np.random.default_rng(3)
    return simulate_photo(
        make.picture(110, 150, 0), read_validation_logs(held), 12.0, rng, height=64, width=80
    )


def perturbed(shot, error, level):
    (kind,) = [kind for kind in all_perturbations() if kind.error == error]
    return kind.perturb(shot, float(level))


def test_a_shots_paths_have_the_length_that_was_asked_for(shot):
    assert path_lengths(shot.field[:, :]).mean() == pytest.approx(12, rel=0.2)  # px; measured at 25 places
    assert shot.sharp.shape == shot.blurred.shape == (64, 80, 3)


def test_the_first_bias_is_the_exact_field_and_the_next_5_and_3_px_more(shot):
    exact, biased = perturbed(shot, "bias", 0), perturbed(shot, "bias", 2)

    np.testing.assert_allclose(exact, shot.field[:, :])
    more = (biased - exact)[..., -1, :] - (biased - exact)[..., 0, :]
    np.testing.assert_allclose(more, np.broadcast_to([10.0, 6.0], more.shape), atol=1e-4)  # px


def test_turning_by_15_degrees_turns_every_path_from_x_to_y(shot):
    exact, turned = shot.field[:, :], perturbed(shot, "turned_deg", 15)

    before, after = exact[:, :, [0, -1]] @ [1, 1j], turned[:, :, [0, -1]] @ [1, 1j]
    np.testing.assert_allclose(after / before, np.full(before.shape, np.exp(1j * np.radians(15))), atol=1e-4)


@pytest.mark.parametrize(
    ("error", "level"),
    [("time_offset_ms", 0), ("gyro_bias_rad_s", 0), ("axes_deg", 0), ("readout", 0), ("focal", 0)],
)
def test_a_physical_error_of_nothing_is_the_exact_field(shot, error, level):
    np.testing.assert_allclose(perturbed(shot, error, level), shot.field[:, :], atol=1e-4)  # px


def test_a_longer_focal_length_is_a_longer_field(shot):
    ratio = path_lengths(perturbed(shot, "focal", 0.05)).mean() / path_lengths(shot.field[:, :]).mean()

    assert abs(ratio - 1) == pytest.approx(0.05, abs=0.02)


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "errors"
    assert all(list(row) == KEYS for row in report.rows)
    cases = [(kind.error, level) for kind in all_perturbations() for level in kind.levels]
    assert [(row["method"], row["error"], row["level"]) for row in report.rows] == [
        (method, *case) for method in ("blurred", "fastgyro") for case in cases
    ]


@pytest.mark.parametrize("method", available_methods())
def test_the_field_from_its_end_to_its_start_is_the_same_blur(shot, method):
    restore = select_methods([method])[method]

    forth, back = (restore(shot.blurred, perturbed(shot, *case)) for case in (("bias", 0), ("reversed", 1)))

    assert psnr(shot.sharp, back) == pytest.approx(psnr(shot.sharp, forth), abs=0.01)  # dB


def test_the_refined_network_lets_the_picture_correct_the_field(shot, monkeypatch):
    asked = []

    def recorded(image, field, **options):
        asked.append((options["method"], options["refine"]))
        return deblur_picture(image, field, **options)

    monkeypatch.setattr("deepgyro.lab.benchmark.contenders.deblur_picture", recorded)
    for name in ("deepgyro-refined", "deepgyro"):
        select_methods([name])[name](shot.blurred, perturbed(shot, "bias", 1))

    assert asked == [("deepgyro", True), ("deepgyro", False)]


def test_without_gyro_a_picture_stays_as_it_is(report):
    (row,) = [row for row in report.rows if (row["method"], row["error"]) == ("fastgyro", "no_gyro")]

    assert row["psnr"] == row["psnr_in"]


def test_the_same_seed_gives_the_same_figures_and_another_one_others(held, report):
    again, other = (bench_errors(held, **SMALL, seed=seed).rows for seed in (1, 2))

    assert again == report.rows
    assert other != report.rows


def test_more_photos_are_those_of_fewer_and_others():
    photos = [Path(f"{k}.jpg") for k in range(9)]

    assert draw_photos(photos, 6, 0)[:3] == draw_photos(photos, 3, 0)
    with pytest.raises(ValueError, match="1 to 9"):
        draw_photos(photos, 10, 0)


def test_progress_goes_up_to_one(report, done):
    assert done == sorted(done)
    assert done[-1] == 1


def test_for_a_person_lengths_are_columns_the_input_is_one_row_and_what_is_not_there_has_no_number():
    rows = [
        {"method": method, "error": "bias", "level": k, "blur_px": px, "psnr": px + k, "psnr_in": 9.0 + px}
        for method in ("blurred", "m")
        for k in (0.0, 1.0)
        for px in (8, 20)
    ]

    blurred, *of_m, _, second_missing, _, _, _, _ = add_missing_networks(errors_display_rows(rows))

    assert blurred == {"method": "blurred", "error": "bias", "level": 0.0, "psnr, 8 px": 8, "psnr, 20 px": 20}
    assert [row["psnr, 20 px"] for row in of_m] == [20, 21]
    assert second_missing["method"] == "deepgyro-fast (missing)"
    assert second_missing["psnr, 8 px"] is None


def test_on_a_page_methods_are_columns_and_what_is_not_there_is_missing():
    rows = [
        {"method": method, "error": "bias", "level": 0.0, "blur_px": px, "psnr": px + k, "psnr_in": 9.0}
        for k, method in enumerate(("blurred", "deepgyro"))
        for px in (8, 20)
    ]

    first, second = errors_by_method(rows)

    assert list(first)[:5] == ["error", "level", "blur_px", "blurred", "deepgyro"]
    assert (first["blurred"], second["deepgyro"]) == (8, 21)
    assert first["deblurgan"] == "missing"


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_errors", lambda *_, **__: report)

    code = main(["bench", "errors", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_command_prints_a_table(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_errors", lambda *_, **__: report)

    assert main(["bench", "errors", "--method", "fastgyro"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["method", "error", "level", "psnr,", "6", "px"]
    assert len(lines) == 3 + len(report.rows) // 2  # the input is one row


def test_what_is_missing_is_said_in_one_line(capsys, tmp_path):
    code = main(["bench", "errors", "--data", str(tmp_path)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'photos/val'} is missing")


def test_the_real_photos_and_logs_are_read(shared):
    settings = SMALL | {"methods": ("blurred",)}

    assert bench_errors(shared, **settings).rows[0]["psnr"] < 40  # dB
    assert ERRORS_BLUR_LENGTHS_PX == (8, 20, 40)
