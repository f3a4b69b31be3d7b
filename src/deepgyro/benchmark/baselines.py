"""Baselines with weights: networks that see a picture in one piece, in ONNX files beside the package."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..deblurring.picture import Encoding
from ..errors import DeepGyroError
from ..light import Pixels, from_unit, to_unit
from ..refine import refine_field
from ..runtime.contract import read_entries
from ..runtime.session import compiled, read_model
from ..threads import core_count

BASELINES = ("deepgyro-paper", "deepblind-paper", "deblurgan")
"""The paper's network with the blur vector and without, and DeblurGAN; each is NAME.onnx in a folder."""
FOLDER = Path(__file__).parents[3] / "checkpoints"
"""Where they are in a checkout."""


@dataclass(frozen=True)
class BaselineContract:
    """How the network of a file is used, and where it comes from: its entry in the ONNX file's metadata.

    The graph takes ``seen`` (1, inputs, h, w), a picture of encoded values from 0 to 1 and, if there are
    five inputs, `vector_maps`; it returns ``sharp`` (1, 3, h, w). All float32; weights are kept in half
    precision.
    """

    name: str
    inputs: int
    multiple: int
    """Height and width are multiples of this, px."""
    parameters: int
    gmac: float
    """Multiply-adds for 256 x 256 px, in 10^9."""
    trained: str
    """For how long."""
    licence: str
    commit: str
    """Of the program that exported it."""
    scores: dict[str, float]
    """Gains over the blurred picture on validation pairs, dB."""

    def to_json(self) -> str:
        """Return the entry of the metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, *, source: str) -> BaselineContract:
        """Read the entry of the metadata.

        Raises
        ------
        DeepGyroError
            If it is missing, or none of a baseline.
        """
        entries = read_entries(text, source=source)
        try:
            return cls(**{field.name: entries[field.name] for field in fields(cls)})
        except KeyError as error:
            raise DeepGyroError(
                f"{source}: no baseline's file, it has no {error}; export it again"
            ) from error


class Baseline:
    """A baseline, ready to run: a contender of the benches."""

    def __init__(self, path: Path) -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of a baseline.
        """
        model, text = read_model(path)
        self.contract = BaselineContract.from_json(text, source=str(path))
        self._request = compiled(model, "fp32", core_count()).create_infer_request()

    def __call__(
        self,
        image: Pixels,
        field: Field | Float32[ndarray, "h w 2"] | None,
        *,
        encoding: Encoding = "srgb",
        refine: bool = False,
    ) -> Pixels:
        """Return the picture it makes; without a field, one told of paths takes them to be zero.

        It works on the numbers as they are, whatever they stand for: its blur is one of encoded values.
        """
        height, width = image.shape[:2]
        planes = [to_unit(image).transpose(2, 0, 1)]
        if self.contract.inputs == 5:
            paths = paths_from_vectors(field) if isinstance(field, ndarray) and field.ndim == 3 else field
            if refine and paths is not None:
                paths = refine_field(image, paths).field
                if paths is None:  # the picture contradicts it
                    return image
            planes.append(vector_maps(paths, height, width))
        multiple = self.contract.multiple
        more = [(0, 0), (0, -height % multiple), (0, -width % multiple)]
        seen = np.pad(np.concatenate(planes), more, "edge")[None]
        (sharp,) = self._request.infer({0: seen.astype(np.float32)}).values()
        return from_unit(sharp[0, :, :height, :width].transpose(1, 2, 0).clip(0, 1), image.dtype)


@cache
def baseline(path: Path) -> Baseline:
    """Return a baseline; opened once."""
    return Baseline(path)


def vector_maps(field: Field | None, height: int, width: int) -> Float32[ndarray, "2 h w"]:
    """Return the blur vectors (None: zero) as the paper's network sees them.

    ``(px + 128) / 255`` of each component, turned so that v <= 0, as the original program has them; not
    rounded to whole px.
    """
    u, v = np.zeros((2, height, width), np.float32)
    if field is not None:
        paths = field[:, :]
        u, v = np.moveaxis(paths[:, :, -1] - paths[:, :, 0], -1, 0)
    up = np.where((v > 0) | ((v == 0) & (u < 0)), np.float32(-1), np.float32(1))
    maps: ndarray = (np.stack([up * u, up * v]) + np.float32(128)) / np.float32(255)
    return maps
