import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deepgyro.errors import DeepGyroError
from deepgyro.lab.learn.checkpoint import Progress, load_checkpoint, save_checkpoint
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.lab.learn.optimizer import muon_and_adamw
from deepgyro.lab.learn.settings import TrainConfig

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))
CONFIG = TrainConfig(pairs="/home/me/pairs", validation="/home/me/validation", steps=9, network=SMALL)


def networks(config=SMALL):
    network, average = (DeepGyro(config).to(memory_format=torch.channels_last) for _ in range(2))
    return network, average, muon_and_adamw(network, 1e-3)


@pytest.fixture
def trained():
    """Two networks and an optimiser after two steps."""
    torch.manual_seed(0)
    network, average, optimizer = networks()
    for _ in range(2):
        sum((p**2).sum() for p in network.parameters()).backward()
        optimizer.step()
    return network, average, optimizer


def bits(optimizer):
    return {name: (value.dtype, value.stride(), value.tolist()) for name, value in optimizer.moments()}


def test_a_checkpoint_brings_everything_back_bit_for_bit(trained, tmp_path):
    network, average, optimizer = trained
    progress = Progress(step=2, pairs=8, minutes=0.1 + 0.2, runs=3)
    save_checkpoint(tmp_path / "c", network, average, CONFIG, progress, optimizer=optimizer)
    drawn = torch.rand(3)

    again = networks()
    found = load_checkpoint(tmp_path / "c", *again)

    assert found == replace(progress, moments="float32")
    assert torch.equal(torch.rand(3), drawn)
    for before, after in zip(trained[:2], again[:2], strict=True):
        assert all(map(torch.equal, before.parameters(), after.parameters()))
    assert len(bits(optimizer)) > 20
    assert bits(optimizer) == bits(again[2])


def test_a_slim_checkpoint_has_four_bytes_a_parameter_and_no_paths(trained, tmp_path):
    network, average, optimizer = trained
    progress = Progress(step=2)
    paths = [tmp_path / "full", tmp_path / "slim"]

    for path, slim in zip(paths, (False, True), strict=True):
        save_checkpoint(path, network, average, CONFIG, progress, optimizer=optimizer, slim=slim)

    parameters = sum(p.numel() for p in network.parameters())
    assert paths[1].stat().st_size < 4 * parameters + 40_000
    assert sum(v.nbytes for k, v in load_file(paths[1]).items() if k != "generator") == 4 * parameters
    for path in paths:
        assert b"/" not in path.read_bytes()[:8000].partition(b"__metadata__")[2].partition(b"}}")[0]
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["deepgyro"])
        assert (about["config"]["pairs"], about["config"]["validation"]) == ("pairs", "validation")
    again = networks()
    found = load_checkpoint(paths[1], *again)
    assert (found.moments, found.moments_since) == ("none", 2)
    for before, after in zip((network, average), again[:2], strict=True):
        for (name, a), b in zip(before.named_parameters(), after.parameters(), strict=True):
            assert b.dtype == torch.float32
            torch.testing.assert_close(a, b, rtol=2**-10, atol=1e-7, msg=name)


def test_moments_that_are_not_there_begin_anew(trained, tmp_path):
    save_checkpoint(tmp_path / "c", *trained[:2], CONFIG, Progress(step=70))

    again = networks()
    found = load_checkpoint(tmp_path / "c", *again)

    assert (found.moments, found.moments_since) == ("none", 70)
    assert not list(again[2].moments())


def test_a_checkpoint_of_an_earlier_version_can_be_gone_on_from(trained, tmp_path):
    network, average, _ = trained
    tensors = {f"weights.{k}": v.contiguous() for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v.contiguous() for k, v in average.state_dict().items()}
    about = {"config": {}, "progress": {"step": 7, "minutes": 5.0, "sittings": 2}}
    save_file(tensors, tmp_path / "c", metadata={"deepgyro": json.dumps(about)})

    found = load_checkpoint(tmp_path / "c", *networks())

    assert found == Progress(step=7, minutes=5.0, runs=2, moments_since=7)


def test_a_checkpoint_of_another_network_and_another_file_are_refused(trained, tmp_path):
    save_checkpoint(tmp_path / "c", *trained[:2], CONFIG, Progress())
    (tmp_path / "junk").write_bytes(b"junk")

    for path, config in ((tmp_path / "c", replace(SMALL, widths=(8, 16))), (tmp_path / "junk", SMALL)):
        with pytest.raises(DeepGyroError, match="no checkpoint of this network") as error:
            load_checkpoint(path, *networks(config))
        assert "\n" not in str(error.value)
    with pytest.raises(DeepGyroError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nothing", *networks())
