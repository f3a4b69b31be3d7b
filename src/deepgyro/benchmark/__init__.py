"""Figures by command: what `deepgyro bench NAME` prints."""

from .report import BenchReport, Row, table
from .speed import speed
from .synthesis import synthesis
from .table1 import beside_paper, table1

__all__ = ["BenchReport", "Row", "beside_paper", "speed", "synthesis", "table", "table1"]
