import json

import numpy as np
import pytest

from deepgyro.benchmark import speed
from deepgyro.benchmark.speed import _deblur_jobs, _recording, field_row_by_row
from deepgyro.blurfield import blur_field
from deepgyro.cli import main

KEYS = [
    "what",
    "method",
    "runtime",
    "precision",
    "height",
    "width",
    "ms_median",
    "ms_p99",
    "peak_mb",
    "gmac",
    "parameters",
]


@pytest.fixture(scope="module")
def report():
    return speed(repeats=1, large=False)


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "speed"
    assert {row["what"] for row in report.rows} == {"field", "operator", "network", "deblur"}
    for row in report.rows:
        assert list(row) == KEYS
        assert row["ms_median"] > 0


def test_the_sizes_that_take_seconds_can_be_timed():
    sizes = {(job.method, job.height * job.width // 10**6) for job in _deblur_jobs(True)}

    assert sizes >= {("deepgyro", 0), ("deepgyro", 2), ("deepgyro", 12), ("richardson-lucy", 2)}


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.benchmark.speed", lambda **options: report)

    code = main(["bench", "speed", "--small", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_peer_computes_the_same_field():
    log, camera = _recording()
    camera = camera.scaled(height=90, width=160)

    ours = blur_field(log, camera, t=0.5, exposure=0.02, n=2, reference="start")
    peer = field_row_by_row(log, camera, 0.5, 0.02)

    np.testing.assert_allclose(peer, ours[:, :, 1], atol=0.05 * np.abs(ours).max())  # Euler steps
