"""Points tracked from each frame to the next: sparse optical flow of small frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy import ndarray

TRACKING_SIDE_PX = 640
"""Longer side of the frames that are tracked, at most, px."""
MAX_TRACKED_POINTS = 120
"""In a frame."""
MAX_FRAME_INTERVAL_S = 0.2
"""Frames further apart than this are no neighbours, s."""
_MAX_ROUND_TRIP_ERROR_PX = 0.5
"""Error of a point that is tracked to the next frame and back, px."""
_FLOW_WINDOW_PX, _FLOW_PYRAMID_LEVELS = 15, 4


@dataclass(frozen=True, eq=False)
class PointTracks:
    """Points seen in two neighbouring frames, of all pairs of frames of a clip one after the other."""

    width: int
    """Of the frames that were tracked, px."""
    height: int
    """px"""
    start: Float64[ndarray, " pairs"]
    """Start of the earlier frame of each pair, on the clip's clock, s."""
    end: Float64[ndarray, " pairs"]
    """Start of the later one, s."""
    index: Int64[ndarray, " pairs"]
    """Number of the earlier frame in the clip."""
    pair: Int64[ndarray, " k"]
    """Which pair each point belongs to, rising."""
    before: Float64[ndarray, "k 2"]
    """Position in the earlier frame, px."""
    after: Float64[ndarray, "k 2"]
    """In the later one, px."""


def track_points(frames: Iterable[tuple[float, UInt8[ndarray, "h w"]]]) -> PointTracks:
    """Track corners, detected anew in every frame (its start, s, and its brightness), to the next frame."""
    pairs: list[tuple[float, float, int]] = []
    before, after = [np.empty((0, 2))], [np.empty((0, 2))]
    height, width = 0, 0
    for (k, (start, first)), (_, (end, second)) in pairwise(enumerate(frames)):
        height, width = first.shape
        if 0 < end - start <= MAX_FRAME_INTERVAL_S:
            pairs.append((start, end, k))
            here, there = _track_pair(first, second)
            before.append(here)
            after.append(there)
    starts, ends, index = np.array(pairs, np.float64).reshape(-1, 3).T
    pair = np.repeat(np.arange(len(pairs)), np.array([len(points) for points in before[1:]], np.int64))
    points = (np.concatenate(each).astype(np.float64) for each in (before, after))
    return PointTracks(width, height, starts, ends, index.astype(np.int64), pair, *points)


def _track_pair(
    first: UInt8[ndarray, "h w"], second: UInt8[ndarray, "h w"]
) -> tuple[Float32[ndarray, "k 2"], Float32[ndarray, "k 2"]]:
    """Return the corners (px) that could be tracked to the second frame and back, in both frames."""
    import cv2

    height, width = first.shape
    distance = max(6.0, (height * width / MAX_TRACKED_POINTS) ** 0.5 / 2)  # px: they cover the picture
    corners = cv2.goodFeaturesToTrack(first, MAX_TRACKED_POINTS, 0.01, distance)
    if corners is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    options: dict[str, Any] = {
        "winSize": (_FLOW_WINDOW_PX, _FLOW_WINDOW_PX),
        "maxLevel": _FLOW_PYRAMID_LEVELS,
    }
    tracked, there_status, _ = cv2.calcOpticalFlowPyrLK(
        first, second, corners, np.empty_like(corners), **options
    )
    again, back_status, _ = cv2.calcOpticalFlowPyrLK(
        second, first, tracked, np.empty_like(corners), **options
    )
    here, there, back = (np.asarray(points).reshape(-1, 2) for points in (corners, tracked, again))
    kept = (np.ravel(there_status) == 1) & (np.ravel(back_status) == 1)
    kept &= np.linalg.norm(back - here, axis=1) < _MAX_ROUND_TRIP_ERROR_PX
    kept &= ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
    return here[kept], there[kept]
