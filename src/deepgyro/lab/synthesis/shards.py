"""Shards: tar files of samples that the `webdataset` package streams."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...errors import DeepGyroError
from ...files import file_sha256, unreadable_file_error, write_atomically

SHARD_PATTERN = "shard-*.tar"
FileSpans = dict[str, tuple[int, int]]
"""Offset and length (bytes) of a sample's files in a shard, by their extensions."""

_DAMAGED_HINT = "is damaged or of another data set; remove it, and the same command makes it again"


@dataclass(frozen=True)
class Shard:
    """A finished shard, as the manifest lists it."""

    name: str
    size: int
    """bytes"""
    samples: int
    sha256: str


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{number:06d}.tar"


def write_shard(path: Path, samples: Iterable[tuple[int, Mapping[str, bytes]]]) -> Shard:
    """Write samples (index, and files by their extensions) as a shard; errors as `write_atomically`.

    The same samples give the same bytes, whoever writes them, and when.
    """
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for index, files in samples:
                for extension, content in files.items():
                    member = tarfile.TarInfo(f"{index:08d}.{extension}")  # owned by nobody, made in 1970
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                count += 1

    write_atomically(path, write, overwrite=True, durable=True)
    return Shard(path.name, path.stat().st_size, count, file_sha256(path))


def index_shard(path: Path) -> list[tuple[int, FileSpans]]:
    """Return each sample of a shard: its index, and the spans of its files.

    Raises
    ------
    DeepGyroError
        If it is no complete shard.
    """
    samples: dict[int, FileSpans] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                samples.setdefault(int(key), {})[extension] = (member.offset_data, member.size)
            _check_tar_complete(tar)
    except (tarfile.TarError, ValueError) as error:
        raise DeepGyroError(f"{path}: {_DAMAGED_HINT}") from error
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    return list(samples.items())


def read_files_at(path: Path, spans: FileSpans) -> dict[str, bytes]:
    """Return files of a shard by their extensions.

    Raises
    ------
    DeepGyroError
        If the shard does not hold them.
    """
    files = {}
    try:
        with open(path, "rb") as shard:
            for extension, (offset, size) in spans.items():
                shard.seek(offset)
                files[extension] = shard.read(size)
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    if any(len(files[extension]) < size for extension, (_, size) in spans.items()):
        raise DeepGyroError(f"{path}: {_DAMAGED_HINT}")
    return files


def read_shard(path: Path) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yield each sample of a shard: its index, and its files by their extensions; errors as `index_shard`."""
    for index, spans in index_shard(path):
        yield index, read_files_at(path, spans)


def read_samples(folder: Path) -> Iterator[dict[str, bytes]]:
    """Yield the files of each sample of a data set, by their extensions; errors as `index_shard`."""
    for shard in sorted(folder.glob(SHARD_PATTERN)):
        for _, files in read_shard(shard):
            yield files


def inspect_shard(path: Path, indices: range) -> Shard:
    """Return the description of a shard on the disk.

    Raises
    ------
    DeepGyroError
        If its samples are not those of `indices`.
    """
    if [index for index, _ in index_shard(path)] != list(indices):
        raise DeepGyroError(f"{path}: {_DAMAGED_HINT}")
    return Shard(path.name, path.stat().st_size, len(indices), file_sha256(path))


def _check_tar_complete(tar: tarfile.TarFile) -> None:
    """Raise ReadError if a tar file, read to its last member, lacks the two blocks of zeros at its end."""
    end = bytes(2 * tarfile.BLOCKSIZE)
    assert tar.fileobj is not None  # it is open
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(len(end)) != end:
        raise tarfile.ReadError("no end of the archive")


def remove_partial_files(folder: Path) -> None:
    """Remove the unfinished files of writers that were killed."""
    for pattern in (f".{SHARD_PATTERN}.*.part", ".*.json.*.part"):
        for part in folder.glob(pattern):
            part.unlink(missing_ok=True)
