"""Training pairs from sharp photos and gyro logs (section 4.2 of the paper, and the physics it left out)."""

from .config import PAPER_PRESET, PHYSICAL_PRESET, PRESETS, SynthesisConfig, with_encoded_share
from .dataset import DatasetReport, make_dataset
from .pair import Pair
from .pool import SourcePool, make_pair_at
from .samples import pack_pair, unpack_pair
from .shake import blur_photo, render_turning_clip, simulate_camera_shake
from .shards import read_shard
from .sources import open_pool

__all__ = [
    "PAPER_PRESET",
    "PHYSICAL_PRESET",
    "PRESETS",
    "DatasetReport",
    "Pair",
    "SourcePool",
    "SynthesisConfig",
    "blur_photo",
    "make_dataset",
    "make_pair_at",
    "open_pool",
    "pack_pair",
    "read_shard",
    "render_turning_clip",
    "simulate_camera_shake",
    "unpack_pair",
    "with_encoded_share",
]
