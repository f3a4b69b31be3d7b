"""A panning camera: a clip, its gyro log and its camera."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepgyro.video import ClipSource

HEIGHT, WIDTH, FOCAL = 48, 64, 60  # px
EXPOSURE = 0.02  # s


@pytest.fixture
def panned(tmp_path, write_clip):
    """Return what belongs to a clip of 12 frames that is blurred from its fourth frame to its eighth."""
    clip = write_clip(tmp_path / "in.mp4", frames=12, sound=True, width=WIDTH, height=HEIGHT)
    t = np.arange(0.0, 0.6, 0.004)
    pan = np.interp(t, [0.08, 0.13, 0.24, 0.2667], [0.0, 4.0, 4.0, 0.0])  # rad/s
    rows = "".join(f"{s:.4f},0,{w:.5f},0\n" for s, w in zip(t, pan, strict=True))
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (tmp_path / "camera.yaml").write_text(
        f"width: {WIDTH}\nheight: {HEIGHT}\nK: [{FOCAL}, {FOCAL}, 31.5, 23.5]\nreadout_time: 0\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ntime_offset: 0\n"
    )
    return SimpleNamespace(
        folder=tmp_path,
        clip=clip,
        gyro=tmp_path / "imu.csv",
        camera=tmp_path / "camera.yaml",
        out=tmp_path / "out.mp4",
        exposure=EXPOSURE,
    )


@pytest.fixture
def source(panned):
    """Return it as `deblur_video` takes it."""
    return ClipSource(panned.clip, panned.gyro, panned.camera, panned.exposure)
