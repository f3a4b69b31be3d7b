"""A process that is killed in the middle of a clip: what is done plays, under another name."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from deepgyro.frames import ClipReader

FRAMES = 500


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_process_that_is_killed_leaves_a_part_that_plays_and_no_final_file(
    tmp_path, write_clip, number, code
):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(20)]
    pictures = [noise[k % 20] for k in range(FRAMES)]
    clip = write_clip(tmp_path / "in.mp4", frames=FRAMES, width=128, height=96, pictures=pictures)
    rows = "".join(f"{k / 100},0,3,0\n" for k in range(-10, 1800))
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (tmp_path / "camera.yaml").write_text(
        "width: 128\nheight: 96\nK: [100, 100, 63.5, 47.5]\nreadout_time: 0\ntime_offset: 0\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
    )
    out, part = tmp_path / "out.mp4", tmp_path / "out.unfinished.mp4"
    command = [
        sys.executable, "-m", "deepgyro", "video", str(clip), "--gyro", str(tmp_path / "imu.csv"), "--camera",
        str(tmp_path / "camera.yaml"), "--exposure", "0.01", "--sync", "never", "--method", "deepgyro-fast",
        "--effort", "low", "--out", str(out), "--report", str(tmp_path / "rows.csv"),
    ]  # fmt: skip

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size > 100_000):
            time.sleep(0.01)
        process.send_signal(number)
        said = process.communicate()[1]

    assert process.returncode == code
    assert not out.exists()
    assert not (tmp_path / "rows.csv").exists()
    with ClipReader(part) as reader:
        assert 2 < sum(1 for _ in reader.frames()) < FRAMES
    if number == signal.SIGTERM:
        assert said.startswith("stopped: the first ")
