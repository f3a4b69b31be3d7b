"""The blur field that a picture shows: it corrects the gyro's field, or replaces it."""

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
