import numpy as np
import pytest
import torch
from torch import nn

from deepgyro.lab.learn.baselines.deblurgan import Critic, Generator, gradient_penalty
from deepgyro.lab.learn.baselines.wrapper import count_multiply_adds


def test_the_generator_has_the_published_size():
    with torch.device("meta"):
        generator, picture = Generator(), torch.zeros(1, 3, 256, 256)

    assert sum(p.numel() for p in generator.parameters()) == pytest.approx(11.38e6, abs=0.005e6)
    assert count_multiply_adds(generator, picture) == pytest.approx(49.6, abs=0.1)  # 10^9


@pytest.mark.parametrize(("width", "blocks", "h", "w"), [(4, 1, 32, 48), (2, 3, 20, 64), (3, 0, 16, 12)])
def test_the_generator_keeps_the_size_of_a_picture(width, blocks, h, w):
    generator = Generator(width, blocks)

    sharp = generator(torch.zeros(2, 3, h, w))

    assert h % generator.multiple == w % generator.multiple == 0
    assert sharp.shape == (2, 3, h, w)


@pytest.mark.parametrize("push", [-10.0, 10.0])
def test_the_generator_keeps_to_its_range(push):
    generator = Generator(4, 1)
    nn.init.constant_(generator.layers[-2].bias, push)

    sharp = generator(2 * torch.rand(1, 3, 32, 32) - 1)

    assert sharp.abs().max() == 1
    assert sharp.mean() * np.sign(push) > 0.5


def test_the_generator_adds_to_the_picture():
    generator = Generator(4, 1)
    nn.init.zeros_(generator.layers[-2].weight)
    nn.init.zeros_(generator.layers[-2].bias)
    blurred = 2 * torch.rand(1, 3, 32, 32) - 1

    assert torch.equal(generator(blurred), blurred)


@pytest.mark.parametrize(("h", "w", "rows", "columns"), [(256, 256, 35, 35), (66, 128, 12, 19)])
def test_the_critic_values_patches_8_px_apart(h, w, rows, columns):
    with torch.device("meta"):
        values = Critic()(torch.zeros(2, 3, h, w))

    assert values.shape == (2, 1, rows, columns)


def test_the_critic_sees_70_px_but_for_what_the_normalisation_tells():
    torch.manual_seed(0)
    layers = [m for m in Critic(4).double().layers if not isinstance(m, nn.InstanceNorm2d)]
    picture = torch.randn(1, 3, 160, 176, dtype=torch.float64, requires_grad=True)
    values = nn.Sequential(*layers)(picture)

    (slope,) = torch.autograd.grad(values[0, 0, values.shape[2] // 2, values.shape[3] // 2], picture)

    rows, columns = slope[0].abs().amax(0).nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_the_critic_is_not_bounded():
    critic = Critic(4)
    nn.init.constant_(critic.layers[-1].bias, -30.0)

    assert critic(torch.zeros(1, 3, 64, 64)).max() < -20


def pictures(size, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(size, 3, 8, 6)))


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope():
    slope = (0.3 * pictures(1, 0)).requires_grad_()
    length = slope.detach().norm()

    penalty = gradient_penalty(
        lambda x: (slope * x).sum((1, 2, 3)), pictures(4, 1), pictures(4, 2), np.random.default_rng(0)
    )
    penalty.backward()

    torch.testing.assert_close(penalty.detach(), (length - 1) ** 2)
    torch.testing.assert_close(slope.grad, 2 * (length - 1) * slope.detach() / length)


def test_the_penalty_is_the_mean_over_pictures():
    real = pictures(3, 0)
    lengths = real.flatten(1).norm(dim=1)

    penalty = gradient_penalty(lambda x: (x**2).sum((1, 2, 3)) / 2, real, real, np.random.default_rng(0))

    torch.testing.assert_close(penalty.detach(), ((lengths - 1) ** 2).mean())


def test_a_map_of_values_is_taken_by_its_mean():
    real, fake = pictures(2, 0), pictures(2, 1)

    penalty = gradient_penalty(
        lambda x: (x**2).sum((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 1, 5, 7),
        real,
        fake,
        np.random.default_rng(0),
    )

    alone = gradient_penalty(lambda x: (x**2).sum((1, 2, 3)), real, fake, np.random.default_rng(0))
    torch.testing.assert_close(penalty, alone)


def test_each_picture_is_asked_at_its_own_place_between_fake_and_real():
    real, fake = pictures(4, 0), pictures(4, 1).requires_grad_()
    asked = []

    def critic(x):
        asked.append(x)
        return (x**2).sum((1, 2, 3))

    gradient_penalty(critic, real, fake, np.random.default_rng(0)).backward()

    shares = ((asked[0] - fake) / (real - fake)).detach().flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))
    assert 0 <= shares.min() < shares.max() <= 1
    assert len(shares[:, 0].unique()) == 4
    assert fake.grad is None


def test_a_critic_learns_from_its_penalty():
    torch.manual_seed(0)
    critic = Critic(2)
    real, fake = (pictures(2, seed).float().repeat(1, 1, 4, 6) for seed in (0, 1))

    gradient_penalty(critic, real, fake, np.random.default_rng(0)).backward()

    assert all(p.grad.abs().max() > 0 for name, p in critic.named_parameters() if name.endswith("weight"))
