"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .candidates import field_costs
from .model import CorrectedField, mean_vector_distance, mean_vector_length
from .refinement import ACCEPT_CONFIDENCE, Refined, refine_field
from .statistic import region_grid

__all__ = [
    "ACCEPT_CONFIDENCE",
    "CorrectedField",
    "Refined",
    "field_costs",
    "mean_vector_distance",
    "mean_vector_length",
    "refine_field",
    "region_grid",
]
