import gzip
import logging

import numpy as np
import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry import read_gyro

OPTION = "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]"
EUROC = "#timestamp [ns],w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],a_RS_S_x [m s^-2]\n"
GOOD = EUROC + "1520530308181901469,0.1,0.2,0.3,9.8\n1520530308186917469,0.4,0.5,0.6,9.8\n"
HEADED = "t[s],gx[rad/s],gy[rad/s],gz[rad/s]\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_euroc_log_keeps_its_times_to_the_microsecond(tmp_path, pack):
    path = tmp_path / "data.csv"
    path.write_bytes(pack(GOOD.encode()))

    log = read_gyro(path)

    np.testing.assert_allclose(np.diff(log.t), [0.005016], atol=3e-7)  # s
    np.testing.assert_array_equal(log.omega, [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert log.source == str(path)


def test_degrees_are_converted_where_the_header_says_so(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t_ms;wx_deg_s;wy_deg_s;wz_deg_s\n0;180;0;0\n5;0;0;-90\n")

    log = read_gyro(path)

    np.testing.assert_allclose(log.omega, [[np.pi, 0, 0], [0, 0, -np.pi / 2]], atol=1e-15)  # rad/s
    np.testing.assert_allclose(log.t, [0, 0.005], atol=1e-15)  # s


def test_columns_override_a_header(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t[s],gx[deg/s],gy[deg/s],gz[deg/s]\n0,1,2,3\n5,4,5,6\n")

    log = read_gyro(path, columns="t[ms],wz[rad/s],wy[rad/s],wx[rad/s]")

    np.testing.assert_array_equal(log.omega, [[3, 2, 1], [6, 5, 4]])
    np.testing.assert_allclose(log.t, [0, 0.005], atol=1e-15)  # s


def test_a_header_in_latin_1_is_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("t (s),gx (°/s),gy (°/s),gz (°/s)\n0,1,2,3\n1,4,5,6\n".encode("latin-1"))

    assert read_gyro(path).omega[0, 0] == pytest.approx(np.pi / 180, abs=1e-15)


def test_the_gyroscope_of_an_android_log_is_sensor_4(tmp_path):
    path = tmp_path / "imu.txt"
    path.write_text("2 100 9 9 9\n1 100 8 8 8\n4 100 1 2 3\n2 200 9 9 9\n4 250 4 5 6\n")

    log = read_gyro(path)

    np.testing.assert_allclose(log.t, [1e-7, 2.5e-7], atol=1e-20)  # s
    np.testing.assert_array_equal(log.omega, [[1, 2, 3], [4, 5, 6]])


def test_a_table_that_counts_its_samples_is_not_taken_for_an_android_log(tmp_path):
    path = tmp_path / "imu.txt"
    path.write_text("".join(f"{i} {100 * i} 1 2 3\n" for i in range(1, 9)))

    with pytest.raises(DeepGyroError, match="no header"):
        read_gyro(path)


def test_sensor_logger_writes_z_y_x(tmp_path):
    text = "time,seconds_elapsed,z,y,x\n1700000000000000000,0.0,3,2,1\n1700000000010000000,0.01,6,5,4\n"
    gyroscope, accelerometer = tmp_path / "Gyroscope.csv", tmp_path / "Accelerometer.csv"
    gyroscope.write_text(text)
    accelerometer.write_text(text)

    log = read_gyro(gyroscope)

    np.testing.assert_array_equal(log.omega, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(log.t - 1.7e9, [0, 0.01], atol=3e-7)  # s
    with pytest.raises(DeepGyroError, match=r"Gyroscope\.csv"):
        read_gyro(accelerometer)


def test_a_headerless_table_is_not_read_by_its_name(tmp_path):
    path = tmp_path / "VID_1gyro.csv"  # telemetry-parser takes such names for OpenCamera's x,y,z,t[ns]
    path.write_text("".join(f"{0.01 * i:.3f},0.1,0.2,0.3\n" for i in range(100)))

    with pytest.raises(DeepGyroError, match="no header"):
        read_gyro(path)


def test_a_text_that_telemetry_parser_knows_is_left_to_it(tmp_path):
    path = tmp_path / "log.csv"
    names = ["SamplingTime", "AccelerationX", "AccelerationY", "AccelerationZ", "GyroX", "GyroY", "GyroZ"]
    path.write_text(", ".join(names) + "\n1.00, 0, 0, 1, 0.1, 0.2, 0.3\n1.01, 0, 0, 1, 0.4, 0.5, 0.6\n")

    log = read_gyro(path)

    np.testing.assert_allclose(log.omega, [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], atol=1e-9)  # rad/s
    np.testing.assert_allclose(np.diff(log.t), [0.01], atol=1e-6)  # s


def test_stray_scanner_calls_its_gyro_alpha(tmp_path):
    path = tmp_path / "imu.csv"
    path.write_text(
        "timestamp, a_x, a_y, a_z, alpha_x, alpha_y, alpha_z\n1.5, 9, 9, 9, 1, 2, 3\n1.51, 9, 9, 9, 4, 5, 6\n"
    )

    log = read_gyro(path)

    np.testing.assert_array_equal(log.t, [1.5, 1.51])
    np.testing.assert_array_equal(log.omega, [[1, 2, 3], [4, 5, 6]])


BAD = {
    "empty": (b"", "is empty"),
    "empty gzip": (gzip.compress(b""), "is empty"),
    "broken gzip": (gzip.compress(GOOD.encode())[:60], "gzip file is damaged"),
    "gzipped junk": (gzip.compress(bytes(range(256)) * 9), "not text inside"),
    "junk": (bytes(range(256)) * 9, "telemetry-parser can read"),
    "bare GPMF": (b"DEVC\0\1\x11\xd0DVIDL\4\0\1", "GPMF"),
    "words": (b"Dear diary,\ntoday I shook my phone.\n", "no numbers"),
    "header alone": (EUROC.encode(), "no numbers"),
    "one sample": (GOOD[: GOOD.rindex("1520")].encode(), "1 gyro sample, at least 2"),
    "no header": (b"0 1 2 3\n5 4 5 6\n", r"line 1: 4 columns and no header.*columns=\"t\[ns\]"),
    "no units": (b"t,gx,gy,gz\n0,1,2,3\n5,4,5,6\n", r"'t' has no unit.*columns=\"t\[ns\]"),
    "no gyro": (b"t[s],ax[m/s^2]\n0,1\n1,2\n", "no column for wx, wy, wz"),
    "short line": (HEADED.encode() + b"0,1,2,3\n\n1,2,3\n2,1,2,3\n", "line 4: 3 columns, 4 are needed"),
    "long line": (HEADED.encode() + b"0,1,2,3\n1,1,2,3,4\n", "line 3: 5 columns, 4 are needed"),
    "word": (HEADED.encode() + b"0,1,2,3\n1,1,two,3\n", "line 3: 'two' in column 3 is no number"),
    "decimal comma": (
        b"t[s];gx[rad/s];gy[rad/s];gz[rad/s]\n0;0,1;2;3\n1;1;2;3\n",
        "line 2: '0,1' in column 2",
    ),
    "nothing": (HEADED.encode() + b"0,1,2,3\n1,,2,3\n", "line 3: '' in column 2 is no number"),
    "NaN": (HEADED.encode() + b"0,1,2,3\n# pause\n1,nan,2,3\n", "line 4: a value is not finite"),
    "infinite": (HEADED.encode() + b"0,1,2,3\n1,2,-inf,3\n", "line 3: a value is not finite"),
    "backwards": (HEADED.encode() + b"0,1,2,3\n2,1,2,3\n1,1,2,3\n", "line 4: time runs backwards"),
    "stands still": (HEADED.encode() + b"0,1,2,3\n1,1,2,3\n1,1,2,3\n", "line 4: time stands still"),
    "degrees": (HEADED.encode() + b"0,1,2,3\n1,150,2,3\n", r"line 3: .*deg/s taken as rad/s"),
    "android word": (b"4 1 1 2 3\n4 2 1 2 3\n" * 200 + b"four 1 2 3 4\n", "line 401: 'four' is no sensor"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_log_is_refused_in_one_line_that_names_the_file(tmp_path, content, words):
    path = tmp_path / "bad.log"
    path.write_bytes(content)

    with pytest.raises(DeepGyroError, match=words) as error:
        read_gyro(path)

    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(DeepGyroError, match="no such file"):
        read_gyro(tmp_path / "none.csv")
    with pytest.raises(DeepGyroError, match="is a folder"):
        read_gyro(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"0 1 2 3 4\n1 1 2 3 4\n", "line 1: 5 columns, but 4 are named"),
        (b"GYROFLOW IMU LOG\n", "leave columns out"),
        (bytes(range(256)), "leave columns out"),
    ],
)
def test_columns_that_do_not_fit_the_file_are_refused(tmp_path, content, words):
    path = tmp_path / "log"
    path.write_bytes(content)

    with pytest.raises(DeepGyroError, match=words):
        read_gyro(path, columns=OPTION)


def test_columns_without_units_are_the_callers_mistake(tmp_path):
    with pytest.raises(ValueError, match="has no unit"):
        read_gyro(tmp_path / "none.csv", columns="t,wx,wy,wz")


def test_gaps_and_saturation_are_warned_about(tmp_path, caplog):
    path = tmp_path / "log.csv"
    rates = [1, 8.7, 8.7, 8.7, 2, 1]
    times = [0, 0.01, 0.02, 0.03, 0.5, 0.51]
    path.write_text(HEADED + "".join(f"{t},{w},0,0\n" for t, w in zip(times, rates, strict=True)))

    with caplog.at_level(logging.WARNING):
        read_gyro(path)

    assert "1 gaps, the longest 0.470 s" in caplog.text
    assert "in 3 samples" in caplog.text


def test_a_log_too_slow_to_follow_a_hand_is_warned_about(tmp_path, caplog):
    path = tmp_path / "log.csv"
    path.write_text(HEADED + "".join(f"{t / 10},1,0,0\n" for t in range(9)))

    with caplog.at_level(logging.WARNING):
        read_gyro(path)

    assert "10.0 samples a second, 50 are needed" in caplog.text


def test_tum_vi_is_read_to_the_last_digit(shared):
    path = shared / "gyro/tum_vi/room3.csv.gz"

    log = read_gyro(path)

    assert len(log.t) == 28124
    assert log.t[0] == 1520530962.735370731
    np.testing.assert_array_equal(log.omega[0], [-0.2031777681, 0.0127797054, -0.0049627179])
    assert log.rate == pytest.approx(199.4, abs=0.1)  # Hz


def test_the_shaken_phone_has_one_pause_that_stays_usable(shared):
    log = read_gyro(shared / "gyro/phone_shake/shake.txt.gz", columns=OPTION)

    pauses = log.gaps(longer_than=0.02)

    np.testing.assert_allclose(np.diff(pauses), [[0.0256]], atol=1e-4)  # s
    assert log.covers(pauses[0, 0] - 0.01, pauses[0, 1] + 0.01)


@pytest.mark.parametrize("number", range(1, 14))
def test_inertialscale_is_read_by_its_columns(shared, number):
    log = read_gyro(shared / f"gyro/inertialscale/D{number}/gyroscope.txt.gz", columns=OPTION)

    assert log.rate == pytest.approx(100, abs=1)  # Hz
    assert np.degrees(np.linalg.norm(log.omega, axis=1)).mean() == pytest.approx(17.5, abs=3)  # deg/s


@pytest.mark.parametrize(
    ("name", "samples", "rate"),
    [
        ("real/shield_burst/imu/imu.txt", 23, 100),
        ("real/iphone_office/imu.csv", 583, 100),
        ("real/mars/gyro_accel.csv", 1067, 498),
        ("gyro/gopro/GX016015.MP4.gyroflow.gz", 5426, 201),
        ("video/karma.mp4", 4795, 397.5),
        ("video/max-heromode.mp4", 2082, 197.5),
    ],
)
def test_the_logs_of_real_recordings_are_read_as_they_are(shared, name, samples, rate):
    log = read_gyro(shared / name)

    assert len(log.t) == samples
    assert log.rate == pytest.approx(rate, abs=0.5)  # Hz


def test_a_video_without_gyro_is_refused(shared):
    with pytest.raises(DeepGyroError, match="give the gyro log of the recording"):
        read_gyro(shared / "real/mars/movie.mp4")


@pytest.mark.parametrize("name", ["hero06.bin", "hero7.raw"])
def test_a_bare_gopro_stream_is_refused(shared, name):
    with pytest.raises(DeepGyroError, match="GPMF"):
        read_gyro(shared / "gyro/gopro" / name)
