import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.frames import read_photo
from deepgyro.lab.learn.checkpoint import Progress, load_checkpoint, read_checkpoint_metadata
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.lab.learn.settings import TrainConfig
from deepgyro.lab.learn.train import train
from deepgyro.lab.learn.training import compute_loss, learning_rate

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))
SETTINGS = {
    "steps": 6,
    "network": {"stages": 2, "widths": [8, 12], "blocks": [1, 1], "fractions": [-0.5, 0.5], "steps": [0.1]},
    "batch": 2,
    "patch": [24, 32],
    "log_steps": 1,
    "warmup": 2,
    "accelerator": "cpu",
    "precision": "32-true",
    "threads": 1,
}


@pytest.fixture
def config(shards):
    before = torch.get_num_threads()
    yield TrainConfig(
        pairs=str(shards), validation=str(shards), **{**SETTINGS, "patch": (24, 32), "network": SMALL}
    )
    torch.set_num_threads(before)


@pytest.fixture
def file(shards, tmp_path):
    """The same as a file."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"pairs": str(shards), "validation": str(shards), **SETTINGS}))
    return path


def rows(out, name="loss"):
    """Return those rows of the log that have an entry."""
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row for row in found if name in row]


def stopping_at(step, number=signal.SIGTERM):
    """Return a report that sends a signal to this process after a step."""

    def report(progress, left, row):
        if progress.step == step and row and "loss" in row:
            signal.raise_signal(number)

    return report


def test_a_training_writes_all_that_it_should(config, tmp_path):
    reports = []

    done = train(config, tmp_path, report=lambda progress, left, row: reports.append((left, row)))

    assert (done.step, done.pairs, done.runs, done.moments) == (6, 12, 1, "none")
    network, average = DeepGyro(SMALL), DeepGyro(SMALL)
    for name in ("checkpoint.safetensors", "checkpoint-slim.safetensors"):
        found = load_checkpoint(tmp_path / name, network, average)
        assert (found.step, found.pairs, found.minutes) == (6, 12, done.minutes)
    moved = [(a - b).abs().max() for a, b in zip(network.parameters(), average.parameters(), strict=True)]
    assert max(moved) > 0
    for row in rows(tmp_path):
        assert {"step", "minutes", "gain", "rate", "steps_per_second", "waiting"} <= set(row)
        assert 0 <= row["waiting"] <= 1
    assert "exact field, linear" in rows(tmp_path, "validation")[-1]["validation"]
    assert read_photo(tmp_path / "samples.png").pixels.shape == (4 * 40, 3 * 56, 3)
    assert list(tmp_path.glob("events.out.tfevents.*"))
    lefts = [left for left, row in reports if row and "loss" in row]
    assert lefts[-1] == 0
    assert lefts[0] > 0


def test_what_is_mixed_is_close_to_what_is_not(config, tmp_path):
    for precision in ("bf16-mixed", "32-true"):
        train(replace(config, precision=precision), tmp_path / precision)

    mixed, full = ([row["loss"] for row in rows(tmp_path / name)] for name in ("bf16-mixed", "32-true"))
    assert mixed != full
    np.testing.assert_allclose(mixed, full, rtol=0.01)


@pytest.mark.parametrize(("there", "taken"), [(True, "bf16-mixed"), (False, "32-true")])
def test_bfloat16_is_taken_where_the_processor_multiplies_it(config, tmp_path, monkeypatch, there, taken):
    monkeypatch.setattr("deepgyro.lab.learn.train.has_bf16", lambda: there)

    train(replace(config, precision="auto", steps=1), tmp_path)

    assert read_checkpoint_metadata(tmp_path / "checkpoint.safetensors")["config"]["precision"] == taken


def test_a_training_that_was_interrupted_goes_on_bit_for_bit(config, tmp_path):
    train(config, tmp_path / "whole")

    first = train(config, tmp_path / "parts", report=stopping_at(3))
    torch.rand(100)  # whatever happens in between
    second = train(config, tmp_path / "parts", resume=True)

    assert (first.step, first.runs) == (3, 1)
    assert (second.step, second.runs, second.moments) == (6, 2, "float32")
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert not [name for name in whole if not torch.equal(whole[name], parts[name])]
    losses = [[row["loss"] for row in rows(tmp_path / name)] for name in ("whole", "parts")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_a_run_with_a_checkpoint_and_a_second_one_acts_as_ever(config, tmp_path, number):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    done = train(config, tmp_path, report=stopping_at(2, number))

    assert done.step == 2
    assert load_checkpoint(tmp_path / "checkpoint.safetensors", DeepGyro(SMALL), DeepGyro(SMALL)).step == 2
    assert not rows(tmp_path, "validation")
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_training_goes_on_from_a_slim_checkpoint_with_a_warm_up(config, tmp_path):
    train(config, tmp_path / "first", report=stopping_at(3))
    (tmp_path / "second").mkdir()
    slim = tmp_path / "first" / "checkpoint-slim.safetensors"
    slim.rename(tmp_path / "second" / "checkpoint.safetensors")

    done = train(config, tmp_path / "second", resume=True)

    assert (done.step, done.moments) == (6, "none")
    assert rows(tmp_path / "second", "moments")[0]["moments"] == "none"
    assert rows(tmp_path / "second")[0]["rate"] == learning_rate(config, Progress(step=3, moments_since=3))


def test_a_run_ends_in_time_and_checkpoints_are_kept_meanwhile(config, tmp_path):
    config = replace(config, steps=None, minutes=100.0, checkpoint_minutes=0.0)

    first = train(config, tmp_path, stop_after=0.0)
    second = train(config, tmp_path, resume=True, stop_after=1e-6)

    assert (first.step, first.minutes) == (0, 0.0)
    assert second.step == 1
    assert 0 < second.minutes < 1
    assert len(rows(tmp_path, "validation")) == 3  # after each run, and after the step


def test_two_processes_are_as_one_with_the_doubled_batch(config, file, tmp_path):
    command = [sys.executable, "-m", "deepgyro", "train", str(file), "--out", str(tmp_path / "two")]

    command += ["--set", "devices=2", "--set", "batch=1", "--json"]
    two = subprocess.run(command, capture_output=True, text=True, check=False)
    train(config, tmp_path / "one")

    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["pairs"] == 12
    for name in ("loss", "gain"):
        found, expected = ([row[name] for row in rows(tmp_path / run)] for run in ("two", "one"))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    weights = [load_file(tmp_path / run / "checkpoint.safetensors") for run in ("two", "one")]
    for name in weights[0]:
        torch.testing.assert_close(*(w[name] for w in weights), rtol=1e-3, atol=1e-4)


def test_pairs_are_made_on_the_fly_and_by_workers(config, material, tmp_path):
    fresh = {"photos": (str(material / "photo.png"),), "gyro": (str(material / "log.csv"),)}
    config = replace(config, pairs=None, **fresh, steps=2)

    train(config, tmp_path / "here")
    train(replace(config, workers=1), tmp_path / "beside")

    losses = [[row["loss"] for row in rows(tmp_path / name)] for name in ("here", "beside")]
    assert losses[0] == losses[1]


def test_the_rate_warms_up_where_the_moments_began_and_ends_where_the_training_ends(config):
    minutes = replace(config, steps=None, minutes=100.0, warmup=200, fall=0.4)
    whole = minutes.rate

    def at(**progress):
        return learning_rate(minutes, Progress(**progress))

    assert at() == whole / 200
    assert at(step=500) == whole
    assert at(step=500, minutes=60.0) == whole
    assert at(step=500, minutes=80.0) == pytest.approx(0.5 * whole)
    assert at(step=500, moments_since=499, minutes=80.0) == pytest.approx(0.5 * whole / 100)
    assert at(step=500, minutes=100.0) == pytest.approx(0.01 * whole)
    steps = replace(config, steps=1000, fall=0.4)
    assert learning_rate(steps, Progress(step=800)) == pytest.approx(0.5 * whole)


def test_the_loss_counts_the_last_guess_fully_and_the_others_in_part():
    sharp = torch.zeros(1, 3, 4, 4)
    guesses = [sharp + 0.5, sharp + 0.1]

    assert compute_loss(guesses, sharp, 0.3).item() == pytest.approx(0.1 + 0.3 * 0.5, abs=1e-3)


def test_the_psnr_loss_gains_as_much_from_a_patch_that_is_nearly_right_as_from_one_that_is_far_off():
    sharp = torch.zeros(2, 3, 4, 4)
    errors = torch.tensor([0.04, 0.4]).view(2, 1, 1, 1)

    def loss(factors):
        guess = sharp + errors * torch.tensor(factors).view(2, 1, 1, 1)
        return compute_loss([guess], sharp, 0.3, "psnr").item()

    near, far = (loss([1.0, 1.0]) - loss(factors) for factors in ([0.5, 1.0], [1.0, 0.5]))
    assert near == pytest.approx(far, rel=0.03)
    assert far > 0


def test_a_gradient_that_is_no_number_ends_the_training(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "deepgyro.lab.learn.training.compute_loss", lambda guesses, *_: guesses[-1].sum() * np.nan
    )

    with pytest.raises(DeepGyroError, match="step 0 is not finite"):
        train(config, tmp_path)

    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_the_command_trains_and_does_not_lose_a_checkpoint(file, tmp_path, capsys):
    arguments = [
        "train",
        str(file),
        "--out",
        str(tmp_path / "run"),
        "--minutes",
        "100",
        "--stop-after",
        "1e-6",
    ]
    arguments += ["--set", "precision=bf16-mixed", "--set", "network.stages=1"]

    codes = [main(arguments), main(arguments), main([*arguments, "--resume", "--json"])]

    text = capsys.readouterr()
    assert codes == [0, 1, 0]
    assert "gain" in text.out
    assert "--resume" in text.err
    assert json.loads(text.out[text.out.rindex("{") :])["runs"] == 2


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ("accelerator=abacus", "accelerator abacus"),
        ("precision=half", "precision is half"),
        ("patch=[48, 32]", "patch is 32 x 48"),
        ("photos=[x]", "pairs, photos"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_line(file, tmp_path, capsys, change, fragment):
    code = main(["train", str(file), "--out", str(tmp_path / "run"), "--set", change])

    errors = capsys.readouterr().err
    assert code in (1, 2)
    assert errors.count("\n") == 1
    assert fragment in errors
    assert not (tmp_path / "run").exists()
