"""Training pairs as tensors, by number: out of the shards of `deepgyro synth`, or made on the fly.

A number's pair depends on it and the seed alone, not on what was read before, by how many processes, or in
how many runs: a training continues by counting on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from ...blurfield import GridField
from ...errors import DeepGyroError
from ...restore import PictureOrientation, add_half_turn, canonical_orientation
from ...threads import limit_to_one_core
from ...tiles import Window
from ..synthesis import Pair, SourcePool, SynthesisConfig, make_pair_at, unpack_pair
from ..synthesis.pair import LazyPair
from ..synthesis.samples import read_metadata
from ..synthesis.shards import SHARD_PATTERN, index_shard, read_files_at

Sample = dict[str, Tensor]

_AnyPair = TypeVar("_AnyPair", Pair, LazyPair)
_RETRY_STRIDE = 2**40  # from the number of a skipped pair to the one that replaces it
_MAX_PAIR_TRIES = 100


def make_sample(
    pair: Pair,
    rng: np.random.Generator | None = None,
    *,
    patch: tuple[int, int] | None = None,
    turned: bool = True,
) -> Sample:
    """Return a pair, or a patch of it (height and width, px), as tensors in `canonical_orientation`.

    rng: draws where the patch is, and whether it is turned by 180 degrees; turned: False: the orientation
    stays, also that of patches.

    sharp, blurred: (3, h, w) float32, 0 to 1, encoded (sRGB). exact, prior: (2 n, h, w) float32, px, channels
    x0, y0, x1, y1, ...: the exact and the prior field at n instants. gyro: 1.0, or 0.0 where there is none
    (the prior field is zero). linear: 1.0 if light was blurred, 0.0 if encoded values were. A whole pair may
    be transposed: (3, w, h).
    """
    turn, window = choose_patch(pair.prior, rng, patch=patch, turned=turned)
    return {
        "sharp": _image_tensor(turn.picture(pair.sharp[window])),
        "blurred": _image_tensor(turn.picture(pair.blurred[window])),
        "exact": field_channels(turn.field(pair.exact[window])),
        "prior": field_channels(turn.field(pair.prior[window])),
        "gyro": torch.tensor(float(pair.metadata["gyro"] != "none")),
        "linear": torch.tensor(float(pair.metadata["encoding"] == "linear")),
    }


def choose_patch(
    prior: GridField, rng: np.random.Generator | None, *, patch: tuple[int, int] | None, turned: bool
) -> tuple[PictureOrientation, Window]:
    """Return how a pair with this field is turned, and which part of it becomes the patch; see `make_sample`.

    A patch that does not fit, or that there is no rng to draw, is a ValueError.
    """
    turn = canonical_orientation(prior) if turned else PictureOrientation()
    height, width = prior.shape[:2]
    rows, columns = turn.size(height, width)
    window = slice(0, rows), slice(0, columns)
    if patch is not None:
        if rng is None:
            raise ValueError("rng is None: it is needed to draw where a patch is")
        room = (min(rows, columns),) * 2 if turned else (rows, columns)
        if not all(0 < side <= most for side, most in zip(patch, room, strict=True)):
            sizes = f"patch is {patch[1]} x {patch[0]} px; the pairs are {width} x {height}"
            raise ValueError(f"{sizes}, and may be transposed" if turned else sizes)
        turn = replace(turn, reverse=False)  # patches are turned by 180 degrees at random
        if turned and rng.random() < 0.5:
            turn = add_half_turn(turn)
        top, left = (
            int(rng.integers(whole - part + 1)) for whole, part in zip((rows, columns), patch, strict=True)
        )
        window = slice(top, top + patch[0]), slice(left, left + patch[1])
    return turn, turn.window(window, height, width)


def find_shards(folder: Path) -> list[Path]:
    """Return the shards of a data set; a folder without any is a DeepGyroError."""
    shards = sorted(folder.glob(SHARD_PATTERN))
    if not shards:
        raise DeepGyroError(f"{folder}: no {SHARD_PATTERN} there; make some with deepgyro synth")
    return shards


class ShardPairs(Dataset[Sample]):
    """Pairs of a data set, epoch after epoch without end, each epoch in an order of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        patch: tuple[int, int] | None = None,
        without: Sequence[str] = (),
        encoding: str | None = None,
        turned: bool = True,
    ) -> None:
        """Open the shards in a folder; skip pairs by their kind of gyro (`without`) and their encoding.

        patch, turned: as in `make_sample`; encoding: the one that is kept ("encoded", "linear"), or both.
        """
        shards = find_shards(folder)
        self.seed, self.patch, self.turned = seed, patch, turned
        self.places = [(shard, places) for shard in shards for _, places in index_shard(shard)]
        if without or encoding:
            metadata = [read_metadata(read_files_at(s, {"json": p["json"]})) for s, p in self.places]
            self.places = [
                place
                for place, pair in zip(self.places, metadata, strict=True)
                if pair["gyro"] not in without and encoding in (None, pair["encoding"])
            ]
        if not self.places:
            only = f"; encoding: {encoding}" if encoding else ""
            raise DeepGyroError(f"{folder}: every pair is skipped (without: {', '.join(without)}{only})")

    def __len__(self) -> int:
        """Return how many pairs an epoch has."""
        return len(self.places)

    def __getitem__(self, k: int) -> Sample:
        """Return sample number k, from 0, of the endless series."""
        epoch, place = divmod(k, len(self.places))
        shard, places = self.places[shuffle_epoch(self.seed, epoch, len(self.places))[place]]
        with limit_worker_threads():
            pair = unpack_pair(read_files_at(shard, places))
            return make_sample(pair, patch_rng(self.seed, k), patch=self.patch, turned=self.turned)


