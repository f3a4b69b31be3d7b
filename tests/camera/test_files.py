import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from deepgyro.camera import Camera, Distortion, read_camera, write_camera
from deepgyro.errors import DeepGyroError

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))

GOOD = """\
width: 1920
height: 1080
K: [1558.7, 1558.8, 939.7, 518.4]
distortion: {model: radtan, coefficients: [-0.1, 0.01, 0, 2e-3]}
readout_time: 0.0245
readout_direction: up
cam_from_imu: [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
time_offset: -0.017552
"""

KALIBR = """\
cam0:
  T_cam_imu:
  - [0.0, -1.0, 0.0, 0.01]
  - [-1.0, 0.0, 0.0, 0.02]
  - [0.0, 0.0, -1.0, 0.03]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: []
  camera_model: pinhole
  distortion_coeffs: [0.1, 0.02, -0.003, 0.004]
  distortion_model: equidistant
  intrinsics: [700.5, 701.5, 377.0, 231.0]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
  timeshift_cam_imu: 0.0042
"""

PROFILE = {
    "name": "test",
    "calib_dimension": {"w": 4000, "h": 3000},
    "orig_dimension": {"w": 2704, "h": 2028},
    "frame_readout_time": 12.5,
    "frame_readout_direction": "BottomToTop",
    "input_horizontal_stretch": 1.0,
    "crop": None,
    "fisheye_params": {
        "camera_matrix": [[1753.0, 0.0, 2000.0], [0.0, 1754.0, 1500.0], [0.0, 0.0, 1.0]],
        "distortion_coeffs": [0.067, -0.053, 0.121, -0.077],
    },
    "distortion_model": None,
}


def written(folder, text, name="camera.yaml"):
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def without(key):
    return "".join(line for line in GOOD.splitlines(True) if not line.startswith(key + ":"))


def changed(key, value):
    return f"{without(key)}{key}: {value}\n"


