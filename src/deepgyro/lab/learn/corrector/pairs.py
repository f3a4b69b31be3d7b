"""Training data of the field corrector: cells of pairs with a wrong prior field, and its true error."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from ....blurfield import GridField, sample_paths
from ....errors import DeepGyroError
from ....frames import decode_pixels
from ....refine.cells import (
    CELL_COLUMNS,
    CELL_ROWS,
    FEATURE_COUNT,
    MAP_COUNT,
    MAP_SIDE_PX,
    Cells,
    measure_cells,
)
from ....refine.model import (
    FIELD_COLUMNS,
    FIELD_ROWS,
    TERM_COUNT,
    FieldModel,
    mean_vector_distance,
    mean_vector_length,
    sample_vectors,
)
from ....refine.statistic import DerivativePyramid, level_for_length
from ...synthesis.patches import MovingPatch, PatchedField
from ...synthesis.samples import read_metadata
from ...synthesis.shards import read_files_at
from ..dataset import Sample, ShardPairs, limit_worker_threads, patch_rng, shuffle_epoch
from .network import MAP_INPUTS

ROW_VERSION = 3
"""Of cached rows: raise it when code here or in `refine.cells` changes them."""
KIND_SMOOTH_ERROR, KIND_MISMATCHED, KIND_SHARP = range(3)
"""Kinds: the prior field has a smooth error; it is mismatched; the picture is sharp, whatever the prior."""
KIND_SHARES = (0.74, 0.13, 0.13)
"""Their frequencies."""
MIN_PATH_PX, MAX_PATH_PX = 5.0, 110.0
"""Pairs of another mean blur are skipped, px."""
MIN_PRIOR_PATH_PX = 3.5
"""Prior fields of a shorter mean blur are drawn again, px."""
ERROR_SIZES, ERROR_SIZE_SHARES = (0.4, 1.0, 2.2, 4.5, 9.0), (0.3, 0.3, 0.2, 0.13, 0.07)
"""Of errors; and their frequencies."""
ERROR_TERM_STD = np.array([0, 1, 1, 0.6, 0.6, 0.6, 0.25, 0.25, 0.25, 0.25])
"""Of the terms of an error of size 1, px of the level."""
_MAX_TRIES = 100

Vectors = Float32[ndarray, "rows columns 2"]

CELL_ROW_DTYPE = np.dtype(
    [
        ("features", np.float16, (MAP_INPUTS + FEATURE_COUNT, CELL_ROWS, CELL_COLUMNS)),
        ("vectors", np.float32, (CELL_ROWS * CELL_COLUMNS, 2)),
        ("target", np.float32, (CELL_ROWS * CELL_COLUMNS, 2)),
        ("own", np.float32, (CELL_ROWS * CELL_COLUMNS, 2)),
        ("kind", np.float32),
        ("length", np.float32),
        ("pixel", np.float32),
    ]
)
"""A pair with an error, as it is cached; see `CellPairs`."""


class CellPairs(Dataset[Sample]):
    """Cells of the pairs of a data set, epoch after epoch without end, each in an order of its own.

    A sample has

    - features: (channels, rows, columns) float32, maps and other features of `refine.cells.Cells`;
    - vectors: (cells, 2) float32, from the start to the end of the prior path, x and y in px of the level
      (transposed for a picture higher than wide);
    - target: (cells, 2) float32, from the prior path's end to that of the camera's motion, along the prior
      path and across it, px of the level;
    - own: the same to the end of the cell's own path, where the pair has regions that move by themselves;
    - kind: `KIND_SMOOTH_ERROR`, `KIND_MISMATCHED` or `KIND_SHARP`;
    - length: the mean blur, px; pixel: a px of the level, px.
    """

    def __init__(self, folder: Path, *, seed: int, draws: int = 2, cache: Path | None = None) -> None:
        """Open the shards in a folder.

        seed: of the errors and the epochs' orders; draws: errors of each pair, epoch e uses number e % draws;
        cache: folder for rows that were made, which several processes may use at once.
        """
        self.folder, self.seed, self.draws = folder, seed, draws
        self.places = ShardPairs(folder, seed=seed).places
        self.cache: RowCache | None = None
        if cache is not None:
            places = [(shard.name, places) for shard, places in self.places]
            key = repr([ROW_VERSION, seed, CELL_ROW_DTYPE.descr, places]).encode()
            self.cache = RowCache(cache / f"cells-{sha256(key).hexdigest()[:16]}.rows")

    def __len__(self) -> int:
        """Return how many pairs an epoch has."""
        return len(self.places)

    def __getitem__(self, k: int) -> Sample:
        """Return sample number k, from 0, of the endless series; half are mirrored along each axis."""
        epoch, place = divmod(k, len(self))
        rng = patch_rng(self.seed, k)
        pair = int(shuffle_epoch(self.seed, epoch, len(self))[place])
        for _ in range(_MAX_TRIES):
            if (row := self.read_row(pair, epoch % self.draws)) is not None:
                sample = row_to_sample(row)
                for axis in (-2, -1):
                    if rng.random() < 0.5:
                        sample = mirror_samples(sample, axis)
                return sample
            pair = int(rng.integers(len(self)))
        raise DeepGyroError(f"{self.folder}: no pair has a blur of {MIN_PATH_PX:g} to {MAX_PATH_PX:g} px")

    def read_row(self, pair: int, draw: int) -> ndarray | None:
        """Return a pair with one of its errors, a `CELL_ROW_DTYPE`; None: it is skipped."""
        slot = draw * len(self) + pair
        if self.cache and (row := self.cache.read(slot)) is not None:
            return row
        with limit_worker_threads():
            row = self._make_row(pair, np.random.default_rng([self.seed, draw, pair]))
        if self.cache and row is not None:
            self.cache.write(slot, row)
        return row

    def _make_row(self, pair: int, rng: np.random.Generator) -> ndarray | None:
        camera, own, height, width = self.exact_vectors(pair)
        length = mean_vector_length(camera)
        if not MIN_PATH_PX < length < MAX_PATH_PX:
            return None
        kind = int(rng.choice(3, p=KIND_SHARES))
        for _ in range(_MAX_TRIES):
            base = self._mismatched_vectors(camera, rng) if kind == KIND_MISMATCHED else camera
            if base is None:
                continue
            pixel = 2.0 ** level_for_length(mean_vector_length(base), height, width)
            size = rng.choice(ERROR_SIZES, p=ERROR_SIZE_SHARES) * pixel
            error = size * ERROR_TERM_STD * rng.normal(0, 1, TERM_COUNT)
            prior = FieldModel(base, height, width).vectors(error)
            if mean_vector_length(prior) >= MIN_PRIOR_PATH_PX:
                pyramid = DerivativePyramid(self.read_picture(pair, rng, sharp=kind == KIND_SHARP))
                return pack_row(measure_cells(pyramid, prior), camera - prior, own - prior, kind, length)
        return None

    def exact_vectors(self, pair: int) -> tuple[Vectors, Vectors, int, int]:
        """Return the blur vectors, px: the camera's, and those with regions that move; height and width."""
        shard, places = self.places[pair]
        files = read_files_at(shard, {name: places[name] for name in ("field.npy", "json")})
        nodes = np.lib.format.read_array(io.BytesIO(files["field.npy"]), allow_pickle=False)[0]
        metadata = read_metadata(files)
        height, width = int(metadata["height"]), int(metadata["width"])
        ends = GridField(np.ascontiguousarray(nodes[:, :, [0, -1]]), height, width, int(metadata["step"]))
        moving = PatchedField(ends, tuple(MovingPatch(**patch) for patch in metadata["patches"]))
        camera, own = (sample_paths(field, FIELD_ROWS, FIELD_COLUMNS) for field in (ends, moving))
        return camera[:, :, 1] - camera[:, :, 0], own[:, :, 1] - own[:, :, 0], height, width

    def _mismatched_vectors(self, true: Vectors, rng: np.random.Generator) -> Vectors | None:
        """Return another pair's blur vectors, or these at another length; None: they are too similar."""
        base = self.exact_vectors(int(rng.integers(len(self))))[0]
        if rng.random() < 0.3:
            base = true * np.float32(rng.choice([-1, 1]) * np.exp(rng.normal(0, 0.5)))
        similar = mean_vector_distance(base, true) < max(5.0, 0.25 * mean_vector_length(true))
        return None if similar or not MIN_PATH_PX < mean_vector_length(base) < MAX_PATH_PX else base

    def read_picture(self, pair: int, rng: np.random.Generator, *, sharp: bool) -> UInt8[ndarray, "h w 3"]:
        """Return the blurred picture; or the sharp one, with the noise of the blurred."""
        shard, places = self.places[pair]
        names = [name for name in ("blurred.jpg", "blurred.png", "sharp.png") if name in places]
        files = read_files_at(shard, {name: places[name] for name in (names if sharp else names[:1])})
        blurred = decode_pixels(files[names[0]], names[0])
        if not sharp:
            return blurred
        pixels = decode_pixels(files["sharp.png"], "sharp.png")
        noise = rng.normal(0, max(255 * DerivativePyramid(blurred).noise, 0.5), pixels.shape)
        return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def pack_row(cells: Cells, error: Vectors, own: Vectors, kind: int, length: float) -> ndarray:
    """Return a `CELL_ROW_DTYPE`.

    error, own: from the prior path ends to those of the camera's motion and to the pixels' own, px; kind,
    length: see `CellPairs`.
    """
    row = np.zeros((), CELL_ROW_DTYPE)
    row["features"], row["vectors"] = np.moveaxis(cells.network_inputs, -1, 0), cells.canonical_vectors
    for name, shifts in (("target", error), ("own", own)):
        ends = sample_vectors(shifts, cells.places) / 2.0**cells.level
        row[name] = np.stack([(cells.along * ends).sum(1), (cells.across * ends).sum(1)], -1)
    row["kind"], row["length"], row["pixel"] = kind, length, 2.0**cells.level
    return row


