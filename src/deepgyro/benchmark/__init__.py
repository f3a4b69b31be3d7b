"""Figures by command: what `deepgyro bench NAME` prints."""

from .report import BenchReport, table
from .speed import speed

__all__ = ["BenchReport", "speed", "table"]
