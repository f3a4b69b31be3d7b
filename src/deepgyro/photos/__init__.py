"""Deblur photos in files, and write their fields."""

from .fieldjob import FieldReport, make_field
from .job import Failure, PhotoReport, deblur_photos, find_photos, output_paths

__all__ = [
    "Failure",
    "FieldReport",
    "PhotoReport",
    "deblur_photos",
    "find_photos",
    "make_field",
    "output_paths",
]
