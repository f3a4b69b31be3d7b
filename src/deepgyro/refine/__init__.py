"""The picture corrects the gyro, or replaces it: which blur field a picture shows."""

from .model import CorrectedField
from .refinement import SURE, Refined, refine_field

__all__ = ["SURE", "CorrectedField", "Refined", "refine_field"]
