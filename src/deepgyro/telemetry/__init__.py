"""Gyro logs: angular rates of a recording, read from the files that phones and cameras write."""

from deepgyro.telemetry.clip import ClipFacts, read_clip_facts
from deepgyro.telemetry.gyrolog import GyroLog
from deepgyro.telemetry.reading import read_gyro

__all__ = ["ClipFacts", "GyroLog", "read_clip_facts", "read_gyro"]
