"""`deepgyro export`: a training's weights as one ONNX file with its contract, and its card."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DeepGyroError
from ...files import check_writable, write_atomically
from ...refine.cells import CELL_COLUMNS, CELL_ROWS, FEATURE_COUNT
from ...restore.baselines import OnePieceContract
from ...runtime.contract import METADATA_KEY, Contract, Provenance
from ..report import current_commit
from .baselines.wrapper import OnePieceModel, RestorationNetwork, build_network, count_multiply_adds
from .checkpoint import load_checkpoint, read_checkpoint_metadata
from .corrector import training as correction
from .corrector.network import MAP_INPUTS, CorrectorConfig, FieldCorrectorNetwork
from .dataset import find_shards
from .network.stages import DeepGyro
from .settings import read_saved_network_config
from .training import validate

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX_OPSET = 18


@dataclass(frozen=True, kw_only=True)
class CorrectorContract(Provenance):
    """How the field corrector is used.

    Multiply-adds (`gmac`) are those for a picture of any size; scores are those of `correction.validate`.
    """

    about = (
        "Corrects blur fields. In: seen (1, channels, rows, columns), float32, a picture's cells with "
        "their maps and features (deepgyro.refine.cells.Cells). Out, (1, 2, rows, columns), along the prior "
        "path and across it: moves, by how much the path's end is off, px of the level; log_spread, the "
        "logarithm of how far off that may be; weights of the fit; and (1,) each odds and sharp, the "
        "logarithms of the odds that the moved field is right and that the picture is sharp."
    )


AnyContract = Contract | OnePieceContract | CorrectorContract


class _SeparateStages(nn.Module):
    """The stages side by side, each with its own inputs; the operators between them are not in the file."""

    def __init__(self, network: DeepGyro) -> None:
        super().__init__()
        self.stages = network.stages

    def forward(self, features: list[Tensor], hidden: list[Tensor]) -> list[Tensor]:
        """Return ``change1, hidden1, change2, ...``; the last stage has no hidden state."""
        outputs: list[Tensor] = []
        for k, stage in enumerate(self.stages):
            outputs += stage(features[k], hidden[k - 1] if k else None)
        return outputs[:-1]


class _OnePiece(nn.Module):
    """A baseline, with the inputs of its file."""

    def __init__(self, network: OnePieceModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """Return the sharp picture."""
        return self.network.forward_inputs(features)


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    *,
    validation: Path | None = None,
    licence: str = "not stated",
    data: str = "On what is not stated.",
    overwrite: bool = False,
) -> AnyContract:
    """Write the averaged weights of a checkpoint as ONNX, with their contract as metadata, and their card.

    out: the ONNX file, named after the network; the card is the same with .md. validation: a folder of
    `deepgyro synth`, for the scores. licence, data: of the weights, and a sentence about the training data.

    Raises
    ------
    DeepGyroError
        If it is no checkpoint, or a file exists already or cannot be written.
    """
    if out.suffix != ".onnx":
        raise DeepGyroError(f"{out}: a name that ends in .onnx is needed")
    if validation:
        find_shards(validation)
    card = out.with_suffix(".md")
    for path in (out, card):
        check_writable(path, overwrite=overwrite)
    network, metadata = read_network(checkpoint)
    provenance: dict[str, Any] = {
        "name": out.stem,
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained": _describe_budget(metadata),
        "licence": licence,
        "commit": current_commit(),
        **_measure_network(network, validation),
    }
    contract: AnyContract
    if isinstance(network, FieldCorrectorNetwork):
        contract = CorrectorContract(**provenance)
    elif isinstance(network, OnePieceModel):
        contract = OnePieceContract(inputs=network.inputs, **provenance)
    else:
        c = network.config
        contract = Contract(
            stages=c.stages, fractions=c.fractions, steps=c.steps, margin=c.margin, **provenance
        )
    write_onnx(network, contract, out)
    card.write_text(_write_card(contract, data, metadata, sha256(out.read_bytes()).hexdigest()))
    return contract


def read_network(checkpoint: Path) -> tuple[RestorationNetwork | FieldCorrectorNetwork, dict[str, Any]]:
    """Return a checkpoint's network with its averaged weights, and the checkpoint's metadata."""
    metadata = read_checkpoint_metadata(checkpoint)
    try:
        sizes = read_saved_network_config(metadata["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise DeepGyroError(f"{checkpoint}: of another version of deepgyro ({error})") from error
    average = FieldCorrectorNetwork(sizes) if isinstance(sizes, CorrectorConfig) else build_network(sizes)
    load_checkpoint(checkpoint, None, average)
    return average.eval(), metadata


def _measure_network(
    network: RestorationNetwork | FieldCorrectorNetwork, validation: Path | None
) -> dict[str, Any]:
    """Return a network's size multiple, multiply-adds and scores."""
    if isinstance(network, FieldCorrectorNetwork):
        cost = count_multiply_adds(network, _corrector_features())
        scores = correction.validate(network, validation) if validation else {}
        return {"multiple": 1, "gmac": round(cost, 2), "scores": scores}
    blurred, paths = torch.zeros(1, 3, 256, 256), torch.zeros(1, 4, 256, 256)
    cost = count_multiply_adds(network, blurred, paths, torch.ones(1), torch.zeros(1))
    return {
        "multiple": network.multiple,
        "gmac": round(cost, 2),
        "scores": validate(network, validation) if validation else {},
    }


