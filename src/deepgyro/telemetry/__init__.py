"""Gyro logs: angular rates of a recording, read from the files that phones and cameras write."""

from deepgyro.telemetry.gyrolog import GyroLog
from deepgyro.telemetry.reading import read_gyro

__all__ = ["GyroLog", "read_gyro"]
