import json

import pytest

from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_synthesis


@pytest.fixture(scope="module")
def report():
    return bench_synthesis(count=24, workers=1)


def test_the_row_has_the_keys_other_programs_expect(report):
    assert report.bench == "synthesis"
    (row,) = report.rows
    assert list(row) == ["preset", "height", "width", "blur_px", "workers", "pairs_per_second", "share"]
    assert (row["preset"], row["height"], row["width"], row["workers"]) == ("physical", 270, 480, 1)
    assert row["blur_px"] > 10
    assert row["pairs_per_second"] > 1


def test_the_shares_are_those_of_the_whole_time(report):
    share = report.rows[0]["share"]

    assert set(share) == {"field", "blur", "noise", "encoding", "io", "other"}
    assert sum(share.values()) == pytest.approx(1, abs=0.01)
    assert all(part > 0 for part in share.values())
    assert share["blur"] > share["noise"]


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_synthesis", lambda **options: report)

    code = main(["bench", "synthesis", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_too_few_pairs_for_a_rate_are_refused(capsys):
    assert main(["bench", "synthesis", "--count", "3"]) == 2
    assert "20 pairs or more are needed for a rate" in capsys.readouterr().err
