"""The weights that come with the package: ONNX files, each with its card."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

from ...errors import DeepGyroError
from ...runtime.session import Session, open_session

NetworkName = Literal["deepgyro", "deepgyro-fast"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
WEIGHTS_FOLDER = Path(__file__).parent


def shipped_networks() -> list[NetworkName]:
    """Return the networks whose weights are in this package."""
    return [name for name in NETWORKS if _onnx_path(name).exists()]


def weights_path(name: NetworkName) -> Path:
    """Return the ONNX file of a network that comes with the package.

    Raises
    ------
    DeepGyroError
        If it is not there.
    """
    path = _onnx_path(name)
    if not path.exists():
        there = " and ".join(shipped_networks()) or "none"
        raise DeepGyroError(
            f"{name}: its weights are not in this package (no {path.name}); networks that are there: {there}"
        )
    return path


def load_shipped_network(name: NetworkName) -> Session:
    """Return a network that comes with the package, on this machine's processor; opened once.

    Raises
    ------
    DeepGyroError
        If its weights are not there.
    """
    return _open_cached(weights_path(name))


@cache
def _open_cached(path: Path) -> Session:
    return open_session(path)


def _onnx_path(name: NetworkName) -> Path:
    return WEIGHTS_FOLDER / f"{name}.onnx"
