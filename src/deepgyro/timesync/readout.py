"""How long the shutter takes to read a frame: lines that were exposed later had turned further."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..camera import Camera
from ..errors import DeepGyroError
from ..rotations import integrate_rates
from ..telemetry import GyroLog
from .fit import rotate_rays_by_gyro, select_covered_rays, subsample_rays
from .rotation import rays_from_tracks, residual_rotations
from .search import parabolic_minimum
from .sync import SyncResult
from .tracks import PointTracks

READOUT_STEP_S = 0.002
"""Between two readout times that are tried, s."""
READOUT_CLIP_PARTS = 4
"""Of a clip, each of which tells a readout time."""
ACCEPT_PART_DIFFERENCE_S = 0.004
"""How far those may be from that of the whole clip, s."""
TRACK_ERROR_PX = 0.3
"""What points are off by, px of the small frames."""


@dataclass(frozen=True)
class ReadoutEstimate:
    """A readout time that was found."""

    readout_time: float
    """s"""
    part_readout_times: tuple[float, ...]
    """From the clip's quarters, s."""


def estimate_readout_time(
    tracks: PointTracks,
    log: GyroLog,
    camera: Camera,
    sync: SyncResult,
    *,
    exposures: Float64[ndarray, " frames"],
) -> ReadoutEstimate:
    """Find the readout time at which the gyro fits the lines of each frame best.

    For each time that is tried, from 0 to that from a frame to the next, points are carried by the gyro from
    frame to frame; the offset is that of the middle line, which the readout time hardly changes. The small
    turn that most points of a frame miss is taken out, and what is left is how lines turn against each other.

    Parameters
    ----------
    tracks, log, camera, exposures
        As in `synchronise_gyro`; the direction of the reading is the camera's.
    sync
        What that found, with the camera's readout time.

    Raises
    ------
    DeepGyroError
        If the clip's quarters don't agree: it does not tell.
    """
    longest = float(np.median(tracks.end - tracks.start))
    tried = np.arange(0.0, longest + READOUT_STEP_S / 2, READOUT_STEP_S)
    turning = integrate_rates(log.t, log.omega @ sync.cam_from_imu.T)
    quarter = np.arange(len(tracks.start)) * READOUT_CLIP_PARTS // len(tracks.start)
    cost = np.zeros((READOUT_CLIP_PARTS, len(tried)))
    for k, readout_time in enumerate(tried):
        rays = rays_from_tracks(tracks, replace(camera, readout_time=float(readout_time)), exposures)
        rays = subsample_rays(select_covered_rays(rays, log, sync.time_offset))
        offset = sync.time_offset - 0.5 * (float(readout_time) - (camera.readout_time or 0.0))
        there = rotate_rays_by_gyro(rays, turning, offset)[0]
        pairs, pair = np.unique(rays.pair, return_inverse=True)
        turns, _ = residual_rotations(rays.after, there, pair, len(pairs), rays.focal)
        missed = np.linalg.norm(rays.after - there - np.cross(there, turns[pair]), axis=1) * rays.focal
        robust = np.log1p((missed / TRACK_ERROR_PX) ** 2)
        cost[:, k] = np.bincount(quarter[rays.pair], robust, READOUT_CLIP_PARTS)
    parts = tuple(parabolic_minimum(tried, own, int(own.argmin())) for own in cost)
    total = cost.sum(axis=0)
    whole = parabolic_minimum(tried, total, int(total.argmin()))
    if max(abs(part - whole) for part in parts) > ACCEPT_PART_DIFFERENCE_S:
        said = ", ".join(f"{1000 * part:.1f}" for part in parts)
        raise DeepGyroError(
            f"{log.source}: the clip does not tell the readout time (its quarters say {said} ms): give "
            "a clip in which the camera shakes more, or the readout time of its data sheet"
        )
    return ReadoutEstimate(whole, parts)
