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
    """A sharp photo that was decoded once, and large enough."""

    name: str
    """Unlike every other photo's in the pool; the same wherever the folder lies."""
    path: Path
    sha256: str
    height: int
    width: int

    def read_pixels(self) -> UInt8[ndarray, "h w 3"]:
        """Return its pixels as stored, rounded to 8 bits.

        Raises
        ------
        DeepGyroError
            If the file is not the one that was checked.
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
        return to_eight_bits(read_photo(self.path, quiet=True).pixels)  # it was warned of while checking


@dataclass(frozen=True, eq=False)
class SourceLog:
    """A gyro log, long enough."""

    name: str
    """Unlike every other log's in the pool; the same wherever the folder lies."""
    sha256: str
    """Of the file."""
    log: GyroLog
    """Its source is the name."""
    columns: str | None = None
    """How it was read, where it does not name its columns itself."""


@dataclass(frozen=True, eq=False)
class SourcePool:
    """Photos and logs that pairs are drawn from, in an order that does not depend on how they were named."""

    photos: tuple[SourcePhoto, ...]
    logs: tuple[SourceLog, ...]


def make_pair_at(
    pool: SourcePool, config: SynthesisConfig, seed: int, index: int, *, height: int, width: int
) -> Pair:
    """Return the pair of a seed and an index: of the same pool and settings always the same.

    Parameters
    ----------
    pool
        Opened for this height and width.
    config
        How pairs are made.
    seed, index
        From 0.
    height, width
        Size of the pair, px.

    Raises
    ------
    DeepGyroError
        If its photo has changed, or no pair can be made of what was drawn.
    """
    return render_pair(draw_lazy_pair_at(pool, config, seed, index, height=height, width=width), config.image)


def draw_lazy_pair_at(
    pool: SourcePool, config: SynthesisConfig, seed: int, index: int, *, height: int, width: int
) -> LazyPair:
    """Do what `make_pair_at` does, up to the recording."""
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, index])))
    for tries_left in reversed(range(_PAIR_TRIES)):
        photo = pool.photos[rng.integers(len(pool.photos))]
        log = pool.logs[rng.integers(len(pool.logs))]
        others = [other for other in pool.logs if other is not log] or [log]
        other_log = others[rng.integers(len(others))]  # for a pair whose gyro is another recording's
        camera = draw_camera(rng, config.camera, height=height, width=width)
        pixels = photo.read_pixels()
        try:
            scene = draw_lazy_pair(pixels, log.log, camera, rng, config, other_log=other_log.log)
        except (DeepGyroError, ImpossibleMotion) as error:  # a gap in the log, a wild turn: draw again
            if not tries_left:
                what = f"pair {index} of seed {seed} ({photo.name}, {log.name})"
                raise DeepGyroError(f"{what} cannot be made: {error}") from error
        else:
            break
    facts = {"index": index, "photo": photo.name, "log": log.name, **scene.metadata}
    if scene.metadata["gyro"] == "wrong":
        facts["other_log"] = other_log.name
    return replace(scene, metadata=facts)
