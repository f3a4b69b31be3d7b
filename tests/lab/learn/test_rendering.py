from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from deepgyro.cli import main
from deepgyro.lab.learn.dataset import FreshPairs
from deepgyro.lab.learn.rendering import LazyPairs, collate_lazy_pairs, counter_noise, render_batch
from deepgyro.lab.synthesis import PHYSICAL_PRESET, open_pool, with_encoded_share
from deepgyro.lab.synthesis.kernels import encode_srgb_with_noise

SIZE = {"height": 40, "width": 56}
WHOLE = {"seed": 0, **SIZE, "patch": (40, 56), "turned": False}
LIGHT = with_encoded_share(PHYSICAL_PRESET, 0.0)
PLAIN = replace(LIGHT, image=replace(LIGHT.image, jpeg=0.0))
NOISELESS = replace(PLAIN, image=replace(PLAIN.image, shot=(0.0, 0.0), read=(0.0, 0.0)))


@pytest.fixture(scope="module")
def coffee(material):
    """The demo's photo, and the log."""
    photo = Path(str(files("deepgyro.data").joinpath("coffee.jpg")))
    return open_pool([photo], [material / "log.csv"], **SIZE)


def both(pool, config, count, **settings):
    """Return the pairs that the CPU makes, and their twins, each alone in its batch."""
    pairs = FreshPairs(pool, config, **(WHOLE | settings))
    scenes = LazyPairs(pairs)
    return [
        (pairs[k], {n: v[0] for n, v in render_batch(collate_lazy_pairs([scenes[k]])).items()})
        for k in range(count)
    ]


@pytest.mark.parametrize(
    ("config", "mean", "most"),
    [
        (NOISELESS, 0.2, 8),
        (PLAIN, 0.3, 8),
        (LIGHT, 1.2, 30),
    ],  # of 255; a file rounds the same thing otherwise
    ids=["without noise", "with noise", "through files"],
)
def test_pairs_of_light_are_those_of_the_cpu(coffee, config, mean, most):
    for ours, theirs in both(coffee, config, 12):
        assert ours.keys() == theirs.keys()
        for name in ("sharp", "exact", "prior", "gyro", "linear"):
            np.testing.assert_array_equal(ours[name], theirs[name])
        off = 255 * (ours["blurred"] - theirs["blurred"]).abs()
        assert off.mean() < mean  # the twin's blur is a mean of samples
        assert off.max() <= most


def test_a_patch_of_a_turned_pair_is_that_of_the_cpu(coffee):
    # Without files: that of a patch has other blocks than that of the whole picture.
    for ours, theirs in both(coffee, NOISELESS, 12, patch=(24, 32), turned=True):
        np.testing.assert_array_equal(ours["sharp"], theirs["sharp"])
        np.testing.assert_array_equal(ours["prior"], theirs["prior"])
        assert (ours["blurred"] - theirs["blurred"]).abs().mean() < 0.2 / 255


def test_pairs_of_the_papers_kind_have_noise_of_their_size(coffee):
    config = with_encoded_share(PHYSICAL_PRESET, 1.0)
    for ours, theirs in both(coffee, config, 6):
        np.testing.assert_array_equal(ours["sharp"], theirs["sharp"])
        difference = (ours["blurred"] - theirs["blurred"]).std()
        expected = 10**-1.5 * ours["blurred"].square().mean().sqrt()
        assert difference == pytest.approx(float(expected) * 2**0.5, rel=0.1)  # two draws of it


def test_a_batch_is_as_its_scenes_alone(coffee):
    scenes = LazyPairs(FreshPairs(coffee, LIGHT, **(WHOLE | {"patch": (24, 24), "turned": True})))
    items = [scenes[k] for k in range(4)]

    together = render_batch(collate_lazy_pairs(items))

    for k, item in enumerate(items):
        alone = render_batch(collate_lazy_pairs([item]))
        assert (together["blurred"][k] - alone["blurred"][0]).abs().mean() < 1 / 255  # more samples of a path
        np.testing.assert_array_equal(together["sharp"][k], alone["sharp"][0])


@pytest.mark.parametrize("key", [0, 2**63 + 12345, 2**64 - 7])
def test_the_noise_is_the_cpu_s(key):
    values = np.full(5 * 7 * 3, 0.5, np.float32)
    table, out = np.arange(65536).astype(np.uint16), np.empty(len(values), np.uint16)
    encode_srgb_with_noise(values, np.uint64(key), 0.0, 0.05**2, table, out)

    found = counter_noise(torch.tensor([key - 2**64 if key >= 2**63 else key]), 5, 7)

    expected = (out / 65535 - 0.5) / 0.05
    np.testing.assert_allclose(found[0].permute(1, 2, 0).reshape(-1), expected, atol=1e-3)


def test_a_training_makes_its_pairs_on_the_device(material, shards, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(
        f"photos: [{material / 'photo.png'}]\ngyro: [{material / 'log.csv'}]\nvalidation: {shards}\n"
        "steps: 2\nbatch: 2\npatch: 32\npairs_on: device\naccelerator: cpu\nprecision: 32-true\nthreads: 1\n"
        "network: {stages: 1, widths: [8], blocks: [1]}\nlog_steps: 1\n"
    )
    before = torch.get_num_threads()

    code = main(["train", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")])

    torch.set_num_threads(before)
    assert (code, capsys.readouterr().err) == (0, "")
    assert (tmp_path / "run/checkpoint.safetensors").exists()


def test_what_the_photo_has_around_a_picture_comes_in(coffee):
    scene = LazyPairs(FreshPairs(coffee, NOISELESS, **WHOLE))[3]["scene"]

    assert scene.shape[1] > 40
    assert scene.dtype == torch.uint8
