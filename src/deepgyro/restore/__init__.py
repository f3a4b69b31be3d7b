"""Take the blur out of a picture whose field is known: networks in tiles, Richardson-Lucy, Wiener."""

from .baselines import BASELINES, BASELINES_FOLDER, LARGEST, Baseline, BaselineName, baseline, baseline_path
from .canonical import (
    OrientedField,
    OrientedPicture,
    PictureOrientation,
    add_half_turn,
    canonical_orientation,
)
from .richardson_lucy import LEAST_CORE, core_size, richardson_lucy
from .unrolled import restore
from .weights import NETWORKS, network, shipped, weights_path
from .wiener import fastgyro

__all__ = [
    "BASELINES",
    "BASELINES_FOLDER",
    "LARGEST",
    "LEAST_CORE",
    "NETWORKS",
    "Baseline",
    "BaselineName",
    "OrientedField",
    "OrientedPicture",
    "PictureOrientation",
    "add_half_turn",
    "baseline",
    "baseline_path",
    "canonical_orientation",
    "core_size",
    "fastgyro",
    "network",
    "restore",
    "richardson_lucy",
    "shipped",
    "weights_path",
]
