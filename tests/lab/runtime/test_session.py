import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.runtime import Contract, open_session
from deepgyro.runtime.contract import METADATA_KEY
from deepgyro.runtime.session import has_bf16

from .conftest import SMALL, contract_of


def inputs(stage, side=32, width=48):
    rng = np.random.default_rng(stage)
    seen = rng.uniform(-0.5, 0.5, (1, SMALL.input_channels(stage - 1), side, width)).astype(np.float32)
    found = {f"seen{stage}": seen}
    if stage > 1:
        found[f"before{stage}"] = rng.normal(0, 1, (1, SMALL.memory, side // 2, width // 2)).astype(
            np.float32
        )
    return found


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_engine_computes_what_torch_does(small, onnx_file, engine, stage):
    import torch

    given = inputs(stage)
    session = open_session(onnx_file, engine=engine, precision="fp32")

    found = session.run(stage, given)

    with torch.no_grad():
        change, memory = small.stages[stage - 1](*(torch.from_numpy(x) for x in given.values()))
    np.testing.assert_allclose(found[f"change{stage}"], change.numpy(), atol=1e-4)
    if stage < 3:
        np.testing.assert_allclose(found[f"memory{stage}"], memory.numpy(), atol=1e-3)
    else:
        assert set(found) == {"change3"}


def test_the_precision_is_chosen_and_can_be_given(onnx_file):
    assert open_session(onnx_file).precision in ("bf16", "fp32")
    assert open_session(onnx_file, precision="fp32").precision == "fp32"


def test_bf16_that_is_off_is_not_chosen(onnx_file, monkeypatch, caplog):
    monkeypatch.setattr("deepgyro.runtime.session.BF16_TOLERANCE", -1.0)
    monkeypatch.setattr("deepgyro.runtime.session.has_bf16", lambda: True)

    session = open_session(onnx_file)

    assert session.precision == "fp32"
    assert "bf16 is off" in caplog.text


def test_bf16_is_refused_and_not_chosen_where_the_processor_lacks_it(onnx_file, monkeypatch):
    monkeypatch.setattr("deepgyro.runtime.session.has_bf16", lambda: False)

    assert open_session(onnx_file).precision == "fp32"
    with pytest.raises(ValueError, match="bf16"):
        open_session(onnx_file, precision="bf16")


@pytest.mark.skipif(not has_bf16(), reason="this processor does not multiply bf16")
def test_bf16_is_not_fp32(onnx_file):
    given = inputs(1)

    exact, rounded = (
        open_session(onnx_file, precision=p).run(1, given)["change1"].copy() for p in ("fp32", "bf16")
    )

    assert 0 < np.abs(exact - rounded).max() < 0.05


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_threads_do_not_overwrite_each_others_results(onnx_file, engine):
    session = open_session(onnx_file, engine=engine, precision="fp32")
    rng = np.random.default_rng(0)
    given = [
        rng.uniform(-0.5, 0.5, (1, SMALL.input_channels(0), 64, 96)).astype(np.float32) for _ in range(8)
    ]
    expected = [session.run(1, {"seen1": x})["change1"].copy() for x in given]

    def often(k):
        found = [session.run(1, {"seen1": given[k]})["change1"] for _ in range(5)]
        return np.abs(found[-1] - expected[k]).max()

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(often, range(8))) < 1e-5


def test_the_contract_travels_in_the_file(onnx_file):
    for engine in ("openvino", "onnxruntime"):
        assert open_session(onnx_file, engine=engine).contract == contract_of(SMALL)


def test_a_contract_survives_json():
    contract = contract_of(SMALL)

    assert Contract.from_json(contract.to_json(), source="x") == contract


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_other_files_are_refused_in_one_line(onnx_file, engine, tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    for entry, name in ((None, "bare.onnx"), (json.dumps({"name": "old"}), "old.onnx")):
        model = onnx.load(onnx_file)
        del model.metadata_props[:]
        if entry:
            model.metadata_props.add(key=METADATA_KEY, value=entry)
        onnx.save(model, tmp_path / name)

    for name, message in (
        ("junk.onnx", "no ONNX file"),
        ("bare.onnx", "not written by deepgyro export"),
        ("old.onnx", "of another kind of network or version"),
        ("missing.onnx", "no such file"),
    ):
        with pytest.raises(DeepGyroError, match=message) as error:
            open_session(tmp_path / name, engine=engine, precision="fp32")
        assert "\n" not in str(error.value)


def test_onnx_runtime_has_no_bf16(onnx_file):
    with pytest.raises(ValueError, match="fp32"):
        open_session(onnx_file, engine="onnxruntime", precision="bf16")


SIGNALLED = """
import faulthandler, gc, signal, subprocess, sys
from pathlib import Path
import numpy as np
from deepgyro.runtime import open_session

faulthandler.enable()  # as pytest does: a stack of its own for signals
signal.signal(signal.SIGCHLD, lambda *_: None)
first, second = (open_session(Path(sys.argv[1]), precision="fp32") for _ in range(2))
for session in (first, second):
    session.run(1, {"seen1": np.zeros((1, int(sys.argv[2]), 32, 32), np.float32)})
session = None
del first
gc.collect()
del second
gc.collect()
subprocess.run([sys.executable, "-c", ""], check=True)
"""


def test_signals_arrive_when_sessions_are_gone(onnx_file):
    channels = str(SMALL.input_channels(0))

    subprocess.run([sys.executable, "-c", SIGNALLED, onnx_file, channels], check=True)
