import json

import pytest

from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_refine
from deepgyro.lab.benchmark.refine import refine_display_rows

KEYS = ["case", "blur_px", "error_before_px", "error_after_px", "confidence", "answer", "ms"]
SMALL = {"count": 2, "height": 96, "width": 128, "only": ("bias", "raw", "none", "sharp", "other")}


@pytest.fixture(scope="module")
def report(held):
    return bench_refine(held, **SMALL)


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "ms"} for row in rows]


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "refine"
    assert all(list(row) == KEYS for row in report.rows)
    assert [row["case"] for row in report.rows] == [case for case in SMALL["only"] for _ in range(2)]
    assert all(0 <= row["confidence"] <= 1 for row in report.rows)


def test_errors_are_those_of_what_is_told(report):
    before = {
        case: [r["error_before_px"] for r in report.rows if r["case"] == case] for case in SMALL["only"]
    }
    blur = {case: [r["blur_px"] for r in report.rows if r["case"] == case] for case in SMALL["only"]}

    assert before["bias"] == pytest.approx([5.831] * 2, abs=0.002)  # px: (5, 3)
    assert before["none"] == pytest.approx(blur["none"], abs=0.01)
    assert before["sharp"] == pytest.approx(blur["sharp"], abs=0.01)
    assert 0 < before["raw"][0] < 5 * blur["raw"][0]


def test_the_same_seed_gives_the_same_figures_and_another_one_others(held, report):
    again, other = (bench_refine(held, **SMALL, seed=seed).rows for seed in (1, 2))

    assert without_time(again) == without_time(report.rows)
    assert without_time(other) != without_time(report.rows)


def test_what_deblurring_gains_is_measured_too(held):
    kind = {"count": 1, "height": 96, "width": 128, "only": ("raw", "sharp"), "gain": True}

    blurred, sharp = bench_refine(held, **kind).rows

    assert list(blurred) == [*KEYS, "gain_exact", "gain_told", "gain"]
    assert blurred["gain_exact"] > 0.5  # dB
    assert (sharp["gain_exact"], sharp["gain"] > -30) == (None, True)


def row(blur_px, before, after, confidence, answer="corrected"):
    return dict(zip(KEYS, ["raw", blur_px, before, after, confidence, answer, 5.0], strict=True))


def test_a_person_sees_each_length_summed_up():
    rows = [row(20, 4, 1.0, 0.95), row(22, 4, 3.0, 0.8, "kept"), row(24, 4, 5.0, 0.92), row(70, 9, 1, 0.99)]

    shown = {line["blur, px"]: line for line in refine_display_rows(rows)}

    middle = shown["15 to 30"]
    assert (middle["pictures"], middle["before"], middle["after"]) == (3, 4.0, 3.0)
    assert (middle["raised by 0.5 px"], middle["within 10 %"]) == ("33 %", "33 %")
    assert (middle["confident (0.9)"], middle["of those within 10 %"]) == ("67 %", "50 %")
    assert middle["answers"] == "2 corrected, 1 kept"
    assert shown["15 to 80"]["pictures"] == 4


def test_the_command_prints_one_json_object_or_a_table(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_refine", lambda *_, **__: report)

    assert main(["bench", "refine", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 10
    assert main(["bench", "refine"]) == 0
    assert "within 10 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "said"), [(["--data", "nowhere"], 1, "photos/val"), (["--case", "magic"], 2, "magic")]
)
def test_what_is_wrong_ends_in_one_line(capsys, options, code, said):
    assert main(["bench", "refine", *options]) == code
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_photos_that_are_too_small_are_passed_over(held):
    from deepgyro.errors import DeepGyroError

    with pytest.raises(DeepGyroError, match="at least 480 x 270"):
        bench_refine(held, count=1, only=("bias",))
