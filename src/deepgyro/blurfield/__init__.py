"""The blur field: the path of every pixel while its row is exposed (eq. 2-5 of the paper)."""

from .field import (
    Field,
    MotionField,
    Reference,
    blur_field,
    exposed,
    field_extent,
    motion_field,
    path_length,
    paths_from_vectors,
    sparse_paths,
    straight_vectors,
    with_fewest_instants,
)
from .files import read_field, read_field_pair, write_field, write_field_pair
from .grid import GridField

__all__ = [
    "Field",
    "GridField",
    "MotionField",
    "Reference",
    "blur_field",
    "exposed",
    "field_extent",
    "motion_field",
    "path_length",
    "paths_from_vectors",
    "read_field",
    "read_field_pair",
    "sparse_paths",
    "straight_vectors",
    "with_fewest_instants",
    "write_field",
    "write_field_pair",
]
