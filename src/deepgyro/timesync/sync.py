"""Offset and axes of a clip's gyro, and their confidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, sqrt

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..camera import Camera
from ..errors import DeepGyroError
from ..telemetry import GyroLog
from .drift import estimate_clock_drift, remove_clock_drift
from .fit import OffsetFit, fit_offset
from .rotation import FrameRotations, estimate_frame_rotations, rays_from_tracks
from .search import SEARCH_RADIUS_S, LogMeanRates, OffsetMatch, find_matches, offsets_anywhere, offsets_near
from .tracks import PointTracks

GIVEN_OFFSET_TOLERANCE_S = 0.04
"""Error that a given offset may have, s."""
ACCEPT_SYNC_CONFIDENCE = 0.7
"""Confidence from which on an offset is used."""
MIN_SYNC_FRAME_PAIRS = 12
"""Pairs of frames that must show how the camera turned."""
MIN_RATE_STD_RAD_S = 0.005
"""Standard deviation of the rate, over a clip, under which no offset is estimated, rad/s."""
CORRECT_OFFSET_TOLERANCE_S = 0.005
"""An offset with a smaller error is right, s."""
ACCEPT_EXPLAINED_SHARE, REJECT_EXPLAINED_SHARE = 0.65, 0.25
"""Share of the turning that the gyro explains from which on it belongs to the clip; and up to which not."""

# What a clip's confidence is made of, from synthetic clips of training photos and logs (docs/experiments).
OFFSET_STD_INFLATION = 2.0  # an offset's errors to those of independent turns
DEFAULT_HALF_DIFFERENCE_S = 0.005  # the difference of the halves where one has no fit, s
LIKELIHOOD_DEFLATION = 15.0  # log-likelihoods of neighbouring frames are not independent


@dataclass(frozen=True, eq=False)
class SyncResult:
    """How a gyro belongs to a clip."""

    time_offset: float
    """``t_gyro = t_frame + time_offset``, s."""
    cam_from_imu: Float64[ndarray, "3 3"]
    confidence: float
    """Probability that the offset is right to 5 ms and the axes are right."""
    half_offsets: tuple[float, float]
    """The offset from either half of the clip, s; NaN where a half has no fit."""
    explained_share: float
    """Share of the picture's turning that the gyro explains: little if it was stabilised, at most 1."""
    residual_px: float
    """Median distance between observed and predicted points, px of the small frames; NaN without a fit."""
    rotations: FrameRotations
    """From the picture."""
    gyro: Float64[ndarray, "m 3"]
    """Rates that the gyro gives for them at the offset, in the camera's axes, rad/s; NaN: not covered."""
    drift: float
    """How much faster the gyro's clock runs: all times here are on a clock of the gyro's that is slowed down
    by 1 + drift (`remove_clock_drift`); 0: not at all, or too short a clip."""