def _describe_budget(metadata: Mapping[str, Any]) -> str:
    """Return for how long a checkpoint was trained, in words."""
    progress = metadata["progress"]
    core = " of one core" if metadata["config"]["threads"] == 1 else ""
    return f"{progress['step']} steps, {progress['minutes'] / 60:.1f} hours{core}"


def _write_card(contract: AnyContract, data: str, metadata: Mapping[str, Any], digest: str) -> str:
    """Return a page about the weights' origin and scores."""
    if isinstance(contract, CorrectorContract):
        kind, size, columns, digits = "Corrects fields: ", "a picture of any size", "what | value", ".3f"
        title = "On validation pairs: how far fields are off, px, and shares of fields"
    else:
        kind = f"{contract.stages} stages, " if isinstance(contract, Contract) else "A baseline: "
        size, columns, digits = "256 x 256 px", "field | gain", "+.2f"
        title = "Gain over the blurred picture on validation pairs, dB, by the prior field"
    rows = "\n".join(f"| {name} | {value:{digits}} |" for name, value in contract.scores.items())
    scores = f"{title}:\n\n| {columns} |\n|---|---|\n{rows}\n\n" if rows else ""
    return f"""# {contract.name}

{kind}{contract.parameters / 1e6:.2f} M parameters, {contract.gmac} GMAC for {size}.
Trained for {contract.trained}. {data}

- Licence: {contract.licence}
- Program: deepgyro {metadata["deepgyro"]}, exported on {contract.commit}
- SHA-256 of the ONNX file: `{digest}`

{scores}Configuration of the training:

```json
{json.dumps(metadata["config"], indent=1)}
```
"""


def write_onnx(network: RestorationNetwork | FieldCorrectorNetwork, contract: Provenance, out: Path) -> None:
    """Write a network with its contract; baselines and correctors have their weights in half precision."""
    if isinstance(network, DeepGyro):
        model = _export_stages(network)
    elif isinstance(network, OnePieceModel):
        model = _store_half_precision(_export_baseline(network))
    else:
        model = _store_half_precision(_export_corrector(network))
    graph = model.graph
    for each in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        del each.metadata_props[:]  # names of source files
    model.doc_string = contract.about
    model.metadata_props.add(key=METADATA_KEY, value=contract.to_json())
    write_atomically(out, lambda file: file.write(model.SerializeToString()), overwrite=True)


def _export_stages(network: DeepGyro) -> ModelProto:
    """Return our network's stages."""
    config = network.config
    count, side, half = config.stages, 8 * config.multiple, config.multiple // 2
    features = [torch.zeros(1, config.input_channels(k), side, side) for k in range(count)]
    hidden = [torch.zeros(1, config.memory, side // 2, side // 2) for _ in range(count - 1)]
    blocks = [[torch.export.Dim(f"{axis}{k + 1}") for axis in ("rows", "columns")] for k in range(count)]
    shapes = [{2: config.multiple * rows, 3: config.multiple * columns} for rows, columns in blocks]
    halves = [{2: half * rows, 3: half * columns} for rows, columns in blocks[1:]]
    return _export_onnx(
        _SeparateStages(network),
        (features, hidden),
        input_names=[f"seen{k + 1}" for k in range(count)] + [f"before{k + 1}" for k in range(1, count)],
        output_names=[f"{what}{k + 1}" for k in range(count) for what in ("change", "memory")][:-1],
        dynamic_shapes=(shapes, halves),
    )


def _export_baseline(network: OnePieceModel) -> ModelProto:
    """Return a baseline's network."""
    rows, columns = (torch.export.Dim(axis) for axis in ("rows", "columns"))
    side = 4 * network.multiple
    features = torch.zeros(1, network.inputs, side, side)
    shapes = ({2: network.multiple * rows, 3: network.multiple * columns},)
    return _export_onnx(_OnePiece(network), (features,), ["seen"], ["sharp"], shapes)


def _export_corrector(network: FieldCorrectorNetwork) -> ModelProto:
    """Return a field corrector."""
    outputs = ["moves", "log_spread", "weights", "odds", "sharp"]
    return _export_onnx(network, (_corrector_features(),), ["seen"], outputs)


def _corrector_features() -> Tensor:
    return torch.zeros(1, MAP_INPUTS + FEATURE_COUNT, CELL_ROWS, CELL_COLUMNS)


def _export_onnx(
    module: nn.Module,
    inputs: tuple[Any, ...],
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: Any = None,
) -> ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names packages that are not needed here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the exporter's own calls are deprecated
        program = torch.onnx.export(
            module, inputs, input_names=input_names, output_names=output_names, dynamic_shapes=dynamic_shapes,
            opset_version=ONNX_OPSET, dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    return program.model_proto


def _store_half_precision(model: ModelProto) -> ModelProto:
    """Store a model's weights in half precision, each with a node that casts it to float32."""
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
    return model
