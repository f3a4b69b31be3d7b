"""A photo, a log, and small data sets made of them."""

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import default_collate

from deepgyro.lab.learn.corrector.pairs import CellPairs, row_to_sample
from deepgyro.lab.synthesis import PHYSICAL_PRESET, make_dataset, open_pool, simulate_camera_shake

SIZE = {"height": 40, "width": 56}
WIDE = {"height": 135, "width": 240}


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """A folder with photo.png and log.csv."""
    folder = tmp_path_factory.mktemp("material")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    log = simulate_camera_shake(np.random.default_rng(0), duration=3.0)
    header = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
    np.savetxt(folder / "log.csv", np.c_[log.t, log.omega], delimiter=",", header=header, comments="")
    return folder


@pytest.fixture(scope="session")
def pool(material):
    return open_pool([material / "photo.png"], [material / "log.csv"], **SIZE)


@pytest.fixture(scope="session")
def shards(pool, tmp_path_factory):
    """Eighteen pairs of 40 x 56 px in four shards."""
    out = tmp_path_factory.mktemp("shards")
    make_dataset(pool, PHYSICAL_PRESET, out=out, count=18, shard_size=5, workers=1, **SIZE)
    return out


@pytest.fixture(scope="session")
def pairs(material, tmp_path_factory):
    """A folder with eight pairs of 240 x 135 px."""
    pool = open_pool([material / "photo.png"], [material / "log.csv"], **WIDE)
    out = tmp_path_factory.mktemp("pairs")
    make_dataset(pool, PHYSICAL_PRESET, out=out, count=8, shard_size=5, workers=1, **WIDE)
    return out


@pytest.fixture(scope="session")
def batch(pairs):
    """Sixteen samples of their cells."""
    series = CellPairs(pairs, seed=0)
    rows = [series.read_row(pair, draw) for draw in range(4) for pair in range(len(series))]
    return default_collate([row_to_sample(row) for row in rows if row is not None][:16])
