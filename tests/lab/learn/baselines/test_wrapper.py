import json
from dataclasses import replace
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.benchmark.contenders import COMPARED_NETWORKS, select_methods
from deepgyro.lab.benchmark.speed import _network_jobs
from deepgyro.lab.learn.baselines import wrapper as baseline
from deepgyro.lab.learn.baselines.adversarial import AdversarialTraining
from deepgyro.lab.learn.baselines.deblurgan import VGG_BLOCKS, GanConfig, VggFeatures
from deepgyro.lab.learn.baselines.paper import UNetConfig
from deepgyro.lab.learn.export import export_checkpoint, read_network
from deepgyro.lab.learn.network.stages import NetworkConfig
from deepgyro.lab.learn.settings import TrainConfig
from deepgyro.lab.learn.train import CHECKPOINT_FILE, make_fabric, make_training, train
from deepgyro.restore.baselines import OnePieceNetwork as Opened
from deepgyro.restore.baselines import vector_maps

GAN = GanConfig(width=4, blocks=1, critic_steps=2)


@pytest.fixture
def config(shards):
    """Six steps of the paper's recipe for a network of its kind."""
    before = torch.get_num_threads()
    yield TrainConfig(
        pairs=str(shards),
        validation=str(shards),
        steps=6,
        batch=2,
        patch=32,
        rate=1e-3,
        halvings=3,
        warmup=1,
        ema=0.0,
        loss="squared",
        optimizer="adam",
        without=(),
        unet=UNetConfig(5, 2),
        accelerator="cpu",
        precision="32-true",
        threads=1,
        log_steps=1,
    )
    torch.set_num_threads(before)


def gan_of(config):
    return replace(config, unet=None, deblurgan=GAN, patch=16, halvings=0, fall=0.5)


@pytest.mark.parametrize("make", [lambda c: c, lambda c: replace(c, unet=UNetConfig(3, 2)), gan_of])
def test_a_baseline_goes_on_bit_for_bit_after_a_break(config, tmp_path, make):
    config = make(config)

    train(config, tmp_path / "whole")
    train(replace(config, minutes=1e-9, steps=None), tmp_path / "parts")
    parts = make_training(config, make_fabric(config), tmp_path / "parts" / CHECKPOINT_FILE)
    assert parts.progress.step < 6
    train(config, tmp_path / "parts", resume=True)

    whole, again = (
        read_network(tmp_path / name / CHECKPOINT_FILE)[0].state_dict() for name in ("whole", "parts")
    )
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_rate_is_halved_at_equal_distances(config, tmp_path):
    train(replace(config, steps=8), tmp_path)

    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    rates = [row["rate"] for row in rows if "rate" in row]
    np.testing.assert_allclose(rates, 1e-3 * 0.5 ** np.array([0, 0, 1, 1, 2, 2, 3, 3]))


@pytest.mark.parametrize("make", [lambda c: c, gan_of])
def test_twenty_steps_lower_the_loss(config, make):
    torch.manual_seed(0)
    training = make_training(
        make(replace(config, steps=20, halvings=0, fall=1.0, rate=1e-2)), make_fabric(config), None
    )
    sharp = torch.rand(2, 3, 16, 16)
    batch = {
        "sharp": sharp,
        "blurred": torch.nn.functional.avg_pool2d(sharp, 3, 1, 1),
        "prior": torch.zeros(2, 4, 16, 16),
        "gyro": torch.ones(2),
        "linear": torch.zeros(2),
    }

    gains = [float(training.step(batch)[1]) for _ in range(20)]

    assert gains[-1] > gains[0] + 0.5  # dB


def test_the_critic_learns_to_tell_real_from_fake(config):
    training = make_training(gan_of(config), make_fabric(config), None)
    assert isinstance(training, AdversarialTraining)
    sharp, fake = torch.rand(2, 3, 32, 32), torch.full((2, 3, 32, 32), 0.5)
    rng = np.random.default_rng(0)
    before = float(training.compute_critic_loss(sharp, fake, rng).detach())

    for _ in range(20):
        training.optimizer.zero_grad()
        training.compute_critic_loss(sharp, fake, rng).backward()
        training.optimizer.step("critic")

    assert float(training.compute_critic_loss(sharp, fake, rng).detach()) < before - 0.1


@pytest.mark.parametrize(("sizes", "inputs"), [(UNetConfig(5, 3), 5), (UNetConfig(3, 3), 3), (GAN, 3)])
def test_the_file_makes_the_picture_that_torch_makes(config, tmp_path, sizes, inputs):
    torch.manual_seed(1)
    part = {"deblurgan": sizes, "unet": None} if sizes == GAN else {"unet": sizes}
    train(replace(config, **part, steps=1, patch=32), tmp_path / "run")
    network, _ = read_network(tmp_path / "run" / CHECKPOINT_FILE)
    rng = np.random.default_rng(0)
    image = rng.random((32, 48, 3), np.float32)
    field = rng.normal(0, 20, (32, 48, 3, 2)).astype(np.float32)

    contract = export_checkpoint(tmp_path / "run" / CHECKPOINT_FILE, tmp_path / "net.onnx")
    found = Opened(tmp_path / "net.onnx")(image, field)

    assert contract.inputs == inputs
    blurred = torch.from_numpy(image).permute(2, 0, 1)[None]
    paths = torch.from_numpy(field.reshape(32, 48, 6)).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = network(blurred, paths, torch.ones(1), torch.zeros(1))[-1]
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).clamp(0, 1), atol=1 / 255)
    assert "A baseline" in (tmp_path / "net.md").read_text()


