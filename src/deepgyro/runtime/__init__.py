"""Networks that take the blur out of a picture, without torch."""

from .contract import Contract
from .restore import restore
from .session import ENGINES, PRECISIONS, Engine, Precision, Session, has_bf16, open_session
from .weights import NETWORKS, network, shipped, weights_path

__all__ = [
    "ENGINES",
    "NETWORKS",
    "PRECISIONS",
    "Contract",
    "Engine",
    "Precision",
    "Session",
    "has_bf16",
    "network",
    "open_session",
    "restore",
    "shipped",
    "weights_path",
]
