"""`bench sync`: offset and axes of clips whose motion is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ...camera import Camera
from ...errors import DeepGyroError
from ...telemetry import GyroLog
from ...timesync import ACCEPT_SYNC_CONFIDENCE, PointTracks, axis_permutations, synchronise_gyro, track_points
from ..report import BenchReport, Progress, Row, count_jobs, make_report
from ..synthesis import render_turning_clip
from .datafolder import read_validation_logs, validation_photos
from .shots import read_pixels

SYNC_CLIP_COUNT = 40
SYNC_HEIGHT_PX, SYNC_WIDTH_PX = 180, 320  # px
SYNC_SEED = 1
GYRO_MARGIN_S = 4.0
"""The log begins so long before the clip and ends so long after it, s."""
WRONG_OFFSET_MS = 5.0
"""An offset that is further off is wrong, ms."""


@dataclass(frozen=True, eq=False)
class _SyncClip:
    """A rendered clip: its tracks, what is known of it, and the ground truth."""

    tracks: PointTracks
    log: GyroLog
    other_log: GyroLog
    """Of another recording, over the same time."""
    camera: Camera
    exposure: float
    time_offset: float
    cam_from_imu: Float64[ndarray, "3 3"]


def bench_sync(
    data: Path, *, count: int = SYNC_CLIP_COUNT, seed: int = SYNC_SEED, progress: Progress | None = None
) -> BenchReport:
    """Find offset and axes of clips that are made of validation photos and logs.

    A photo as a panorama around a camera that turns as a stretch of a log does, 2 to 5 s, 24 or 30 frames a
    second, exposures of 1 to 20 ms, rolling shutters of 0 to 30 ms, noise of 0.2 to 3 %; offsets within 1.5
    s, any of 24 axes; gyros with a bias, noise and an error of scale, every second clip with a focal length
    that is 2 % off. Each of `count` clips is tried with its own gyro, and with a stretch of another log: a
    row each, case ("own", "other"), error_ms (None: refused), axes (right or not), confidence, explained,
    exposure_ms, rate (rad/s).
    """
    if count < 1:
        raise ValueError(f"--count is {count}: at least one clip is needed")
    photos, logs = validation_photos(data), read_validation_logs(data)
    finish_one = count_jobs(count, progress)
    rows: list[Row] = []
    for k in range(count):
        clip = _make_clip(photos, logs, np.random.default_rng([seed, k]), wrong_focal=k % 2 == 1)
        rows += [_row(k, "own", clip, clip.log), _row(k, "other", clip, clip.other_log)]
        finish_one()
    return make_report("sync", rows, sync_display_rows(rows))


def sync_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: how many offsets of each case are right, how many confident but wrong."""
    shown: list[Row] = []
    for case in dict.fromkeys(row["case"] for row in rows):
        part = [row for row in rows if row["case"] == case]
        errors = [abs(float(str(row["error_ms"]))) if row["axes"] else np.inf for row in part if row["sure"]]
        own = case == "own"
        shown.append(
            {
                "case": str(case),
                "clips": len(part),
                "confident": len(errors),
                "within_1_ms": sum(error < 1 for error in errors) if own else None,
                "confident_but_wrong": sum(e > WRONG_OFFSET_MS for e in errors) if own else len(errors),
                "median_ms": float(np.median(errors)) if errors and own else None,
            }
        )
    return shown


def _row(number: int, case: str, clip: _SyncClip, log: GyroLog) -> Row:
    row: dict[str, str | float | int | None] = {"clip": number, "case": case}
    try:
        fit = synchronise_gyro(clip.tracks, log, clip.camera, exposures=np.array([clip.exposure]))
    except DeepGyroError:
        nothing = {"error_ms": None, "axes": 0, "confidence": 0.0, "sure": 0, "explained": None}
        return row | nothing | {"exposure_ms": 1000 * clip.exposure, "rate": None}
    return row | {
        "error_ms": round(1000 * (fit.time_offset - clip.time_offset), 3),
        "axes": int(np.array_equal(fit.cam_from_imu, clip.cam_from_imu)),
        "confidence": round(fit.confidence, 3),
        "sure": int(fit.confidence >= ACCEPT_SYNC_CONFIDENCE),
        "explained": round(fit.explained_share, 3),
        "exposure_ms": round(1000 * clip.exposure, 2),
        "rate": round(float(np.linalg.norm(fit.rotations.omega.std(axis=0))), 3),
    }


def _make_clip(
    photos: Sequence[Path], logs: Sequence[GyroLog], rng: np.random.Generator, *, wrong_focal: bool
) -> _SyncClip:
    import cv2

    photo = read_pixels(photos[int(rng.integers(len(photos)))])
    first = int(rng.integers(len(logs)))
    log, other_log = logs[first], logs[(first + 1) % len(logs)]
    focal = SYNC_WIDTH_PX * rng.uniform(0.6, 1.2)
    K = np.array([[focal, 0, (SYNC_WIDTH_PX - 1) / 2], [0, focal, (SYNC_HEIGHT_PX - 1) / 2], [0, 0, 1]])
    exposure = float(np.exp(rng.uniform(np.log(0.001), np.log(0.02))))
    offset = float(rng.uniform(-1.5, 1.5))
    axes = axis_permutations()[rng.integers(24)]
    readout = float(rng.choice([0.0, 0.01, 0.02, 0.03]))
    camera = Camera(
        SYNC_WIDTH_PX, SYNC_HEIGHT_PX, K, readout_time=readout, cam_from_imu=axes, time_offset=offset
    )
    shortest = min(log.duration, other_log.duration)
    length, rate = min(float(rng.uniform(2, 5)), shortest / 3), int(rng.choice([24, 30]))
    margin = min(GYRO_MARGIN_S, shortest / 3 - 0.1)
    own = _cut_log(rng, log, length, margin, offset)
    wrong = _cut_log(rng, other_log, length, margin, offset)
    times = [k / rate for k in range(int(length * rate))]
    frames = render_turning_clip(
        photo, own, camera, times=times, exposure=exposure, rng=rng, noise=float(rng.uniform(0.002, 0.03))
    )
    gray = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    tracks = track_points((t, np.asarray(picture)) for t, picture in zip(times, gray, strict=True))
    errors = rng.normal(0, 0.01, 3) + rng.normal(0, 0.003, own.omega.shape)
    measured = GyroLog(own.t, own.omega * rng.normal(1, 0.01) + errors)
    given = replace(camera, cam_from_imu=None, time_offset=0.0)
    if wrong_focal:
        given = replace(given, K=K * np.array([[1.02, 1, 1], [1, 1.02, 1], [1, 1, 1]]))
    return _SyncClip(tracks, measured, wrong, given, exposure, offset, axes)


def _cut_log(rng: np.random.Generator, log: GyroLog, length: float, margin: float, offset: float) -> GyroLog:
    """Return a stretch of a log, as long as a clip (s) and more; the clip begins at `offset`."""
    begin = float(rng.uniform(log.t[0] + margin, log.t[-1] - length - margin))
    kept = (log.t > begin - margin) & (log.t < begin + length + margin)
    return GyroLog(log.t[kept] - begin + offset, log.omega[kept])