def row_to_sample(row: ndarray) -> Sample:
    """Return a `CELL_ROW_DTYPE` as tensors, all float32."""
    assert row.dtype.names is not None
    return {name: torch.from_numpy(np.array(row[name], np.float32)) for name in row.dtype.names}


def mirror_samples(sample: Sample, axis: int) -> Sample:
    """Return samples, or a batch, of the mirrored picture: -2 swaps top and bottom, -1 left and right.

    The sides of a path change places, its start and end do not.
    """
    features, vectors = sample["features"], sample["vectors"]
    maps = features[..., :MAP_INPUTS, :, :]
    sides = (MAP_COUNT, MAP_SIDE_PX, MAP_SIDE_PX, CELL_ROWS, CELL_COLUMNS)
    mirrored_maps = maps.reshape(*maps.shape[:-3], *sides).flip((-3, axis)).reshape(maps.shape)
    others = features[..., MAP_INPUTS:, :, :].flip(axis).clone()
    others[..., 1, :, :] *= -1  # the sine of the doubled direction
    sign = torch.tensor([1.0, -1.0], device=features.device)

    def flip_cells(values: Tensor) -> Tensor:
        grid = values.reshape(*values.shape[:-2], CELL_ROWS, CELL_COLUMNS, 2)
        return grid.flip(axis - 1).reshape(values.shape)

    return {
        **sample,
        "features": torch.cat([mirrored_maps, others], -3),
        "vectors": flip_cells(vectors) * (sign if axis == -2 else -sign),
        **{name: flip_cells(sample[name]) * sign for name in ("target", "own")},
    }


class RowCache:
    """A file of `CELL_ROW_DTYPE`s, each with a checksum that a row written in part does not have."""

    def __init__(self, path: Path) -> None:
        """Open a file, or make it."""
        self.path, self.size = path, CELL_ROW_DTYPE.itemsize + 4
        with self._explain_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def read(self, slot: int) -> ndarray | None:
        """Return the row in a slot, if there is one."""
        with open(self.path, "rb") as file:
            file.seek(slot * self.size)
            entry = file.read(self.size)
        content, check = entry[: CELL_ROW_DTYPE.itemsize], entry[CELL_ROW_DTYPE.itemsize :]
        return np.frombuffer(content, CELL_ROW_DTYPE).reshape(()) if check == _row_checksum(content) else None

    def write(self, slot: int, row: ndarray) -> None:
        """Write a row; every process writes the same into a slot."""
        content = row.tobytes()
        with self._explain_errors(), open(self.path, "r+b") as file:
            file.seek(slot * self.size)
            file.write(content + _row_checksum(content))

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DeepGyroError(f"{self.path}: cannot be written ({error.strerror})") from error


def _row_checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")
