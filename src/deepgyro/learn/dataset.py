"""Training pairs as tensors: made on the fly, or streamed from the shards of `deepgyro synth`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor
from torch.utils.data import IterableDataset, default_collate, get_worker_info

from ..errors import DeepGyroError
from ..synthesis import Pair, Pool, SynthesisConfig, pair_at, read_shard, unpack
from ..synthesis.samples import read_facts
from ..synthesis.shards import SHARDS

Sample = dict[str, Tensor]


def sample(pair: Pair, rng: np.random.Generator | None = None, *, patch: int | None = None) -> Sample:
    """Return a pair, or a patch of it, as tensors.

    Parameters
    ----------
    pair
        Height and width h, w; n instants.
    rng
        Draws where the patch is; needed with `patch`.
    patch
        Side of a square patch, px; None: the whole.

    Returns
    -------
    sample
        sharp, blurred: (3, h, w) float32, 0 to 1, encoded (sRGB). exact, noisy: (2 n, h, w) float32, px,
        channels x0, y0, x1, y1, ...: the field. gyro: 1.0, or 0.0 where there is none (the noisy field is
        zero). linear: 1.0 if light was blurred, 0.0 if encoded values were.
    """
    height, width = pair.sharp.shape[:2]
    window = slice(0, height), slice(0, width)
    if patch is not None:
        if rng is None:
            raise ValueError("rng is None: it is needed to draw where a patch is")
        if not 0 < patch <= min(height, width):
            raise ValueError(f"patch is {patch} px; the pairs are {width} x {height}")
        top, left = int(rng.integers(height - patch + 1)), int(rng.integers(width - patch + 1))
        window = slice(top, top + patch), slice(left, left + patch)
    return {
        "sharp": _image(pair.sharp[window]),
        "blurred": _image(pair.blurred[window]),
        "exact": _channels(pair.exact[window]),
        "noisy": _channels(pair.noisy[window]),
        "gyro": torch.tensor(float(pair.facts["gyro"] != "none")),
        "linear": torch.tensor(float(pair.facts["encoding"] == "linear")),
    }


def collate(samples: Sequence[Sample]) -> Sample:
    """Return samples of one size as one batch; straight paths of two instants and curved ones can't mix."""
    batch: Sample = default_collate(list(samples))
    return batch


class PairStream(IterableDataset[Sample]):
    """Pairs made on the fly, without end; the same seed gives the same pairs in the same order.

    With k loader workers (times ranks) each makes every k-th pair, so that together they make each once.
    """

    def __init__(
        self,
        pool: Pool,
        config: SynthesisConfig,
        *,
        seed: int,
        height: int = 270,
        width: int = 480,
        patch: int | None = None,
        start: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Stream from pair number `start` on; see `sample` for `patch`."""
        self.pool, self.config, self.seed = pool, config, seed
        self.height, self.width, self.patch, self.start = height, width, patch, start
        self.rank, self.ranks = rank, ranks

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples."""
        first, step = _turn(self.rank, self.ranks)
        for index in count(self.start + first, step):
            pair = pair_at(self.pool, self.config, self.seed, index, height=self.height, width=self.width)
            yield sample(pair, _patch_rng(self.seed, index), patch=self.patch)


class ShardStream(IterableDataset[Sample]):
    """Pairs of a data set, epoch after epoch without end: shards in a drawn order, mixed in a buffer.

    With k loader workers (times ranks) each reads every k-th shard.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        patch: int | None = None,
        without: Sequence[str] = (),
        buffer: int = 256,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Stream the shards in a folder.

        Pairs whose gyro is one of `without` are passed over; `buffer` samples (still packed, about 0.5 MB
        each) are mixed.
        """
        self.shards = sorted(folder.glob(SHARDS))
        if not self.shards:
            raise DeepGyroError(f"{folder}: no {SHARDS} there; make some with deepgyro synth")
        self.seed, self.patch, self.without, self.buffer = seed, patch, frozenset(without), buffer
        self.rank, self.ranks = rank, ranks

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples."""
        first, step = _turn(self.rank, self.ranks)
        if first >= len(self.shards):
            raise DeepGyroError(
                f"{len(self.shards)} shards for {step} workers: use fewer workers, or smaller shards"
            )
        rng = np.random.default_rng([self.seed, first, 1])
        held: list[dict[str, bytes]] = []
        for epoch in count():
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.shards))
            for k in order[first::step]:
                for _, files in read_shard(self.shards[k]):
                    if self.without and read_facts(files)["gyro"] in self.without:
                        continue
                    held.append(files)
                    if len(held) >= self.buffer:
                        yield self._drawn(held, rng)
            while held:
                yield self._drawn(held, rng)

    def _drawn(self, held: list[dict[str, bytes]], rng: np.random.Generator) -> Sample:
        k = int(rng.integers(len(held)))
        held[k], held[-1] = held[-1], held[k]
        return sample(unpack(held.pop()), rng, patch=self.patch)


def _turn(rank: int, ranks: int) -> tuple[int, int]:
    """Return which share of the work is this loader worker's: the first of every so many."""
    worker = get_worker_info()
    workers = worker.num_workers if worker else 1
    return rank * workers + (worker.id if worker else 0), ranks * workers


def _patch_rng(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, 1])


def _image(pixels: ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def _channels(field: ndarray) -> Tensor:
    height, width = field.shape[:2]
    return torch.from_numpy(np.ascontiguousarray(field.reshape(height, width, -1).transpose(2, 0, 1)))
