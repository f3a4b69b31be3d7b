"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .hypotheses import field_costs
from .model import CorrectedField
from .refinement import SURE, Refined, refine_field
from .shared import PLACES, SPREAD, Correction, Shared, Witness, fit_shared
from .statistic import grid

__all__ = [
    "PLACES",
    "SPREAD",
    "SURE",
    "CorrectedField",
    "Correction",
    "Refined",
    "Shared",
    "Witness",
    "field_costs",
    "fit_shared",
    "grid",
    "refine_field",
]
