"""Find the offset between gyro and video, and the gyro's axes, from how the picture moves."""

from .drift import remove_clock_drift
from .picture import draw_rate_curves
from .readout import estimate_readout_time
from .search import axis_permutations
from .sync import (
    ACCEPT_SYNC_CONFIDENCE,
    REJECT_EXPLAINED_SHARE,
    SyncResult,
    explained_rotation_share,
    synchronise_gyro,
)
from .tracks import TRACKING_SIDE_PX, PointTracks, track_points

__all__ = [
    "ACCEPT_SYNC_CONFIDENCE",
    "REJECT_EXPLAINED_SHARE",
    "TRACKING_SIDE_PX",
    "PointTracks",
    "SyncResult",
    "axis_permutations",
    "draw_rate_curves",
    "estimate_readout_time",
    "explained_rotation_share",
    "remove_clock_drift",
    "synchronise_gyro",
    "track_points",
]
