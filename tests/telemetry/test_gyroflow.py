import gzip
import json

import numpy as np
import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry import read_gyro

GCSV = """GYROFLOW IMU LOG
version,1.3
id,potato
orientation,YxZ
tscale,0.001
gscale,0.01
ascale,0.1
t,gx,gy,gz,ax,ay,az
0,1,2,3,0,0,9
5,4,5,6,0,0,9
10,7,8,9,0,0,9
"""


def test_a_gcsv_is_scaled_and_turned_as_its_orientation_says(tmp_path):
    path = tmp_path / "clip.gcsv"
    path.write_text(GCSV)

    log = read_gyro(path)

    np.testing.assert_allclose(log.t, [0, 0.005, 0.01], atol=1e-15)  # s
    np.testing.assert_allclose(log.omega, 0.01 * np.array([[2, -1, 3], [5, -4, 6], [8, -7, 9]]), atol=1e-15)


def test_a_gcsv_reads_as_telemetry_parser_reads_it(tmp_path):
    telemetry_parser = pytest.importorskip("telemetry_parser")
    path = tmp_path / "clip.gcsv"
    path.write_text(GCSV.replace("YxZ", "zYx"))

    theirs = telemetry_parser.Parser(str(path)).normalized_imu()
    ours = read_gyro(path)

    np.testing.assert_allclose(ours.t, [1e-3 * s["timestamp_ms"] for s in theirs], atol=1e-12)
    np.testing.assert_allclose(ours.omega, np.radians([s["gyro"] for s in theirs]), atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tscale,0.001\n", "", "no tscale"),
        ("gscale,0.01", "gscale,0", "gscale is '0'"),
        ("gscale,0.01", "gscale,much", "gscale is 'much'"),
        ("orientation,YxZ\n", "", "no orientation"),
        ("YxZ", "XXZ", "each of x, y, z"),
        ("t,gx,gy,gz", "t,ax,ay,az", "line 8: columns"),
        ("t,gx,gy,gz,ax,ay,az\n", "", "no line t,gx,gy,gz"),
        ("5,4,5,6,0,0,9", "5,4,5", "line 10: 3 columns, 7 are needed"),
        ("5,4,5,6,0,0,9", "5,4,x,6,0,0,9", "line 10: 'x' in column 3"),
    ],
)
def test_a_gcsv_that_says_too_little_is_refused(tmp_path, old, new, words):
    path = tmp_path / "clip.gcsv"
    path.write_text(GCSV.replace(old, new))

    with pytest.raises(DeepGyroError, match=words):
        read_gyro(path)


def test_an_old_project_keeps_rates_in_rad_per_s(tmp_path):
    path = tmp_path / "clip.gyroflow.gz"
    rows = [[0.0, 0.1, 0.2, 0.3, 0, 0, 1], [0.005, 0.4, 0.5, 0.6, 0, 0, 1]]
    path.write_bytes(gzip.compress(json.dumps({"title": "x", "raw_imu": rows}).encode()))

    log = read_gyro(path)

    np.testing.assert_array_equal(log.t, [0, 0.005])
    np.testing.assert_array_equal(log.omega, [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def test_a_project_of_version_1_keeps_rates_in_deg_per_s(tmp_path):
    path = tmp_path / "clip.gyroflow"
    rows = [{"timestamp_ms": 5.0 * i, "gyro": [90.0 * i, 0, 0], "accl": None} for i in range(2)]
    path.write_text(json.dumps({"gyro_source": {"raw_imu": rows}}))

    log = read_gyro(path)

    np.testing.assert_allclose(log.omega[1], [np.pi / 2, 0, 0], atol=1e-12)  # rad/s
    np.testing.assert_allclose(log.t, [0, 0.005], atol=1e-15)  # s


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"raw_imu": ', "line 1: no JSON"),
        ('{"gyro_source": {"raw_imu": "Ab91"}}', "compressed"),
        ('{"gyro_source": {"filepath": "x"}}', "keeps no gyro data"),
        ('{"raw_imu": [[0, 1, 2, "x"]]}', "no list of"),
        ('{"raw_imu": [[0, 1, 2, 3], [0, 1, 2, 3]]}', "row 1: time stands still"),
    ],
)
def test_a_project_without_readable_rates_is_refused(tmp_path, text, words):
    path = tmp_path / "clip.gyroflow"
    path.write_text(text)

    with pytest.raises(DeepGyroError, match=words):
        read_gyro(path)


def test_the_rates_of_a_real_project_turn_the_camera_as_its_quaternions_do(shared):
    path = shared / "gyro/gopro/GX016015.MP4.gyroflow.gz"
    frames = np.array(json.loads(gzip.decompress(path.read_bytes()))["frame_orientation"])
    t, q = frames[:, 1], frames[:, 2:]

    log = read_gyro(path)

    turn = q[:-1, :1] * q[1:, 1:] - q[1:, :1] * q[:-1, 1:] - np.cross(q[:-1, 1:], q[1:, 1:])
    rate = 2 * turn / np.diff(t)[:, None]
    between = np.stack([np.interp((t[1:] + t[:-1]) / 2, log.t, axis) for axis in log.omega.T], axis=1)
    assert np.sqrt(np.mean((rate - between) ** 2)) < 0.05  # rad/s; the rates themselves are 0.9 rad/s
