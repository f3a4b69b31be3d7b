import pytest
import torch

from deepgyro.lab.learn.baselines.paper import PaperUNet
from deepgyro.lab.learn.baselines.wrapper import count_multiply_adds


@pytest.mark.parametrize("inputs", [3, 5])
def test_the_network_has_the_published_size(inputs):
    with torch.device("meta"):
        network = PaperUNet(inputs)

    assert sum(p.numel() for p in network.parameters()) == pytest.approx(31.03e6, abs=0.005e6)


@pytest.mark.parametrize(("height", "width", "published"), [(256, 256, 48.3), (272, 480, 96.1)])
def test_the_network_costs_what_was_published(height, width, published):
    with torch.device("meta"):
        network, picture = PaperUNet(), torch.zeros(1, 5, height, width)

    assert count_multiply_adds(network, picture) == pytest.approx(published, abs=0.1)  # 10^9


def test_a_picture_costs_the_same_in_a_batch_as_alone():
    with torch.device("meta"):
        network = PaperUNet(width=4)
        one, three = torch.zeros(1, 5, 32, 32), torch.zeros(3, 5, 32, 32)

    assert count_multiply_adds(network, three) == pytest.approx(3 * count_multiply_adds(network, one))


@pytest.mark.parametrize(("inputs", "width", "h", "w"), [(5, 2, 16, 16), (3, 5, 32, 80), (4, 1, 48, 16)])
def test_any_width_and_any_multiple_of_the_size_will_do(inputs, width, h, w):
    network = PaperUNet(inputs, width)

    sharp = network(torch.rand(2, inputs, h, w))

    assert network.multiple == 16
    assert sharp.shape == (2, 3, h, w)
