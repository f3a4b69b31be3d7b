"""Deblur a clip: decode, field, network and encode, one beside the other; only frames that need it."""

from .job import THRESHOLD, ClipReport, FrameReport, deblur_video
from .recording import ClipSource
from .stream import Deblurrer, StreamFrame
from .syncing import SyncReport, sync_clip

__all__ = [
    "THRESHOLD",
    "ClipReport",
    "ClipSource",
    "Deblurrer",
    "FrameReport",
    "StreamFrame",
    "SyncReport",
    "deblur_video",
    "sync_clip",
]
