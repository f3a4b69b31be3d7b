"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .fit import field_costs
from .model import CorrectedField, distance, mean_length
from .refinement import SURE, Refined, refine_field
from .statistic import grid

__all__ = [
    "SURE",
    "CorrectedField",
    "Refined",
    "distance",
    "field_costs",
    "grid",
    "mean_length",
    "refine_field",
]
