"""Deblur a clip: decode, field, network and encode, one beside the other; only frames that need it."""

from .job import THRESHOLD, ClipReport, FrameReport, deblur_video
from .stream import Deblurrer, StreamFrame

__all__ = [
    "THRESHOLD",
    "ClipReport",
    "Deblurrer",
    "FrameReport",
    "StreamFrame",
    "deblur_video",
]
