"""Figures by command: what `deepgyro bench NAME` prints."""

from .report import BenchReport, table
from .speed import speed
from .synthesis import synthesis

__all__ = ["BenchReport", "speed", "synthesis", "table"]
