import json
import time
from functools import partial

import numpy as np
import pytest

from deepgyro.cli import main
from deepgyro.frames import ClipReader
from deepgyro.lab.benchmark import videospeed
from deepgyro.runtime import PRECISIONS, has_bf16

PRECISION = PRECISIONS[-1] if has_bf16() else PRECISIONS[0]


@pytest.fixture
def tiny(monkeypatch):
    """Make clips of a few small frames; the paper's network sleeps."""
    monkeypatch.setattr(videospeed, "SMALL_CLIP_SIZE_PX", (54, 96))
    monkeypatch.setattr(videospeed, "HD_CLIP_SIZE_PX", (72, 128))
    monkeypatch.setattr(videospeed, "UHD_CLIP_SIZE_PX", (108, 192))
    for name, count in (
        ("CLIP_FRAME_COUNT", 5),
        ("HD_CLIP_FRAME_COUNT", 3),
        ("PAPER_NETWORK_FRAME_COUNT", 2),
        ("LEADING_SHARP_FRAMES", 3),
    ):
        monkeypatch.setattr(videospeed, name, count)
    monkeypatch.setattr(videospeed, "make_paper_network", lambda *_: lambda: time.sleep(0.002))


def test_small_clips_and_the_stream_stand_beside_peers_of_the_same_run(tiny, monkeypatch, capsys):
    short = partial(videospeed.bench_video_speed, stream_frames=3)
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_video_speed", short)

    code = main(["bench", "speed", "--video", "--small", "--repeats", "5", "--json"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    methods = [
        "decode and encode alone", "the paper's", "deepgyro-fast, every frame",
        "the paper's, stream", "deepgyro-fast, stream",
    ]  # fmt: skip
    assert code == 0
    assert sorted({row["method"] for row in rows}) == sorted(methods)
    for row in rows:
        assert row["what"] == "video"
        assert row["per_second"] == pytest.approx(1000 / row["ms_median"], rel=0.01)
        peers = [other for other in rows if other["method"] == row["peer"]]
        assert bool(peers) == (row["times_faster"] is not None)


def test_frames_of_a_clip_are_blurred_or_pass_through_as_they_should(tiny, tmp_path):
    every = videospeed._time_hd_clip(tmp_path, True, PRECISION, 1)
    none = videospeed._time_hd_clip(
        tmp_path, False, PRECISION, 1
    )  # each run checks how many frames were deblurred

    assert [row["method"] for row in every] == ["decode and encode alone", "deepgyro-fast, every frame"]
    assert [row["method"] for row in none] == [
        "decode and encode alone",
        "deepgyro-fast, no frame",
        "decode and encode alone, effort low",
        "deepgyro-fast, no frame, effort low",
    ]


def test_the_commands_own_process_is_measured(tiny, tmp_path):
    idle, busy = videospeed._time_command(tmp_path, 72, 128)

    assert idle["method"] == busy["peer"] == "process, no frame"
    assert 50 < idle["peak_mb"] < busy["peak_mb"]  # MB: the network adds to it


def test_the_clip_that_is_made_is_blurred_along_its_gyro(tmp_path):
    turning = np.arange(6) >= 3
    clip = videospeed._write_panning_clip(tmp_path, 108, 192, turning)
    frames = list(videospeed._render_pan_frames(108, 192, turning, videospeed.CLIP_EXPOSURE_S))

    t, omega = videospeed._panning_gyro(turning)

    detail = [np.abs(np.diff(frame[..., 1].astype(int), axis=1)).mean() for frame in frames]
    with ClipReader(clip.source.clip) as reader:
        assert (clip.blurred_frames, reader.clip.count) == (3, 6)
    assert max(detail[3:]) < 0.8 * min(detail[:3])
    still = omega[(t >= 0) & (t < 2 / 30 + videospeed.CLIP_EXPOSURE_S + videospeed.CLIP_READOUT_S)]
    assert not still.any()
