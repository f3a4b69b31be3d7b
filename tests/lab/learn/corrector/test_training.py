import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deepgyro.cli import main
from deepgyro.lab.learn.checkpoint import Progress, save_checkpoint
from deepgyro.lab.learn.corrector.network import (
    CorrectorConfig,
    CorrectorOutput,
    FieldCorrectorNetwork,
    flatten_cells,
)
from deepgyro.lab.learn.corrector.pairs import KIND_SHARP, KIND_SMOOTH_ERROR, CellPairs
from deepgyro.lab.learn.corrector.training import CorrectorTraining, correction_loss, measure_outcome
from deepgyro.lab.learn.export import export_checkpoint, read_network
from deepgyro.lab.learn.settings import TrainConfig
from deepgyro.lab.learn.train import CHECKPOINT_FILE, make_fabric, make_training, train
from deepgyro.refine.cells import CELL_COLUMNS, CELL_ROWS, measure_cells
from deepgyro.refine.corrector import FieldCorrector as Opened
from deepgyro.refine.statistic import DerivativePyramid

SMALL = CorrectorConfig(width=8, first=8, blocks=1)


@pytest.fixture
def config(pairs, tmp_path):
    before = torch.get_num_threads()
    yield TrainConfig(
        pairs=str(pairs), validation=str(pairs), steps=6, batch=2, log_steps=1, warmup=2, optimizer="adam",
        accelerator="cpu", precision="32-true", threads=1,
        corrector=replace(SMALL, cache=str(tmp_path / "cache")),
    )  # fmt: skip
    torch.set_num_threads(before)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_is_lower_for_the_target(batch):
    zero = torch.zeros(len(batch["kind"]), 2, CELL_ROWS, CELL_COLUMNS)
    target = batch["target"].transpose(1, 2).unflatten(2, (CELL_ROWS, CELL_COLUMNS))
    odds = torch.zeros(len(zero))

    guesses = [CorrectorOutput(moves, zero, zero + 1, odds, odds) for moves in (zero, target)]
    nothing, all_ = (correction_loss(guess, batch) for guess in guesses)

    assert all_[0] < nothing[0] - 0.2
    assert all_[1] < 0.2 * nothing[1]
    outcome = measure_outcome(batch["target"], guesses[1], batch)
    assert torch.equal(outcome["right"], batch["kind"] == KIND_SMOOTH_ERROR)
    assert (outcome["after"] == 0).all()
    assert torch.equal(outcome["probability"], torch.full_like(odds, 0.5))
    assert torch.equal(outcome["mistaken"], batch["kind"] == KIND_SHARP)  # none is called sharp


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_twenty_steps_lower_the_loss(config, batch, optimizer):
    config = replace(config, steps=20, fall=1.0, rate=1e-2, optimizer=optimizer)
    training = make_training(config, make_fabric(config), None)
    assert isinstance(training, CorrectorTraining)

    values = [training.step(batch).tolist() for _ in range(20)]

    assert values[-1][0] < values[0][0] - 0.1
    assert values[-1][1] < values[0][1]


def test_a_training_writes_what_it_should_and_goes_on_bit_for_bit(config, tmp_path):
    whole = train(config, tmp_path / "whole")
    train(replace(config, steps=None, minutes=1e-9), tmp_path / "parts")
    again = train(config, tmp_path / "parts", resume=True)

    assert (whole.step, again.step, again.runs) == (6, 6, 2)
    weights = [load_file(tmp_path / name / CHECKPOINT_FILE) for name in ("whole", "parts")]
    assert same(*weights)
    found = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert len([row for row in found if {"loss", "error", "rate"} <= set(row)]) == 6
    assert {"before, median", "after, median", "after, 90 %"} <= set(found[-1]["validation"])
    assert not (tmp_path / "whole" / "samples.png").exists()
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert str(tmp_path).encode() not in (tmp_path / "whole" / CHECKPOINT_FILE).read_bytes()


def test_the_file_says_what_torch_says(config, pairs, tmp_path, capsys):
    train(replace(config, rate=1e-2), tmp_path / "run")
    network, _ = read_network(tmp_path / "run" / CHECKPOINT_FILE)
    series = CellPairs(pairs, seed=0)
    true = series.exact_vectors(0)[0]
    cells = measure_cells(
        DerivativePyramid(series.read_picture(0, np.random.default_rng(0), sharp=False)), true
    )
    seen = np.concatenate([cells.maps.reshape(144, -1), cells.features], 1).T.reshape(
        1, -1, CELL_ROWS, CELL_COLUMNS
    )

    out = tmp_path / "net.onnx"
    options = ["--out", str(out), "--validation", str(pairs), "--json"]
    code = main(["export", str(tmp_path / "run" / CHECKPOINT_FILE), *options])
    found = Opened(out)(cells)

    contract = json.loads(capsys.readouterr().out)
    assert (code, contract["name"]) == (0, "net")
    assert contract["parameters"] == sum(p.numel() for p in network.parameters())
    assert "after, median" in contract["scores"]
    with torch.no_grad():
        guess = CorrectorOutput(*network(torch.from_numpy(np.ascontiguousarray(seen))))
    fewer = min(1, cells.counts.max() / 240)
    assert guess.residuals.abs().max() > 0
    np.testing.assert_allclose(found.residuals, flatten_cells(guess.residuals)[0], atol=2e-3)
    np.testing.assert_allclose(found.weights, fewer * flatten_cells(guess.weights)[0], rtol=5e-3, atol=1e-5)
    assert found.log_odds == pytest.approx(float(guess.log_odds[0]), abs=5e-3)
    card = out.with_suffix(".md").read_text()
    assert "Corrects fields" in card
    assert "| after, median |" in card


def test_a_file_of_the_usual_size_is_small(tmp_path):
    config = TrainConfig(pairs="a", validation="b", steps=9, corrector=CorrectorConfig())
    networks = [FieldCorrectorNetwork(CorrectorConfig()) for _ in range(2)]
    save_checkpoint(tmp_path / CHECKPOINT_FILE, *networks, config, Progress())

    contract = export_checkpoint(tmp_path / CHECKPOINT_FILE, tmp_path / "net.onnx")

    assert (tmp_path / "net.onnx").stat().st_size < 2_500_000
    assert contract.parameters > 300_000
