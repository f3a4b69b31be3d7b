from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import motion_field
from deepgyro.camera import Camera
from deepgyro.errors import DeepGyroError
from deepgyro.frames import read_photo
from deepgyro.lab.synthesis import simulate_camera_shake
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from deepgyro.recording import Exposure, estimation
from deepgyro.recording.estimation import estimate_exposure
from deepgyro.recording.photos import PhotoRecording, calibrate_from_photos, estimate_photo_offset

EXPOSURE = 0.03
TIMES = (0.8, 1.5, 2.3, 2.9, 3.6)


@pytest.fixture(scope="module")
def scene():
    """A photo of a table, 480 x 270 px."""
    return read_photo(Path(str(files("deepgyro.data") / "coffee.jpg"))).pixels[:270, :480]


@pytest.fixture(scope="module")
def recording():
    """A camera in a hand, 4.5 s."""
    K = np.array([[420.0, 0, 239.5], [0, 420.0, 134.5], [0, 0, 1]])
    camera = Camera(480, 270, K, readout_time=0.02, cam_from_imu=np.eye(3), time_offset=0.0)
    log = simulate_camera_shake(np.random.default_rng(4), duration=4.5)
    log = replace(log, omega=6 * log.omega)
    return PhotoRecording(log, camera, {Path(f"{k}.png"): Exposure(t, EXPOSURE) for k, t in enumerate(TIMES)})


def taken(scene, recording, t):
    """Return what the camera saw."""
    field = motion_field(recording.log, recording.camera, t=t, exposure=EXPOSURE, n=17, reference="picture")
    light = BlurOperator(field[:, :])(srgb_to_linear(to_unit_range(scene)))
    noisy = linear_to_srgb(light) + np.random.default_rng(0).normal(0, 0.005, scene.shape)
    return from_unit_range(noisy.astype(np.float32), np.dtype(np.uint8))


def test_the_picture_says_how_long_it_was_exposed(scene, recording):
    unknown = Exposure(TIMES[1], 1 / 4000)

    exposure = estimate_exposure(recording, unknown, taken(scene, recording, TIMES[1]))

    assert exposure == pytest.approx(EXPOSURE, rel=0.08)


def test_exposures_longer_than_those_that_are_possible_are_not_tried(scene, recording):
    picture = taken(scene, recording, TIMES[1])

    exposure = estimate_exposure(recording, Exposure(TIMES[1], 0.01), picture, max_exposure=0.01)

    assert exposure is None or exposure <= 0.01  # s


def test_a_sharp_picture_does_not_say_how_long_it_was_exposed(scene, recording):
    assert estimate_exposure(recording, Exposure(TIMES[1], EXPOSURE), scene) is None


@pytest.fixture
def few_offsets(monkeypatch):
    monkeypatch.setattr(estimation, "CANDIDATE_OFFSETS_S", np.arange(-0.3, 0.3005, 0.004))


@pytest.mark.usefixtures("few_offsets")
def test_several_pictures_say_by_how_much_the_clock_is_off(scene, recording, tmp_path):
    times = {}
    for k, t in enumerate(TIMES):
        photo = tmp_path / f"{k}.png"
        Image.fromarray(taken(scene, recording, t)).save(photo)
        times[photo] = Exposure(t + 0.25, EXPOSURE)  # the camera's clock is ahead

    found = estimate_photo_offset(replace(recording, exposures=times), list(times))

    assert found.camera.time_offset == pytest.approx(-0.25, abs=0.004)  # s


def test_pictures_correct_scale_and_clock_together(scene, recording, tmp_path):
    times = {}
    for k, t in enumerate(TIMES):
        photo = tmp_path / f"{k}.png"
        Image.fromarray(taken(scene, recording, t)).save(photo)
        times[photo] = Exposure(t, EXPOSURE)
    wrong = replace(recording.camera, time_offset=0.003)
    slow = replace(recording.log, omega=recording.log.omega / 1.15)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"")
    times[damaged] = Exposure(1.2, EXPOSURE)

    found, said = calibrate_from_photos(PhotoRecording(slow, wrong, times), list(times))

    assert found.camera.time_offset == pytest.approx(0, abs=0.0015)  # s
    np.testing.assert_allclose(
        found.log.omega, recording.log.omega, atol=0.12 * np.abs(recording.log.omega).max()
    )
    assert "corrected by 5 photos: blur x 1.1" in said


def test_pictures_without_blur_correct_nothing_together(scene, recording, tmp_path):
    times = {}
    for k, t in enumerate(TIMES):
        photo = tmp_path / f"{k}.png"
        Image.fromarray(scene).save(photo)
        times[photo] = Exposure(t, EXPOSURE)
    still = replace(recording, exposures=times)

    assert calibrate_from_photos(still, list(times)) == (still, "")


@pytest.mark.usefixtures("few_offsets")
def test_pictures_without_blur_do_not_say_by_how_much_the_clock_is_off(scene, recording, tmp_path):
    times = {}
    for k, t in enumerate(TIMES):
        photo = tmp_path / f"{k}.png"
        Image.fromarray(scene).save(photo)
        times[photo] = Exposure(t, EXPOSURE)

    with pytest.raises(DeepGyroError, match=r"photos do not determine it .*more photos with more blur"):
        estimate_photo_offset(replace(recording, exposures=times), list(times))
