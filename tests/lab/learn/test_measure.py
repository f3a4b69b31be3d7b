import json

import pytest
import torch
import yaml

from deepgyro.cli import main


@pytest.fixture
def file(shards, tmp_path):
    settings = {
        "pairs": str(shards),
        "validation": str(shards),
        "steps": 9,
        "batch": 2,
        "patch": [24, 32],
        "accelerator": "cpu",
        "precision": "32-true",
        "threads": 1,
    }
    before = torch.get_num_threads()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    yield tmp_path / "config.yaml"
    torch.set_num_threads(before)


def test_a_training_is_measured_against_its_convolutions(file, tmp_path, capsys):
    code = main(["bench", "training", str(file), "--steps", "3", "--set", "network.stages=2", "--json"])

    result = json.loads(capsys.readouterr().out)
    (row,) = result["rows"]
    assert (code, result["bench"]) == (0, "training")
    assert 0 < row["share"] < 1
    assert row["share"] == pytest.approx(row["convolutions_ms"] / row["without_ms"], abs=1e-3)
    assert row["operators"] == pytest.approx(row["step_ms"] / row["without_ms"], abs=1e-3)
    assert 0 < row["waiting_ms"] < row["step_ms"]
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_baseline_is_not_measured(file, capsys):
    assert main(["bench", "training", str(file), "--set", "unet.width=2", "--set", "patch=32"]) == 1

    assert capsys.readouterr().err.count("\n") == 1
