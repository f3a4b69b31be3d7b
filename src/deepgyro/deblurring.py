"""One picture and its field in, the sharper picture out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, overload

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from .blur.operator import MAX_REACH_PX
from .blurfield import Field, MotionField, measure_field, paths_from_vectors
from .errors import DeepGyroError
from .light import Pixels, check_pixels, from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from .refine import ACCEPT_CONFIDENCE, refine_field
from .restore import (
    BASELINES,
    MAX_ONE_PIECE_PIXELS,
    MIN_CORE_PX,
    NETWORKS,
    BaselineName,
    OnePieceNetwork,
    baseline_path,
    core_side,
    load_baseline,
    load_shipped_network,
    restore_in_tiles,
    richardson_lucy,
    shipped_networks,
    weights_path,
    wiener_fastgyro,
)
from .runtime import Session, open_session
from .threads import run_in_bands
from .tiles import Window

logger = logging.getLogger(__name__)

Method = Literal["deepgyro", "deepgyro-fast", "richardson-lucy", "fastgyro"]
Encoding = Literal["srgb", "linear"]
METHODS: tuple[Method, ...] = get_args(Method)
BLIND_METHODS: tuple[BaselineName, ...] = ("deepblind-paper", "deblurgan")
"""They see the picture alone."""

FADE_START_PX = 0.3
"""Paths shorter than this leave their pixel as it came; up to 1 px more the result fades in."""
MIN_BLUR_PX = 0.7
"""A longest path shorter than this leaves a picture as sharp as its pixels, px."""
MAX_BLUR_SHARE = 0.5
"""A median path longer than this share of the picture's shorter side is taken for a mistake."""


@dataclass(frozen=True, eq=False)
class Deblurred:
    """A picture after deblurring, and what was done."""

    image: Pixels
    method: str
    """The method, or "none" where the picture is returned as it came."""
    blur_median_px: float
    blur_max_px: float
    note: str
    """Why the picture is as it came, or how its field was corrected or found; else empty."""


def available_methods() -> list[Method]:
    """Return those of `METHODS` that can be used: all but networks whose weights are not in this package."""
    return [method for method in METHODS if method not in NETWORKS or method in shipped_networks()]


def deblur(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    method: Method | BaselineName = "deepgyro",
    encoding: Encoding = "srgb",
    refine: bool = True,
) -> Pixels:
    """Take the motion blur out of a picture.

    Parameters
    ----------
    image
        (h, w, 3), RGB, uint8 | uint16 | float32 in 0 to 1; as it is stored, before any EXIF turn, where the
        field comes from a gyro.
    field
        Each pixel's path (h, w, n, 2), or its straight blur vector (h, w, 2), px. None: there is no gyro, and
        the path is looked for in the picture (`refine_field`).
    method
        ``"deepgyro"`` (our network), ``"deepgyro-fast"`` (a smaller one), ``"richardson-lucy"`` (no weights),
        or ``"fastgyro"`` (Wiener; the paper's baseline). To compare with, where their weights are (a
        checkout): ``"deepgyro-paper"`` (the paper's network), and ``"deepblind-paper"`` and ``"deblurgan"``,
        which see the picture alone, whatever field, encoding and refine say (but for a field that tells of
        no blur); they work on the numbers as they are, of up to 6 million px.
    encoding
        ``"srgb"``: values are encoded as in files, the blur was made in the light they stand for.
        ``"linear"``: values are proportional to light, or the blur was made on these very numbers.
    refine
        Let the picture correct the field (`refine_field`), or find one; where it contradicts the field and
        shows none of its own, or none is certain, the picture comes back as it is.

    Returns
    -------
    sharp
        Of the same shape and type. A picture without blur, and one whose field cannot be meant, comes back
        bit for bit. Floats are clipped to 0 to 1 where there is blur.

    Raises
    ------
    ValueError
        If shapes or types don't fit, the field has numbers that are not finite, or the picture is too large
        for the method.
    DeepGyroError
        If the method's weights are not there.
    """
    result = deblur_picture(image, field, method=method, encoding=encoding, refine=refine)
    if result.method == "none":
        logger.warning("the picture is returned as it came: %s", result.note or "no gyro for it")
    return result.image


