"""A clip's blurred frames correct its gyro, and show an unknown exposure."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deepgyro.camera import Camera
from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis import simulate_camera_shake
from deepgyro.lab.synthesis.panorama import render_turning_clip
from deepgyro.recording import ClipSource
from deepgyro.recording.clips import ClipRecording, calibrate_clip
from deepgyro.telemetry import GyroLog
from deepgyro.video import deblur_video

HEIGHT, WIDTH, FOCAL = 180, 320, 300.0  # px
EXPOSURE, OFFSET = 0.03, 0.05  # s
K = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])
CAMERA = Camera(WIDTH, HEIGHT, K, readout_time=0.01, cam_from_imu=np.eye(3), time_offset=OFFSET)


def pictured(rng):
    """A picture of things of all sizes, as in a photo."""
    photo = np.zeros((400, 600, 3), np.uint8)
    for size in (40, 20, 8, 3):  # px
        small = rng.integers(0, 2, (400 // size + 1, 600 // size + 1, 1), np.uint8) * rng.integers(20, 64, 3)
        photo += np.kron(small, np.ones((size, size, 1)))[:400, :600].astype(np.uint8)
    return photo


@pytest.fixture(scope="module")
def shaken(tmp_path_factory, write_clip):
    """A clip of a camera that shakes, all of its frames blurred."""
    folder = tmp_path_factory.mktemp("refining")
    rng = np.random.default_rng(6)
    hand = simulate_camera_shake(rng, duration=3.0, strength=1.5)
    log = GyroLog(hand.t - 0.5, hand.omega)
    photo = pictured(rng)
    times = [k / 25 for k in range(16)]
    frames = list(
        render_turning_clip(
            photo, log, CAMERA, times=times, exposure=EXPOSURE, rng=rng, noise=0.004, samples=41
        )
    )
    write_clip(folder / "in.mp4", pictures=frames, frames=16, width=WIDTH, height=HEIGHT, times=times)
    rows = "".join(
        f"{t:.6f},{x:.7f},{y:.7f},{z:.7f}\n" for t, (x, y, z) in zip(log.t, log.omega, strict=True)
    )
    (folder / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (folder / "camera.yaml").write_text(
        f"width: {WIDTH}\nheight: {HEIGHT}\nK: [300, 300, 159.5, 89.5]\nreadout_time: 0.01\n"
        f"cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ntime_offset: {OFFSET}\n"
    )
    source = ClipSource(folder / "in.mp4", folder / "imu.csv", folder / "camera.yaml")
    recording = ClipRecording(log, CAMERA, np.array([EXPOSURE]))
    return SimpleNamespace(clip=folder / "in.mp4", recording=recording, source=source)


def test_a_gyro_that_says_too_little_and_a_clock_that_is_off_are_corrected(shaken):
    right = shaken.recording
    wrong = replace(
        right,
        log=replace(right.log, omega=right.log.omega / 1.15),
        camera=replace(right.camera, time_offset=OFFSET + 0.005),
    )

    found, said = calibrate_clip(shaken.clip, wrong)

    scale = np.linalg.norm(found.log.omega) / np.linalg.norm(wrong.log.omega)
    assert scale == pytest.approx(1.15, abs=0.05)
    assert found.camera.time_offset == pytest.approx(OFFSET, abs=0.003)  # s
    assert "blurred frames: blur x 1.1" in said


def test_an_exposure_that_nobody_says_is_found(shaken, tmp_path, capsys):
    out, source = tmp_path / "out.mp4", shaken.source
    options = ["--camera", str(source.camera), "--method", "deepgyro-fast", "--out", str(out), "--json"]

    code = main(["video", str(source.clip), "--gyro", str(source.gyro), *options])

    said = capsys.readouterr()
    assert code == 0, said.err
    note = json.loads(said.out)["note"]
    found = float(note.split("exposure ")[1].split(" ms")[0])
    assert found == pytest.approx(1000 * EXPOSURE, rel=0.08)  # ms


@pytest.mark.parametrize("middle", [False, True])
def test_exposures_that_change_are_found(tmp_path, write_clip, middle):
    rng = np.random.default_rng(8)
    hand = simulate_camera_shake(rng, duration=3.0, strength=2.0)
    log = GyroLog(hand.t - 0.5, hand.omega)
    photo, times = pictured(rng), [k / 25 for k in range(24)]
    exposures = np.geomspace(0.012, 0.036, 24)  # s
    frames = []
    for t, exposure in zip(times, exposures, strict=True):
        begun = [t - exposure / 2 if middle else t]
        frames += render_turning_clip(
            photo, log, CAMERA, times=begun, exposure=exposure, rng=rng, noise=0.004
        )
    clip = tmp_path / "in.mp4"
    write_clip(clip, pictures=frames, frames=24, width=WIDTH, height=HEIGHT, times=times)

    found, said = calibrate_clip(clip, ClipRecording(log, CAMERA, np.zeros(1), middle), exposure_known=False)

    told = np.array([found.frame(k, 0.0).exposure for k in range(24)])
    assert np.median(np.abs(np.log(told / exposures))) < 0.1
    assert "exposures " in said
    assert " to " in said


def test_an_exposure_that_the_frames_do_not_tell_is_asked_for(shaken, tmp_path):
    still = tmp_path / "imu.csv"
    still.write_text(
        "t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n" + "".join(f"{k / 100},0,0,0\n" for k in range(-40, 200))
    )

    with pytest.raises(
        DeepGyroError, match=r"too few frames are blurred enough to estimate it: give --exposure"
    ):
        deblur_video(replace(shaken.source, gyro=still), tmp_path / "out.mp4", sync="never")

    assert sorted(tmp_path.iterdir()) == [still]


def test_a_clip_without_blur_corrects_nothing_and_says_so(shaken, tmp_path):
    brief = replace(shaken.source, exposure=0.0005)

    report = deblur_video(brief, tmp_path / "out.mp4", sync="never", refine=True)

    assert report.note == "too few frames are blurred enough, or agree, to correct the gyro by"
    assert report.time_offset == OFFSET
