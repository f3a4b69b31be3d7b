"""The example programs run."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

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


def test_rosbag_writes_every_frame_and_says_which_topics_there_are(tmp_path, monkeypatch, capsys):
    pytest.importorskip("rosbags")
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    Image, Imu, Header, Time, Vector, Quaternion = (
        store.types[name]
        for name in (
            "sensor_msgs/msg/Image", "sensor_msgs/msg/Imu", "std_msgs/msg/Header",
            "builtin_interfaces/msg/Time", "geometry_msgs/msg/Vector3", "geometry_msgs/msg/Quaternion",
        )
    )  # fmt: skip
    first = 1_700_000_000_000_000_000  # ns
    picture = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8).repeat(3, 0).repeat(3, 1)

    def header(stamp):
        return Header(Time(*divmod(stamp, 1_000_000_000)), "")

    with Writer(tmp_path / "bag", version=9) as writer:
        images = writer.add_connection("/cam0/image_raw", Image.__msgtype__, typestore=store)
        samples = writer.add_connection("/imu0", Imu.__msgtype__, typestore=store)
        none = np.zeros(9)
        for k in range(60):
            stamp = first + k * 5_000_000
            turn = Vector(0.0, 3.0, 0.0)
            sample = Imu(header(stamp), Quaternion(0.0, 0.0, 0.0, 1.0), none, turn, none, turn, none)
            writer.write(samples, stamp, store.serialize_cdr(sample, Imu.__msgtype__))
            if k in (10, 20, 30):
                frame = Image(header(stamp), 72, 96, "mono8", 0, 96, picture.ravel())
                writer.write(images, stamp, store.serialize_cdr(frame, Image.__msgtype__))
    (tmp_path / "camera.yaml").write_text(
        "width: 96\nheight: 72\nK: [80, 80, 47.5, 35.5]\nreadout_time: 0\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
    )
    arguments = [str(tmp_path / "bag"), str(tmp_path / "camera.yaml"), "--exposure", "0.02", "--imu", "/imu0"]
    folders = ["--out", str(tmp_path / "sharp"), "--before", str(tmp_path / "before")]

    monkeypatch.setattr(sys, "argv", ["rosbag.py", *arguments, *folders, "--image", "/cam0/image_raw"])
    runpy.run_path(str(EXAMPLES / "rosbag.py"), run_name="__main__")
    monkeypatch.setattr(sys, "argv", ["rosbag.py", *arguments, *folders, "--image", "/cam1"])
    with pytest.raises(SystemExit, match="has no topic /cam1; it has /cam0/image_raw, /imu0"):
        runpy.run_path(str(EXAMPLES / "rosbag.py"), run_name="__main__")

    names = [f"{first + k * 5_000_000}.png" for k in (10, 20, 30)]
    assert capsys.readouterr().out.count("deepgyro-fast") == 3
    for folder in ("sharp", "before"):
        assert sorted(p.name for p in (tmp_path / folder).iterdir()) == names
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "before" / names[0]))[..., 1], picture)


def test_matches_counts_what_neighbouring_frames_share(tmp_path, monkeypatch, capsys):
    small = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    sharp = cv2.resize(small, (360, 240), interpolation=cv2.INTER_CUBIC)
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
    for k in range(3):
        frame = sharp[:, 4 * k : 300 + 4 * k]
        cv2.imwrite(str(tmp_path / "after" / f"{k}.png"), frame)
        cv2.imwrite(str(tmp_path / "before" / f"{k}.png"), cv2.blur(frame, (45, 1)))
    monkeypatch.setattr(sys, "argv", ["matches.py", str(tmp_path / "before"), str(tmp_path / "after")])

    runpy.run_path(str(EXAMPLES / "matches.py"), run_name="__main__")

    line = capsys.readouterr().out.splitlines()[-1].split()
    before, after = int(line[3]), int(line[5])
    assert line[:2] == ["2", "pairs"]
    assert after > 2 * before
    assert after > 100
