"""Points that are followed from each frame to the next: sparse optical flow of small frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy import ndarray

TRACKING_SIDE_PX = 640
"""Frames are followed at a size whose longer side is at most this, px."""
MAX_TRACKED_POINTS = 120
"""Followed in a frame, at most."""
MAX_FRAME_INTERVAL_S = 0.2
"""Frames further apart than this are no neighbours, s."""
_MAX_ROUND_TRIP_ERROR_PX = 0.5
"""A point that is followed to the next frame and back must come home to within this, px."""
_FLOW_WINDOW_PX, _FLOW_PYRAMID_LEVELS = 15, 4


@dataclass(frozen=True, eq=False)
class PointTracks:
    """Points seen in two neighbouring frames, of all pairs of frames of a clip one after the other."""

    width: int
    """Of the frames that were followed, px."""
    height: int
    """px"""
    start: Float64[ndarray, " pairs"]
    """When the earlier frame of each pair is shown, on the clip's clock, s."""
    end: Float64[ndarray, " pairs"]
    """The later one, s."""
    index: Int64[ndarray, " pairs"]
    """Number of the earlier frame in the clip."""
    pair: Int64[ndarray, " k"]
    """Which pair each point belongs to, rising."""
    before: Float64[ndarray, "k 2"]
    """Where it is in the earlier frame, px."""
    after: Float64[ndarray, "k 2"]
    """In the later one, px."""


def track_points(frames: Iterable[tuple[float, UInt8[ndarray, "h w"]]]) -> PointTracks:
    """Follow points from each frame to the next.

    Parameters
    ----------
    frames
        When each is shown (s), and its brightness; all of one size.

    Returns
    -------
    tracks
        Corners, found anew in every frame, that could be followed to the next frame and back.
    """
    start: list[float] = []
    end: list[float] = []
    index: list[int] = []
    pair: list[ndarray] = []
    before: list[ndarray] = []
    after: list[ndarray] = []
    size: tuple[int, ...] = (0, 0)
    for k, t0, first, t1, second in _neighbouring_frames(frames):
        size = first.shape
        if not 0 < t1 - t0 <= MAX_FRAME_INTERVAL_S:
            continue
        here, there = _track_pair(first, second)
        pair.append(np.full(len(here), len(start)))
        start.append(t0)
        end.append(t1)
        index.append(k)
        before.append(here)
        after.append(there)
    return PointTracks(
        size[1],
        size[0],
        np.array(start, np.float64),
        np.array(end, np.float64),
        np.array(index, np.int64),
        np.concatenate(pair or [np.empty(0)]).astype(np.int64),
        np.concatenate(before or [np.empty((0, 2))]).astype(np.float64),
        np.concatenate(after or [np.empty((0, 2))]).astype(np.float64),
    )


def _neighbouring_frames(
    frames: Iterable[tuple[float, UInt8[ndarray, "h w"]]],
) -> Iterator[tuple[int, float, ndarray, float, ndarray]]:
    previous: tuple[float, ndarray] | None = None
    for k, (t, gray) in enumerate(frames):
        if previous is not None:
            yield k - 1, *previous, t, gray
        previous = t, gray


def _track_pair(
    first: UInt8[ndarray, "h w"], second: UInt8[ndarray, "h w"]
) -> tuple[Float32[ndarray, "k 2"], Float32[ndarray, "k 2"]]:
    import cv2

    height, width = first.shape
    apart = max(6.0, (height * width / MAX_TRACKED_POINTS) ** 0.5 / 2)  # px: they cover the picture
    corners = cv2.goodFeaturesToTrack(first, MAX_TRACKED_POINTS, 0.01, apart)
    none = np.empty((0, 2), np.float32)
    if corners is None:
        return none, none
    window = _FLOW_WINDOW_PX, _FLOW_WINDOW_PX
    followed, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, corners, np.empty_like(corners), winSize=window, maxLevel=_FLOW_PYRAMID_LEVELS
    )
    again, back, _ = cv2.calcOpticalFlowPyrLK(
        second, first, followed, np.empty_like(corners), winSize=window, maxLevel=_FLOW_PYRAMID_LEVELS
    )
    here, there, home = (np.asarray(points).reshape(-1, 2) for points in (corners, followed, again))
    kept = (
        (np.ravel(found) == 1)
        & (np.ravel(back) == 1)
        & (np.linalg.norm(home - here, axis=1) < _MAX_ROUND_TRIP_ERROR_PX)
    )
    inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
    return here[kept & inside], there[kept & inside]
