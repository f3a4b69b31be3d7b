import pytest

from deepgyro.lab.benchmark import bench_corrections
from deepgyro.lab.benchmark.corrections import corrections_display_rows


def test_a_burst_corrects_its_gyro_by_one_scale(shared):
    report = bench_corrections(shared, recordings=["shield_burst"], width=480, count=7)

    burst = [row for row in report.rows if row["recording"] == "shield_burst"]
    assert {row["photo"] for row in burst} <= {f"000{k}.jpg" for k in range(2, 7)}  # 1 and 7 are not covered
    assert len(burst) == 10  # with the exact path and with eq. 5
    for row in burst:
        assert row["blur_px"] == pytest.approx(29, abs=3)  # px
    corrected = [row for row in burst if row["answer"] == "corrected"]
    assert len(corrected) >= 6
    assert all(1.1 < row["scale"] < 1.3 for row in corrected)
    (exact, *_) = corrections_display_rows(burst)
    assert (exact["recording"], exact["reference"], exact["photos"]) == ("shield_burst", "picture", 5)
    assert exact["spread of scale"] < 0.05


def test_an_unknown_recording_is_named(tmp_path):
    with pytest.raises(ValueError, match="--recording moon: one of shield_burst, "):
        bench_corrections(tmp_path, recordings=["moon"])
