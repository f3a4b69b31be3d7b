"""Networks on a processor, without torch."""

from .contract import Contract
from .session import ENGINES, PRECISIONS, Engine, Precision, Session, has_bf16, open_session

__all__ = ["ENGINES", "PRECISIONS", "Contract", "Engine", "Precision", "Session", "has_bf16", "open_session"]
