"""Take the blur out of a picture whose field is known: networks in tiles, Richardson-Lucy, Wiener."""

from .baselines import BASELINES, BASELINES_FOLDER, OnePieceNetwork, load_baseline
from .canonical import (
    OrientedField,
    OrientedPicture,
    PictureOrientation,
    add_half_turn,
    canonical_orientation,
)
from .method import (
    METHODS,
    Baseline,
    Method,
    MethodName,
    OwnMethodName,
    UnrolledNetwork,
    available_methods,
    find_weights,
    open_method,
)
from .richardson_lucy import MIN_CORE_PX, core_side, richardson_lucy
from .unrolled import restore_in_tiles
from .weights import NETWORKS, load_shipped_network, shipped_networks, weights_path
from .wiener import wiener_fastgyro

__all__ = [
    "BASELINES",
    "BASELINES_FOLDER",
    "METHODS",
    "MIN_CORE_PX",
    "NETWORKS",
    "Baseline",
    "Method",
    "MethodName",
    "OnePieceNetwork",
    "OrientedField",
    "OrientedPicture",
    "OwnMethodName",
    "PictureOrientation",
    "UnrolledNetwork",
    "add_half_turn",
    "available_methods",
    "canonical_orientation",
    "core_side",
    "find_weights",
    "load_baseline",
    "load_shipped_network",
    "open_method",
    "restore_in_tiles",
    "richardson_lucy",
    "shipped_networks",
    "weights_path",
    "wiener_fastgyro",
]