class FreshPairs(Dataset[Sample]):
    """Pairs made on the fly, without end: those of `deepgyro synth` with the same seed."""

    def __init__(
        self,
        pool: SourcePool,
        config: SynthesisConfig,
        *,
        seed: int,
        height: int = 270,
        width: int = 480,
        patch: tuple[int, int] | None = None,
        without: Sequence[str] = (),
        turned: bool = True,
    ) -> None:
        """Make pairs of a height and width, px; one whose gyro is one of `without` is replaced."""
        self.pool, self.config, self.seed = pool, config, seed
        self.height, self.width = height, width
        self.patch, self.without, self.turned = patch, frozenset(without), turned

    def __getitem__(self, k: int) -> Sample:
        """Return sample number k, from 0."""
        with limit_worker_threads():
            pair = self.draw(k, make_pair_at)
            return make_sample(pair, patch_rng(self.seed, k), patch=self.patch, turned=self.turned)

    def draw(self, k: int, make: Callable[..., _AnyPair]) -> _AnyPair:
        """Return what `make` (as `make_pair_at`) makes for sample number k, the first that is not skipped."""
        for number in range(k, k + _MAX_PAIR_TRIES * _RETRY_STRIDE, _RETRY_STRIDE):
            pair = make(self.pool, self.config, self.seed, number, height=self.height, width=self.width)
            if pair.metadata["gyro"] not in self.without:
                return pair
        raise DeepGyroError(f"every pair is skipped (without: {', '.join(sorted(self.without))})")


def batch_numbers(start: int, batch: int, *, rank: int = 0, ranks: int = 1) -> Iterator[list[int]]:
    """Yield the numbers of batch after batch from `start` on; with R ranks, each takes every R-th batch."""
    for first in count(start + rank * batch, ranks * batch):
        yield list(range(first, first + batch))


@lru_cache(maxsize=2)
def shuffle_epoch(seed: int, epoch: int, pairs: int) -> Int64[ndarray, " pairs"]:
    """Return the order in which an epoch takes the pairs."""
    return np.random.default_rng([seed, epoch]).permutation(pairs)


def patch_rng(seed: int, k: int) -> np.random.Generator:
    """Return the generator that draws the patch of sample number k."""
    return np.random.default_rng([seed, k, 1])


def limit_worker_threads() -> AbstractContextManager[None]:
    """Use one core alone in a loader's worker."""
    return limit_to_one_core() if get_worker_info() else nullcontext()


def _image_tensor(pixels: ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def field_channels(field: ndarray) -> Tensor:
    """Return a field (h, w, n, 2) as channels x0, y0, x1, ...: (2 n, h, w)."""
    import cv2

    height, width, instants, _ = field.shape
    channels = cv2.transpose(field.reshape(height * width, -1))  # 7 times faster than NumPy
    return torch.from_numpy(np.asarray(channels).reshape(2 * instants, height, width))
