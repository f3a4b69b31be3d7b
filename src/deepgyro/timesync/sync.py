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
from .drift import find_drift, without_drift
from .fit import Fit, fit_offset
from .rotation import Rays, Turns, rays_of, turns_of
from .search import REACH, Match, Rates, anywhere, matches, near
from .tracks import Tracks

NEAR = 0.04
"""A given offset may be off by so much and still be meant, s."""
SURE = 0.7
"""Confidence from which on an offset is taken."""
LEAST_TURNS = 12
"""Pairs of frames that must show how the camera turned."""
LEAST_SHAKE = 0.005
"""Standard deviation of the rate, over a clip, under which nothing can be said, rad/s."""
RIGHT = 0.005
"""An offset that is off by less is right, s."""
EXPLAINED, UNEXPLAINED = 0.65, 0.25
"""Share of the turning that the gyro explains from which on it belongs to the clip; and up to which not."""

# What a clip's confidence is made of, from synthetic clips of training photos and logs (docs/experiments).
MORE_SPREAD = 2.0  # an offset's errors to those of independent turns
UNKNOWN = 0.005  # the difference of the halves where one does not say, s
LEAD = 15.0  # log-likelihoods of neighbouring frames are not independent


@dataclass(frozen=True, eq=False)
class Sync:
    """How a gyro belongs to a clip."""

    time_offset: float
    """``t_gyro = t_frame + time_offset``, s."""
    cam_from_imu: Float64[ndarray, "3 3"]
    confidence: float
    """Probability that the offset is right to 5 ms and the axes are: 0 to 1."""
    halves: tuple[float, float]
    """The offset from either half of the clip, s; not a number where a half does not say."""
    explained: float
    """Share of the picture's turning that the gyro explains: little if it was stabilised, at most 1."""
    spread: float
    """Standard deviation of the offset, were the errors of all turns independent, s."""
    residual_px: float
    """Median distance of points from where the gyro carries them, px of the small frames."""
    turns: Turns
    """From the picture."""
    gyro: Float64[ndarray, "m 3"]
    """Rates that the gyro gives for them at the offset, in the camera's axes, rad/s; NaN: not covered."""
    drift: float = 0.0
    """How much faster the gyro's clock runs: all times here are on a clock of the gyro's that is slowed down
    by 1 + drift (`without_drift`); 0: not at all, or too short a clip."""


def synchronise(
    tracks: Tracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> Sync:
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
        turns = turns_of(rays_of(tracks, camera, exposures))
        count = len(turns.t)
    if turns is None or count < LEAST_TURNS:
        raise DeepGyroError(
            f"{log.source}: only {count} pairs of frames show how the camera turned; {LEAST_TURNS} "
            "are needed to find the gyro's offset: give time_offset"
        )
    shake = float(np.linalg.norm(turns.omega.std(axis=0)))
    if shake < LEAST_SHAKE:
        raise DeepGyroError(
            f"{log.source}: the camera turns too little or too evenly to find the gyro's offset by it "
            f"({shake:.4f} rad/s of change, {LEAST_SHAKE} are needed): give time_offset"
        )
    found = matches(turns, log, camera.cam_from_imu, offsets=near(camera.time_offset))
    if not found or 1 - found[0].misfit < UNEXPLAINED:
        found = matches(turns, log, camera.cam_from_imu, offsets=anywhere(turns, log)) or found
    if not found:
        raise DeepGyroError(
            f"{log.source}: runs from {log.t[0]:.3f} to {log.t[-1]:.3f} s and covers the clip at no offset "
            f"within {REACH:g} s of {camera.time_offset:g}: check that it belongs to it, or say roughly what "
            "time_offset is"
        )
    best = found[0]
    # A clock that runs apart would hold the halves apart; from here on the log's runs as the clip's.
    drift = find_drift(turns, log, best.cam_from_imu, best.time_offset)
    log = without_drift(log, drift)
    best = replace(best, time_offset=best.time_offset / (1 + drift))
    fit = fit_offset(turns.rays, log, best.cam_from_imu, best.time_offset)
    halves = [_offset(part, log, best) for part in _halves(turns)]
    gyro = _told(turns, log, best.cam_from_imu, best.time_offset if fit is None else fit.time_offset)
    return Sync(
        best.time_offset if fit is None else fit.time_offset,
        best.cam_from_imu,
        _confidence(found, fit, halves, turns),
        (halves[0], halves[1]),
        1 - best.misfit,
        np.nan if fit is None else fit.spread,
        np.nan if fit is None else fit.residual_px,
        turns,
        gyro,
        drift,
    )


def explained_at(
    tracks: Tracks, log: GyroLog, camera: Camera, *, exposures: Float64[ndarray, " frames"]
) -> float | None:
    """Return the share of the picture's turning that a gyro explains at the offset that the camera has.

    The offset may be off by `NEAR`. None where too little turns to tell, or the log covers too little.

    Parameters
    ----------
    tracks, log, exposures
        As in `synchronise`.
    camera
        With `cam_from_imu` and `time_offset`.
    """
    if not len(tracks.start):
        return None
    turns = turns_of(rays_of(tracks, camera, exposures))
    if len(turns.t) < LEAST_TURNS or np.linalg.norm(turns.omega.std(axis=0)) < LEAST_SHAKE:
        return None
    moved = replace(log, t=log.t - camera.time_offset)
    found = matches(turns, moved, camera.cam_from_imu, offsets=near(0.0, NEAR))
    return 1 - found[0].misfit if found else None


def _halves(turns: Turns) -> tuple[Rays, Rays]:
    first = turns.rays.pair < len(turns.t) // 2
    return turns.rays.of(first), turns.rays.of(~first)


def _offset(rays: Rays, log: GyroLog, match: Match) -> float:
    fit = fit_offset(rays, log, match.cam_from_imu, match.time_offset)
    return np.nan if fit is None else fit.time_offset


def _told(turns: Turns, log: GyroLog, cam_from_imu: ndarray, offset: float) -> Float64[ndarray, "m 3"]:
    gyro, covered = Rates(log).mean(turns.t + offset, turns.span)
    gyro[~covered] = np.nan
    return np.asarray(gyro @ cam_from_imu.T)


def _confidence(found: list[Match], fit: Fit | None, halves: list[float], turns: Turns) -> float:
    """Return how likely the offset is right to 5 ms, and the axes.

    The product of three: that the fit's noise leaves it there, that no other match is as good, and that the
    gyro explains the picture's turning at all.
    """
    if fit is None:
        return 0.0
    apart = abs(halves[0] - halves[1]) / 2
    noise = float(np.hypot(MORE_SPREAD * fit.spread, apart if np.isfinite(apart) else UNKNOWN))
    precise = erf(RIGHT / (sqrt(2) * max(noise, 1e-6)))
    best, *other = found
    lead = other[0].cost - best.cost if other else np.inf
    alone = 1 / (1 + exp(-min(lead, 1e3) / LEAD + 2))
    explains = min(max((1 - best.misfit - UNEXPLAINED) / (EXPLAINED - UNEXPLAINED), 0.0), 1.0)
    return precise * alone * explains
