"""A data folder with what the benches look for, small and made on the spot."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deepgyro.lab.benchmark.datafolder import VALIDATION_LOG_COLUMNS, VALIDATION_PHOTOS_FOLDER
from deepgyro.lab.synthesis import simulate_camera_shake


def smooth_picture(height, width, seed):
    """Blobs between 0.1 and 0.8 of white."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (2, 3, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (255 * (0.1 + 0.7 * smooth)).astype(np.uint8)


@pytest.fixture(scope="session")
def held(tmp_path_factory):
    """Three validation photos and the two validation logs; nobody may change them."""
    folder = tmp_path_factory.mktemp("held")
    (folder / VALIDATION_PHOTOS_FOLDER).mkdir(parents=True)
    for seed in range(3):
        Image.fromarray(smooth_picture(110, 150, seed)).save(
            folder / VALIDATION_PHOTOS_FOLDER / f"{seed}.png"
        )
    for seed, (name, columns) in enumerate(VALIDATION_LOG_COLUMNS.items()):
        log = simulate_camera_shake(np.random.default_rng(seed), duration=3.0)
        (folder / name).parent.mkdir(parents=True)
        header = "" if columns else "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]"
        table = np.c_[np.rint(log.t * 1e9), log.omega]
        np.savetxt(folder / name, table, "%.9f", ",", header=header, comments="")
    return folder


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """What makes pictures."""
    return SimpleNamespace(picture=smooth_picture)
