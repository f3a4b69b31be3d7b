"""Find the offset between gyro and video, and the gyro's axes, from how the picture moves."""

from .picture import draw_curves
from .search import orientations
from .sync import SURE, UNEXPLAINED, Sync, synchronise
from .tracks import SIDE, Tracks, track

__all__ = [
    "SIDE",
    "SURE",
    "UNEXPLAINED",
    "Sync",
    "Tracks",
    "draw_curves",
    "orientations",
    "synchronise",
    "track",
]