def synchronise_gyro(
    tracks: PointTracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> SyncResult:
    """Find the offset between a gyro and a clip, and the gyro's axes, where the camera does not know them.

    Parameters
    ----------
    tracks
        Points of the clip: `track_points`.
    log
        The gyro; it must cover most of the clip.
    camera
        Intrinsics, lens, shutter; its `cam_from_imu` if it has one. The offset is searched about its
        `time_offset`, and if the gyro explains nothing there, wherever the log covers the clip.
    exposures
        Of the frames, s; the last one holds for all after it.

    Raises
    ------
    DeepGyroError
        If the camera turns too little, or the log does not meet the clip.
    """
    turns = _frame_rotations(tracks, camera, exposures)
    count = len(turns.t) if turns else 0
    if turns is None or count < MIN_SYNC_FRAME_PAIRS:
        raise DeepGyroError(
            f"{log.source}: only {count} pairs of frames show how the camera turned; {MIN_SYNC_FRAME_PAIRS} "
            "are needed to find the gyro's offset: give time_offset"
        )
    if (shake := _rate_std(turns)) < MIN_RATE_STD_RAD_S:
        raise DeepGyroError(
            f"{log.source}: the camera turns too little or too evenly to find the gyro's offset by it "
            f"({shake:.4f} rad/s of change, {MIN_RATE_STD_RAD_S} are needed): give time_offset"
        )
    matches = find_matches(turns, log, camera.cam_from_imu, offsets=offsets_near(camera.time_offset))
    if not matches or 1 - matches[0].unexplained_share < REJECT_EXPLAINED_SHARE:
        everywhere = offsets_anywhere(turns, log)
        matches = find_matches(turns, log, camera.cam_from_imu, offsets=everywhere) or matches
    if not matches:
        raise DeepGyroError(
            f"{log.source}: covers the clip at no offset within {SEARCH_RADIUS_S:g} s of "
            f"{camera.time_offset:g}: check that it belongs to the clip, or give a rough time_offset"
        )
    best = matches[0]
    # A drifting clock would separate the halves' offsets; from here on the log's clock runs as the clip's.
    drift = estimate_clock_drift(turns, log, best.cam_from_imu, best.time_offset)
    log = remove_clock_drift(log, drift)
    best = replace(best, time_offset=best.time_offset / (1 + drift))
    in_first_half = turns.rays.pair < len(turns.t) // 2
    parts = turns.rays, turns.rays.select(in_first_half), turns.rays.select(~in_first_half)
    fit, *half_fits = (fit_offset(rays, log, best.cam_from_imu, best.time_offset) for rays in parts)
    first, second = (np.nan if half is None else half.time_offset for half in half_fits)
    offset = best.time_offset if fit is None else fit.time_offset
    gyro, covered = LogMeanRates(log).mean(turns.t + offset, turns.span)
    gyro[~covered] = np.nan
    return SyncResult(
        time_offset=offset,
        cam_from_imu=best.cam_from_imu,
        confidence=_sync_confidence(matches, fit, abs(first - second) / 2),
        half_offsets=(first, second),
        explained_share=1 - best.unexplained_share,
        residual_px=np.nan if fit is None else fit.residual_px,
        rotations=turns,
        gyro=np.asarray(gyro @ best.cam_from_imu.T),
        drift=drift,
    )


def explained_rotation_share(
    tracks: PointTracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> float | None:
    """Return the share of the picture's turning that a gyro explains at the camera's `time_offset`.

    The offset may have an error of `GIVEN_OFFSET_TOLERANCE_S`. None where the camera turns too little, or the
    log covers too little. For the parameters see `synchronise_gyro`; the camera has a `cam_from_imu`.
    """
    turns = _frame_rotations(tracks, camera, exposures)
    if turns is None or len(turns.t) < MIN_SYNC_FRAME_PAIRS or _rate_std(turns) < MIN_RATE_STD_RAD_S:
        return None
    moved = replace(log, t=log.t - camera.time_offset)
    near = offsets_near(0.0, GIVEN_OFFSET_TOLERANCE_S)
    matches = find_matches(turns, moved, camera.cam_from_imu, offsets=near)
    return 1 - matches[0].unexplained_share if matches else None


def _frame_rotations(
    tracks: PointTracks, camera: Camera, exposures: Float64[ndarray, " frames"]
) -> FrameRotations | None:
    """Return the camera's turns in the tracks; None if there are no tracks."""
    return (
        estimate_frame_rotations(rays_from_tracks(tracks, camera, exposures)) if len(tracks.start) else None
    )


def _rate_std(turns: FrameRotations) -> float:
    """Return the standard deviation of the camera's rate, rad/s."""
    return float(np.linalg.norm(turns.omega.std(axis=0)))


def _sync_confidence(matches: list[OffsetMatch], fit: OffsetFit | None, half_difference: float) -> float:
    """Return the probability that the offset is right to 5 ms, and the axes are right.

    The product of three: that the fit's noise leaves it there, that no other match is as good, and that the
    gyro explains the picture's turning at all.
    """
    if fit is None:
        return 0.0
    if not np.isfinite(half_difference):
        half_difference = DEFAULT_HALF_DIFFERENCE_S
    noise = float(np.hypot(OFFSET_STD_INFLATION * fit.offset_std, half_difference))
    precise = erf(CORRECT_OFFSET_TOLERANCE_S / (sqrt(2) * max(noise, 1e-6)))
    best, *others = matches
    lead = others[0].cost - best.cost if others else np.inf
    unique = 1 / (1 + exp(-min(lead, 1e3) / LIKELIHOOD_DEFLATION + 2))
    explained = (1 - best.unexplained_share - REJECT_EXPLAINED_SHARE) / (
        ACCEPT_EXPLAINED_SHARE - REJECT_EXPLAINED_SHARE
    )
    return precise * unique * min(max(explained, 0.0), 1.0)
