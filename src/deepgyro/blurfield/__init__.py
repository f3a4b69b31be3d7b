"""The blur field: the path of every pixel while its row is exposed (eq. 2-5 of the paper)."""

from .field import (
    Field,
    MotionField,
    PathReference,
    blur_field,
    exposure_interval,
    motion_field,
    reduce_instants,
)
from .files import read_field, read_field_pair, write_field, write_field_pair
from .grid import GridField
from .measure import measure_field, path_lengths, paths_from_vectors, sample_paths

__all__ = [
    "Field",
    "GridField",
    "MotionField",
    "PathReference",
    "blur_field",
    "exposure_interval",
    "measure_field",
    "motion_field",
    "path_lengths",
    "paths_from_vectors",
    "read_field",
    "read_field_pair",
    "reduce_instants",
    "sample_paths",
    "write_field",
    "write_field_pair",
]
