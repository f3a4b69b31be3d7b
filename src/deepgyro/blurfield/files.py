"""Field files: our .npz, and the original program's pairs of 8-bit pictures."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from ..errors import DeepGyroError
from .field import paths_from_vectors

PAIR_ZERO = 128
"""The grey value that stands for 0 px in the original program's pictures."""


def write_field(
    path: str | os.PathLike[str], field: Float32[ndarray, "h w n 2"], *, t: float, exposure: float
) -> None:
    """Write a field (px) with the exposure's start and length (s) to an .npz file."""
    height, width = field.shape[:2]
    with open(path, "wb") as file:
        np.savez_compressed(file, field=field, t=t, exposure=exposure, width=width, height=height)


def read_field(path: str | os.PathLike[str]) -> Float32[ndarray, "h w n 2"]:
    """Read the field (px) of an .npz file.

    Raises
    ------
    DeepGyroError
        If the file is missing, no .npz, or holds no field (height, width, n, 2) of finite numbers.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(getattr(file, "files", []))
            field = file["field"] if "field" in names else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DeepGyroError(f"{path}: not a field file (.npz): {error or type(error).__name__}") from None
    if field is None:
        raise DeepGyroError(f"{path}: holds {', '.join(names) or 'nothing'}, an array named field is needed")
    if field.ndim == 3 and field.shape[2] == 2 and field.dtype.kind == "f":
        field = paths_from_vectors(field)
    if field.ndim != 4 or field.shape[3] != 2 or field.shape[2] < 2 or field.dtype.kind != "f":
        raise DeepGyroError(
            f"{path}: field is {field.dtype} {field.shape}; (height, width, n, 2) of float32 is needed, n >= 2"
        )
    if not np.isfinite(field).all():
        raise DeepGyroError(f"{path}: field has numbers that are not finite")
    return field.astype(np.float32, copy=False)


def read_field_pair(
    x_path: str | os.PathLike[str], y_path: str | os.PathLike[str]
) -> Float32[ndarray, "h w 2 2"]:
    """Read the original program's blurx and blury pictures: 8 bits, value minus 128 is px.

    Raises
    ------
    DeepGyroError
        If a picture is missing, not one channel of 8 bits, or the two differ in size.
    """
    x, y = (_read_gray(Path(path)) for path in (x_path, y_path))
    if x.shape != y.shape:
        raise DeepGyroError(f"{x_path} is {x.shape[1]} x {x.shape[0]}, {y_path} {y.shape[1]} x {y.shape[0]}")
    return paths_from_vectors(np.stack([x, y], axis=-1).astype(np.float32) - PAIR_ZERO)


def write_field_pair(
    x_path: str | os.PathLike[str], y_path: str | os.PathLike[str], vectors: Float[ndarray, "h w 2"]
) -> None:
    """Write blur vectors (px) as the original program does: folded to v <= 0, rounded, plus 128, 8 bits.

    Raises
    ------
    ValueError
        If a component does not fit into 8 bits (-128 to 127 px). The original program wraps there.
    """
    from PIL import Image

    folded = np.where(vectors[..., 1:] > 0, -vectors, vectors)
    rounded = np.rint(folded)
    if not (rounded.min() >= -PAIR_ZERO and rounded.max() <= 127):
        raise ValueError(
            f"blur from {rounded.min():g} to {rounded.max():g} px does not fit into 8 bits (-128 to 127 px): "
            "write an .npz field instead"
        )
    values = (rounded + PAIR_ZERO).astype(np.uint8)
    for path, channel in ((x_path, 0), (y_path, 1)):
        Image.fromarray(np.ascontiguousarray(values[..., channel])).save(path, format="PNG")


def _read_gray(path: Path) -> ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.mode != "L":
                raise DeepGyroError(f"{path}: has mode {picture.mode}; one channel of 8 bits is needed")
            return np.asarray(picture)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DeepGyroError(f"{path}: cannot be read as a field picture: {error}") from None
