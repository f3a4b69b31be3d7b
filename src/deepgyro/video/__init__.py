"""Deblur a clip: decode, field, network and encode, one beside the other; only frames that need it."""

from .job import THRESHOLD, ClipReport, FrameReport, deblur_video
from .recording import ClipSource

__all__ = ["THRESHOLD", "ClipReport", "ClipSource", "FrameReport", "deblur_video"]
