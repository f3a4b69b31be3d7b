"""A gyro log, a camera and timed frames that belong together: their fields, clock and calibration."""

from .calibration import (
    LEAST,
    PLACES,
    SPREAD,
    Correction,
    Shared,
    Witness,
    ask_together,
    fit_shared,
    spread_for,
)
from .clips import ClipSource
from .photos import FieldSource
from .syncing import SyncReport, sync_clip

__all__ = [
    "LEAST",
    "PLACES",
    "SPREAD",
    "ClipSource",
    "Correction",
    "FieldSource",
    "Shared",
    "SyncReport",
    "Witness",
    "ask_together",
    "fit_shared",
    "spread_for",
    "sync_clip",
]
