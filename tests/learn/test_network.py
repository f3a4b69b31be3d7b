import numpy as np
import pytest
import torch

from deepgyro.blur import Blur
from deepgyro.blur.differences import PathDifferences
from deepgyro.learn.network import (
    DeepGyro,
    NetworkConfig,
    _Blurred,
    _Differences,
    multiply_adds,
    to_encoded,
    to_light,
)
from deepgyro.light import linear_to_srgb, srgb_to_linear
from deepgyro.runtime.inputs import path_ends

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


def operators(paths):
    fields = [p.numpy().reshape(-1, 2, 32, 48).transpose(2, 3, 0, 1).copy() for p in paths]
    return [Blur(f) for f in fields], [PathDifferences(path_ends(f), (-0.5, 0.5), (0.1,)) for f in fields]


def test_operators_in_torch_are_the_operators_and_their_gradients_the_adjoints():
    blurred, paths, _, _ = batch()
    A, D = operators(paths)
    for apply, there, back, channels in (
        (
            lambda x: _Blurred.apply(x, A),
            lambda k, x: A[k](x.transpose(1, 2, 0).copy()).transpose(2, 0, 1),
            lambda k, y: A[k].adjoint(y.transpose(1, 2, 0).copy()).transpose(2, 0, 1),
            3,
        ),
        (
            lambda x: _Differences.apply(x, D),
            lambda k, x: D[k](x).reshape(6, 32, 48),
            lambda k, y: D[k].adjoint(y.reshape(2, 3, 32, 48)),
            6,
        ),
    ):
        x = blurred.clone().requires_grad_()
        y = torch.randn(2, channels, 32, 48, generator=torch.Generator().manual_seed(1))
        found = apply(x)
        (found * y).sum().backward()
        for k in range(2):
            np.testing.assert_allclose(found[k].detach(), there(k, blurred[k].numpy()), atol=1e-6)
            np.testing.assert_allclose(x.grad[k], back(k, y[k].numpy()), atol=1e-5)


@pytest.mark.parametrize("linear", [0.0, 1.0])
def test_gradients_flow_through_what_is_left_over(linear):
    """The slope of the last guess along a direction of the first stage's weights, by differences."""
    torch.manual_seed(1)
    network = DeepGyro(SMALL)
    for stage in network.stages:
        torch.nn.init.normal_(stage.tail.weight, 0, 0.03)
    blurred, paths, gyro, _ = batch()
    blurred = 0.3 + 0.4 * blurred  # away from the ends of the curve
    weight = network.stages[0].tail.weight
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    probe = torch.randn(blurred.shape, generator=torch.Generator().manual_seed(3))

    def value(step):
        with torch.no_grad():
            weight.add_(direction, alpha=step)
            out = (network(blurred, paths, gyro, torch.full((2,), linear))[-1].double() * probe).sum()
            weight.sub_(direction, alpha=step)
        return out.item()

    (network(blurred, paths, gyro, torch.full((2,), linear))[-1] * probe).sum().backward()
    slope = (weight.grad * direction).sum().item()

    assert slope == pytest.approx((value(2e-3) - value(-2e-3)) / 4e-3, rel=0.03)


def test_light_is_that_of_srgb():
    values = torch.linspace(0, 1, 999)

    np.testing.assert_allclose(to_light(values), srgb_to_linear(values.numpy()), atol=1e-6)
    np.testing.assert_allclose(to_encoded(values), linear_to_srgb(values.numpy()), atol=1e-6)


def test_a_guess_is_blurred_in_light_where_light_was():
    torch.manual_seed(0)
    network = DeepGyro(SMALL)
    torch.nn.init.normal_(network.stages[1].tail.weight, 0, 0.1)
    blurred, paths, gyro, _ = batch()

    light = network(blurred, paths, gyro, torch.ones(2))
    encoded = network(blurred, paths, gyro, torch.zeros(2))

    assert torch.equal(light[0], encoded[0])
    assert (light[1] - encoded[1]).abs().max() > 0.01


def test_a_stage_sees_no_farther_than_its_margin():
    config = NetworkConfig(widths=(16, 16, 16), blocks=(1, 1, 2))
    stage = DeepGyro(config).stages[0]
    torch.nn.init.normal_(stage.tail.weight)
    seen = torch.randn(1, config.channels(0), 256, 256, requires_grad=True)

    stage(seen)[0][0, :, 128, 128].sum().backward()

    y, x = seen.grad[0].abs().sum(0).nonzero().T
    far = max((y - 128).abs().max(), (x - 128).abs().max()).item()
    assert config.margin - 3 * config.multiple <= far <= config.margin


def test_the_default_network_keeps_to_its_arithmetic():
    network = DeepGyro(NetworkConfig())

    assert multiply_adds(network, 256, 256) < 6  # 10^9
    assert sum(p.numel() for p in network.parameters()) < 2e6
