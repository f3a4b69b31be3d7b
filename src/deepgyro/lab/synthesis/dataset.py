"""A data set on the disk: begun, gone on with, finished."""

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
from .job import DatasetSpec, describe_differences
from .pool import SourcePool
from .shards import SHARD_PATTERN, Shard, remove_partial_files, shard_name
from .workers import ProgressCallback, run_tasks_here, run_tasks_in_processes

logger = logging.getLogger(__name__)

SPEC_FILE = "dataset.json"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class DatasetReport:
    """What lies in a data set's folder, and what this run did for it."""

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
    """Make a data set, or go on with one that was cut off.

    The folder holds ``dataset.json`` (all that the bytes depend on, written first), ``shard-000000.tar``, ...
    (samples named by their index, their files as `pack` makes them), and ``manifest.json`` (the job; each
    shard's name, size, number of samples and SHA-256; written last). The same job gives the same bytes in
    every file, whoever works on it and however often it is killed.

    A script must call this under ``if __name__ == "__main__":``, since each worker imports the script anew.

    Parameters
    ----------
    pool
        Opened for this height and width.
    config
        How pairs are made.
    out
        The folder.
    count
        Pairs.
    seed
        Of all that is drawn.
    height, width
        Size of the pairs, px.
    shard_size
        Pairs in a shard.
    workers
        Processes, each on one core; 1 is this process itself. None: as many as there are cores.
    ray
        Address of a Ray cluster that does the work instead, as in `ray_connection`; all its machines must see
        `out` and the photos under the same paths.
    overwrite
        First, once the cluster is reached, remove the data set that lies there, whatever its job was.
    progress
        Called with the number of pairs that are done, those of an earlier run among them.

    Raises
    ------
    DeepGyroError
        If another job's data set lies there, no cluster is there, the disk is full, a worker dies. What is
        finished is kept.
    ValueError
        If a number is too small.
    """
    started = time.perf_counter()
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; at least 1 is needed")
    job = DatasetSpec(pool, config, out.absolute(), count, seed, height, width, shard_size)
    make_folder(job.out)
    workers = workers or core_count()
    with _lock_folder(job.out):
        try:
            with ray_connection(ray, workers=workers) if ray is not None else nullcontext():
                finished = _prepare_folder(job, overwrite=overwrite)
                kept = sum(
                    len(job.pair_indices(n)) for n in job.shard_numbers if (job.out / shard_name(n)).exists()
                )
                counter = _PairCounter(kept, progress)
                missing = [number for number in job.shard_numbers if shard_name(number) not in finished]
                with closing(
                    _make_shards(job, missing, counter.tick, workers, on_cluster=ray is not None)
                ) as shards:
                    finished |= {shard.name: shard for shard in shards}
        finally:
            remove_partial_files(job.out)  # of workers that were stopped
        if missing:
            _write_json(job.out / MANIFEST_FILE, _make_manifest(job, finished))
    made = counter.done - kept
    seconds = time.perf_counter() - started
    return DatasetReport(
        out=str(out),
        pairs=count,
        shards=len(finished),
        bytes=sum(shard.size for shard in finished.values()),
        made=made,
        seconds=round(seconds, 2),
        pairs_per_second=round(made / seconds, 2),
    )


class _PairCounter:
    """Counts the pairs that are done."""

    def __init__(self, kept: int, progress: Callable[[int], object] | None) -> None:
        self.done = kept
        self.progress = progress
        self.tick(0)

    def tick(self, count: int) -> None:
        """Count so many more."""
        self.done += count
        if self.progress:
            self.progress(self.done)


def _make_shards(
    job: DatasetSpec, numbers: Sequence[int], tick: ProgressCallback, workers: int, *, on_cluster: bool
) -> Generator[Shard, None, None]:
    if on_cluster:
        return run_tasks_on_ray(job.make_shard, numbers, tick)
    workers = min(workers, len(numbers))
    if workers > 1:
        return run_tasks_in_processes(job.make_shard, numbers, tick, workers=workers)
    return run_tasks_here(job.make_shard, numbers, tick)


def _prepare_folder(job: DatasetSpec, *, overwrite: bool) -> dict[str, Shard]:
    """Make a folder ready for its job; return the shards that are known to be finished.

    Raises
    ------
    DeepGyroError
        If the folder is another job's.
    """
    remove_partial_files(
        job.out
    )  # and only then look for shards: a worker that was left over has none to give now
    if overwrite:
        (job.out / MANIFEST_FILE).unlink(missing_ok=True)
        for shard in job.out.glob(SHARD_PATTERN):
            shard.unlink()
        (job.out / SPEC_FILE).unlink(missing_ok=True)
    here = job.to_json()
    there = _read_json(job.out / SPEC_FILE)
    if there is None:
        if (job.out / MANIFEST_FILE).exists() or any(job.out.glob(SHARD_PATTERN)):
            raise DeepGyroError(
                f"{job.out}: holds shards, but no {SPEC_FILE}; give another --out, or --overwrite"
            )
        _write_json(job.out / SPEC_FILE, here)
        return {}
    _check_same_spec(job.out, there, here)
    return _read_finished_shards(job)


def _check_same_spec(out: Path, existing: Mapping[str, Any], requested: Mapping[str, Any]) -> None:
    unlike = describe_differences(existing, requested)
    if not unlike:
        return
    if {**existing, "versions": requested["versions"]} == requested:
        raise DeepGyroError(
            f"{out}: was begun with other versions ({unlike}), whose pairs may differ; go on with those, or "
            "give --overwrite to begin anew"
        )
    raise DeepGyroError(f"{out}: holds another data set ({unlike}); give another --out, or --overwrite")


def _read_finished_shards(job: DatasetSpec) -> dict[str, Shard]:
    """Return the shards of the manifest that are there; without all of them there is no manifest any more."""
    manifest = _read_json(job.out / MANIFEST_FILE)
    if manifest is None:
        return {}
    listed = [Shard(**shard) for shard in manifest["shards"]]
    finished = {shard.name: shard for shard in listed if _file_size(job.out / shard.name) == shard.size}
    if len(finished) < len(listed):
        (job.out / MANIFEST_FILE).unlink()
    return finished


def _file_size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def _make_manifest(job: DatasetSpec, finished: Mapping[str, Shard]) -> dict[str, Any]:
    shards = [asdict(finished[shard_name(number)]) for number in job.shard_numbers]
    return {"job": job.to_json(), "shards": shards}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DeepGyroError(f"{path}: is no JSON; give another --out, or --overwrite") from error
    if not isinstance(content, dict):
        raise DeepGyroError(f"{path}: is no data set's; give another --out, or --overwrite")
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()), overwrite=True, durable=True)


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Keep a second run out of a folder, until this one ends in whatever way."""
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
