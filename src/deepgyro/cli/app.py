"""The program, and the types of its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import App, Parameter, Token

from ..version import __version__

app = App(
    name="deepgyro",
    version=__version__,
    help="Take the motion blur out of photos with the help of the camera's gyroscope.",
    help_format="plaintext",
)

Flag = Annotated[bool, Parameter(negative=())]


def _parse_integer(_: object, tokens: Sequence[Token]) -> int:
    """Convert an option's word; the library's own way rounds 3.5 to 4."""
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        raise ValueError(f"{token.value!r} is no whole number") from None


MethodName = Literal["deepgyro", "deepgyro-fast", "richardson-lucy", "fastgyro"]
BaselineMethod = Literal["deepgyro-paper", "deepblind-paper", "deblurgan"]
Integer = Annotated[int, Parameter(converter=_parse_integer)]
OptionalInteger = Annotated[int | None, Parameter(converter=_parse_integer)]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
Json = Annotated[bool, Parameter(negative=(), help="Print one JSON object.")]
Overwrite = Annotated[bool, Parameter(negative=(), help="Replace files that exist.")]
