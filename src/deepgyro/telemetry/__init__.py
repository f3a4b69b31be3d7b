"""Gyro logs: angular rates of a recording, read from the files that phones and cameras write."""

from deepgyro.telemetry.embedded import ClipMetadata, read_clip_metadata
from deepgyro.telemetry.gyrolog import GyroLog
from deepgyro.telemetry.reading import read_gyro

__all__ = ["ClipMetadata", "GyroLog", "read_clip_metadata", "read_gyro"]
