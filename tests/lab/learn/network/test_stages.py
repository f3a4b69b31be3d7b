import pytest
import torch

from deepgyro.lab.learn.baselines.wrapper import count_multiply_adds
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))


def batch(size=2, height=32, width=48):
    generator = torch.Generator().manual_seed(0)
    blurred = torch.rand(size, 3, height, width, generator=generator)
    vectors = torch.tensor([[6.0, 3.0], [-2.0, 9.0]])[:size]
    paths = torch.cat([-vectors / 2, vectors / 2], 1)[..., None, None].expand(size, 4, height, width)
    return blurred, paths.contiguous(), torch.ones(size), torch.zeros(size)


def test_an_untrained_network_returns_what_it_was_given():
    inputs = batch()

    guesses = DeepGyro(SMALL)(*inputs)

    assert len(guesses) == 2
    for guess in guesses:
        assert torch.equal(guess, inputs[0])


def test_every_stage_learns():
    torch.manual_seed(0)
    network = DeepGyro(SMALL)
    blurred, *rest = batch()
    sharp = blurred.flip(0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []

    for _ in range(40):
        guesses = network(blurred, *rest)
        loss = sum((guess - sharp).abs().mean() for guess in guesses)
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    assert losses[-1] < 0.8 * losses[0]


def test_a_guess_is_blurred_in_light_where_light_was():
    torch.manual_seed(0)
    network = DeepGyro(SMALL)
    torch.nn.init.normal_(network.stages[1].tail.weight, 0, 0.1)
    blurred, paths, gyro, _ = batch()

    light = network(blurred, paths, gyro, torch.ones(2))
    encoded = network(blurred, paths, gyro, torch.zeros(2))

    assert torch.equal(light[0], encoded[0])
    assert (light[1] - encoded[1]).abs().max() > 0.01


@pytest.mark.parametrize("up_blocks", [None, (1, 0), (0, 2)])
def test_a_stage_sees_no_farther_than_its_margin(up_blocks):
    torch.manual_seed(0)
    config = NetworkConfig(widths=(16, 16, 16), blocks=(1, 1, 2), up_blocks=up_blocks)
    stage = DeepGyro(config).stages[0]
    torch.nn.init.normal_(stage.tail.weight)
    seen = torch.randn(1, config.input_channels(0), 256, 256, requires_grad=True)

    stage(seen)[0][0, :, 128, 128].sum().backward()

    y, x = seen.grad[0].abs().sum(0).nonzero().T
    far = max((y - 128).abs().max(), (x - 128).abs().max()).item()
    assert config.margin - 3 * config.multiple <= far <= config.margin


def test_the_default_network_keeps_to_its_arithmetic():
    network = DeepGyro(NetworkConfig())

    assert count_multiply_adds(network, *batch(1, 256, 256)) < 6  # 10^9
    assert sum(p.numel() for p in network.parameters()) < 2e6
