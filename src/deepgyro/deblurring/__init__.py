"""Deblur one picture, or a folder of photos."""

from .fieldjob import FieldReport, make_field
from .job import Failure, PhotoReport, deblur_photos, find_photos, output_paths
from .picture import METHODS, Deblurred, Method, available_methods, deblur, deblur_picture, opened
from .recording import Source

__all__ = [
    "METHODS",
    "Deblurred",
    "Failure",
    "FieldReport",
    "Method",
    "PhotoReport",
    "Source",
    "available_methods",
    "deblur",
    "deblur_photos",
    "deblur_picture",
    "find_photos",
    "make_field",
    "opened",
    "output_paths",
]
