"""Frames and samples as they come."""

import numpy as np
import pytest

import deepgyro
from deepgyro.camera import Camera
from deepgyro.refine import Refined
from deepgyro.telemetry import GyroLog

K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
CAMERA = Camera(64, 48, K, readout_time=0.01, cam_from_imu=np.eye(3), time_offset=0.1)
T = np.arange(0.0, 1.0, 0.005)  # s
OMEGA = np.stack([0 * T, np.where(T > 0.5, 4.0, 0.0), 0 * T], axis=1)  # rad/s


def picture(seed=0):
    return np.kron(
        np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8), np.ones((4, 4, 1), np.uint8)
    )


def test_a_frame_comes_back_when_the_samples_cover_it():
    stream = deepgyro.Deblurrer(CAMERA)

    early = [*stream.add_gyro(T[:130], OMEGA[:130]), *stream.add_frame(picture(), t=0.54, exposure=0.02)]
    late = list(stream.add_gyro(T[130:], OMEGA[130:]))

    assert early == []
    assert [(frame.t, frame.method) for frame in late] == [(0.54, "deepgyro")]
    assert late[0].blur_max_px == pytest.approx(60 * 4 * 0.02 * 1.27, rel=0.15)  # px


def test_frames_come_back_in_their_order_and_those_without_blur_untouched():
    stream = deepgyro.Deblurrer(CAMERA)
    frames = [picture(k) for k in range(3)]
    back = list(stream.add_gyro(T, OMEGA))

    for k, frame in enumerate(frames):
        back += stream.add_frame(frame, t=0.1 + 0.1 * k, exposure=0.02)

    assert all(frame.skipped for frame in back)
    assert all(out.image is frame for out, frame in zip(back, frames, strict=True))


def test_a_stream_gives_what_the_picture_alone_gives():
    from deepgyro.blurfield import motion_field, reduce_instants
    from deepgyro.deblurring import deblur_picture
    from deepgyro.video import SKIP_BELOW_PX

    stream, image = deepgyro.Deblurrer(CAMERA), picture()
    list(stream.add_gyro(T, OMEGA))
    field = motion_field(
        GyroLog(T, OMEGA), CAMERA, t=0.6, exposure=0.02, height=48, width=64, n=17, reference="picture"
    )

    (frame,) = stream.add_frame(image, t=0.6, exposure=0.02)

    alone = deblur_picture(image, reduce_instants(field), refine=False, fade_start=SKIP_BELOW_PX)
    assert np.abs(frame.image.astype(int) - alone.image).max() <= 1


def test_memory_stays_flat():
    stream = deepgyro.Deblurrer(CAMERA)

    for second in range(60):
        list(stream.add_gyro(T + second, OMEGA))

    assert len(stream._t) < 1000


def test_frames_that_are_never_covered_come_back_at_the_end():
    stream, image = deepgyro.Deblurrer(CAMERA), picture()
    list(stream.add_gyro(T, OMEGA))

    waiting = list(stream.add_frame(image, t=5.0, exposure=0.02))
    (frame,) = stream.flush()

    assert waiting == []
    assert frame.image is image
    assert frame.skipped == "the gyro log does not cover its exposure"


def test_samples_out_of_order_and_cameras_that_know_too_little_are_refused():
    stream = deepgyro.Deblurrer(CAMERA)
    list(stream.add_gyro(T, OMEGA))

    with pytest.raises(ValueError, match="come after one of"):
        stream.add_gyro(T, OMEGA)
    with pytest.raises(ValueError, match="has no cam_from_imu"):
        deepgyro.Deblurrer(Camera(64, 48, K, readout_time=0.01))


@pytest.mark.parametrize(("k", "value"), [(3, np.nan), (5, np.inf)])
def test_a_sample_that_is_no_number_is_refused_and_nothing_is_lost(k, value):
    stream = deepgyro.Deblurrer(CAMERA)
    bad = OMEGA.copy()
    bad[k, 0] = value

    with pytest.raises(ValueError, match=f"sample {k}: a value is not finite"):
        stream.add_gyro(T, bad)

    list(stream.add_gyro(T, OMEGA))
    (frame,) = stream.add_frame(picture(), t=0.6, exposure=0.02)
    assert frame.method == "deepgyro"


def test_a_motion_that_no_picture_can_show_gives_the_frame_as_it_came():
    stream = deepgyro.Deblurrer(CAMERA)
    list(stream.add_gyro(T, 30 * OMEGA / 4))
    image = picture()

    (frame,) = stream.add_frame(image, t=0.6, exposure=0.1)

    assert frame.skipped
    assert frame.image is image
    assert "behind the camera" in frame.skipped


def test_each_frame_may_correct_its_own_field(monkeypatch):
    asked = []

    def refined(image, field):
        asked.append(field.shape)
        return Refined(None, 0.9, 0.0, "gyro and picture disagree: the gyro is ignored")

    monkeypatch.setattr("deepgyro.deblurring.refine_field", refined)
    stream = deepgyro.Deblurrer(CAMERA, refine=True)
    list(stream.add_gyro(T, OMEGA))

    (frame,) = stream.add_frame(picture(), t=0.6, exposure=0.02)

    assert len(asked) == 1
    assert frame.skipped == "gyro and picture disagree: the gyro is ignored"
