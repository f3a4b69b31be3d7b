"""The blur operator A and its exact adjoint."""

from .operator import Blur

__all__ = ["Blur"]
