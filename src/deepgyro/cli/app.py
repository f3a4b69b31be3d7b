"""The program, and the types of its options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
MethodNames = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
_BASELINES_HELP = (
    "Folder with weights: deepgyro-paper.onnx, deepblind-paper.onnx, deblurgan.onnx and, of our network "
    "trained as long, deepgyro-90min.onnx; by default the checkout's checkpoints."
)
BaselinesFolder = Annotated[Path | None, Parameter(help=_BASELINES_HELP)]
