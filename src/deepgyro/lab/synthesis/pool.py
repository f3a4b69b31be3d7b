"""Sharp photos and gyro logs, and the pair that a seed and an index draw from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...errors import DeepGyroError, ImpossibleMotion
from ...frames import decode_pixels, read_photo, to_eight_bits
from ...telemetry import GyroLog
from .config import SynthesisConfig
from .motion import draw_camera
from .pair import LazyPair, Pair, draw_lazy_pair, render_pair

_JPEG_MAGIC = b"\xff\xd8\xff"
_PAIR_TRIES = 20  # draws for one pair; one in hundreds cannot be made


@dataclass(frozen=True)
class SourcePhoto:
    """A sharp photo, checked: large enough, and decoded once."""

    name: str
    """Unique in the pool; the same wherever the folder is."""
    path: Path
    sha256: str
    height: int
    width: int

    def read_pixels(self) -> UInt8[ndarray, "h w 3"]:
        """Return its pixels as stored, rounded to 8 bits.

        Raises
        ------
        DeepGyroError
            If the file has changed since it was checked.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise DeepGyroError(
                f"{self.path}: cannot be read any more ({error.strerror}); every worker must see the photos"
            ) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DeepGyroError(f"{self.path}: has changed since it was checked; start again")
        if data.startswith(_JPEG_MAGIC):
            return decode_pixels(data, str(self.path))
        return to_eight_bits(read_photo(self.path, quiet=True).pixels)  # its warnings came with the check


@dataclass(frozen=True, eq=False)
class SourceLog:
    """A gyro log, checked: long enough."""

    name: str
    """Unique in the pool; the same wherever the folder is."""
    sha256: str
    """Of the file."""
    log: GyroLog
    """Its source is the name."""
    columns: str | None = None
    """The option that it was read with, where it does not name its columns itself."""


@dataclass(frozen=True, eq=False)
class SourcePool:
    """Photos and logs that pairs are drawn from, in an order that depends on the files alone."""

    photos: tuple[SourcePhoto, ...]
    logs: tuple[SourceLog, ...]


def make_pair_at(
    pool: SourcePool, config: SynthesisConfig, seed: int, index: int, *, height: int, width: int
) -> Pair:
    """Return the pair of a seed and an index, from 0: the same arguments always give the same pair.

    Raises
    ------
    DeepGyroError
        If its photo has changed, or none of 20 draws gives a pair.
    """
    return render_pair(draw_lazy_pair_at(pool, config, seed, index, height=height, width=width), config.image)


def draw_lazy_pair_at(
    pool: SourcePool, config: SynthesisConfig, seed: int, index: int, *, height: int, width: int
) -> LazyPair:
    """Return what `make_pair_at` returns, not yet rendered."""
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, index])))
    for tries_left in reversed(range(_PAIR_TRIES)):
        photo = pool.photos[rng.integers(len(pool.photos))]
        log = pool.logs[rng.integers(len(pool.logs))]
        others = [other for other in pool.logs if other is not log] or [log]
        other_log = others[rng.integers(len(others))]
        camera = draw_camera(rng, config.camera, height=height, width=width)
        pixels = photo.read_pixels()
        try:
            scene = draw_lazy_pair(pixels, log.log, camera, rng, config, other_log=other_log.log)
        except (DeepGyroError, ImpossibleMotion) as error:  # a gap in the log, an extreme motion: draw again
            if not tries_left:
                what = f"pair {index} of seed {seed} ({photo.name}, {log.name})"
                raise DeepGyroError(f"{what} cannot be made: {error}") from error
        else:
            break
    metadata = {"index": index, "photo": photo.name, "log": log.name, **scene.metadata}
    if scene.metadata["gyro"] == "wrong":
        metadata["other_log"] = other_log.name
    return replace(scene, metadata=metadata)
