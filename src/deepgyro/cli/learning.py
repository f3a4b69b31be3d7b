"""Networks: train, export."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import require_extra
from .app import Flag, app
from .output import ProgressBar, print_json

if TYPE_CHECKING:
    from ..lab.learn.checkpoint import Progress


@app.command
def train(
    config: Path,
    /,
    *,
    out: Path | None = None,
    resume: Flag = False,
    minutes: float | None = None,
    stop_after: float | None = None,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Flag = False,
) -> int:
    """Train a network (extra: train), or continue a training.

    Ctrl-C ends the run with a checkpoint.

    Parameters
    ----------
    config
        What is trained and how: see configs/deepgyro.yaml.
    out
        Folder for checkpoint.safetensors (and a slim copy), log.jsonl, TensorBoard's curves, samples.png; by
        default runs/NAME, after the configuration.
    resume
        Continue from the checkpoint that is there.
    minutes
        Of the whole training, over all runs, instead of what config says.
    stop_after
        Stop this run after so many minutes, with a checkpoint; the length of the whole training stays.
    changes
        NAME=VALUE, instead of what config says; network.NAME for the network's. May be given several times.
    json
        Print one JSON object.
    """
    with require_extra("train"):
        from ..lab.learn.settings import read_config
        from ..lab.learn.train import train as run_training

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it logs every process
    out = out or Path("runs") / config.stem
    settings = read_config(config, [*changes, *([] if minutes is None else [f"minutes={minutes}"])])
    start: list[float] = []
    with ProgressBar(0, "minute") as bar:

        def report(progress: Progress, left: float, row: Mapping[str, object] | None) -> None:
            if not start:
                start.append(progress.minutes)
            if row and "gain" in row:
                bar.show_note(f"gain {row['gain']:.2f} dB")
            bar.show_remaining(progress.minutes - start[0], left)
            if row and not json:
                bar.print("  ".join(f"{name} {_shorten(value)}" for name, value in row.items()))

        done = run_training(settings, out, resume=resume, stop_after=stop_after, report=report)
    if done is None:  # another process prints
        return 0
    if json:
        print_json(asdict(done))
    else:
        whole = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
        print(f"{out}  {done.step} steps, {done.minutes:.1f} minutes of {whole}")
    return 0


@app.command
def export(
    checkpoint: Path,
    /,
    *,
    out: Path | None = None,
    validation: Path | None = None,
    licence: str = "not stated",
    data: str = "On what is not stated.",
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Write a training's weights as one ONNX file with its metadata, and its card (extra: train).

    Parameters
    ----------
    checkpoint
        Of deepgyro train: checkpoint.safetensors.
    out
        The ONNX file, named after the network; its card is beside it as .md. By default beside the
        checkpoint, with the name of its folder.
    validation
        Folder of deepgyro synth, for the scores: pairs of photos and logs that were not trained on.
    licence
        Of the weights.
    data
        A sentence for the card about the data that they were trained on.
    overwrite
        Replace files of these names.
    json
        Print one JSON object: the file's metadata.
    """
    with require_extra("train"):
        from ..lab.learn.export import export_checkpoint as run_export

    out = out or checkpoint.with_name(f"{checkpoint.absolute().parent.name}.onnx")
    contract = run_export(
        checkpoint, out, validation=validation, licence=licence, data=data, overwrite=overwrite
    )
    if json:
        print_json(asdict(contract))
    else:
        print(f"{out}  {contract.parameters / 1e6:.2f} M parameters, {contract.trained}")
    return 0


def _shorten(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
