"""Deblur a clip: decode, field, network and encode, one beside the other; only frames that need it."""

from .job import SKIP_BELOW_PX, ClipReport, FrameReport, deblur_video
from .stream import Deblurrer, StreamFrame

__all__ = ["SKIP_BELOW_PX", "ClipReport", "Deblurrer", "FrameReport", "StreamFrame", "deblur_video"]
