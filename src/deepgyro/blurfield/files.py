"""Field files: our .npz, and the original program's pairs of 8-bit pictures."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from numpy.lib.npyio import NpzFile

from ..errors import DeepGyroError
from ..files import unreadable_file_error
from .field import Field
from .measure import paths_from_vectors

MAX_IN_MEMORY_BYTES = 256 * 2**20
"""A field of more bytes is not held in memory."""
_PAIR_ZERO_GRAY = 128
"""The grey value that stands for 0 px in the original program's pictures."""


def write_field(file: BinaryIO, field: Field, *, t: float, exposure: float) -> None:
    """Write a field (px) with the exposure's start and length (s) as an .npz file, band by band."""
    height, width = field.shape[:2]
    header = {"descr": "<f4", "fortran_order": False, "shape": tuple(field.shape)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("field.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, header)
            for top in range(0, height, 64):
                entry.write(np.ascontiguousarray(field[top : top + 64, :], "<f4").tobytes())
        for name, value in (("t", t), ("exposure", exposure), ("width", width), ("height", height)):
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(value))


def read_field(path: str | os.PathLike[str]) -> Float32[ndarray, "h w n 2"]:
    """Read the field (px) of an .npz file.

    Raises
    ------
    DeepGyroError
        If the file is missing, no .npz, or holds no field (height, width, n, 2) of finite numbers.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":  # np.load would take it for a pickle
                raise DeepGyroError(f"{path}: not a field file (.npz); write one with `deepgyro field`")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                names = list(archive.files)
                field = _load_or_map_field(archive) if "field" in names else None
    except OSError as error:
        raise unreadable_file_error(path, error) from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DeepGyroError(f"{path}: the field file (.npz) is damaged ({error}); make it again") from None
    if field is None:
        raise DeepGyroError(f"{path}: holds {', '.join(names) or 'nothing'}, an array named field is needed")
    if field.ndim == 3 and field.shape[2] == 2 and field.dtype.kind == "f":
        field = paths_from_vectors(field)
    if field.ndim != 4 or field.shape[3] != 2 or field.shape[2] < 2 or field.dtype.kind != "f":
        raise DeepGyroError(
            f"{path}: field is {field.dtype} {field.shape}; (height, width, n, 2) float32 is needed, n >= 2"
        )
    if not all(np.isfinite(field[top : top + 256]).all() for top in range(0, len(field), 256)):
        raise DeepGyroError(f"{path}: field has numbers that are not finite")
    return field.astype(np.float32, copy=False)


def _load_or_map_field(archive: NpzFile) -> ndarray:
    """Return the field of an archive; a large one is mapped from an unnamed temporary file."""
    entry = archive.zip.getinfo("field.npy") if archive.zip else None
    if entry is None or archive.zip is None or entry.file_size < MAX_IN_MEMORY_BYTES:
        return np.asarray(archive["field"])
    file = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the array
    with archive.zip.open(entry) as packed:
        shutil.copyfileobj(packed, file)
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    array = np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")
    weakref.finalize(array, file.close)
    return array


def read_field_pair(
    x_path: str | os.PathLike[str], y_path: str | os.PathLike[str]
) -> Float32[ndarray, "h w 2 2"]:
    """Read the original program's blurx and blury pictures: 8 bits, value minus 128 is px.

    Raises
    ------
    DeepGyroError
        If a picture is missing, not one channel of 8 bits, or the two differ in size.
    """
    x, y = (_read_gray_picture(Path(path)) for path in (x_path, y_path))
    if x.shape != y.shape:
        raise DeepGyroError(f"{x_path} is {x.shape[1]} x {x.shape[0]}, {y_path} {y.shape[1]} x {y.shape[0]}")
    return paths_from_vectors(np.stack([x, y], axis=-1).astype(np.float32) - _PAIR_ZERO_GRAY)


def write_field_pair(x_file: BinaryIO, y_file: BinaryIO, field: Field) -> None:
    """Write a field as the original program does: two PNGs of 8 bits, px plus 128, folded to v <= 0.

    That program follows the point that is at (x, y) when its row begins to be exposed: give a field with
    ``reference="start"``. At 70 px the two differ by up to 4 px.

    Raises
    ------
    ValueError
        If a component does not fit into 8 bits (-128 to 127 px). The original program wraps there.
    """
    from PIL import Image

    height, width = field.shape[:2]
    values = np.empty((2, height, width), np.uint8)
    for top in range(0, height, 256):
        paths = field[top : top + 256, :]
        vectors = paths[..., -1, :] - paths[..., 0, :]
        rounded = np.rint(np.where(vectors[..., 1:] > 0, -vectors, vectors))
        if not (rounded.min() >= -_PAIR_ZERO_GRAY and rounded.max() <= 127):
            raise ValueError(
                f"blur from {rounded.min():g} to {rounded.max():g} px does not fit into 8 bits (-128 to 127 "
                "px): write an .npz field instead"
            )
        values[:, top : top + 256] = np.moveaxis(rounded, -1, 0) + _PAIR_ZERO_GRAY
    for file, channel in zip((x_file, y_file), values, strict=True):
        Image.fromarray(channel).save(file, format="PNG")


def _read_gray_picture(path: Path) -> ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.mode != "L":
                raise DeepGyroError(f"{path}: has mode {picture.mode}; one channel of 8 bits is needed")
            return np.asarray(picture)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DeepGyroError(f"{path}: cannot be read as a field picture: {error}") from None
