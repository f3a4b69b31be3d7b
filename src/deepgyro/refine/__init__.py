"""The picture corrects the gyro: how a blur field may be wrong, and which one the picture shows."""

from .model import CorrectedField
from .refinement import Refined, refine_field

__all__ = ["CorrectedField", "Refined", "refine_field"]
