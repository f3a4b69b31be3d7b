"""Offset and axes of a clip's gyro, and how sure they are."""

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
from .rotation import FrameRotations, RayPairs, estimate_frame_rotations, rays_from_tracks
from .search import SEARCH_RADIUS_S, LogMeanRates, OffsetMatch, find_matches, offsets_anywhere, offsets_near
from .tracks import PointTracks

GIVEN_OFFSET_TOLERANCE_S = 0.04
"""A given offset may be off by so much and still be meant, s."""
ACCEPT_SYNC_CONFIDENCE = 0.7
"""Confidence from which on an offset is taken."""
MIN_SYNC_FRAME_PAIRS = 12
"""Pairs of frames that must show how the camera turned."""
MIN_RATE_STD_RAD_S = 0.005
"""Standard deviation of the rate, over a clip, under which nothing can be said, rad/s."""
CORRECT_OFFSET_TOLERANCE_S = 0.005
"""An offset that is off by less is right, s."""
ACCEPT_EXPLAINED_SHARE, REJECT_EXPLAINED_SHARE = 0.65, 0.25
"""Share of the turning that the gyro explains from which on it belongs to the clip; and up to which not."""

# What a clip's confidence is made of, from synthetic clips of training photos and logs (docs/experiments).
OFFSET_STD_INFLATION = 2.0  # an offset's errors to those of independent turns
DEFAULT_HALF_DIFFERENCE_S = 0.005  # the difference of the halves where one does not say, s
LIKELIHOOD_DEFLATION = 15.0  # log-likelihoods of neighbouring frames are not independent


@dataclass(frozen=True, eq=False)
class SyncResult:
    """How a gyro belongs to a clip."""

    time_offset: float
    """``t_gyro = t_frame + time_offset``, s."""
    cam_from_imu: Float64[ndarray, "3 3"]
    confidence: float
    """Probability that the offset is right to 5 ms and the axes are: 0 to 1."""
    half_offsets: tuple[float, float]
    """The offset from either half of the clip, s; not a number where a half does not say."""
    explained_share: float
    """Share of the picture's turning that the gyro explains: little if it was stabilised, at most 1."""
    offset_std: float
    """Standard deviation of the offset, were the errors of all turns independent, s."""
    residual_px: float
    """Median distance of points from where the gyro carries them, px of the small frames."""
    rotations: FrameRotations
    """From the picture."""
    gyro: Float64[ndarray, "m 3"]
    """Rates that the gyro gives for them at the offset, in the camera's axes, rad/s; NaN: not covered."""
    drift: float = 0.0
    """How much faster the gyro's clock runs: all times here are on a clock of the gyro's that is slowed down
    by 1 + drift (`remove_clock_drift`); 0: not at all, or too short a clip."""


