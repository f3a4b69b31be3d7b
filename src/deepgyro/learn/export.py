"""`deepgyro export`: a training's weights as one ONNX file that says how it is used."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..benchmark.baselines import BaselineContract
from ..benchmark.report import current_commit
from ..errors import DeepGyroError
from ..frames import check_writable
from ..runtime.contract import KEY, Contract
from ..synthesis.shards import SHARDS
from .baseline import Baseline, Network, multiply_adds, untrained
from .checkpoint import load_checkpoint, read_about
from .network import DeepGyro
from .settings import saved_sizes
from .validation import validate

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18


class _Apart(nn.Module):
    """The stages side by side, each with inputs of its own: what lies between them is not in the file."""

    def __init__(self, network: DeepGyro) -> None:
        super().__init__()
        self.stages = network.stages

    def forward(self, seen: list[Tensor], before: list[Tensor]) -> list[Tensor]:
        """Return ``change1, memory1, change2, ...``; the last stage has no memory."""
        outputs: list[Tensor] = []
        for k, stage in enumerate(self.stages):
            outputs += stage(seen[k], before[k - 1] if k else None)
        return outputs[:-1]


class _Whole(nn.Module):
    """A baseline, as its file has it."""

    def __init__(self, network: Baseline) -> None:
        super().__init__()
        self.network = network

    def forward(self, seen: Tensor) -> Tensor:
        """Return the sharp picture."""
        return self.network.seen(seen)


def export(
    checkpoint: Path,
    out: Path,
    *,
    validation: Path | None = None,
    licence: str = "not stated",
    data: str = "On what is not stated.",
    overwrite: bool = False,
) -> Contract | BaselineContract:
    """Write the averaged weights of a checkpoint as ONNX, with their contract as metadata, and their card.

    Parameters
    ----------
    checkpoint
        Of `deepgyro train`.
    out
        The ONNX file, named after the network; the card is the same with .md.
    validation
        Folder of `deepgyro synth`: pairs of photos and logs that were not trained on, for the scores.
    licence, data
        Of the weights; and what they were trained on, for the card.
    overwrite
        Replace files of these names.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint, or a file is there already or cannot be written.
    """
    if out.suffix != ".onnx":
        raise DeepGyroError(f"{out}: a name that ends in .onnx is needed")
    if validation and not any(validation.glob(SHARDS)):
        raise DeepGyroError(f"{validation}: no {SHARDS} there (validation); make some with deepgyro synth")
    card = out.with_suffix(".md")
    for path in (out, card):
        check_writable(path, overwrite=overwrite)
    network, about = read_network(checkpoint)
    known: dict[str, Any] = {
        "name": out.stem,
        "multiple": network.multiple,
        "parameters": sum(p.numel() for p in network.parameters()),
        "gmac": round(multiply_adds(network, 256, 256), 2),
        "trained": _budget(about),
        "licence": licence,
        "commit": current_commit(),
        "scores": validate(network, validation) if validation else {},
    }
    contract: Contract | BaselineContract
    if isinstance(network, Baseline):
        contract = BaselineContract(inputs=network.inputs, **known)
        write_baseline(network, contract, out)
    else:
        c = network.config
        contract = Contract(stages=c.stages, fractions=c.fractions, steps=c.steps, margin=c.margin, **known)
        write_onnx(network, contract, out)
    card.write_text(_card(contract, data, about, sha256(out.read_bytes()).hexdigest()))
    return contract


def _budget(about: Mapping[str, Any]) -> str:
    """Return for how long a checkpoint was trained, in words."""
    progress = about["progress"]
    core = " of one core" if about["config"]["threads"] == 1 else ""
    return f"{progress['step']} steps, {progress['minutes'] / 60:.1f} hours{core}"


def _card(contract: Contract | BaselineContract, data: str, about: Mapping[str, Any], digest: str) -> str:
    """Return a page that says where weights come from and what they can do."""
    rows = "\n".join(f"| {kind} | {gain:+.2f} |" for kind, gain in contract.scores.items())
    scores = (
        f"""Gain over the blurred picture on validation pairs, dB, by the field that the network is told:

