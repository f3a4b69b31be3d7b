"""The methods that a bench compares: those of `deblur`, beside the picture as it came."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float32
from numpy import ndarray

from ..blurfield import Field
from ..deblurring import METHODS, deblur_picture
from ..deblurring.picture import Encoding
from ..light import Pixels
from .report import Row

BLURRED = "blurred"
"""The input, for a method that does nothing."""
CONTENDERS = (BLURRED, *METHODS)
PLANNED = ("deepgyro", "deepgyro-fast", "deepgyro-paper", "deepblind-paper", "deblurgan")
"""Networks that the benches are made for; those that are not there yet are shown as missing."""


def chosen(methods: Sequence[str], among: Sequence[str] = CONTENDERS) -> list[str]:
    """Return the methods that are wanted, each once, in the order of `among`; with none named, all.

    Raises
    ------
    ValueError
        If there is no such method.
    """
    known = list(dict.fromkeys(among))
    if unknown := [method for method in methods if method not in known]:
        raise ValueError(f"method is {unknown[0]!r}; one of {', '.join(known)} is needed")
    return [method for method in known if not methods or method in methods]


def restored(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    method: str,
    *,
    encoding: Encoding = "srgb",
    refine: bool = False,
) -> Pixels:
    """Return what a method makes of a picture and the field it is told, as it is told; see `deblur`."""
    if method == BLURRED:
        return image
    (name,) = [name for name in METHODS if name == method]
    return deblur_picture(image, field, method=name, encoding=encoding, refine=refine).image


def with_missing(rows: Sequence[Row], methods: Sequence[str] = ()) -> list[Row]:
    """Return rows for a person: below them, without a number, the networks that are not there yet.

    Networks are missing only from a table of all methods, not from one of those that were asked for.
    """
    absent = [] if methods else [name for name in PLANNED if name not in METHODS]
    empty = dict.fromkeys(rows[0]) if rows else {}
    return [*rows, *({**empty, "method": f"{name} (missing)"} for name in absent)]
