"""Training pairs from sharp photos and gyro logs (section 4.2 of the paper, and the physics it left out)."""

from .config import PAPER, PHYSICAL, PRESETS, SynthesisConfig, with_paper_share
from .dataset import DatasetReport, make_dataset
from .hand import blur_photo, hand_shake
from .pair import Pair, make_pair
from .pool import Pool, pair_at
from .samples import pack, unpack
from .shards import read_shard
from .sources import open_pool

__all__ = [
    "PAPER",
    "PHYSICAL",
    "PRESETS",
    "DatasetReport",
    "Pair",
    "Pool",
    "SynthesisConfig",
    "blur_photo",
    "hand_shake",
    "make_dataset",
    "make_pair",
    "open_pool",
    "pack",
    "pair_at",
    "read_shard",
    "unpack",
    "with_paper_share",
]
