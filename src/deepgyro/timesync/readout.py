"""How long the shutter takes to read a frame: lines that were exposed later had turned further."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..camera import Camera
from ..errors import DeepGyroError
from ..rotations import integrate
from ..telemetry import GyroLog
from .fit import carried_rays, covered, thinned
from .rotation import rays_of, weighted_turns
from .search import least_between
from .sync import Sync
from .tracks import Tracks

STEP = 0.002
"""Between two readout times that are tried, s."""
PARTS = 4
"""Of a clip, each of which tells a readout time."""
AGREE = 0.004
"""How far those may be from that of the whole clip, s."""
PRECISION = 0.3
"""What points are off by, px of the small frames."""


@dataclass(frozen=True)
class Readout:
    """A readout time that was found."""

    readout_time: float
    """s"""
    parts: tuple[float, ...]
    """From the clip's quarters, s."""


def find_readout(
    tracks: Tracks,
    log: GyroLog,
    camera: Camera,
    found: Sync,
    *,
    exposures: Float64[ndarray, " frames"],
) -> Readout:
    """Find the readout time at which the gyro fits the lines of each frame best.

    For each time that is tried, from 0 to that from a frame to the next, points are carried by the gyro from
    frame to frame; the offset is that of the middle line, which the readout time hardly changes. The small
    turn that most points of a frame miss is taken out, and what is left is how lines turn against each other.

    Parameters
    ----------
    tracks, log, camera, exposures
        As in `synchronise`; the direction of the reading is the camera's.
    found
        What that found, with the camera's readout time.

    Raises
    ------
    DeepGyroError
        If the clip's quarters don't agree: it does not tell.
    """
    longest = float(np.median(tracks.end - tracks.start))
    tried = np.arange(0.0, longest + STEP / 2, STEP)
    turning = integrate(log.t, log.omega @ found.cam_from_imu.T)
    quarter = np.arange(len(tracks.start)) * PARTS // len(tracks.start)
    cost = np.zeros((PARTS, len(tried)))
    for k, readout_time in enumerate(tried):
        rays = rays_of(tracks, replace(camera, readout_time=float(readout_time)), exposures)
        rays = thinned(covered(rays, log, found.time_offset))
        offset = found.time_offset - 0.5 * (float(readout_time) - (camera.readout_time or 0.0))
        there = carried_rays(rays, turning, offset)[0]
        pairs, pair = np.unique(rays.pair, return_inverse=True)
        turns, _ = weighted_turns(rays.after, there, pair, len(pairs), rays.focal)
        missed = np.linalg.norm(rays.after - there - np.cross(there, turns[pair]), axis=1) * rays.focal
        robust = np.log1p((missed / PRECISION) ** 2)
        cost[:, k] = np.bincount(quarter[rays.pair], robust, PARTS)
    parts = tuple(least_between(tried, own, int(own.argmin())) for own in cost)
    total = cost.sum(axis=0)
    whole = least_between(tried, total, int(total.argmin()))
    if max(abs(part - whole) for part in parts) > AGREE:
        said = ", ".join(f"{1000 * part:.1f}" for part in parts)
        raise DeepGyroError(
            f"{log.source}: the clip does not tell the readout time (its quarters say {said} ms): give "
            "a clip in which the camera shakes more, or the readout time of its data sheet"
        )
    return Readout(whole, parts)
