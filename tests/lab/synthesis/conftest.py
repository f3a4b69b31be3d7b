"""Photos and logs that pairs are made of: small, and made on the spot."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from deepgyro.lab.synthesis import open_pool, simulate_camera_shake

HEADER = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
SIZE = {"height": 64, "width": 80}


def write_photo(path: Path, seed: int = 0, height: int = 96, width: int = 128) -> None:
    """Write a photo of coloured squares."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    Image.fromarray(np.kron(small, np.ones((4, 4, 1), np.uint8))).save(path)


def write_log(path: Path, seed: int = 0, duration: float = 2.0, header: str = HEADER) -> None:
    """Write the log of a shaking camera."""
    log = simulate_camera_shake(np.random.default_rng(seed), duration=duration)
    np.savetxt(path, np.c_[log.t, log.omega], "%.9f", ",", header=header, comments="")


@pytest.fixture(scope="session")
def write() -> SimpleNamespace:
    """Functions that write a photo and a log."""
    return SimpleNamespace(photo=write_photo, log=write_log)


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> SimpleNamespace:
    """Three photos and two logs; nobody may change them."""
    folder = tmp_path_factory.mktemp("material")
    photos, logs = folder / "photos", folder / "logs"
    photos.mkdir()
    logs.mkdir()
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.png")):
        write_photo(photos / name, seed)
    for seed in range(2):
        write_log(logs / f"{seed}.csv", seed)
    return SimpleNamespace(photos=photos, logs=logs, pool=open_pool([photos], [logs], **SIZE))
