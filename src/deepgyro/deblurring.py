"""One picture and its field in, the sharper picture out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from .blur.operator import MAX_REACH_PX
from .blurfield import Field, MotionField, measure_field, paths_from_vectors
from .light import Pixels, check_pixels, from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from .refine import ACCEPT_CONFIDENCE, refine_field
from .restore import Method, MethodName, open_method
from .threads import run_in_bands
from .tiles import PictureLike, Window

logger = logging.getLogger(__name__)

Encoding = Literal["srgb", "linear"]

FADE_START_PX = 0.3
"""Pixels with shorter paths stay unchanged; over 1 px more the result fades in."""
MIN_BLUR_PX = 0.7
"""A longest path shorter than this leaves a picture as sharp as its pixels, px."""
MAX_BLUR_SHARE = 0.5
"""A median path longer than this share of the picture's shorter side is taken for a mistake."""


@dataclass(frozen=True, eq=False)
class Deblurred:
    """A picture after deblurring, and what was done."""

    image: Pixels
    method: str
    skipped: str | None
    """Why the picture is unchanged; None where it was deblurred."""
    blur_median_px: float
    blur_max_px: float
    confidence: float | None
    """Probability that the field is right, of `refine_field`; None where no picture was compared."""
    note: str
    """How the field was corrected or estimated; else empty."""


def deblur(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    method: MethodName | Method = "deepgyro",
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
        the path is estimated from the picture (`refine_field`).
    method
        ``"deepgyro"`` (our network), ``"deepgyro-fast"`` (a smaller one), ``"richardson-lucy"`` (no weights),
        or ``"fastgyro"`` (Wiener; the paper's baseline). To compare with, where their weights are (a
        checkout): ``"deepgyro-paper"`` (the paper's network), and ``"deepblind-paper"`` and ``"deblurgan"``,
        which see the picture alone, whatever field, encoding and refine are (but for a field without blur);
        they work on the values as they are, of up to 6 million px.
    encoding
        ``"srgb"``: values are encoded as in files, the blur was made in the light they stand for.
        ``"linear"``: values are proportional to light, or the blur was made on these very numbers.
    refine
        Let the picture correct the field, or estimate one (`refine_field`); where it contradicts the field
        and shows no other, or without field no confident one, the picture stays unchanged.

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
    if result.skipped is not None:
        logger.warning("the picture is unchanged: %s", result.skipped)
    return result.image


def deblur_picture(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    method: MethodName | Method = "deepgyro",
    encoding: Encoding = "srgb",
    refine: bool = True,
    fade_start: float = FADE_START_PX,
    progress: Callable[[float], None] | None = None,
) -> Deblurred:
    """Deblur a picture as `deblur` does, and report what was done.

    Parameters
    ----------
    image, field, method, encoding, refine
        As in `deblur`.
    fade_start
        Pixels whose paths are shorter than this, px, stay unchanged; the result fades in over 1 px more.
    progress
        Called with the share that is done.
    """
    check_pixels(image)
    if encoding not in get_args(Encoding):
        raise ValueError(f"encoding is {encoding!r}; srgb or linear is needed")
    method = open_method(method) if isinstance(method, str) else method
    height, width = image.shape[:2]
    if method.max_pixels is not None and height * width > method.max_pixels:
        raise ValueError(
            f"{width} x {height} px are too many for a network that sees a picture in one piece: at most "
            f"{method.max_pixels // 1_000_000} million fit; deepgyro and deepgyro-fast work in tiles"
        )
    choice = _choose_field(image, field, method, refine=refine)
    result = partial(
        Deblurred, method=method.name, blur_median_px=choice.median_px, blur_max_px=choice.max_px,
        confidence=choice.confidence, note=choice.note,
    )  # fmt: skip
    if choice.skipped is not None:
        return result(image=image.copy(), skipped=choice.skipped)
    decode = method.in_light and encoding == "srgb"
    values = _LinearLight(image) if decode else _UnitValues(image)
    out = np.empty_like(image)
    for window, sharp in method.restore(
        values, choice.field, linear=encoding == "srgb", reach=choice.reach_px, progress=progress
    ):
        if method.is_blind:
            out[window] = from_unit_range(sharp, out.dtype)
        elif choice.field is not None:
            _write_window(out, window, sharp, values, choice.field[window], fade_start, decode)
    return result(image=out, skipped=None)


@dataclass(frozen=True, eq=False)
class _FieldChoice:
    """The field to deblur a picture along, or why it is skipped."""

    field: Field | None = None
    median_px: float = 0.0
    max_px: float = 0.0
    reach_px: int = 0
    confidence: float | None = None
    note: str = ""
    skipped: str | None = None


def _choose_field(
    image: Pixels, field: Field | ndarray | None, method: Method, *, refine: bool
) -> _FieldChoice:
    """Return the field that the picture is deblurred along: the one given, corrected, or the picture's
    own."""
    height, width = image.shape[:2]
    fit = None
    if field is None:
        if method.is_blind:
            return _FieldChoice(note="the picture alone: how blurred it is, is not known")
        fit = refine_field(image, None) if refine else None
        if fit is None or fit.field is None or fit.confidence < ACCEPT_CONFIDENCE:
            return _FieldChoice(
                skipped=fit.note if fit else "no gyro for it", confidence=fit.confidence if fit else None
            )
        field = fit.field
    field = _check_field(field, height, width)
    median, longest, reach = measure_field(field)
    skip = partial(_FieldChoice, median_px=median, max_px=longest)
    if longest < MIN_BLUR_PX:
        return skip(skipped="no blur to take out")
    if method.is_blind:
        return _FieldChoice(None, median, longest)
    too_long = median > MAX_BLUR_SHARE * min(height, width) or reach > MAX_REACH_PX
    if too_long or not method.fits(reach, field.shape[2]):
        return skip(skipped="the field is too large to be meant: check units, exposure and focal length")
    if isinstance(field, MotionField):
        field = field.tabulate()
    if refine and fit is None:
        fit = refine_field(image, field)
        if fit.field is None:
            return skip(skipped=fit.note, confidence=fit.confidence)
        if fit.field is not field:
            field = fit.field
            median, longest, reach = measure_field(field)
    return _FieldChoice(
        field, median, longest, reach, fit.confidence if fit else None, fit.note if fit else ""
    )


def _write_window(
    out: Pixels,
    window: Window,
    sharp: Float32[ndarray, "a b 3"],
    values: PictureLike,
    paths: Float32[ndarray, "a b n 2"],
    fade_start: float,
    decoded: bool,
) -> None:
    """Write a window of the sharp picture; where paths get short, the picture unchanged."""
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
    """A picture's values as 0 to 1, one window at a time."""

    image: Pixels

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "a b 3"]:
        return to_unit_range(self.image[window])


@dataclass(frozen=True)
class _LinearLight:
    """A picture's linear light, one window at a time."""

    image: Pixels

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "a b 3"]:
        return srgb_to_linear(to_unit_range(self.image[window]))


def _check_field(field: Field | ndarray, height: int, width: int) -> Field:
    """Return a field's paths; one that is an array is checked, a lazy one needs no check."""
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
    finite: list[bool] = []
    run_in_bands(len(field), 64, lambda top, end: finite.append(bool(np.isfinite(field[top:end]).all())))
    return all(finite)
