"""What can take the blur out of a picture: one protocol for networks, deconvolution and baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, cast, get_args, runtime_checkable

from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field
from ..errors import DeepGyroError
from ..runtime import Session, open_session
from ..tiles import PictureLike, Window
from .baselines import (
    BASELINES,
    MAX_ONE_PIECE_PIXELS,
    BaselineName,
    OnePieceNetwork,
    baseline_path,
    load_baseline,
)
from .richardson_lucy import MIN_CORE_PX, core_side, richardson_lucy
from .unrolled import restore_in_tiles
from .weights import NETWORKS, load_shipped_network, shipped_networks, weights_path
from .wiener import wiener_fastgyro

DeconvolutionName = Literal["richardson-lucy", "fastgyro"]
OwnMethodName = Literal["deepgyro", "deepgyro-fast", "richardson-lucy", "fastgyro"]
MethodName = OwnMethodName | BaselineName
METHODS: tuple[OwnMethodName, ...] = get_args(OwnMethodName)
BLIND_METHODS: tuple[BaselineName, ...] = ("deepblind-paper", "deblurgan")
"""They see the picture alone."""

Windows = Iterator[tuple[Window, Float32[ndarray, "a b 3"]]]
"""Rows and columns of a picture, and the sharp picture there."""


Progress = Callable[[float], None] | None
"""Called with the share that is done."""


@runtime_checkable
class Method(Protocol):
    """A way to take the blur out of a picture."""

    @property
    def name(self) -> str:
        """As `open_method` takes it."""

    @property
    def is_blind(self) -> bool:
        """Whether it sees the picture alone, and needs no field."""

    @property
    def in_light(self) -> bool:
        """Whether it works on linear light; the others work on the values as they are stored."""

    @property
    def max_pixels(self) -> int | None:
        """How large a picture may be; None: of any size."""

    def fits(self, reach: int, n: int) -> bool:
        """Return whether paths of n instants that reach so far, px, fit into bounded memory."""
        ...

    def restore(
        self, image: PictureLike, field: Field | None, *, linear: bool, reach: int, progress: Progress
    ) -> Windows:
        """Yield the sharp picture, window by window.

        Parameters
        ----------
        image
            Values from 0 to 1, or what slices like them; linear light where `in_light`.
        field
            Paths, px; None: only where `is_blind`.
        linear
            Whether the light that encoded values stand for was blurred, or these very values.
        reach
            The largest |x| or |y| of a path, px.
        progress
            Called with the share that is done.
        """
        ...


@dataclass(frozen=True, eq=False)
class UnrolledNetwork:
    """One of our networks, in tiles."""

    name: str
    session: Session
    is_blind: ClassVar[bool] = False
    in_light: ClassVar[bool] = False
    max_pixels: ClassVar[int | None] = None

    def fits(self, reach: int, n: int) -> bool:
        """Return True: a stage sees no farther than its margin."""
        return True

    def restore(
        self, image: PictureLike, field: Field | None, *, linear: bool, reach: int, progress: Progress
    ) -> Windows:
        """Yield the sharp picture; see `Method`."""
        assert field is not None
        return restore_in_tiles(self.session, image, field, linear=linear, extent=reach, progress=progress)


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Richardson-Lucy or the FastGyro-style Wiener filter, on linear light."""

    name: DeconvolutionName
    is_blind: ClassVar[bool] = False
    in_light: ClassVar[bool] = True
    max_pixels: ClassVar[int | None] = None

    def fits(self, reach: int, n: int) -> bool:
        """Return whether a tile and its surroundings stay within Richardson-Lucy's memory."""
        return self.name == "fastgyro" or core_side(reach, n) >= MIN_CORE_PX

    def restore(
        self, image: PictureLike, field: Field | None, *, linear: bool, reach: int, progress: Progress
    ) -> Windows:
        """Yield the sharp picture; see `Method`."""
        assert field is not None
        deconvolve = richardson_lucy if self.name == "richardson-lucy" else wiener_fastgyro
        return deconvolve(image, field, progress=progress)


@dataclass(frozen=True, eq=False)
class Baseline:
    """A network to compare with, which sees a picture in one piece."""

    name: str
    network: OnePieceNetwork
    in_light: ClassVar[bool] = False
    max_pixels: ClassVar[int | None] = MAX_ONE_PIECE_PIXELS

    @property
    def is_blind(self) -> bool:
        """Whether it sees the picture alone."""
        return self.network.contract.is_blind

    def fits(self, reach: int, n: int) -> bool:
        """Return True: it sees whole pictures."""
        return True

    def restore(
        self, image: PictureLike, field: Field | None, *, linear: bool, reach: int, progress: Progress
    ) -> Windows:
        """Yield the sharp picture; see `Method`."""
        whole = image[:, :]
        yield (slice(0, whole.shape[0]), slice(0, whole.shape[1])), self.network(whole, field)


def available_methods() -> list[OwnMethodName]:
    """Return those of `METHODS` whose weights are in this package, or which need none."""
    return [name for name in METHODS if name not in NETWORKS or name in shipped_networks()]


def find_weights(name: MethodName) -> Path | None:
    """Return the file with the weights of a method; None: it has none.

    Raises
    ------
    DeepGyroError
        If it is not there.
    """
    if name in BASELINES:
        return baseline_path(name)
    return weights_path(name) if name in NETWORKS else None


def open_method(name: MethodName, weights: Path | None = None) -> Method:
    """Return a method by its name.

    Parameters
    ----------
    name
        One of `METHODS` or `BASELINES`.
    weights
        A file of `deepgyro export` in place of the method's own weights.

    Raises
    ------
    DeepGyroError
        If its weights are not there, or the file holds none of such a network.
    ValueError
        If there is no such method, or weights are given for one that is no network.
    """
    if name not in (*METHODS, *BASELINES):
        raise ValueError(f"method is {name!r}; {' or '.join((*METHODS, *BASELINES))} is needed")
    if name in BASELINES:
        network = load_baseline(weights or baseline_path(name))
        if network.contract.is_blind != (name in BLIND_METHODS):
            raise DeepGyroError(
                f"{weights}: no network for {name} (it sees {network.contract.inputs} channels)"
            )
        return Baseline(name, network)
    if name in NETWORKS:
        return UnrolledNetwork(name, open_session(weights) if weights else load_shipped_network(name))
    if weights is not None:
        raise ValueError(f"--weights are those of a network, which {name} is not")
    return Deconvolution(cast("DeconvolutionName", name))
