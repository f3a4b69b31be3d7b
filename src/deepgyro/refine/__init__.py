"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .model import CorrectedField
from .refinement import SURE, Refined, refine_field
from .shared import SPREAD, Correction, Shared, Witness, fit_shared

__all__ = [
    "SPREAD",
    "SURE",
    "CorrectedField",
    "Correction",
    "Refined",
    "Shared",
    "Witness",
    "fit_shared",
    "refine_field",
]
