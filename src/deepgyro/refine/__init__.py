"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .hypotheses import field_costs
from .model import CorrectedField, distance, mean_length
from .refinement import SURE, Refined, refine_field
from .shared import LEAST, PLACES, SPREAD, Correction, Shared, Witness, ask_together, fit_shared, spread_for
from .statistic import grid

__all__ = [
    "LEAST",
    "PLACES",
    "SPREAD",
    "SURE",
    "CorrectedField",
    "Correction",
    "Refined",
    "Shared",
    "Witness",
    "ask_together",
    "distance",
    "field_costs",
    "fit_shared",
    "grid",
    "mean_length",
    "refine_field",
    "spread_for",
]
