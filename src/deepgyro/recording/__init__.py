"""A gyro log, a camera and timed frames that belong together: their fields, clock and calibration."""

from .clips import ClipSource
from .photos import FieldSource
from .recording import Exposure, Recording
from .syncing import SyncReport, sync_clip

__all__ = ["ClipSource", "Exposure", "FieldSource", "Recording", "SyncReport", "sync_clip"]