def test_a_picture_of_any_size_and_type_will_do(config, tmp_path):
    train(replace(config, steps=1), tmp_path / "run")
    export_checkpoint(tmp_path / "run" / CHECKPOINT_FILE, tmp_path / "deepgyro-paper.onnx")
    (restore,) = select_methods(["deepgyro-paper"], baselines=tmp_path).values()
    image = np.random.default_rng(0).integers(0, 256, (21, 37, 3), np.uint8)

    without, zero = restore(image, None), restore(image, np.zeros((21, 37, 2), np.float32))

    assert (without.shape, without.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(without, zero)


def test_both_twins_turn_vectors_up_and_scale_them():
    field = np.zeros((2, 2, 2, 2), np.float32)
    field[:, :, 1] = [[[3, 4], [3, -4]], [[-5, 0], [5, 0]]]

    ours = vector_maps(field, 2, 2)
    theirs = baseline.vector_maps(torch.from_numpy(field.reshape(2, 2, 4)).permute(2, 0, 1)[None])

    expected = (np.array([[[-3, 3], [5, 5]], [[-4, -4], [0, 0]]]) + 128) / 255
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(theirs[0], expected, atol=1e-6)


def test_features_are_those_of_the_file_s_convolutions(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for b, widths in enumerate(VGG_BLOCKS):
            for k, (before, after) in enumerate(pairwise(widths)):
                group = file.create_group(f"block{b + 1}/layers/conv2d{f'_{k}' if k else ''}/vars")
                group["0"] = rng.normal(0, 0.05, (3, 3, before, after)).astype(np.float32)
                group["1"] = rng.normal(0, 1, after).astype(np.float32)
        last = file["block3/layers/conv2d_2/vars/1"][()]

    features = VggFeatures(tmp_path / "vgg.h5")

    found = features(torch.rand(1, 3, 16, 24))
    assert found.shape == (1, 256, 4, 6)
    assert (found < 0).any()  # before the last ReLU
    np.testing.assert_array_equal(features.layers[-1].bias, last)
    assert not any(p.requires_grad for p in features.parameters())


def test_a_file_without_features_is_refused(tmp_path):
    (tmp_path / "junk.h5").write_bytes(b"junk")

    with pytest.raises(DeepGyroError, match=r"junk.h5: no VGG16"):
        VggFeatures(tmp_path / "junk.h5")


def test_a_file_of_our_network_is_no_baseline(config, tmp_path, capsys):
    ours = replace(
        config, unet=None, network=NetworkConfig(1, (8,), (1,), (0.5,), (0.1,)), optimizer="muon", steps=1
    )
    train(ours, tmp_path / "run")
    export_checkpoint(tmp_path / "run" / CHECKPOINT_FILE, tmp_path / "deblurgan.onnx")

    code = main(
        ["bench", "table1", "--data", str(tmp_path), "--baselines", str(tmp_path), "--method", "deblurgan"]
    )

    assert code == 1
    assert "of another kind of network" in capsys.readouterr().err


@pytest.mark.slow
def test_all_baselines_stand_in_the_tables_with_what_they_were_trained_for(config, tmp_path, capsys):
    gan, ours = gan_of(config), NetworkConfig(2, (8,), (1,), (0.5,), (0.1,))
    recipes = {
        "deepgyro-paper": config,
        "deepblind-paper": replace(config, unet=UNetConfig(3, 2)),
        "deblurgan": gan,
        "deepgyro-90min": replace(config, unet=None, network=ours, optimizer="muon"),
    }
    assert tuple(recipes) == COMPARED_NETWORKS
    for name, recipe in recipes.items():
        train(replace(recipe, steps=1), tmp_path / name)
        export_checkpoint(tmp_path / name / CHECKPOINT_FILE, tmp_path / f"{name}.onnx")
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((96, 72))
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photos/1.png")
    command = ["bench", "table1", "--images", str(tmp_path / "photos"), "--blurred-in", "linear"]

    code = main([*command, "--baselines", str(tmp_path), "--method", *COMPARED_NETWORKS])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert "missing" not in "".join(lines)
    for name in COMPARED_NETWORKS:
        rows = [line.split() for line in lines if line.split()[:2] == ["linear", name]]
        assert rows
        assert all(0 < float(row[-2]) < 40 for row in rows)  # dB, at 80 px
        assert f"{name}: trained for 1 steps, 0.0 hours of one core" in lines

    for job in _network_jobs(False, tmp_path):
        if job.method in COMPARED_NETWORKS and job.precision == "fp32":
            job.work()
            assert job.parameters < 100_000  # those of the folder, not of the checkout
