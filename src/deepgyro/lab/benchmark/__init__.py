"""Figures by command: what `deepgyro bench NAME` prints.

Each bench is a function that returns a `BenchReport`. Arguments that most share: ``data``, the folder of
`datafolder`; ``methods``, those of `select_methods`, by default all; ``baselines``, the folder with the
baselines' weights, by default that of the checkout; ``count``, of photos, by default as the bench's constant
says; ``height`` and ``width`` of the pictures, px; ``seed``, of all that is drawn; ``overwrite``, replace a
file that is written; ``progress``, called with the share that is done. They raise `DeepGyroError` if data, or
a package of the extra `bench`, is missing, or a file cannot be written, and `ValueError` if there is no such
method or case, or too few photos.
"""

from .contenders import training_durations
from .corrections import bench_corrections
from .errors import bench_errors
from .features import bench_features
from .natural import bench_natural
from .refine import bench_refine
from .results import write_full_report
from .sharp import bench_sharp
from .speed import bench_speed
from .sync import bench_sync
from .synthesis import bench_synthesis
from .table1 import BLURRED_IN, bench_table1
from .videospeed import bench_video_speed

__all__ = [
    "BLURRED_IN",
    "bench_corrections",
    "bench_errors",
    "bench_features",
    "bench_natural",
    "bench_refine",
    "bench_sharp",
    "bench_speed",
    "bench_sync",
    "bench_synthesis",
    "bench_table1",
    "bench_video_speed",
    "training_durations",
    "write_full_report",
]
