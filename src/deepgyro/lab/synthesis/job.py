"""All that decides about a data set's bytes, as its folder records it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .config import SynthesisConfig
from .pool import SourcePool, make_pair_at
from .samples import pack_pair
from .shards import Shard, inspect_shard, shard_name, write_shard
from .workers import ProgressCallback

_MIN_VALUES = {"count": 1, "seed": 0, "height": 16, "width": 16, "shard_size": 1}


@dataclass(frozen=True, eq=False)
class DatasetSpec:
    """A data set that is to be made."""

    pool: SourcePool
    config: SynthesisConfig
    out: Path
    """The folder."""
    count: int
    """Pairs."""
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
        """Return which pairs are in a shard."""
        first = number * self.shard_size
        return range(first, min(first + self.shard_size, self.count))

    def make_shard(self, number: int, tick: ProgressCallback) -> Shard:
        """Make a shard, or find out what is in the one that lies there."""
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
            "versions": _code_versions(),
            "logs": {log.name: log.sha256 for log in self.pool.logs},
            "gyro_columns": {log.name: log.columns for log in self.pool.logs if log.columns},
            "photos": {photo.name: photo.sha256 for photo in self.pool.photos},
        }
        as_json_holds_it: dict[str, Any] = json.loads(json.dumps(record))
        return as_json_holds_it

    def _make_samples(self, number: int, tick: ProgressCallback) -> Iterator[tuple[int, dict[str, bytes]]]:
        size = {"height": self.height, "width": self.width}
        for index in self.pair_indices(number):
            yield index, pack_pair(make_pair_at(self.pool, self.config, self.seed, index, **size))
            tick(1)


def describe_differences(existing: Mapping[str, Any], requested: Mapping[str, Any]) -> str:
    """Say in which entries two records differ; empty if they are the same job's."""
    phrases = []
    for name in sorted(existing.keys() | requested.keys()):
        old, new = existing.get(name), requested.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
            if name in ("photos", "logs"):
                phrases.append(f"{name}: {len(old)} there, {len(new)} here, {changed[0]} is not the same")
            else:
                phrases += [f"{key}: {old.get(key)} there, {new.get(key)} here" for key in changed]
        else:
            phrases.append(f"{name}: {old} there, {new} here")
    return "; ".join(phrases)


def _code_versions() -> dict[str, str]:
    """Return what else decides about the bytes: of the same job other code may make others."""
    import cv2
    import numba
    import numpy
    import PIL

    return {
        "deepgyro": version("deepgyro"),
        "deepgyro's code": _code_hash(),
        "numba": numba.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "processor": _processor_class(),
        "telemetry-parser": version("telemetry-parser"),
    }


@cache
def _code_hash() -> str:
    """Return a hash of this package's modules: while it is worked on, its version stays."""
    package = Path(__file__).parents[2]
    sources = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    code = hashlib.sha256()
    for name in sorted(sources):
        content = sources[name].read_bytes()
        code.update(f"{name}\0{len(content)}\0".encode() + content)
    return code.hexdigest()[:12]


@cache
def _processor_class() -> str:
    """Return the class of processor, as far as it rounds otherwise: with FMA or without."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return {"arm64": "aarch64"}.get(machine, machine)
    numpy = import_module("numpy._core._multiarray_umath")
    features: Mapping[str, bool] = getattr(numpy, "__cpu_features__", {})
    fma = features.get("FMA3") or features.get("X86_V3")  # the level that has it
    return f"x86_64 {'with' if fma else 'without'} FMA"
