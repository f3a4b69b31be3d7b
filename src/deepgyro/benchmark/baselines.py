"""What is compared with weights of its own: networks in ONNX files beside the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field, paths_from_vectors
from ..deblurring.picture import Encoding, deblur_picture
from ..light import Pixels, from_unit, to_unit
from ..refine import refine_field
from ..runtime import Precision
from ..runtime.contract import Provenance
from ..runtime.session import compiled, open_session, read_model
from ..threads import core_count

SAME_BUDGET = "deepgyro-90min"
"""Our network, trained for as long as the baselines: so that designs are compared, and not patience."""
BASELINES = ("deepgyro-paper", "deepblind-paper", "deblurgan", SAME_BUDGET)
"""The paper's network with the blur vector and without, DeblurGAN, and ours: NAME.onnx in a folder."""
FOLDER = Path(__file__).parents[3] / "checkpoints"
"""Where they are in a checkout."""


@dataclass(frozen=True, kw_only=True)
class BaselineContract(Provenance):
    """How the network of a file is used."""

    about = (
        "In: seen (1, inputs, h, w), float32, h and w multiples of `multiple`: a blurred picture's "
        "encoded (sRGB) values from 0 to 1, red, green, blue, and with five inputs the blur vector (u to "
        "the right, v down, px, turned so that v <= 0) as (u + 128) / 255 and (v + 128) / 255. Out: sharp "
        "(1, 3, h, w)."
    )
    inputs: int


class Baseline:
    """A network that sees a picture in one piece: a contender of the benches."""

    def __init__(self, path: Path, precision: Precision = "fp32") -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of a baseline.
        """
        model, text = read_model(path)
        self.contract = BaselineContract.from_json(text, source=str(path))
        self._request = compiled(model, precision, core_count()).create_infer_request()

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


class SameBudget:
    """Our network with weights from a file: a contender of the benches."""

    def __init__(self, path: Path) -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of our network.
        """
        self.session = open_session(path)
        self.contract = self.session.contract

    def __call__(
        self,
        image: Pixels,
        field: Field | Float32[ndarray, "h w 2"] | None,
        *,
        encoding: Encoding = "srgb",
        refine: bool = False,
    ) -> Pixels:
        """Return the picture that `deblur` makes with these weights."""
        return deblur_picture(
            image, field, method="deepgyro", encoding=encoding, refine=refine, session=self.session
        ).image


@cache
def baseline(path: Path) -> Baseline | SameBudget:
    """Return the baseline of a file, NAME.onnx; opened once."""
    return SameBudget(path) if path.stem == SAME_BUDGET else Baseline(path)


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
