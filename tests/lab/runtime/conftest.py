import pytest
import torch

from deepgyro.lab.learn.export import write_onnx
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.runtime import Contract

SMALL = NetworkConfig(stages=3, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))


def contract_of(config, **changes):
    known = {
        "name": "small",
        "stages": config.stages,
        "fractions": config.fractions,
        "steps": config.steps,
        "multiple": config.multiple,
        "margin": config.margin,
        "parameters": 1,
        "gmac": 0.1,
        "trained": "never",
        "licence": "MIT",
        "commit": "none",
        "scores": {"exact field, linear": 1.0},
    }
    return Contract(**(known | changes))


@pytest.fixture(scope="session")
def small():
    """A small network whose random weights change pictures a lot."""
    torch.manual_seed(3)
    network = DeepGyro(SMALL).eval()
    for stage in network.stages:
        torch.nn.init.normal_(stage.tail.weight, 0, 0.05)
    return network


@pytest.fixture(scope="session")
def onnx_file(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.onnx"
    write_onnx(small, contract_of(SMALL), path)
    return path