def deblur_picture(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    method: Method | BaselineName = "deepgyro",
    encoding: Encoding = "srgb",
    refine: bool = True,
    session: Session | OnePieceNetwork | None = None,
    fade_start: float = FADE_START_PX,
    progress: Callable[[float], None] | None = None,
) -> Deblurred:
    """Do what `deblur` does, and say what was done.

    ``session`` is the method's network, where it is opened otherwise than on its own (precision, threads);
    pixels whose paths are shorter than ``fade_start`` stay as they came, and the result fades in over 1 px
    more;
    ``progress`` is called with the share that is done.
    """
    check_pixels(image)
    _check_options(method, encoding)
    if session is not None and isinstance(session, OnePieceNetwork) != (method in BASELINES):
        raise ValueError(f"the session is no network for {method}")
    weights = find_weights(method) if session is None else None  # they must be there, whatever the picture
    if weights and method in BASELINES:
        session = load_baseline(weights)
    height, width = image.shape[:2]
    if isinstance(session, OnePieceNetwork):
        _check_size(height, width)
    if method in BLIND_METHODS and isinstance(session, OnePieceNetwork):
        return _restore_blind(session, method, image, field)
    told, said = field is not None, ""
    if field is None:
        found = refine_field(image, None) if refine else None
        said = found.note if found else ""
        if found is None or found.field is None or found.confidence < ACCEPT_CONFIDENCE:
            return Deblurred(image.copy(), "none", 0.0, 0.0, said)
        field = found.field
    field = _check_field(field, height, width)
    median, longest, reach = measure_field(field)
    if longest < MIN_BLUR_PX:
        return Deblurred(image.copy(), "none", median, longest, "no blur to take out")
    too_large = median > MAX_BLUR_SHARE * min(image.shape[:2]) or reach > MAX_REACH_PX
    if too_large or (method == "richardson-lucy" and core_side(reach, field.shape[2]) < MIN_CORE_PX):
        note = "the field is too large to be meant: check units, exposure and focal length"
        return Deblurred(image.copy(), "none", median, longest, note)
    if isinstance(field, MotionField):
        field = field.tabulate()
    if refine and told:
        refined = refine_field(image, field)
        if refined.field is None:
            return Deblurred(image.copy(), "none", median, longest, refined.note)
        said = refined.note
        if refined.field is not field:
            field = refined.field
            median, longest, reach = measure_field(field)
    out = np.empty_like(image)
    values = _UnitValues(image)
    decoded = False
    if isinstance(session, OnePieceNetwork):
        whole = slice(0, height), slice(0, width)
        windows: Iterable[tuple[Window, ndarray]] = [(whole, session(values[whole], field))]
    elif method in NETWORKS:
        session = session or load_shipped_network(method)
        windows = restore_in_tiles(
            session, values, field, linear=encoding == "srgb", extent=reach, progress=progress
        )
    else:
        values = _LinearLight(image, encoding)
        windows = (richardson_lucy if method == "richardson-lucy" else wiener_fastgyro)(
            values, field, progress=progress
        )
        decoded = encoding == "srgb"
    for window, sharp in windows:
        _write_window(out, window, sharp, values, field[window], fade_start, decoded)
    return Deblurred(out, method, median, longest, said)


def _restore_blind(
    network: OnePieceNetwork, method: str, image: Pixels, field: Field | ndarray | None
) -> Deblurred:
    """Return what a network makes that sees the picture alone; a field that tells of no blur spares it."""
    median = longest = 0.0
    if field is not None:
        median, longest, _ = measure_field(_check_field(field, *image.shape[:2]))
        if longest < MIN_BLUR_PX:
            return Deblurred(image.copy(), "none", median, longest, "no blur to take out")
    note = "" if field is not None else "the picture alone: how blurred it is, is not known"
    return Deblurred(
        from_unit_range(network(to_unit_range(image), None), image.dtype), method, median, longest, note
    )


def find_weights(method: Method | BaselineName) -> Path | None:
    """Return the file with the weights of a method; None: it has none.

    Raises
    ------
    DeepGyroError
        If it is not there.
    """
    if method in BASELINES:
        return baseline_path(method)
    return weights_path(method) if method in NETWORKS else None


