"""Figures by command: what `deepgyro bench NAME` prints."""

from .contenders import add_missing_networks, training_durations
from .corrections import bench_corrections, corrections_display_rows
from .errors import bench_errors, errors_display_rows
from .features import bench_features
from .natural import bench_natural
from .refine import bench_refine, refine_display_rows
from .results import count_rows_by_bench, write_full_report
from .sharp import bench_sharp
from .speed import bench_speed, speed_display_rows
from .sync import bench_sync, sync_display_rows
from .synthesis import bench_synthesis
from .table1 import BLURRED_IN, bench_table1, table1_display_rows
from .videospeed import bench_video_speed

__all__ = [
    "BLURRED_IN",
    "add_missing_networks",
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
    "corrections_display_rows",
    "count_rows_by_bench",
    "errors_display_rows",
    "refine_display_rows",
    "speed_display_rows",
    "sync_display_rows",
    "table1_display_rows",
    "training_durations",
    "write_full_report",
]
