"""A data set on the disk: started, continued after an interruption, finished."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import DeepGyroError
from ...files import make_folder, write_atomically
from ...threads import core_count
from .cluster import ray_connection, run_tasks_on_ray
from .config import SynthesisConfig
from .pool import SourcePool
from .shards import SHARD_PATTERN, Shard, remove_partial_files, shard_name
from .spec import DatasetSpec, describe_differences
from .workers import ProgressCallback, run_tasks_here, run_tasks_in_processes

logger = logging.getLogger(__name__)

SPEC_FILE = "dataset.json"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class DatasetReport:
    """What a data set's folder holds, and what this run did for it."""

    out: str
    pairs: int
    shards: int
    bytes: int
    """Of the shards."""
    made: int
    """Pairs that this run made; the others were there."""
    seconds: float
    pairs_per_second: float


def make_dataset(
    pool: SourcePool,
    config: SynthesisConfig,
    *,
    out: Path,
    count: int,
    seed: int = 0,
    height: int = 270,
    width: int = 480,
    shard_size: int = 250,
    workers: int | None = None,
    ray: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> DatasetReport:
    """Make a data set of `count` pairs, or continue one that was interrupted.

    The folder holds ``dataset.json`` (all that the bytes depend on, written first), ``shard-000000.tar``, ...
    (samples named by their index, their files as from `pack_pair`), and ``manifest.json`` (the former; each
    shard's name, size, number of samples and SHA-256; written last). The same arguments give the same bytes
    in every file, whatever the workers and the interruptions.

    A script must call this under ``if __name__ == "__main__":``, since each worker imports the script anew.

    Parameters
    ----------
    pool
        From `open_pool`, for this height and width (px).
    workers
        Processes, each on one core; 1 is this process itself. None: as many as there are cores.
    ray
        Address of a Ray cluster to use instead, as in `ray_connection`; all its machines must see `out` and
        the photos under the same paths.
    overwrite
        First, once the cluster is reached, remove the data set in the folder, whatever it is.
    progress
        Called with the number of pairs made, those of an earlier run included.

    Raises
    ------
    DeepGyroError
        If the folder holds another data set, the cluster cannot be reached, the disk is full, or a worker
        dies. Finished shards are kept.
    ValueError
        If a number is too small.
    """
    started = time.perf_counter()
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; at least 1 is needed")
    spec = DatasetSpec(pool, config, out.absolute(), count, seed, height, width, shard_size)
    make_folder(spec.out)
    workers = workers or core_count()
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done)

    with _lock_folder(spec.out):
        try:
            with ray_connection(ray, workers=workers) if ray is not None else nullcontext():
                finished = _prepare_folder(spec, overwrite=overwrite)
                present = [n for n in spec.shard_numbers if (spec.out / shard_name(n)).exists()]
                kept = sum(len(spec.pair_indices(number)) for number in present)
                tick(kept)
                missing = [number for number in spec.shard_numbers if shard_name(number) not in finished]
                with closing(_make_shards(spec, missing, tick, workers, on_ray=ray is not None)) as shards:
                    finished |= {shard.name: shard for shard in shards}
        finally:
            remove_partial_files(spec.out)  # of workers that were stopped
        if missing:
            shards_in_order = [asdict(finished[shard_name(number)]) for number in spec.shard_numbers]
            _write_json(spec.out / MANIFEST_FILE, {"job": spec.to_json(), "shards": shards_in_order})
    seconds = time.perf_counter() - started
    return DatasetReport(
        out=str(out),
        pairs=count,
        shards=len(finished),
        bytes=sum(shard.size for shard in finished.values()),
        made=done - kept,
        seconds=round(seconds, 2),
        pairs_per_second=round((done - kept) / seconds, 2),
    )


def _make_shards(
    spec: DatasetSpec, numbers: Sequence[int], tick: ProgressCallback, workers: int, *, on_ray: bool
) -> Generator[Shard, None, None]:
    if on_ray:
        return run_tasks_on_ray(spec.make_shard, numbers, tick)
    if (workers := min(workers, len(numbers))) > 1:
        return run_tasks_in_processes(spec.make_shard, numbers, tick, workers=workers)
    return run_tasks_here(spec.make_shard, numbers, tick)


def _prepare_folder(spec: DatasetSpec, *, overwrite: bool) -> dict[str, Shard]:
    """Write the spec into its folder, or compare it with the one there; return the finished shards.

    Raises
    ------
    DeepGyroError
        If the folder holds another data set.
    """
    remove_partial_files(spec.out)  # before looking for shards: an orphaned worker then cannot add one
    if overwrite:
        (spec.out / MANIFEST_FILE).unlink(missing_ok=True)
        for shard in spec.out.glob(SHARD_PATTERN):
            shard.unlink()
        (spec.out / SPEC_FILE).unlink(missing_ok=True)
    requested = spec.to_json()
    existing = _read_json(spec.out / SPEC_FILE)
    if existing is not None:
        _check_same_spec(spec.out, existing, requested)
        return _read_finished_shards(spec.out)
    if (spec.out / MANIFEST_FILE).exists() or any(spec.out.glob(SHARD_PATTERN)):
        raise DeepGyroError(
            f"{spec.out}: holds shards, but no {SPEC_FILE}; give another --out, or --overwrite"
        )
    _write_json(spec.out / SPEC_FILE, requested)
    return {}


def _check_same_spec(out: Path, existing: Mapping[str, Any], requested: Mapping[str, Any]) -> None:
    unlike = describe_differences(existing, requested)
    if unlike and {**existing, "versions": requested["versions"]} == requested:
        raise DeepGyroError(
            f"{out}: was begun with other versions ({unlike}), whose pairs may differ; go on with those, or "
            "give --overwrite to begin anew"
        )
    if unlike:
        raise DeepGyroError(f"{out}: holds another data set ({unlike}); give another --out, or --overwrite")


def _read_finished_shards(out: Path) -> dict[str, Shard]:
    """Return the shards of the manifest that are there; remove a manifest that lists others."""
    manifest = _read_json(out / MANIFEST_FILE)
    if manifest is None:
        return {}
    listed = [Shard(**shard) for shard in manifest["shards"]]
    sizes = {path.name: path.stat().st_size for path in out.glob(SHARD_PATTERN)}
    finished = {shard.name: shard for shard in listed if sizes.get(shard.name) == shard.size}
    if len(finished) < len(listed):
        (out / MANIFEST_FILE).unlink()
    return finished


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DeepGyroError(f"{path}: is not JSON; give another --out, or --overwrite") from error
    if not isinstance(content, dict):
        raise DeepGyroError(f"{path}: is not of a data set; give another --out, or --overwrite")
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()), overwrite=True, durable=True)


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Keep a second run out of a folder until this one ends, in whatever way."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeepGyroError(f"{folder}: another run is at work there; wait for it") from error
        except OSError as error:
            logger.info("%s: cannot be locked (%s); let no second run work there", folder, error.strerror)
        yield
    finally:
        os.close(fd)
