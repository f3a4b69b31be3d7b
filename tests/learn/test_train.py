import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.learn.network import DeepGyro, NetworkConfig
from deepgyro.learn.train import (
    Progress,
    TrainConfig,
    _batches,
    learning_rate,
    load_checkpoint,
    psnr,
    read_config,
    total_loss,
    train,
)
from deepgyro.synthesis import PHYSICAL, hand_shake, make_dataset, open_pool

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(
        folder / "photo.png"
    )
    log = hand_shake(np.random.default_rng(0), duration=3.0)
    header = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
    np.savetxt(folder / "log.csv", np.c_[log.t, log.omega], delimiter=",", header=header, comments="")
    size = {"height": 272, "width": 288}
    pool = open_pool([folder / "photo.png"], [folder / "log.csv"], **size)
    make_dataset(pool, PHYSICAL, out=folder / "pairs", count=6, shard_size=3, workers=1, **size)
    return TrainConfig(
        pairs=str(folder / "pairs"),
        validation=str(folder / "pairs"),
        minutes=100.0,
        network=SMALL,
        batch=2,
        patch=32,
        threads=torch.get_num_threads(),
    )


def test_a_training_writes_a_checkpoint_that_it_goes_on_from(config, tmp_path):
    first = train(config, tmp_path, sitting=0.01)
    second = train(config, tmp_path, resume=True, sitting=0.01)

    assert 0 < first.step < second.step
    assert 0 < first.minutes < second.minutes
    assert (first.sittings, second.sittings) == (1, 2)
    network, average = DeepGyro(SMALL), DeepGyro(SMALL)
    assert load_checkpoint(tmp_path / "checkpoint.safetensors", network, average) == second
    moved = [(a - b).abs().max() for a, b in zip(network.parameters(), average.parameters(), strict=True)]
    assert max(moved) > 0
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {"exact field, linear"} <= set(rows[-1]["validation"])


def test_kinds_of_gyro_that_are_passed_over_are_not_trained_on(config, monkeypatch):
    told = []
    monkeypatch.setattr("deepgyro.learn.train.ShardStream", lambda *_, **options: told.append(options) or [])

    _batches(replace(config, without=("wrong", "raw")), 1)

    assert told[0]["without"] == ("wrong", "raw")


def test_a_checkpoint_of_another_network_is_refused(config, tmp_path):
    train(config, tmp_path, sitting=0.0)
    other = DeepGyro(replace(SMALL, widths=(8, 16)))

    with pytest.raises(DeepGyroError, match="no checkpoint of this network"):
        load_checkpoint(tmp_path / "checkpoint.safetensors", other, other)
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(DeepGyroError, match="no checkpoint"):
        load_checkpoint(tmp_path / "junk.safetensors", other, other)


def test_the_rate_warms_up_at_every_start_and_ends_where_the_minutes_end(config):
    rates = [
        learning_rate(config, Progress(minutes=m), steps) for m, steps in ((0.0, 0), (0.0, 500), (50.0, 500))
    ]

    assert rates[0] < 0.01 * config.rate
    assert rates[1] == config.rate
    assert rates[2] == pytest.approx(0.505 * config.rate)
    assert learning_rate(config, Progress(minutes=100.0), 500) == pytest.approx(0.01 * config.rate)


def test_the_loss_counts_the_last_guess_fully_and_the_others_in_part():
    sharp = torch.zeros(1, 3, 4, 4)
    guesses = [sharp + 0.5, sharp + 0.1]

    assert total_loss(guesses, sharp, 0.3).item() == pytest.approx(0.1 + 0.3 * 0.5, abs=1e-3)


def test_psnr_is_the_mean_over_pictures():
    sharp = torch.zeros(2, 3, 4, 4)
    pictures = torch.stack([sharp[0] + 0.1, sharp[1] + 0.01])

    assert psnr(pictures, sharp) == pytest.approx((20 + 40) / 2, abs=1e-3)


def test_the_command_trains_and_does_not_lose_a_checkpoint(config, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(
        f"pairs: {config.pairs}\nvalidation: {config.pairs}\nbatch: 2\npatch: 32\n"
        "network: {stages: 1, widths: [8, 8], blocks: [1, 1], fractions: [0.5], steps: [0.1]}\n"
    )
    arguments = ["train", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run"), "--sitting", "0.005"]

    codes = [main(arguments), main(arguments), main([*arguments, "--resume", "--json"])]

    text = capsys.readouterr()
    assert codes == [0, 1, 0]
    assert "--resume" in text.err
    assert json.loads(text.out[text.out.rindex("{") :])["sittings"] == 2


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("pairs: a\n", "validation is missing"),
        ("pairs: a\nvalidation: b\npatsch: 3\n", "patsch: no such entry"),
        ("pairs: a\nvalidation: b\nnetwork: {stage: 3}\n", "stage: no such entry"),
        ("pairs: a\nvalidation: b\nbatch: four\n", "batch is 'four'; int is needed"),
        ("- a\n", "entries such as"),
        ("pairs: [\n", "YAML"),
        ("pairs: a\nvalidation: b\n", "no shard"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_in_one_line(tmp_path, capsys, text, fragment):
    (tmp_path / "config.yaml").write_text(text)

    code = main(["train", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")])

    errors = capsys.readouterr().err
    assert (code, errors.count("\n")) == (1, 1)
    assert fragment in errors


def test_the_configuration_that_is_shipped_can_be_read():
    config = read_config(Path(__file__).parents[2] / "configs/deepgyro.yaml")

    assert config.network == NetworkConfig()
    assert config.minutes == 300
