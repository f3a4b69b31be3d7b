"""Everything the README tells a reader to type runs."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from deepgyro.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def write_shaken_clip(folder, write_clip):
    """Write clip.mp4 of a shaking camera, and its log clip.csv."""
    from deepgyro.camera import Camera
    from deepgyro.lab.synthesis import render_turning_clip, simulate_camera_shake

    rng = np.random.default_rng(0)
    log = simulate_camera_shake(rng, duration=3.0)
    K = np.array([[110.0, 0, 63.5], [0, 110, 47.5], [0, 0, 1]])
    camera = Camera(128, 96, K, readout_time=0.01, cam_from_imu=np.eye(3), time_offset=0.5)
    photo = np.kron(rng.integers(0, 256, (60, 90, 3), np.uint8), np.ones((5, 5, 1), np.uint8))
    times = [k / 30 for k in range(45)]
    pictures = list(render_turning_clip(photo, log, camera, times=times, exposure=0.01, rng=rng, samples=2))
    write_clip(folder / "clip.mp4", pictures=pictures, frames=45, width=128, height=96)
    rows = np.column_stack([log.t, log.omega])
    header = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
    np.savetxt(folder / "clip.csv", rows, "%.7f", ",", header=header, comments="")


@pytest.fixture
def recording(tmp_path, monkeypatch, write_clip):
    """The files that the README speaks of: two photos of a panning camera, and what belongs to them."""
    from PIL import Image

    from deepgyro.blurfield import write_field

    rng = np.random.default_rng(0)
    for folder in ("photos", "images", "imu", "examples"):
        (tmp_path / folder).mkdir()
    for name in ("photo.jpg", "photos/1.jpg", "photos/2.jpg", "images/0001.jpg", "images/0002.jpg"):
        pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "sharp_photos").mkdir()
    Image.fromarray(rng.integers(0, 256, (300, 500, 3), np.uint8)).save(tmp_path / "sharp_photos/1.jpg")
    t = np.arange(12.0, 13.0, 0.005)
    rows = "".join(f"{s:.4f},0.0,{2 + np.sin(9 * s):.5f},0.3\n" for s in t)
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (tmp_path / "frames.csv").write_text("file,t,exposure\nphotos/1.jpg,12.3,0.02\nphotos/2.jpg,12.4,0.02\n")
    (tmp_path / "camera.yaml").write_text(
        "width: 64\nheight: 48\nK: [55, 55, 31.5, 23.5]\nreadout_time: 0.01\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
    )
    shield = Path(__file__).parents[1] / "examples/shield.yaml"  # of 16:9 pictures
    (tmp_path / "examples/shield.yaml").write_text(shield.read_text().replace("height: 1080", "height: 1440"))
    (tmp_path / "images/images.txt").write_text("12317552000 20000000\n12417552000 20000000\n")
    rows = "".join(f"2 {s * 1e9:.0f} 1 2 3\n4 {s * 1e9:.0f} 1.5 0.2 0.1\n" for s in t)
    (tmp_path / "imu/imu.txt").write_text(rows)
    write_shaken_clip(tmp_path, write_clip)
    field = np.zeros((48, 64, 2, 2), np.float32)
    field[..., 1, 0] = 5
    with open(tmp_path / "field.npz", "wb") as file:
        write_field(file, field, t=12.5, exposure=0.02)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands():
    text = "\n".join(body for language, body in BLOCKS if language == "sh")
    return re.findall(r"^deepgyro .*$", text, re.MULTILINE)


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_runs(recording, command, capsys):
    assert main(shlex.split(command)[1:]) == 0

    assert "written as it came" not in capsys.readouterr().out


def test_the_python_of_the_readme_runs(recording):
    (code,) = [body for language, body in BLOCKS if language == "python"]
    names = {}

    exec(code, names)

    assert names["sharp"].shape == names["image"].shape
    assert names["sharp"].dtype == np.uint8
    assert (names["sharp"] != names["image"]).any()


def test_the_readme_has_commands_for_the_job_and_for_the_tests():
    (install, test) = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)

    assert install.endswith("deepgyro demo")
    assert test.endswith("python -m pytest")
