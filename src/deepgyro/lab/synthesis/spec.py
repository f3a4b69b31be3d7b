"""All that decides about a data set's bytes, as its folder records it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .config import SynthesisConfig
from .pool import SourcePool, make_pair_at
from .samples import SAMPLES_VERSION, pack_pair
from .shards import Shard, inspect_shard, shard_name, write_shard
from .workers import ProgressCallback

_MIN_VALUES = {"count": 1, "seed": 0, "height": 16, "width": 16, "shard_size": 1}


@dataclass(frozen=True, eq=False)
class DatasetSpec:
    """A data set to make; an argument of a worker process."""

    pool: SourcePool
    config: SynthesisConfig
    out: Path
    count: int
    seed: int
    height: int
    width: int
    shard_size: int
    """Pairs in a shard; the last may have fewer."""

    def __post_init__(self) -> None:
        for name, least in _MIN_VALUES.items():
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"--{name.replace('_', '-')} is {value}; at least {least} is needed")

    @property
    def shard_numbers(self) -> range:
        """Numbers of the shards."""
        return range(-(-self.count // self.shard_size))

    def pair_indices(self, number: int) -> range:
        """Return the indices of the pairs in a shard."""
        first = number * self.shard_size
        return range(first, min(first + self.shard_size, self.count))

    def make_shard(self, number: int, tick: ProgressCallback) -> Shard:
        """Make a shard, or inspect the one that is there."""
        path = self.out / shard_name(number)
        if path.exists():
            return inspect_shard(path, self.pair_indices(number))
        return write_shard(path, self._make_samples(number, tick))

    def to_json(self) -> dict[str, Any]:
        """Return all that decides about the bytes, as JSON holds it; nothing of the machine or the time."""
        record = {
            "seed": self.seed,
            "count": self.count,
            "height": self.height,
            "width": self.width,
            "shard_size": self.shard_size,
            "config": asdict(self.config),
            "versions": _software_versions(),
            "logs": {log.name: log.sha256 for log in self.pool.logs},
            "gyro_columns": {log.name: log.columns for log in self.pool.logs if log.columns},
            "photos": {photo.name: photo.sha256 for photo in self.pool.photos},
        }
        as_read_back: dict[str, Any] = json.loads(json.dumps(record))
        return as_read_back

    def _make_samples(self, number: int, tick: ProgressCallback) -> Iterator[tuple[int, dict[str, bytes]]]:
        size = {"height": self.height, "width": self.width}
        for index in self.pair_indices(number):
            yield index, pack_pair(make_pair_at(self.pool, self.config, self.seed, index, **size))
            tick(1)


def describe_differences(existing: Any, requested: Any, name: str = "") -> str:
    """Say in which entries two results of `DatasetSpec.to_json` differ; empty if they are equal."""
    if existing == requested:
        return ""
    if not isinstance(existing, dict) or not isinstance(requested, dict):
        return f"{name}: {existing} there, {requested} here"
    names = sorted(existing.keys() | requested.keys())
    changed = [each for each in names if existing.get(each) != requested.get(each)]
    if name in ("photos", "logs"):
        return f"{name}: {len(existing)} there, {len(requested)} here, {changed[0]} is not the same"
    return "; ".join(describe_differences(existing.get(each), requested.get(each), each) for each in changed)


def _software_versions() -> dict[str, str]:
    """Return what else decides about the bytes: the code, its libraries and the processor's rounding."""
    import cv2
    import numba
    import numpy
    import PIL

    return {
        "deepgyro": version("deepgyro"),
        "numba": numba.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "processor": _processor_class(),
        "samples": SAMPLES_VERSION,
        "telemetry-parser": version("telemetry-parser"),
    }


@cache
def _processor_class() -> str:
    """Return the class of processor, as far as rounding depends on it: with fused multiply-add or without."""
    from llvmlite.binding import get_host_cpu_features

    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return {"arm64": "aarch64"}.get(machine, machine)
    return f"x86_64 {'with' if get_host_cpu_features().get('fma') else 'without'} FMA"
