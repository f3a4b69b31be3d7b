"""Find the offset between gyro and video, and the gyro's axes, from how the picture moves."""

from .drift import without_drift
from .picture import draw_curves
from .readout import Readout, find_readout
from .search import orientations
from .sync import SURE, UNEXPLAINED, Sync, explained_at, synchronise
from .tracks import SIDE, Tracks, track

__all__ = [
    "SIDE",
    "SURE",
    "UNEXPLAINED",
    "Readout",
    "Sync",
    "Tracks",
    "draw_curves",
    "explained_at",
    "find_readout",
    "orientations",
    "synchronise",
    "track",
    "without_drift",
]
