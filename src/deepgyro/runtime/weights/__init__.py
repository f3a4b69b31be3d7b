"""The weights that come with the package: ONNX files, each with its card."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

from ..session import Session, open_session

Name = Literal["deepgyro"]
NETWORKS: tuple[Name, ...] = get_args(Name)


def weights_path(name: Name) -> Path:
    """Return the ONNX file of a network that comes with the package."""
    return Path(__file__).parent / f"{name}.onnx"


@cache
def network(name: Name) -> Session:
    """Return a network that comes with the package, on this machine's processor; opened once."""
    return open_session(weights_path(name))
