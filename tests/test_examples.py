"""The example programs run."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_euroc_writes_every_frame(tmp_path, monkeypatch, capsys):
    data = tmp_path / "mav0" / "cam0" / "data"
    data.mkdir(parents=True)
    (tmp_path / "mav0" / "imu0").mkdir()
    stamps = [1_400_000_000_000_000_000 + k * 50_000_000 for k in range(4)]  # ns
    rng = np.random.default_rng(0)
    for stamp in stamps:
        cv2.imwrite(
            str(data / f"{stamp}.png"), rng.integers(0, 256, (24, 32), np.uint8).repeat(3, 0).repeat(3, 1)
        )
    rows = "".join(f"{stamp},{stamp}.png\n" for stamp in stamps)
    (tmp_path / "mav0" / "cam0" / "data.csv").write_text(f"#timestamp [ns],filename\n{rows}")
    names = "w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1]"
    rows = "".join(f"{stamps[0] + k * 5_000_000},0,3,0\n" for k in range(-5, 60))
    (tmp_path / "mav0" / "imu0" / "data.csv").write_text(f"#timestamp [ns],{names}\n{rows}")
    (tmp_path / "camera.yaml").write_text(
        "width: 96\nheight: 72\nK: [80, 80, 47.5, 35.5]\nreadout_time: 0\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
    )
    arguments = [str(tmp_path / "mav0"), str(tmp_path / "camera.yaml"), "--exposure", "0.02", "--out"]
    monkeypatch.setattr(sys, "argv", ["euroc.py", *arguments, str(tmp_path / "sharp")])

    runpy.run_path(str(EXAMPLES / "euroc.py"), run_name="__main__")

    assert sorted(p.name for p in (tmp_path / "sharp").iterdir()) == [f"{stamp}.png" for stamp in stamps]
    assert capsys.readouterr().out.count("deepgyro") == 4
