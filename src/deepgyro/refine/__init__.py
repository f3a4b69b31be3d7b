"""The picture corrects the gyro, or replaces it: how a blur field may be wrong, and which one the picture shows."""

from .model import CorrectedField
from .refinement import SURE, Refined, refine_field

__all__ = ["SURE", "CorrectedField", "Refined", "refine_field"]
