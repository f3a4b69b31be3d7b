"""How long the shutter takes to read a frame: lines that were exposed later had turned further."""

from __future__ import annotations

from dataclasses import replace

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
"""Parts of a clip; each gives a readout time."""
ACCEPT_PART_DIFFERENCE_S = 0.004
"""How far those may be from that of the whole clip, s."""
TRACK_ERROR_PX = 0.3
"""Error of tracked points, px of the small frames."""


def estimate_readout_time(
    tracks: PointTracks,
    log: GyroLog,
    camera: Camera,
    sync: SyncResult,
    *,
    exposures: Float64[ndarray, " frames"],
) -> float:
    """Estimate the readout time (s) at which the gyro fits the lines of each frame best.

    For each time that is tried, from 0 to the frame interval, the gyro predicts points from frame to frame;
    the offset is that of the middle line, which the readout time hardly changes. The small turn that most
    points of a frame share is removed; what is left is how lines turn against each other. For `tracks`, `log`
    and `exposures` (s) see `synchronise_gyro`, whose result for this camera is `sync`.

    Raises
    ------
    DeepGyroError
        If the clip's quarters don't agree.
    """
    frame_interval = float(np.median(tracks.end - tracks.start))
    candidates = np.arange(0.0, frame_interval + READOUT_STEP_S / 2, READOUT_STEP_S)
    orientation = integrate_rates(log.t, log.omega @ sync.cam_from_imu.T)
    quarter = np.arange(len(tracks.start)) * READOUT_CLIP_PARTS // len(tracks.start)
    cost = np.zeros((READOUT_CLIP_PARTS, len(candidates)))
    for k, readout_time in enumerate(candidates):
        rays = rays_from_tracks(tracks, replace(camera, readout_time=float(readout_time)), exposures)
        rays = subsample_rays(select_covered_rays(rays, log, sync.time_offset))
        offset = sync.time_offset - 0.5 * (float(readout_time) - (camera.readout_time or 0.0))
        predicted = rotate_rays_by_gyro(rays, orientation, offset)[0]
        pairs, pair = np.unique(rays.pair, return_inverse=True)
        turns, _ = residual_rotations(rays.after, predicted, pair, len(pairs), rays.focal)
        residual = rays.after - predicted - np.cross(predicted, turns[pair])
        distance_px = np.linalg.norm(residual, axis=1) * rays.focal
        robust = np.log1p((distance_px / TRACK_ERROR_PX) ** 2)
        cost[:, k] = np.bincount(quarter[rays.pair], robust, READOUT_CLIP_PARTS)
    *parts, whole = (parabolic_minimum(candidates, c, int(c.argmin())) for c in (*cost, cost.sum(axis=0)))
    if max(abs(part - whole) for part in parts) > ACCEPT_PART_DIFFERENCE_S:
        low, high = 1000 * min(parts), 1000 * max(parts)
        raise DeepGyroError(
            f"{log.source}: the clip does not show the readout time: "
            f"its quarters give {low:.1f} to {high:.1f} ms; "
            "use a clip with more camera shake, or the readout_time of the data sheet"
        )
    return whole
