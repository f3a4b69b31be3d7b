"""Figures by command: what `deepgyro bench NAME` prints."""

from .contenders import trained, with_missing
from .corrections import corrections, corrections_shown
from .errors import errors, errors_shown
from .features import features
from .natural import natural
from .refine import refine, refine_shown
from .results import make_results, results_shown
from .sharp import sharp
from .speed import speed, speed_shown
from .sync import sync, sync_shown
from .synthesis import synthesis
from .table1 import BLURRED_IN, beside_paper, table1
from .videospeed import video_speed

__all__ = [
    "BLURRED_IN",
    "beside_paper",
    "corrections",
    "corrections_shown",
    "errors",
    "errors_shown",
    "features",
    "make_results",
    "natural",
    "refine",
    "refine_shown",
    "results_shown",
    "sharp",
    "speed",
    "speed_shown",
    "sync",
    "sync_shown",
    "synthesis",
    "table1",
    "trained",
    "video_speed",
    "with_missing",
]