| field | gain |
|---|---|
{rows}

"""
        if rows
        else ""
    )
    config = json.dumps(about["config"], indent=1)
    stages = f"{contract.stages} stages, " if isinstance(contract, Contract) else "A baseline: "
    return f"""# {contract.name}

{stages}{contract.parameters / 1e6:.2f} M parameters, {contract.gmac} GMAC for 256 x 256 px.
Trained for {contract.trained}. {data}

- Licence: {contract.licence}
- Program: deepgyro {about["deepgyro"]}, exported on {contract.commit}
- SHA-256 of the ONNX file: `{digest}`

{scores}Configuration of the training:

```json
{config}
```
"""


def read_network(checkpoint: Path) -> tuple[Network, dict[str, Any]]:
    """Return a checkpoint's network with its averaged weights, and what the checkpoint says of itself."""
    about = read_about(checkpoint)
    try:
        average = untrained(saved_sizes(about["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DeepGyroError(f"{checkpoint}: of another version of deepgyro ({error})") from error
    load_checkpoint(checkpoint, None, average)
    return average.eval(), about


def write_onnx(network: DeepGyro, contract: Contract, out: Path) -> None:
    """Write a network's stages with their contract."""
    config = network.config
    side = 8 * config.multiple
    count = config.stages
    seen = [torch.zeros(1, config.channels(k), side, side) for k in range(count)]
    before = [torch.zeros(1, config.memory, side // 2, side // 2) for _ in range(count - 1)]
    blocks = [[torch.export.Dim(f"{axis}{k + 1}") for axis in ("rows", "columns")] for k in range(count)]
    shapes = [{2: config.multiple * rows, 3: config.multiple * columns} for rows, columns in blocks]
    half = config.multiple // 2
    halves = [{2: half * rows, 3: half * columns} for rows, columns in blocks[1:]]
    names = [f"{what}{k + 1}" for k in range(count) for what in ("change", "memory")][:-1]
    model = _exported(
        _Apart(network),
        (seen, before),
        input_names=[f"seen{k + 1}" for k in range(count)] + [f"before{k + 1}" for k in range(1, count)],
        output_names=names,
        dynamic_shapes=(shapes, halves),
    )
    _save(model, contract.to_json(), out)


def write_baseline(network: Baseline, contract: BaselineContract, out: Path) -> None:
    """Write a baseline's network with its contract, its weights in half precision."""
    rows, columns = (torch.export.Dim(axis) for axis in ("rows", "columns"))
    side = 4 * network.multiple
    model = _exported(
        _Whole(network),
        (torch.zeros(1, network.inputs, side, side),),
        input_names=["seen"],
        output_names=["sharp"],
        dynamic_shapes=({2: network.multiple * rows, 3: network.multiple * columns},),
    )
    _halve(model)
    _save(model, contract.to_json(), out)


def _exported(
    module: nn.Module,
    inputs: tuple[Any, ...],
    *,
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple[Any, ...],
) -> ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that nobody needs here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own calls are deprecated here and there
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            verbose=False,
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=dynamic_shapes,
            opset_version=OPSET,
        )
    assert program is not None
    return program.model_proto


def _halve(model: ModelProto) -> None:
    """Keep a model's weights in half precision, each with a node that makes float32 of it."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in model.graph.initializer:
        if weights.data_type == TensorProto.FLOAT and len(weights.dims) >= 1:
            name = weights.name
            halves = numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)


def _save(model: ModelProto, contract: str, out: Path) -> None:
    import onnx

    for part_of_it in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part_of_it.metadata_props[:]  # where in which file each was called
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, contract
    part = out.with_suffix(".part")
    try:
        onnx.save(model, part)
        part.replace(out)
    except OSError as error:
        raise DeepGyroError(f"{out}: cannot be written ({error})") from error
