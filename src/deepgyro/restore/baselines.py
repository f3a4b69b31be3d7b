"""Networks that ours is compared with: a picture in one piece in, the sharp one out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field
from ..errors import DeepGyroError
from ..runtime.contract import Provenance
from ..runtime.session import Precision, compile_model, read_model
from ..threads import core_count

BaselineName = Literal["deepgyro-paper", "deepblind-paper", "deblurgan"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
"""The paper's network with the blur vector and without, and DeblurGAN: NAME.onnx in a folder."""
BASELINES_FOLDER = Path(__file__).parents[3] / "checkpoints"
"""Where they are in a checkout."""
MAX_ONE_PIECE_PIXELS = 6_000_000
"""A photo of more px is refused: each takes 1 kB of memory."""


@dataclass(frozen=True, kw_only=True)
class OnePieceContract(Provenance):
    """How the network of a file is used."""

    about = (
        "In: seen (1, inputs, h, w), float32, h and w multiples of `multiple`: a blurred picture's "
        "encoded (sRGB) values from 0 to 1, red, green, blue, and with five inputs the blur vector (u to "
        "the right, v down, px, turned so that v <= 0) as (u + 128) / 255 and (v + 128) / 255. Out: sharp "
        "(1, 3, h, w)."
    )
    inputs: int

    @property
    def is_blind(self) -> bool:
        """Whether it sees the picture alone."""
        return self.inputs == 3


class OnePieceNetwork:
    """The network of a file, ready to run."""

    def __init__(self, path: Path, precision: Precision = "fp32") -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of a baseline.
        """
        model, text = read_model(path)
        self.contract = OnePieceContract.from_json(text, source=str(path))
        self._compiled = compile_model(model, precision, core_count())

    def __call__(self, image: Float32[ndarray, "h w 3"], field: Field | None) -> Float32[ndarray, "h w 3"]:
        """Return the picture it makes; without a field, a network that takes paths takes them to be 0.

        It works on the numbers as they are, whatever they stand for: it was trained on blur of encoded ones.
        """
        height, width = image.shape[:2]
        planes = [image.transpose(2, 0, 1)]
        if not self.contract.is_blind:
            planes.append(vector_maps(field, height, width))
        multiple = self.contract.multiple
        more = [(0, 0), (0, -height % multiple), (0, -width % multiple)]
        features = np.pad(np.concatenate(planes), more, "edge")[None]
        (sharp,) = self._compiled.create_infer_request().infer({0: features}).values()
        return np.ascontiguousarray(sharp[0, :, :height, :width].transpose(1, 2, 0)).clip(0, 1)


def baseline_path(name: BaselineName) -> Path:
    """Return a baseline's ONNX file, which a checkout has.

    Raises
    ------
    DeepGyroError
        If it is not there.
    """
    path = BASELINES_FOLDER / f"{name}.onnx"
    if not path.exists():
        raise DeepGyroError(
            f"{name}: its weights are not in this package, it is there to be compared with; take "
            f"checkpoints/{path.name} of the project, and name the file with --weights"
        )
    return path


@cache
def load_baseline(path: Path) -> OnePieceNetwork:
    """Return the baseline of a file; opened once."""
    return OnePieceNetwork(path)


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
