"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .hypotheses import field_costs
from .model import CorrectedField
from .refinement import SURE, Refined, refine_field
from .statistic import grid

__all__ = ["SURE", "CorrectedField", "Refined", "field_costs", "grid", "refine_field"]
