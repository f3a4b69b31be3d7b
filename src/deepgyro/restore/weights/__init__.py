"""The weights that come with the package: ONNX files, each with its card."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

from ...errors import DeepGyroError
from ...runtime.session import Session, open_session

Name = Literal["deepgyro", "deepgyro-fast"]
NETWORKS: tuple[Name, ...] = get_args(Name)
FOLDER = Path(__file__).parent


def shipped() -> list[Name]:
    """Return the networks whose weights are in this package."""
    return [name for name in NETWORKS if _file(name).exists()]


def weights_path(name: Name) -> Path:
    """Return the ONNX file of a network that comes with the package.

    Raises
    ------
    DeepGyroError
        If it is not there.
    """
    path = _file(name)
    if not path.exists():
        there = " and ".join(shipped()) or "none"
        raise DeepGyroError(
            f"{name}: its weights are not in this package (no {path.name}); networks that are there: {there}"
        )
    return path


@cache
def network(name: Name) -> Session:
    """Return a network that comes with the package, on this machine's processor; opened once.

    Raises
    ------
    DeepGyroError
        If its weights are not there.
    """
    return open_session(weights_path(name))


def _file(name: Name) -> Path:
    return FOLDER / f"{name}.onnx"
