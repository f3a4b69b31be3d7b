"""Figures by command: what `deepgyro bench NAME` prints."""

from .contenders import with_missing
from .errors import errors
from .features import features
from .natural import natural
from .report import BenchReport, Row, side_by_side, table
from .sharp import sharp
from .speed import speed
from .synthesis import synthesis
from .table1 import beside_paper, table1

__all__ = [
    "BenchReport",
    "Row",
    "beside_paper",
    "errors",
    "features",
    "natural",
    "sharp",
    "side_by_side",
    "speed",
    "synthesis",
    "table",
    "table1",
    "with_missing",
]
