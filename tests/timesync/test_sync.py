"""Offsets and axes that are found in clips whose motion is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deepgyro.camera import Camera
from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis import render_turning_clip, simulate_camera_shake
from deepgyro.rotations import integrate_rates, so3_exp
from deepgyro.telemetry import GyroLog
from deepgyro.timesync import (
    ACCEPT_SYNC_CONFIDENCE,
    PointTracks,
    axis_permutations,
    draw_rate_curves,
    estimate_readout_time,
    synchronise_gyro,
    track_points,
)
from deepgyro.timesync.rotation import estimate_frame_rotations, rays_from_tracks
from deepgyro.timesync.search import LogMeanRates

HEIGHT, WIDTH, FOCAL, RATE = 120, 160, 150.0, 30  # px, px, px, 1/s
OFFSET, EXPOSURE = 0.4321, 0.008  # s
AXES = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])
CAMERA = Camera(
    WIDTH,
    HEIGHT,
    np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]]),
    readout_time=0.02,
    cam_from_imu=AXES,
    time_offset=OFFSET,
)
ASKED = replace(CAMERA, cam_from_imu=None, time_offset=0.0)


def shaken(strength=0.5, seconds=2.0, seed=0):
    """Return the tracks of a clip that begins at 0 s, and the log of its shake."""
    rng = np.random.default_rng(seed)
    hand = simulate_camera_shake(rng, duration=seconds + 3, strength=strength)
    log = GyroLog(hand.t - 1.0 + OFFSET, hand.omega)
    small = rng.integers(0, 256, (40, 60, 3), np.uint8)
    photo = cv2.resize(small, (480, 320), interpolation=cv2.INTER_CUBIC)
    times = [k / RATE for k in range(int(seconds * RATE))]
    frames = render_turning_clip(photo, log, CAMERA, times=times, exposure=EXPOSURE, rng=rng, samples=3)
    grays = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    return track_points(zip(times, grays, strict=True)), log


@pytest.fixture(scope="module")
def clip():
    return shaken()


def found(tracks, log, camera=ASKED):
    return synchronise_gyro(tracks, log, camera, exposures=np.array([EXPOSURE]))


def test_the_24_orientations_are_rotations_and_all_different():
    axes = axis_permutations()

    np.testing.assert_allclose(np.linalg.det(axes), 1.0, atol=1e-12)
    assert len({tuple(matrix.ravel()) for matrix in axes}) == 24


def test_turns_of_a_rolling_shutter_clip_are_those_of_the_log(clip):
    tracks, log = clip

    turns = estimate_frame_rotations(rays_from_tracks(tracks, CAMERA, np.array([EXPOSURE])))

    told, _ = LogMeanRates(log).mean(turns.t + OFFSET, turns.span)
    off = np.abs(turns.omega - told @ AXES.T)
    assert len(turns.t) == 59
    assert np.median(off) < 0.03  # rad/s, of 0.5


def test_offset_and_axes_are_found(clip):
    result = found(*clip)

    assert result.time_offset == pytest.approx(OFFSET, abs=0.001)  # s
    np.testing.assert_array_equal(result.cam_from_imu, AXES)
    assert result.confidence > 0.9
    assert result.explained_share > 0.9
    assert result.half_offsets == pytest.approx((OFFSET, OFFSET), abs=0.002)  # s


def test_axes_that_are_known_are_kept(clip):
    tilted = so3_exp(np.array([0.02, -0.01, 0.03])) @ AXES  # rad

    result = found(*clip, replace(ASKED, cam_from_imu=tilted))

    np.testing.assert_allclose(result.cam_from_imu, tilted, atol=1e-12)
    assert result.time_offset == pytest.approx(OFFSET, abs=0.001)  # s


def test_bias_noise_and_a_wrong_focal_length_are_borne(clip):
    tracks, log = clip
    rng = np.random.default_rng(1)
    noisy = log.omega + np.array([0.02, -0.01, 0.015]) + rng.normal(0, 0.02, log.omega.shape)  # rad/s
    wider = replace(ASKED, K=ASKED.K * [[1.03, 1, 1], [1, 1.03, 1], [1, 1, 1]])

    result = found(tracks, GyroLog(log.t, noisy), wider)

    assert result.time_offset == pytest.approx(OFFSET, abs=0.0015)  # s
    np.testing.assert_array_equal(result.cam_from_imu, AXES)


def test_the_gyro_of_another_clip_gets_no_confidence(clip):
    tracks, _ = clip
    other = simulate_camera_shake(np.random.default_rng(7), duration=6.0, strength=0.5)

    result = found(tracks, GyroLog(other.t - 1.0, other.omega))

    assert result.confidence < 0.2 < ACCEPT_SYNC_CONFIDENCE
    assert result.explained_share < 0.8


def test_a_picture_that_turns_half_as_far_as_the_gyro_is_not_believed(clip):
    tracks, log = clip

    result = found(tracks, GyroLog(log.t, 2 * log.omega))

    assert result.confidence < ACCEPT_SYNC_CONFIDENCE


def test_a_log_that_ends_early_still_gives_the_offset(clip):
    tracks, log = clip
    kept = log.t < OFFSET + 1.9  # s: the last frames are not covered

    result = found(tracks, GyroLog(log.t[kept], log.omega[kept]))

    assert result.time_offset == pytest.approx(OFFSET, abs=0.002)  # s


@pytest.mark.parametrize("strength", [0.0, 0.002])
def test_a_clip_that_hardly_turns_is_refused(strength):
    tracks, log = shaken(strength=max(strength, 1e-9), seconds=1.0)

    with pytest.raises(DeepGyroError, match=r"turns too little or too evenly.*give time_offset"):
        found(tracks, log)


@pytest.mark.parametrize("epoch", [50.0, 1.76e9])  # s
def test_a_clock_of_its_own_is_found_wherever_the_log_covers_the_clip(clip, epoch):
    tracks, log = clip
    other = simulate_camera_shake(
        np.random.default_rng(7), duration=5.0, strength=0.5
    ).omega  # the hand repeats itself
    inside = ((log.t > OFFSET - 0.1) & (log.t < OFFSET + 2.1))[:, None]

    result = found(tracks, GyroLog(log.t + epoch, np.where(inside, log.omega, other)))

    assert result.time_offset == pytest.approx(OFFSET + epoch, abs=0.0015, rel=0)  # s
    np.testing.assert_array_equal(result.cam_from_imu, AXES)
    assert result.confidence > ACCEPT_SYNC_CONFIDENCE


def test_a_rough_offset_is_started_from(clip):
    tracks, log = clip
    wide = GyroLog(np.r_[log.t + 50, 4000.0], np.r_[log.omega, log.omega[-1:]])  # too long to try everywhere

    result = found(tracks, wide, replace(ASKED, time_offset=51.0))

    assert result.time_offset == pytest.approx(OFFSET + 50, abs=0.0015)  # s


def test_a_log_that_does_not_cover_the_clip_is_refused(clip):
    tracks, log = clip
    short = log.t < log.t[0] + 0.5

    with pytest.raises(DeepGyroError, match=r"covers the clip at no offset within 2 s of 0: check"):
        found(tracks, GyroLog(log.t[short], log.omega[short]))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_frames_are_refused(clip, count):
    frames = [(k / RATE, np.random.default_rng(k).integers(0, 256, (60, 80), np.uint8)) for k in range(count)]

    with pytest.raises(DeepGyroError, match="pairs of frames show how the camera turned"):
        synchronise_gyro(track_points(frames), clip[1], ASKED, exposures=np.zeros(1))


def test_the_curves_of_picture_and_gyro_lie_on_each_other(clip):
    page = draw_rate_curves(found(*clip))

    blue = (page.astype(int) @ [-1, -1, 2] > 120).sum()
    assert page.dtype == np.uint8
    assert blue > 1000


def test_the_readout_time_is_found_where_it_is_asked_for(clip):
    tracks, log = clip
    unread = replace(ASKED, readout_time=0.0)

    readout = estimate_readout_time(
        tracks, log, unread, found(tracks, log, unread), exposures=np.array([EXPOSURE])
    )

    assert readout == pytest.approx(0.02, abs=0.001)  # s


def test_a_clip_whose_points_stand_for_nothing_does_not_tell_the_readout_time(clip):
    tracks, log = clip
    rng = np.random.default_rng(0)
    wild = replace(tracks, after=tracks.after + rng.normal(0, 8, tracks.after.shape).clip(-9, 9))  # px

    with pytest.raises(DeepGyroError, match="does not show the readout time"):
        estimate_readout_time(wild, log, ASKED, found(tracks, log), exposures=np.array([EXPOSURE]))


def long_turns(drift, seconds=120.0):
    """Return the turns of a long clip of which 6 stretches were followed, and a log whose clock runs fast."""
    rng = np.random.default_rng(5)
    hand, other = (simulate_camera_shake(rng, duration=seconds + 6, strength=0.4) for _ in range(2))
    # A hand's shake repeats every 2 s; one that is slowed down beside it does not.
    slow = np.stack([np.interp(0.7123 * hand.t, hand.t, other.omega[:, axis]) for axis in range(3)], axis=1)
    omega = hand.omega + slow
    log = GyroLog(hand.t - 3.0, omega @ AXES)  # AXES is its own inverse
    turning = integrate_rates(hand.t - 3.0, omega)
    start = np.concatenate([np.arange(k * 22.0, k * 22.0 + 5, 1 / RATE) for k in range(6)])  # s
    count, points = len(start), 24
    pair = np.repeat(np.arange(count), points)
    before = np.column_stack([rng.uniform(0, WIDTH - 1, len(pair)), rng.uniform(0, HEIGHT - 1, len(pair))])
    end = start + 1 / RATE
    delay = CAMERA.line_delay(before) + 0.5 * EXPOSURE
    first, second = turning.at(start[pair] + delay), turning.at(end[pair] + delay)
    rays = np.einsum("kji,kjl,kl->ki", second, first, CAMERA.rays(before))
    after = rays[:, :2] / rays[:, 2:] * FOCAL + CAMERA.K[:2, 2] + rng.normal(0, 0.1, before.shape)  # px
    tracks = PointTracks(WIDTH, HEIGHT, start, end, np.arange(count), pair, before, after)
    return tracks, GyroLog((log.t + OFFSET) * (1 + drift), log.omega)


@pytest.mark.parametrize("drift", [0.0, -6e-5])
def test_a_clock_that_runs_fast_is_found_in_a_long_clip_and_taken_out(drift):
    tracks, log = long_turns(drift)

    result = found(tracks, log)

    assert result.drift == pytest.approx(drift, abs=5e-6)
    assert (result.drift == 0) == (drift == 0)
    assert result.time_offset == pytest.approx(OFFSET, abs=0.0005)  # s, on the log's clock without drift
    assert result.half_offsets == pytest.approx((OFFSET, OFFSET), abs=0.001)  # s
    assert result.confidence > 0.9


def test_a_short_clip_tells_no_drift(clip):
    assert found(*clip).drift == 0
