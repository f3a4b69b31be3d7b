"""A pair as the files of one sample of a data set, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...blurfield import GridField
from ...frames import decode_pixels, encode_png
from .pair import Pair
from .patches import MovingPatch, PatchedField

SAMPLES_VERSION = "1"
"""Raise it with every change of what pairs hold: data sets of another version are not continued."""
_GRID_KEYS = ("height", "width", "step")


def pack_pair(pair: Pair) -> dict[str, bytes]:
    """Return a pair's files by their extensions.

    ``sharp.png``; ``blurred.jpg`` (the bytes of the pair's JPEG) or ``blurred.png``; ``field.npy``: float32
    (2, rows, columns, n, 2), the nodes of the exact field (without its patches) and of the prior field, px;
    ``json``: the metadata (patches among them), and height, width and step (px) of the fields.
    """
    exact, prior = pair.exact.grid, pair.prior
    grid = {name: getattr(prior, name) for name in _GRID_KEYS}
    field = io.BytesIO()
    np.lib.format.write_array(field, np.stack([exact.nodes, prior.nodes]), allow_pickle=False)
    return {
        "sharp.png": encode_png(pair.sharp),
        **({"blurred.jpg": pair.jpeg} if pair.jpeg else {"blurred.png": encode_png(pair.blurred)}),
        "field.npy": field.getvalue(),
        "json": json.dumps({**pair.metadata, **grid}, sort_keys=True, allow_nan=False).encode(),
    }


def unpack_pair(files: Mapping[str, bytes]) -> Pair:
    """Return the pair of such files, every array bit for bit."""
    metadata = read_metadata(files)
    grid = {name: metadata.pop(name) for name in _GRID_KEYS}
    exact, prior = np.lib.format.read_array(io.BytesIO(files["field.npy"]), allow_pickle=False)
    patches = tuple(MovingPatch(**patch) for patch in metadata["patches"])
    jpeg = files.get("blurred.jpg")
    return Pair(
        sharp=decode_pixels(files["sharp.png"], "sharp.png"),
        blurred=decode_pixels(jpeg or files["blurred.png"], "blurred"),
        exact=PatchedField(GridField(exact, **grid), patches),
        prior=GridField(prior, **grid),
        metadata=metadata,
        jpeg=jpeg,
    )


def read_metadata(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the metadata of a pair from its files; pictures and fields are not decoded."""
    metadata: dict[str, Any] = json.loads(files["json"])
    return metadata
