"""Networks that take the blur out of a picture, without torch."""

from .baselines import (
    BASELINES,
    BASELINES_FOLDER,
    LARGEST,
    Baseline,
    BaselineName,
    baseline,
    baseline_path,
)
from .contract import Contract
from .restore import restore
from .session import ENGINES, PRECISIONS, Engine, Precision, Session, has_bf16, open_session
from .weights import NETWORKS, network, shipped, weights_path

__all__ = [
    "BASELINES",
    "BASELINES_FOLDER",
    "ENGINES",
    "LARGEST",
    "NETWORKS",
    "PRECISIONS",
    "Baseline",
    "BaselineName",
    "Contract",
    "Engine",
    "Precision",
    "Session",
    "baseline",
    "baseline_path",
    "has_bf16",
    "network",
    "open_session",
    "restore",
    "shipped",
    "weights_path",
]
