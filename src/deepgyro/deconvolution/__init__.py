"""Deconvolution without learned weights: Richardson-Lucy, and the paper's baseline FastGyro in style."""

from .richardson_lucy import LEAST_CORE, core_size, richardson_lucy
from .wiener import fastgyro

__all__ = ["LEAST_CORE", "core_size", "fastgyro", "richardson_lucy"]