def test_a_camera_file_is_read_whole(tmp_path):
    camera = read_camera(written(tmp_path, GOOD))

    assert (camera.width, camera.height) == (1920, 1080)
    np.testing.assert_array_equal(camera.K, [[1558.7, 0, 939.7], [0, 1558.8, 518.4], [0, 0, 1]])
    assert camera.distortion.model == "radtan"
    assert camera.distortion.coefficients == (-0.1, 0.01, 0.0, 0.002)
    assert camera.readout_time == 0.0245
    assert camera.readout_direction == "up"
    np.testing.assert_array_equal(camera.cam_from_imu, [[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    assert camera.time_offset == -0.017552
    assert camera.source == str(tmp_path / "camera.yaml")


def test_what_a_camera_file_does_not_say_stays_open(tmp_path):
    camera = read_camera(written(tmp_path, "width: 8\nheight: 6\nK: [[9, 0, 4], [0, 9, 3], [0, 0, 1]]\n"))

    assert camera.readout_time is None
    assert camera.cam_from_imu is None
    assert camera.distortion.model == "none"
    assert camera.readout_direction == "down"
    assert camera.time_offset == 0


def test_a_written_camera_is_read_back_exactly(tmp_path):
    angle = 1 / 3  # rad
    camera = Camera(
        width=640,
        height=480,
        K=np.array([[800 / 3, 0, 310.2], [0, 790, 250.7], [0, 0, 1]]),
        distortion=Distortion("equidistant", (1e-5, 1 / 3, 0.0, -0.2)),
        readout_time=1e-5,
        readout_direction="left",
        cam_from_imu=np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        ),
        time_offset=-1 / 7,
    )

    write_camera(tmp_path / "out.yaml", camera)
    back = read_camera(tmp_path / "out.yaml")

    np.testing.assert_array_equal(back.K, camera.K)
    np.testing.assert_allclose(back.cam_from_imu, camera.cam_from_imu, atol=1e-15)
    assert back.distortion.coefficients == camera.distortion.coefficients
    assert (back.readout_time, back.time_offset) == (1e-5, -1 / 7)
    assert back.readout_direction == "left"


def test_a_written_camera_leaves_open_what_is_open(tmp_path):
    write_camera(tmp_path / "out.yaml", Camera(width=8, height=6, K=np.eye(3)))
    back = read_camera(tmp_path / "out.yaml")

    assert back.readout_time is None
    assert back.cam_from_imu is None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_camera(path):
    camera = read_camera(path)

    assert camera.readout_time is not None
    assert (camera.cam_from_imu is None) == (path.stem == "karma")


def test_there_are_five_examples():
    assert [path.stem for path in EXAMPLES] == [
        "iphone_billiards",
        "iphone_office",
        "karma",
        "mars",
        "shield",
    ]


BAD = {
    "empty": ("", "the file is empty"),
    "only comments": ("# width: 3\n", "holds None"),
    "a list": ("- 1\n- 2\n", "needed are keys and values"),
    "syntax": ("width: 1920\nK: [1, 2\n", r"line \d+ is no YAML"),
    "no width": (without("width"), "width is missing"),
    "no height": (without("height"), "height is missing"),
    "no K": (without("K"), r"K is missing; needed is \[fx, fy, cx, cy\]"),
    "typo": (GOOD + "readout_tme: 0.01\n", "did you mean readout_time"),
    "unknown key": (GOOD + "zzz: 1\n", "known are width"),
    "typo in distortion": (changed("distortion", "{modle: none}"), "did you mean model"),
    "width in words": (changed("width", "wide"), "width is 'wide'"),
    "half a pixel": (changed("width", "1920.5"), "whole number of px"),
    "no pixels": (changed("height", "0"), "at least 1"),
    "width yes": (changed("width", "yes"), "width is True"),
    "width empty": (changed("width", ""), "width has no value"),
    "K of three": (changed("K", "[1558, 939, 518]"), r"needed is \[fx, fy, cx, cy\] in px"),
    "K ragged": (changed("K", "[[1, 0, 0], [0, 1], [0, 0, 1]]"), r"needed is \[fx, fy, cx, cy\] in px"),
    "K a word": (changed("K", "[1558, f, 939, 518]"), "an entry of K is 'f'"),
    "K skew": (changed("K", "[[1558, 2, 939], [0, 1558, 518], [0, 0, 1]]"), "skew"),
    "K nan": (changed("K", "[.nan, 1558, 939, 518]"), "an entry of K is nan"),
    "focal length 0": (changed("K", "[0, 1558, 939, 518]"), "above 0 px"),
    "K in another order": (changed("K", "[939, 518, 5580, 1558]"), "far outside a picture of 1920 x 1080"),
    "a mirror": (
        changed("cam_from_imu", "[[0, 1, 0], [1, 0, 0], [0, 0, 1]]"),
        r"reflection.*try cam_from_imu: \[\[0, -1, 0\], \[-1, 0, 0\], \[0, 0, -1\]\]",
    ),
    "no rotation": (
        changed("cam_from_imu", "[[1, 0, 0], [0, 2, 0], [0, 0, 1]]"),
        "determinant is 2 .* by 3;",
    ),
    "mounting 2 x 3": (changed("cam_from_imu", "[[1, 0, 0], [0, 1, 0]]"), "3 rows of 3 numbers"),
    "negative readout": (changed("readout_time", "-0.01"), "from 0"),
    "readout in ms": (changed("readout_time", "24.5"), "divide it by 1000"),
    "readout with unit": (changed("readout_time", "24.5 ms"), "a number alone, in seconds"),
    "sideways": (changed("readout_direction", "sideways"), "one of down, up, right, left"),
    "offset inf": (changed("time_offset", ".inf"), "time_offset is inf"),
    "coefficients missing": (changed("distortion", "{model: radtan}"), "needs 4 or 5"),
    "coefficients too many": (
        changed("distortion", "{model: equidistant, coefficients: [1, 2, 3, 4, 5]}"),
        "needs 4",
    ),
    "model unknown": (changed("distortion", "{model: fov, coefficients: [0.9]}"), "model is 'fov'"),
    "model missing": (changed("distortion", "{coefficients: [0.9]}"), "distortion model is None"),
    "distortion a list": (changed("distortion", "[0.1, 0.2]"), "needed is a block"),
    "cam without lens": (GOOD + "cam: cam1\n", "without lens"),
    "lens not there": ("lens: nowhere.json\n", "lens: .*nowhere.json: no such file"),
    "lens a number": ("lens: 3\n", "lens is 3"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_camera_file_is_refused_in_one_line(tmp_path, text, message):
    path = written(tmp_path, text)

    with pytest.raises(DeepGyroError, match=message) as caught:
        read_camera(path)

    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "no text file"),
        (b"width: \xff\xfe", "no text file in UTF-8"),
        (b"\x1f\x8b\x08\x00 junk", "gzip file is damaged"),
        (b"\x01\x02\x03", "no text file"),
    ],
)
def test_binary_junk_is_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "camera.yaml"
    path.write_bytes(data)

    with pytest.raises(DeepGyroError, match=message) as caught:
        read_camera(path)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "message"), [("nowhere.yaml", "no such file"), ("", "is a folder")])