@overload
def load_network(method: Method, weights: Path | None) -> Session | None: ...


@overload
def load_network(method: Method | BaselineName, weights: Path | None) -> Session | OnePieceNetwork | None: ...


def load_network(method: Method | BaselineName, weights: Path | None) -> Session | OnePieceNetwork | None:
    """Return a method's network with weights of `deepgyro export` in a file; None: no file is told.

    Raises
    ------
    DeepGyroError
        If the file is none of such a network.
    ValueError
        If the method is no network.
    """
    if weights is None:
        return None
    if method in BASELINES:
        network = load_baseline(weights)
        if network.contract.is_blind != (method in BLIND_METHODS):
            raise DeepGyroError(
                f"{weights}: no network for {method} (it sees {network.contract.inputs} channels)"
            )
        return network
    if method not in NETWORKS:
        raise ValueError(f"--weights are those of a network, which {method} is not")
    return open_session(weights)


def _write_window(
    out: Pixels,
    window: Window,
    sharp: Float32[ndarray, "a b 3"],
    values: _UnitValues,
    paths: Float32[ndarray, "a b n 2"],
    fade_start: float,
    decoded: bool,
) -> None:
    """Write a window of the sharp picture; where paths get short, the picture as it came."""
    from .restore.kernels import blend_by_path_length

    rows, columns = window

    def band(top: int, bottom: int) -> None:
        part = slice(rows.start + top, rows.start + bottom), columns
        before = values[part]
        after = np.empty_like(before)
        blend_by_path_length(before, sharp[top:bottom], paths[top:bottom], np.float32(fade_start), after)
        out[part] = from_unit_range(linear_to_srgb(after) if decoded else after, out.dtype)

    run_in_bands(len(sharp), 32, band)


@dataclass(frozen=True)
class _UnitValues:
    """A picture's numbers as 0 to 1, where they are asked for."""

    image: Pixels

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "a b 3"]:
        return to_unit_range(self.image[window])


@dataclass(frozen=True)
class _LinearLight(_UnitValues):
    """A picture's light, decoded where it is asked for."""

    encoding: Encoding

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "a b 3"]:
        values = super().__getitem__(window)
        return srgb_to_linear(values) if self.encoding == "srgb" else values


def _check_field(field: Field | ndarray, height: int, width: int) -> Field:
    """Return a field's paths; one that is an array is checked, one that is computed is trusted."""
    if isinstance(field, ndarray):
        if field.dtype.kind != "f":
            raise ValueError(f"the field is {field.dtype}; float32 px is needed")
        with np.errstate(over="ignore"):
            field = field.astype(np.float32, copy=False)
        if not _check_finite(field):
            raise ValueError("the field has numbers that are not finite")
        if field.ndim == 3 and field.shape[2] == 2:
            field = paths_from_vectors(field)
    shape = tuple(field.shape)
    if len(shape) != 4 or shape[:2] != (height, width) or shape[2] < 2 or shape[3] != 2:
        raise ValueError(
            f"the field is {shape}; (height, width, n, 2) is needed, here {height} x {width}, and n >= 2"
        )
    return field


def _check_finite(field: Float32[ndarray, "h w *rest"]) -> bool:
    found: list[bool] = []
    run_in_bands(len(field), 64, lambda top, end: found.append(bool(np.isfinite(field[top:end]).all())))
    return all(found)


def _check_size(height: int, width: int) -> None:
    if height * width > MAX_ONE_PIECE_PIXELS:
        raise ValueError(
            f"{width} x {height} px are too many for a network that sees a picture in one piece: at most "
            f"{MAX_ONE_PIECE_PIXELS // 1_000_000} million fit; deepgyro and deepgyro-fast work in tiles"
        )


def _check_options(method: str, encoding: str) -> None:
    if method not in (*METHODS, *BASELINES):
        raise ValueError(f"method is {method!r}; {' or '.join((*METHODS, *BASELINES))} is needed")
    if encoding not in get_args(Encoding):
        raise ValueError(f"encoding is {encoding!r}; srgb or linear is needed")
