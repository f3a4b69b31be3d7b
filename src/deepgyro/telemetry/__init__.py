"""Gyro logs: angular rates of a recording, read from the files that phones and cameras write."""

from .embedded import ClipMetadata, read_clip_metadata
from .gyrolog import GyroLog
from .reading import read_gyro

__all__ = ["ClipMetadata", "GyroLog", "read_clip_metadata", "read_gyro"]
