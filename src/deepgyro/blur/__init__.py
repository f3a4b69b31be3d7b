"""The blur operator A and its exact adjoint."""

from .operator import BlurOperator

__all__ = ["BlurOperator"]
