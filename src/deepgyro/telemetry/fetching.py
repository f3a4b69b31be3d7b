"""Fetch public gyro logs out of their official archives, and check them.

An archive is 1 to 2 GB of pictures with one log of 3 MB: it is read as a stream, which ends with the log.
"""

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ..errors import DeepGyroError
from ..files import describe_error, make_folder, write_atomically

DownloadProgress = Callable[[int, int | None], object]
DOWNLOAD_TIMEOUT_S = 60.0
"""After so long without a byte, a download fails, s."""
_BLOCK_BYTES = 1 << 20
"""Bytes read at a time; no more than these are fetched past the log."""


@dataclass(frozen=True)
class PublicLog:
    """A gyro log, the file `member` of the tar archive at `address`; the SHA-256 is the log's."""

    name: str
    address: str
    member: str
    sha256: str
    licence: str


def _tum_vi_log(name: str, sha256: str) -> PublicLog:
    folder = f"dataset-{name}_512_16"
    address = f"https://vision.in.tum.de/tumvi/exported/euroc/512_16/{folder}.tar"
    return PublicLog(name, address, f"{folder}/mav0/imu0/data.csv", sha256, "CC BY 4.0")


# TUM publishes no sums of these files: they were computed from copies of each archive's data.csv. That of
# room4 is also on record in github.com/laxman-kc/compact-vio-uav (reports, compatibility slice, 2026-08-29).
TUM_VI_LOGS = (
    _tum_vi_log("room1", "c0e9e8358e71d9a008a2b1e0bf8541c901e5bff8dc452f4275c78b0e0799052e"),
    _tum_vi_log("room2", "e11f764c9c7f04b4a13f3f76a7f2964b133b31832697f59e06995d43c8c03f79"),
    _tum_vi_log("room3", "7f280b289400bd305acd14934236807a2877ea3ceace1fb3ae832bc73c4ca94b"),
    _tum_vi_log("room4", "4249d4036b3c03c55b709f6f634d975d024999fb017ab3539cfa71580793a3be"),
    _tum_vi_log("room5", "127cb1621b69b12083eeeead349d2b52bd784d1ae764b15dc5e3c0f7414deaad"),
)
"""Rooms of the TUM VI benchmark (Schubert et al., IROS 2018), which its authors export in EuRoC's format."""


@dataclass(frozen=True)
class FetchedLog:
    """A log in its file, gzipped; the SHA-256 is the unpacked log's."""

    name: str
    file: str
    licence: str
    sha256: str
    note: str = ""


def fetch_tum_vi(
    names: Iterable[str],
    out: Path,
    *,
    mirror: str | None = None,
    overwrite: bool = False,
    progress: DownloadProgress | None = None,
) -> Iterator[FetchedLog]:
    """Fetch logs of TUM VI as ``room1.csv.gz``, ..., which `read_gyro` reads; an existing one is kept.

    Parameters
    ----------
    names
        Of the logs; all, if there are none.
    out
        Folder, made where it is missing.
    mirror
        Address of a folder with the same archives, instead of the official one.
    overwrite
        Replace files of these names that are not these logs.
    progress
        Called with the bytes of an archive read so far, and its size or None; the log ends before that.

    Raises
    ------
    ValueError
        If there is no log of a name, or `mirror` is no address.
    DeepGyroError
        If a log cannot be fetched, differs from the table's, or cannot be written; those before are kept.
    """
    known = {log.name: log for log in TUM_VI_LOGS}
    names = list(names) or list(known)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"TUM VI: no log {unknown[0]!r} here; there are {', '.join(known)}")
    if mirror is not None and not _is_url(mirror):
        raise ValueError(
            f"--mirror is {mirror!r}; an address with http:// or https:// and a host is needed, of a folder"
        )
    return (_fetch_log(known[name], out, mirror, overwrite, progress) for name in names)


def _is_url(text: str) -> bool:
    """Return whether `urlopen` understands an address."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # brackets, the port, a part of the host that is empty or too long
        return False
    return parts.scheme in ("http", "https") and host != "" and (parts.path + parts.query).isascii()


def _fetch_log(
    log: PublicLog, out: Path, mirror: str | None, overwrite: bool, progress: DownloadProgress | None
) -> FetchedLog:
    path = out / f"{log.name}.csv.gz"
    fetched = FetchedLog(log.name, str(path), log.licence, log.sha256)
    if os.path.lexists(path):
        if _hash_unpacked(path) == log.sha256:
            return replace(fetched, note="was there already")
        if not overwrite:
            raise DeepGyroError(f"{path} exists and is another file: give --overwrite or another --out")
    address = log.address if mirror is None else f"{mirror.rstrip('/')}/{log.address.rpartition('/')[2]}"

    def write(file: BinaryIO) -> None:
        content = _read_archive_member(address, log.member, progress)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != log.sha256:
            raise DeepGyroError(
                f"{address}: the SHA-256 of {log.member} is {sha256}, {log.sha256} is needed: "
                "try again, or give another --mirror"
            )
        file.write(gzip.compress(content, mtime=0))

    make_folder(out)
    write_atomically(path, write, overwrite=True)
    return fetched


def _hash_unpacked(path: Path) -> str | None:
    """Return the SHA-256 of what a gzip file holds; None if it is none."""
    try:
        with gzip.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        return None


class _DownloadBody(RawIOBase):
    """A server's answer as a file that reports its progress and raises where it ends early."""

    def __init__(self, response: HTTPResponse, progress: DownloadProgress | None) -> None:
        self.response, self.progress = response, progress
        self.count, self.size = 0, response.length

    def readinto(self, buffer: Any) -> int:
        count = self.response.readinto(buffer)
        self.count += count
        if not count and self.size and self.count < self.size:
            raise ConnectionError(f"the connection ended after {self.count} of {self.size} bytes")
        if self.progress:
            self.progress(self.count, self.size)
        return count


def _read_archive_member(address: str, member: str, progress: DownloadProgress | None) -> bytes:
    """Return a file of a tar archive; the rest of the archive after it is not fetched."""
    request = Request(address, headers={"User-Agent": "deepgyro"})
    try:
        with (
            urlopen(request, timeout=DOWNLOAD_TIMEOUT_S) as response,
            tarfile.open(
                fileobj=_DownloadBody(response, progress), mode="r|", bufsize=_BLOCK_BYTES
            ) as archive,
        ):
            for entry in archive:
                if entry.name == member and entry.isfile() and (file := archive.extractfile(entry)):
                    return file.read()
    except HTTPError as error:
        error.close()
        problem = f"the server answers {error.code} ({error.reason}); the archive may have moved"
    except tarfile.TarError as error:
        problem = f"no tar archive, or a broken one ({describe_error(error)})"
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        problem = f"not fetched ({describe_error(reason)}); check the network"
    else:
        problem = f"no file {member} in this archive"
    raise DeepGyroError(f"{address}: {problem}: try again, or give another --mirror")
