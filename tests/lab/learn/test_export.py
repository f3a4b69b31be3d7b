import json
from hashlib import sha256

import numpy as np
import onnx
import pytest
import torch

from deepgyro.cli import main
from deepgyro.lab.learn.checkpoint import Progress, save_checkpoint
from deepgyro.lab.learn.export import export_checkpoint
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.lab.learn.settings import TrainConfig
from deepgyro.runtime import open_session

SMALL = NetworkConfig(stages=2, widths=(8, 12), blocks=(1, 1), fractions=(-0.5, 0.5), steps=(0.1,))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    network, average = DeepGyro(SMALL), DeepGyro(SMALL)
    torch.nn.init.normal_(average.stages[0].tail.weight, 0, 0.1)
    path = tmp_path_factory.mktemp("run") / "checkpoint.safetensors"
    config = TrainConfig(pairs="/home/me/pairs", validation="/home/me/validation", steps=9, network=SMALL)
    save_checkpoint(path, network, average, config, Progress(step=7, minutes=90.0))
    return path, average


def test_the_average_is_what_is_exported(checkpoint, tmp_path):
    path, average = checkpoint

    contract = export_checkpoint(path, tmp_path / "mine.onnx")

    session = open_session(tmp_path / "mine.onnx", precision="fp32")
    assert session.contract == contract
    assert "seen{k}" in onnx.load(tmp_path / "mine.onnx").doc_string
    assert (contract.name, contract.stages, contract.trained) == ("mine", 2, "7 steps, 1.5 hours")
    assert contract.parameters == sum(p.numel() for p in average.parameters())
    seen = np.random.default_rng(0).random((1, SMALL.input_channels(0), 32, 32), np.float32)
    with torch.no_grad():
        expected = average.stages[0](torch.from_numpy(seen))[0]
    found = session.run(1, {"seen1": seen})["change1"]
    assert expected.abs().max() > 0.1
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_the_command_writes_a_card_and_loses_nothing(checkpoint, tmp_path, capsys):
    path, _ = checkpoint
    out = tmp_path / "mine.onnx"

    codes = [
        main(["export", str(path), "--out", str(out), *more]) for more in ([], [], ["--overwrite", "--json"])
    ]

    assert codes == [0, 1, 0]
    printed = capsys.readouterr()
    assert "exists" in printed.err
    assert json.loads(printed.out[printed.out.index("{") :])["name"] == "mine"
    card = (tmp_path / "mine.md").read_text()
    assert sha256(out.read_bytes()).hexdigest() in card
    assert "7 steps, 1.5 hours" in card
    assert "/home" not in card
    assert not any(name in out.read_bytes() for name in (b"/home", b".py", b"site-packages"))


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--out", "net.md"], "ends in .onnx"), (["--validation", "nothing"], "deepgyro synth")],
)
def test_what_would_be_lost_or_left_out_is_refused(
    checkpoint, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    path, _ = checkpoint

    given = {"--out": "net.onnx"} | dict([options])
    assert main(["export", str(path), *(word for pair in given.items() for word in pair)]) == 1

    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_checkpoint_is_refused(tmp_path, capsys):
    (tmp_path / "junk").write_bytes(b"junk")

    assert main(["export", str(tmp_path / "junk"), "--out", str(tmp_path / "x.onnx")]) == 1

    error = capsys.readouterr().err
    assert "no checkpoint" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.onnx").exists()
