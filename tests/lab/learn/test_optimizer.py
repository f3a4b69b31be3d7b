import pytest
import torch

from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.lab.learn.optimizer import Muon, _as_matrix, muon_and_adamw

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DeepGyro(SMALL).to(memory_format=torch.channels_last)


def test_every_weight_moves_and_stays_the_networks_own(network):
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = muon_and_adamw(network, 1e-2)

    sum((p - 1).square().sum() for p in network.parameters()).backward()
    optimizer.step()

    for name, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[name]), name


def test_inner_convolutions_take_steps_of_equal_strength_in_every_direction(network):
    """Muon's step is the gradient with all its singular values near one, scaled."""
    stage = network.stages[0]
    inner, end = stage.before[0][0].first.weight, stage.tail.weight
    before = inner.detach().clone(), end.detach().clone()
    optimizer = muon_and_adamw(network, 1e-2, weight_decay=0.0)
    gradient = torch.randn(inner.shape) * torch.logspace(0, -2, 8).view(-1, 1, 1, 1)
    ((inner * gradient).sum() + (end * 3).sum()).backward()

    optimizer.step()

    values = torch.linalg.svdvals((inner.detach() - before[0]).permute(0, 2, 3, 1).flatten(1))
    assert values.max() < 3 * values.min()
    assert values.mean() == pytest.approx(1e-2 * 0.2 * 72**0.5, rel=0.3)
    torch.testing.assert_close(before[1] - end.detach(), torch.full(end.shape, 1e-2))


def test_the_rate_is_one_for_all(network):
    optimizer = muon_and_adamw(network, 1e-2)
    before = [p.detach().clone() for p in network.parameters()]

    optimizer.rate = 0.0
    sum(p.sum() for p in network.parameters()).backward()
    optimizer.step()

    assert optimizer.rate == 0
    assert all(map(torch.equal, before, network.parameters()))


@pytest.mark.parametrize("shape", [(8, 12, 3, 3), (40, 3, 2, 2)])
def test_muon_s_steps_are_those_of_torch_s_own(shape):
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape).contiguous(memory_format=torch.channels_last))
    theirs = torch.nn.Parameter(_as_matrix(ours.detach()).clone())
    start = theirs.detach().clone()
    optimizers = (
        Muon([ours], 1e-2, weight_decay=0.1),
        torch.optim.Muon([theirs], 1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )

    for _ in range(3):
        ours.grad = torch.randn(shape)
        theirs.grad = _as_matrix(ours.grad)
        for optimizer in optimizers:
            optimizer.step()

    moved = theirs.detach() - start
    assert (_as_matrix(ours.detach()) - theirs).norm() < 0.02 * moved.norm()  # theirs are rounded to bfloat16


def test_a_network_kept_otherwise_takes_the_same_steps(network):
    other = DeepGyro(SMALL)
    other.load_state_dict(network.state_dict())

    for net in (network, other):
        optimizer = muon_and_adamw(net, 1e-2)
        sum((p - 1).square().sum() for p in net.parameters()).backward()
        optimizer.step()

    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)
