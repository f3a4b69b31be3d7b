"""What is compared with weights of its own, as the benches' contenders: ONNX files beside the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray

from ...blurfield import Field, paths_from_vectors
from ...deblurring import Encoding, deblur_picture
from ...light import Pixels, from_unit_range, to_unit_range
from ...refine import refine_field
from ...restore import BASELINES, OnePieceNetwork, UnrolledNetwork
from ...runtime import open_session

SAME_BUDGET_NETWORK = "deepgyro-90min"
"""Our network, trained for as long as the baselines: so that designs are compared, and not patience."""
COMPARED_NETWORKS = (*BASELINES, SAME_BUDGET_NETWORK)
"""NAME.onnx in a folder."""


class UntiledBaseline:
    """A network that sees a picture in one piece."""

    def __init__(self, path: Path) -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of a baseline.
        """
        self.network = OnePieceNetwork(path)
        self.contract = self.network.contract

    def __call__(
        self,
        image: Pixels,
        field: Field | Float32[ndarray, "h w 2"] | None,
        *,
        encoding: Encoding = "srgb",
        refine: bool = False,
    ) -> Pixels:
        """Return the picture it makes, all of it, whatever the field."""
        paths = paths_from_vectors(field) if isinstance(field, ndarray) and field.ndim == 3 else field
        if refine and paths is not None and not self.contract.is_blind:
            paths = refine_field(image, paths).field
            if paths is None:  # the picture contradicts it
                return image
        return from_unit_range(self.network(to_unit_range(image), paths), image.dtype)


class SameBudgetNetwork:
    """Our network with weights from a file."""

    def __init__(self, path: Path) -> None:
        """Open a file of `deepgyro export`.

        Raises
        ------
        DeepGyroError
            If it is none of our network.
        """
        self.method = UnrolledNetwork("deepgyro", open_session(path))
        self.contract = self.method.session.contract

    def __call__(
        self,
        image: Pixels,
        field: Field | Float32[ndarray, "h w 2"] | None,
        *,
        encoding: Encoding = "srgb",
        refine: bool = False,
    ) -> Pixels:
        """Return the picture that `deblur` makes with these weights."""
        return deblur_picture(image, field, method=self.method, encoding=encoding, refine=refine).image


@cache
def load_baseline(path: Path) -> UntiledBaseline | SameBudgetNetwork:
    """Return the contender of a file, NAME.onnx; opened once."""
    return SameBudgetNetwork(path) if path.stem == SAME_BUDGET_NETWORK else UntiledBaseline(path)
