"""Files that are written whole or not at all; texts, plain or gzipped; what is said of those that fail."""

import errno
import gzip
import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .errors import DeepGyroError

_TEXT_PROBE_BYTES = 65536
"""Bytes looked at to tell text from binary: Blackbox logs begin with some kilobytes of text."""
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\f\r"))
"""Bytes that no text file holds."""


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], *, overwrite: bool, durable: bool = False
) -> None:
    """Let `write` write a file that appears whole or not at all.

    It is written under a hidden name of its own beside its place, so that no two writers meet and no reader
    sees half a file, and then renamed.

    Parameters
    ----------
    path
        The file.
    write
        Writes the content to the open file.
    overwrite
        Replace a file of that name.
    durable
        Flush file and folder to the disk, so that the file also survives a power cut.

    Raises
    ------
    DeepGyroError
        If the file exists (unless `overwrite`) or cannot be written.
    """
    if not overwrite and os.path.lexists(path):
        raise _file_exists_error(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # not mkstemp: the umask's permissions
    try:
        with open(part, "xb", buffering=1 << 20) as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        move_into_place(part, path, overwrite=overwrite)
        if durable:
            _flush_folder(path.parent)
    except OSError as error:
        if not path.parent.is_dir():
            raise _missing_folder_error(path) from error
        raise DeepGyroError(f"{path}: not written, {describe_write_error(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def move_into_place(part: Path, path: Path, *, overwrite: bool) -> None:
    """Give a file that is whole its name; raise DeepGyroError if another has it, unless `overwrite`."""
    if not overwrite:
        try:
            os.link(part, path)  # fails where the name is taken, also by one who came while we were writing
            part.unlink()
            return
        except FileExistsError as error:
            raise _file_exists_error(path) from error
        except OSError:  # no hard links on this file system (FAT, some network drives)
            if os.path.lexists(path):
                raise _file_exists_error(path) from None
    os.replace(part, path)


def copy_file(source: str | os.PathLike[str], path: Path, *, overwrite: bool) -> None:
    """Copy a file byte for byte; errors as in `write_atomically`."""
    with open(source, "rb") as original:
        write_atomically(path, lambda file: shutil.copyfileobj(original, file), overwrite=overwrite)


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Raise the DeepGyroError of `write_atomically` for a name that is taken or a folder that is missing.

    For a check before the work is done.
    """
    if not overwrite and os.path.lexists(path):
        raise _file_exists_error(path)
    if not path.parent.is_dir():
        raise _missing_folder_error(path)


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; raise DeepGyroError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeepGyroError(
            f"{folder}: cannot be made a folder ({error.strerror}); give another --out"
        ) from error


def read_text_bytes(path: Path) -> bytes | None:
    """Return what a text file holds, unpacked if it is gzipped; None if it is binary.

    Of a binary file, which may be a video, only the beginning is read.

    Raises
    ------
    DeepGyroError
        If it cannot be read, is a damaged gzip file, or one with something else than text inside.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_TEXT_PROBE_BYTES)
            gzipped = head.startswith(b"\x1f\x8b")
            if not gzipped and not _is_text(head):
                return None
            data = head + file.read()
        if gzipped:
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DeepGyroError(f"{path}: the gzip file is damaged ({error}); copy it again") from error
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    if not _is_text(data[:_TEXT_PROBE_BYTES]):
        raise DeepGyroError(f"{path}: gzipped, but not text inside; unpack it first")
    return data


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, in hexadecimal; raise DeepGyroError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable_file_error(path, error) from error


def unreadable_file_error(path: str | os.PathLike[str], error: Exception) -> DeepGyroError:
    """Return the error that says why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DeepGyroError(f"{path}: no such file; check the name")
    if isinstance(error, IsADirectoryError):
        return DeepGyroError(f"{path}: is a folder; name a file in it")
    return DeepGyroError(f"{path}: cannot be read ({describe_error(error)}); give a readable file")


def describe_error(error: object) -> str:
    """Return an error's reason on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def describe_write_error(error: Exception) -> str:
    """Return why a file is not written, and what to do."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; make room and run the command again, or give another --out"
    return f"{describe_error(error)}; give another --out"


def _file_exists_error(path: Path) -> DeepGyroError:
    return DeepGyroError(f"{path} exists: give --overwrite or another --out")


def _missing_folder_error(path: Path) -> DeepGyroError:
    return DeepGyroError(f"{path}: the folder {path.parent} does not exist; make it first")


def _is_text(head: bytes) -> bool:
    return len(head.translate(None, _CONTROL_BYTES)) == len(head)


def _flush_folder(folder: Path) -> None:
    """Put a new name on the disk, where the system can."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network drives cannot
                os.fsync(fd)
        finally:
            os.close(fd)
