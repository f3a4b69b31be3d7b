import numpy as np
import pytest
import torch

from deepgyro.blur import Blur
from deepgyro.learn.network import DeepGyro, NetworkConfig, multiply_adds, path_maps, reblurred

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

    for _ in range(20):
        guesses = network(blurred, *rest)
        loss = sum((guess - sharp).abs().mean() for guess in guesses)
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    assert losses[-1] < 0.8 * losses[0]


def test_a_reversed_path_looks_the_same():
    vectors = torch.randn(1, 2, 5, 7) * 10

    assert torch.allclose(path_maps(vectors), path_maps(-vectors))


@pytest.mark.parametrize(
    ("u", "v", "maps"), [(32, 0, (1, 1, 0)), (0, 32, (1, -1, 0)), (16, 16, (0.707, 0, 1))]
)
def test_maps_tell_length_and_doubled_angle(u, v, maps):
    found = path_maps(torch.tensor([[[[float(u)]], [[float(v)]]]]))

    np.testing.assert_allclose(found.flatten(), maps, atol=1e-3)
    assert path_maps(torch.zeros(1, 2, 1, 1)).abs().max() == 0


def test_a_guess_is_blurred_along_the_path_as_the_operator_does():
    blurred, paths, _, linear = batch()

    again = reblurred(blurred, paths, linear)

    field = paths[1].numpy().reshape(2, 2, 32, 48).transpose(2, 3, 0, 1)
    expected = Blur(np.ascontiguousarray(field))(blurred[1].numpy().transpose(1, 2, 0).copy())
    np.testing.assert_allclose(again[1], expected.transpose(2, 0, 1), atol=1e-6)


def test_light_adds_up_where_the_pair_says_so():
    blurred, paths, _, _ = batch()

    light = reblurred(blurred, paths, torch.ones(2))
    encoded = reblurred(blurred, paths, torch.zeros(2))

    assert (light.mean() - encoded.mean()) > 0.02  # the mean of light is brighter than the mean of its codes


def test_the_default_network_keeps_to_its_arithmetic():
    network = DeepGyro(NetworkConfig())

    assert multiply_adds(network, 256, 256) < 6  # 10^9
    assert sum(p.numel() for p in network.parameters()) < 1.5e6
