import json
from functools import partial
from itertools import product

import numpy as np
import pytest

from deepgyro.blurfield import blur_field
from deepgyro.cli import main
from deepgyro.lab.benchmark import bench_speed
from deepgyro.lab.benchmark.peers import field_row_by_row
from deepgyro.lab.benchmark.speed import (
    PAPER_NETWORK_METHOD,
    TimedJob,
    _deblur_jobs,
    _measure_jobs,
    _network_jobs,
    _simulate_recording,
    available_precisions,
    run_lazily,
    speed_display_rows,
)
from deepgyro.restore import load_shipped_network, shipped_networks

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
def report(tmp_path_factory):
    return bench_speed(repeats=1, large=False, baselines=tmp_path_factory.mktemp("none"))


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "speed"
    assert {row["what"] for row in report.rows} == {"field", "operator", "network", "deblur"}
    for row in report.rows:
        assert list(row) == KEYS
        assert row["ms_median"] > 0


def test_small_pictures_are_timed_in_every_runtime_and_precision(report):
    for what, method in (("network", "deepgyro"), ("deblur", "deepgyro")):
        rows = [row for row in report.rows if (row["what"], row["method"]) == (what, method)]
        found = {(row["runtime"], row["precision"]) for row in rows}
        assert found == {
            *(("openvino", precision) for precision in available_precisions()),
            ("onnxruntime", "fp32"),
        }


def test_differences_are_those_of_the_shipped_weights(report):
    (row,) = [row for row in report.rows if "differences" in row["method"]]

    assert row["method"].startswith(
        f"ours, {len(load_shipped_network('deepgyro').contract.fractions)} differences"
    )


def test_a_person_sees_how_much_quicker_networks_are_and_which_are_missing(report):
    shown = speed_display_rows(report.rows)

    for precision in available_precisions():
        paper, ours = (
            next(
                row
                for row in shown
                if (row["what"], row["method"]) == ("network", name)
                and (row["runtime"], row["precision"]) == ("openvino", precision)
            )
            for name in ("the paper's", "deepgyro")
        )
        assert paper["times_faster"] == 1
        assert ours["times_faster"] == pytest.approx(paper["ms_median"] / ours["ms_median"], abs=0.01)
    assert not any(row["times_faster"] for row in shown if row["what"] != "network")
    missing = {row["method"]: row["ms_median"] for row in shown if "(missing)" in row["method"]}
    assert missing["deblurgan (missing)"] is None
    assert ("deepgyro-fast (missing)" in missing) == ("deepgyro-fast" not in shipped_networks())


def test_what_is_compared_takes_turns():
    done = []
    jobs = [TimedJob("network", name, 270, 480, partial(done.append, name)) for name in "ab"]

    (times, _), _ = _measure_jobs(jobs, 7)

    assert len(times) == 7
    assert "".join(done) == "ab" + "a" * 6 + "b" * 6 + "a" * 3 + "b" * 3


def test_the_sizes_that_take_seconds_are_720p_1080p_and_12_mpx():
    deblurred = {(job.method, job.precision, job.height * job.width // 10**5) for job in _deblur_jobs(True)}
    networks = {(job.method, job.height * job.width // 10**5) for job in _network_jobs(True, None)}

    for precision, size in product(available_precisions(), (1, 9, 20, 120)):
        assert ("deepgyro", precision, size) in deblurred
    assert ("richardson-lucy", "fp32", 20) in deblurred
    assert networks >= {
        (method, size) for method in ("deepgyro", PAPER_NETWORK_METHOD) for size in (1, 9, 20)
    }


def test_what_makes_work_ready_is_done_once_and_only_when_it_is_asked_for():
    done = []
    work = run_lazily(lambda: done.append("ready") or "work", done.append)
    assert not done

    work()
    work()

    assert done == ["ready", "work", "work"]


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_speed", lambda **options: report)

    code = main(["bench", "speed", "--small", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_peer_computes_the_same_field():
    log, camera = _simulate_recording()
    camera = camera.scale_to(height=90, width=160)

    ours = blur_field(log, camera, t=0.5, exposure=0.02, n=2, reference="start")
    peer = field_row_by_row(log, camera, 0.5, 0.02)

    np.testing.assert_allclose(peer, ours[:, :, 1], atol=0.05 * np.abs(ours).max())  # Euler steps