def synchronise_gyro(
    tracks: PointTracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> SyncResult:
    """Find the offset between a gyro and a clip, and the gyro's axes, where the camera does not know them.

    Parameters
    ----------
    tracks
        Points of the clip: `track`.
    log
        The gyro; it must cover most of the clip.
    camera
        Intrinsics, lens, shutter; its `cam_from_imu` if it has one. The offset is looked for about its
        `time_offset`, and if the gyro explains nothing there, wherever the log covers the clip.
    exposures
        Of the frames, s.

    Raises
    ------
    DeepGyroError
        If the camera turns too little, or the log does not meet the clip.
    """
    count, turns = 0, None
    if len(tracks.start):
        turns = estimate_frame_rotations(rays_from_tracks(tracks, camera, exposures))
        count = len(turns.t)
    if turns is None or count < MIN_SYNC_FRAME_PAIRS:
        raise DeepGyroError(
            f"{log.source}: only {count} pairs of frames show how the camera turned; {MIN_SYNC_FRAME_PAIRS} "
            "are needed to find the gyro's offset: give time_offset"
        )
    shake = float(np.linalg.norm(turns.omega.std(axis=0)))
    if shake < MIN_RATE_STD_RAD_S:
        raise DeepGyroError(
            f"{log.source}: the camera turns too little or too evenly to find the gyro's offset by it "
            f"({shake:.4f} rad/s of change, {MIN_RATE_STD_RAD_S} are needed): give time_offset"
        )
    found = find_matches(turns, log, camera.cam_from_imu, offsets=offsets_near(camera.time_offset))
    if not found or 1 - found[0].unexplained_share < REJECT_EXPLAINED_SHARE:
        found = find_matches(turns, log, camera.cam_from_imu, offsets=offsets_anywhere(turns, log)) or found
    if not found:
        raise DeepGyroError(
            f"{log.source}: runs from {log.t[0]:.3f} to {log.t[-1]:.3f} s and covers the clip at no offset "
            f"within {SEARCH_RADIUS_S:g} s of {camera.time_offset:g}: check that it belongs to it, or say "
            "roughly what "
            "time_offset is"
        )
    best = found[0]
    # A clock that runs apart would hold the halves apart; from here on the log's runs as the clip's.
    drift = estimate_clock_drift(turns, log, best.cam_from_imu, best.time_offset)
    log = remove_clock_drift(log, drift)
    best = replace(best, time_offset=best.time_offset / (1 + drift))
    fit = fit_offset(turns.rays, log, best.cam_from_imu, best.time_offset)
    halves = [_fit_half_offset(part, log, best) for part in _split_in_halves(turns)]
    gyro = _predict_rates(turns, log, best.cam_from_imu, best.time_offset if fit is None else fit.time_offset)
    return SyncResult(
        best.time_offset if fit is None else fit.time_offset,
        best.cam_from_imu,
        _sync_confidence(found, fit, halves, turns),
        (halves[0], halves[1]),
        1 - best.unexplained_share,
        np.nan if fit is None else fit.offset_std,
        np.nan if fit is None else fit.residual_px,
        turns,
        gyro,
        drift,
    )


def explained_rotation_share(
    tracks: PointTracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> float | None:
    """Return the share of the picture's turning that a gyro explains at the offset that the camera has.

    The offset may be off by `GIVEN_OFFSET_TOLERANCE_S`. None where too little turns to tell, or the log
    covers too little.

    Parameters
    ----------
    tracks, log, exposures
        As in `synchronise_gyro`.
    camera
        With `cam_from_imu` and `time_offset`.
    """
    if not len(tracks.start):
        return None
    turns = estimate_frame_rotations(rays_from_tracks(tracks, camera, exposures))
    if len(turns.t) < MIN_SYNC_FRAME_PAIRS or np.linalg.norm(turns.omega.std(axis=0)) < MIN_RATE_STD_RAD_S:
        return None
    moved = replace(log, t=log.t - camera.time_offset)
    found = find_matches(
        turns, moved, camera.cam_from_imu, offsets=offsets_near(0.0, GIVEN_OFFSET_TOLERANCE_S)
    )
    return 1 - found[0].unexplained_share if found else None


def _split_in_halves(turns: FrameRotations) -> tuple[RayPairs, RayPairs]:
    first = turns.rays.pair < len(turns.t) // 2
    return turns.rays.select(first), turns.rays.select(~first)


def _fit_half_offset(rays: RayPairs, log: GyroLog, match: OffsetMatch) -> float:
    fit = fit_offset(rays, log, match.cam_from_imu, match.time_offset)
    return np.nan if fit is None else fit.time_offset


def _predict_rates(
    turns: FrameRotations, log: GyroLog, cam_from_imu: ndarray, offset: float
) -> Float64[ndarray, "m 3"]:
    gyro, covered = LogMeanRates(log).mean(turns.t + offset, turns.span)
    gyro[~covered] = np.nan
    return np.asarray(gyro @ cam_from_imu.T)


def _sync_confidence(
    matches: list[OffsetMatch], fit: OffsetFit | None, halves: list[float], turns: FrameRotations
) -> float:
    """Return how likely the offset is right to 5 ms, and the axes.

    The product of three: that the fit's noise leaves it there, that no other match is as good, and that the
    gyro explains the picture's turning at all.
    """
    if fit is None:
        return 0.0
    apart = abs(halves[0] - halves[1]) / 2
    noise = float(
        np.hypot(
            OFFSET_STD_INFLATION * fit.offset_std, apart if np.isfinite(apart) else DEFAULT_HALF_DIFFERENCE_S
        )
    )
    precise = erf(CORRECT_OFFSET_TOLERANCE_S / (sqrt(2) * max(noise, 1e-6)))
    best, *other = matches
    lead = other[0].cost - best.cost if other else np.inf
    alone = 1 / (1 + exp(-min(lead, 1e3) / LIKELIHOOD_DEFLATION + 2))
    explains = min(
        max(
            (1 - best.unexplained_share - REJECT_EXPLAINED_SHARE)
            / (ACCEPT_EXPLAINED_SHARE - REJECT_EXPLAINED_SHARE),
            0.0,
        ),
        1.0,
    )
    return precise * alone * explains