def test_a_missing_file_and_a_folder_are_refused(tmp_path, name, message):
    with pytest.raises(DeepGyroError, match=message):
        read_camera(tmp_path / name)


def test_kalibrs_signs_are_ours(tmp_path):
    camera = read_camera(written(tmp_path, KALIBR))

    assert (camera.width, camera.height) == (752, 480)
    np.testing.assert_array_equal(camera.K, [[700.5, 0, 377], [0, 701.5, 231], [0, 0, 1]])
    assert camera.distortion.model == "equidistant"
    assert camera.distortion.coefficients == (0.1, 0.02, -0.003, 0.004)
    np.testing.assert_array_equal(camera.cam_from_imu, [[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    assert camera.time_offset == 0.0042
    assert camera.readout_time is None


def test_kalibrs_line_delay_is_the_readout_time_of_one_row(tmp_path):
    chain = yaml.safe_load(KALIBR)
    del chain["cam0"]["T_cam_imu"], chain["cam0"]["timeshift_cam_imu"]
    chain["cam0"] |= {"line_delay": 3e-5, "distortion_model": "none", "distortion_coeffs": []}

    camera = read_camera(written(tmp_path, yaml.safe_dump(chain)))

    assert camera.readout_time == pytest.approx(0.0144, abs=1e-15)  # s, 480 rows
    assert camera.cam_from_imu is None
    assert camera.distortion.model == "none"


def test_one_of_several_cameras_must_be_named(tmp_path):
    two = KALIBR + KALIBR.replace("cam0", "cam1").replace("700.5", "650.5")
    path = written(tmp_path, two, "chain.yaml")
    by_key = written(tmp_path, "lens: chain.yaml\ncam: cam1\nreadout_time: 0.01\n")

    with pytest.raises(DeepGyroError, match=r"2 cameras \(cam0, cam1\)"):
        read_camera(path)
    with pytest.raises(DeepGyroError, match="no camera 'cam7'"):
        read_camera(path, cam="cam7")
    assert read_camera(path, cam="cam1").K[0, 0] == 650.5
    assert read_camera(by_key).K[0, 0] == 650.5
    assert read_camera(by_key).readout_time == 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_model": "omni"}, "only pinhole"),
        ({"distortion_model": "fov", "distortion_coeffs": [0.9]}, "model is 'fov'"),
        ({"intrinsics": [1.0, 2.0, 3.0, 4.0, 5.0]}, "cam0.intrinsics .* 4 numbers"),
        ({"resolution": [752]}, "cam0.resolution"),
        ({"T_cam_imu": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "4 rows of 4 numbers"),
        ({"T_cam_imu": np.diag([1, 1, -1, 1]).tolist()}, "reflection"),
    ],
)
def test_a_kalibr_chain_that_cannot_be_used_is_refused(tmp_path, change, message):
    chain = yaml.safe_load(KALIBR)
    chain["cam0"] |= change

    with pytest.raises(DeepGyroError, match=message):
        read_camera(written(tmp_path, yaml.safe_dump(chain)))


def test_a_gyroflow_profile_is_read_for_its_calibrated_size(tmp_path):
    camera = read_camera(written(tmp_path, PROFILE, "lens.json"))

    assert (camera.width, camera.height) == (4000, 3000)
    np.testing.assert_array_equal(camera.K, PROFILE["fisheye_params"]["camera_matrix"])
    assert camera.distortion.model == "equidistant"
    assert camera.distortion.coefficients == (0.067, -0.053, 0.121, -0.077)
    assert camera.readout_time == 0.0125
    assert camera.readout_direction == "up"
    assert camera.cam_from_imu is None


@pytest.mark.parametrize(
    ("change", "time", "direction"),
    [
        ({"frame_readout_time": None, "frame_readout_direction": None}, None, "down"),
        ({"frame_readout_time": -8.0, "frame_readout_direction": None}, 0.008, "up"),
        ({"frame_readout_direction": "LeftToRight"}, 0.0125, "right"),
        ({"frame_readout_direction": "RightToLeft"}, 0.0125, "left"),
        ({"frame_readout_direction": "TopToBottom"}, 0.0125, "down"),
        ({"frame_readout_time": None, "global_shutter": True}, 0.0, "up"),
    ],
)
def test_gyroflows_shutter_is_translated(tmp_path, change, time, direction):
    camera = read_camera(written(tmp_path, PROFILE | change, "lens.json"))

    assert camera.readout_time == time
    assert camera.readout_direction == direction


def test_gyroflows_opencv_standard_is_radtan(tmp_path):
    lens = PROFILE["fisheye_params"] | {"distortion_coeffs": [0.1, 0.2, 0.3, 0.4, 0.5, 0, 0, 0]}
    profile = PROFILE | {"distortion_model": "opencv_standard", "fisheye_params": lens}

    camera = read_camera(written(tmp_path, profile, "lens.json"))

    assert camera.distortion.model == "radtan"
    assert camera.distortion.coefficients == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_a_gyroflow_project_is_its_lens_profile_and_its_shutter(tmp_path):
    profile = PROFILE | {"frame_readout_time": None, "frame_readout_direction": None}
    stabilization = {"frame_readout_time": 16.0, "frame_readout_direction": "LeftToRight"}
    project = {"title": "Gyroflow data file", "calibration_data": profile, "stabilization": stabilization}
    path = tmp_path / "clip.gyroflow.gz"
    path.write_bytes(gzip.compress(json.dumps(project).encode()))

    camera = read_camera(path)

    assert camera.width == 4000
    assert camera.readout_time == 0.016
    assert camera.readout_direction == "right"


def test_a_real_gyroflow_project_is_read(shared):
    camera = read_camera(shared / "gyro/gopro/GX016015.MP4.gyroflow.gz").scale_to(height=2028, width=2704)

    inside = np.array([[0.0, 1014.0], [2500.0, 1800.0]])  # px
    np.testing.assert_allclose(camera.project(camera.rays(inside)), inside, atol=1e-8)
    assert camera.readout_time is None
    with pytest.raises(ValueError, match="outside the lens model"):
        camera.rays(np.array([[0.0, 0.0]]))  # 4.7 % of this picture lie past the fit's 70 degrees


LONG = {"distortion_coeffs": [1, 2, 3, 4, 5, 6, 7, 8]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distortion_model": "sony"}, "distortion_model is 'sony'"),
        ({"distortion_model": ["sony"]}, "distortion_model is"),
        ({"digital_lens": "gopro_superview"}, "stretched in the camera"),
        ({"input_horizontal_stretch": 1.33}, "only 1 is supported"),
        ({"crop": 1.5}, "only 1 is supported"),
        ({"calib_dimension": {"w": 4000}}, "calib_dimension.h is None"),
        ({"fisheye_params": {}}, "fisheye_params.camera_matrix is None"),
        ({"frame_readout_direction": "Diagonal"}, "one of TopToBottom"),
        ({"fisheye_params": PROFILE["fisheye_params"] | {"distortion_coeffs": []}}, "needs 4"),
        (
            {"distortion_model": "opencv_standard", "fisheye_params": PROFILE["fisheye_params"] | LONG},
            "must be 0",
        ),
        ({"title": "Gyroflow data file"}, "no lens profile"),
    ],
)
def test_a_gyroflow_profile_that_cannot_be_used_is_refused(tmp_path, change, message):
    with pytest.raises(DeepGyroError, match=message):
        read_camera(written(tmp_path, PROFILE | change, "lens.json"))


def test_broken_json_is_refused_with_its_line(tmp_path):
    with pytest.raises(DeepGyroError, match="line 2 is no JSON"):
        read_camera(written(tmp_path, '{"calib_dimension":\n oops}', "lens.json"))


def test_a_camera_file_completes_a_lens_profile(tmp_path):
    (tmp_path / "lenses").mkdir()
    written(tmp_path / "lenses", PROFILE, "lens.json")
    text = "lens: lenses/lens.json\nreadout_time: 0.01\ncam_from_imu: [[1, 0, 0], [0, -1, 0], [0, 0, -1]]\n"

    camera = read_camera(written(tmp_path, text))

    assert camera.width == 4000
    assert camera.readout_time == 0.01  # the camera file wins
    assert camera.readout_direction == "up"
    np.testing.assert_array_equal(camera.cam_from_imu, np.diag([1, -1, -1]))


def test_a_size_without_its_K_is_refused(tmp_path):
    written(tmp_path, PROFILE, "lens.json")

    with pytest.raises(DeepGyroError, match=r"K of lens lens\.json is for 4000 x 3000"):
        read_camera(written(tmp_path, "lens: lens.json\nwidth: 2704\nheight: 2028\n"))


def test_a_lens_must_be_another_programs_file(tmp_path):
    written(tmp_path, GOOD, "other.yaml")

    with pytest.raises(DeepGyroError, match=r"lens other\.yaml: needed is a Kalibr"):
        read_camera(written(tmp_path, "lens: other.yaml\n"))


def test_only_kalibr_chains_have_cameras_to_choose_from(tmp_path):
    with pytest.raises(DeepGyroError, match="only a Kalibr camera chain"):
        read_camera(written(tmp_path, GOOD), cam="cam0")
