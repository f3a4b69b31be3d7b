"""`bench sync`: offset and axes of clips whose motion is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ...camera import Camera
from ...errors import DeepGyroError
from ...frames import read_photo, to_eight_bits
from ...telemetry import GyroLog
from ...timesync import ACCEPT_SYNC_CONFIDENCE, PointTracks, axis_permutations, synchronise_gyro, track_points
from ..report import BenchReport, Row, make_report
from ..synthesis.panorama import render_turning_clip
from .datafolder import read_validation_logs, validation_photos

SYNC_CLIP_COUNT = 40
SYNC_HEIGHT_PX, SYNC_WIDTH_PX = 180, 320  # px
SYNC_SEED = 1
GYRO_MARGIN_S = 4.0
"""So much of the log before and after the clip is given, s."""
WRONG_OFFSET_MS = 5.0
"""An offset that is further off is wrong, ms."""


@dataclass(frozen=True, eq=False)
class _SyncClip:
    """A clip that was made: what is followed in it, what is known of it, and the truth."""

    tracks: PointTracks
    log: GyroLog
    other_log: GyroLog
    """Of another recording, over the same time."""
    camera: Camera
    exposure: float
    time_offset: float
    cam_from_imu: Float64[ndarray, "3 3"]


def bench_sync(
    data: Path,
    *,
    count: int = SYNC_CLIP_COUNT,
    seed: int = SYNC_SEED,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Find offset and axes of clips that are made of validation photos and logs.

    A photo all around a camera that turns as a stretch of a log says, 2 to 5 s, 24 or 30 frames a second,
    exposures of 1 to 20 ms, rolling shutters of 0 to 30 ms, noise of 0.2 to 3 %; offsets within 1.5 s, any of
    24 axes; gyros with a bias, noise and an error of scale, every second clip with a focal length that is 2 %
    off. Each is tried with its own gyro, and with a stretch of another log.

    Parameters
    ----------
    data
        Folder with the validation photos and logs.
    count
        Clips.
    seed
        Of all that is drawn.
    progress
        Called with the share that is done.

    Returns
    -------
    report
        A row for each clip and gyro: case ("own", "other"), error_ms (None: refused), axes (right or not),
        confidence, explained, exposure_ms, rate (rad/s).
    """
    if count < 1:
        raise ValueError(f"--count is {count}: at least one clip is needed")
    rows: list[Row] = []
    for k, clip in enumerate(_make_clips(validation_photos(data), read_validation_logs(data), count, seed)):
        rows.append(_row(k, "own", clip, clip.log))
        rows.append(_row(k, "other", clip, clip.other_log))
        if progress:
            progress((k + 1) / count)
    return make_report("sync", rows)


def sync_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows' sums: how many are right, how many confidently wrong."""
    shown: list[Row] = []
    for case in ("own", "other"):
        mine = [row for row in rows if row["case"] == case]
        known = [
            abs(float(str(row["error_ms"]))) if row["axes"] else np.inf for row in mine if row["confident"]
        ]
        if not mine:
            continue
        shown.append(
            {
                "case": case,
                "clips": len(mine),
                "confident": len(known),
                "within_1_ms": sum(off < 1 for off in known) if case == "own" else None,
                "confidently_wrong": sum(off > WRONG_OFFSET_MS for off in known)
                if case == "own"
                else len(known),
                "median_ms": float(np.median(known)) if known and case == "own" else None,
            }
        )
    return shown


def _row(number: int, case: str, clip: _SyncClip, log: GyroLog) -> Row:
    row: dict[str, str | float | int | None] = {"clip": number, "case": case}
    try:
        found = synchronise_gyro(clip.tracks, log, clip.camera, exposures=np.array([clip.exposure]))
    except DeepGyroError:
        nothing = {"error_ms": None, "axes": 0, "confidence": 0.0, "confident": 0, "explained": None}
        return row | nothing | {"exposure_ms": 1000 * clip.exposure, "rate": None}
    return row | {
        "error_ms": round(1000 * (found.time_offset - clip.time_offset), 3),
        "axes": int(np.array_equal(found.cam_from_imu, clip.cam_from_imu)),
        "confidence": round(found.confidence, 3),
        "confident": int(found.confidence >= ACCEPT_SYNC_CONFIDENCE),
        "explained": round(found.explained_share, 3),
        "exposure_ms": round(1000 * clip.exposure, 2),
        "rate": round(float(np.linalg.norm(found.rotations.omega.std(axis=0))), 3),
    }


def _make_clips(
    photos: Sequence[Path], logs: Sequence[GyroLog], count: int, seed: int
) -> Iterator[_SyncClip]:
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        photo = to_eight_bits(read_photo(photos[int(rng.integers(len(photos)))], quiet=True).pixels)
        first = int(rng.integers(len(logs)))
        yield _make_clip(photo, logs[first], logs[(first + 1) % len(logs)], rng, wrong_focal=k % 2 == 1)


def _make_clip(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    other_log: GyroLog,
    rng: np.random.Generator,
    *,
    wrong_focal: bool,
) -> _SyncClip:
    import cv2

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
    around = min(GYRO_MARGIN_S, shortest / 3 - 0.1)
    own = _cut_log(rng, log, length, around, offset)
    wrong = _cut_log(rng, other_log, length, around, offset)
    times = [k / rate for k in range(int(length * rate))]
    frames = render_turning_clip(
        photo, own, camera, times=times, exposure=exposure, rng=rng, noise=float(rng.uniform(0.002, 0.03))
    )
    gray = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    tracks = track_points((t, np.asarray(picture)) for t, picture in zip(times, gray, strict=True))
    errors = rng.normal(0, 0.01, 3) + rng.normal(0, 0.003, own.omega.shape)
    measured = GyroLog(own.t, own.omega * rng.normal(1, 0.01) + errors)
    asked = replace(camera, cam_from_imu=None, time_offset=0.0)
    if wrong_focal:
        asked = replace(asked, K=K * np.array([[1.02, 1, 1], [1, 1.02, 1], [1, 1, 1]]))
    return _SyncClip(tracks, measured, wrong, asked, exposure, offset, axes)


def _cut_log(rng: np.random.Generator, log: GyroLog, length: float, margin: float, offset: float) -> GyroLog:
    """Return a stretch of a log, as long as a clip (s) and more; the clip begins at `offset`."""
    begin = float(rng.uniform(log.t[0] + margin, log.t[-1] - length - margin))
    kept = (log.t > begin - margin) & (log.t < begin + length + margin)
    return GyroLog(log.t[kept] - begin + offset, log.omega[kept])
