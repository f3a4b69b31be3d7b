"""What a training tells of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from numpy import ndarray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ...frames import encode_png
from .checkpoint import Progress

ReportProgress = Callable[[Progress, float, Mapping[str, object] | None], object]
"""Told after every step how far it is, the minutes left in this sitting, and a row where one is logged."""


class TrainingLog:
    """What the first process tells: log.jsonl, TensorBoard's curves, samples.png, a caller."""

    def __init__(
        self,
        out: Path,
        names: tuple[str, ...],
        progress: Progress,
        fabric: Fabric,
        report: ReportProgress | None,
    ) -> None:
        """Go on with the journal in a folder; `names`: of a step's values."""
        self.out, self.names, self.progress, self.fabric = out, names, progress, fabric
        self.report = report or (lambda progress, left, row: None)
        self.sums, self.count = torch.zeros(len(names), device=fabric.device), 0
        self.board: SummaryWriter | None = None
        if fabric.is_global_zero:
            out.mkdir(parents=True, exist_ok=True)
            self.board = SummaryWriter(str(out), purge_step=progress.step)

    def add_values(self, values: Float[Tensor, " n"]) -> None:
        """Add a step's values to the next row."""
        self.sums, self.count = self.sums + values, self.count + 1

    def take_means(self) -> dict[str, float]:
        """Return the means of all processes since the last row; every process must call it."""
        means = self.fabric.all_reduce(self.sums / self.count, reduce_op="mean")
        self.sums, self.count = torch.zeros_like(self.sums), 0
        return dict(zip(self.names, means.tolist(), strict=True))  # type: ignore[union-attr]

    def report_step(self, left: float) -> None:
        """Tell the caller of a step."""
        if self.board:
            self.report(self.progress, left, None)

    def write_row(self, values: Mapping[str, object], left: float) -> None:
        """Write a row, draw its numbers, tell the caller."""
        if not self.board:
            return
        row = {"step": self.progress.step, "minutes": round(self.progress.minutes, 3), **values}
        with open(self.out / "log.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            for key, number in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(number, float):
                    tag = f"{name}/{key}".rstrip("/")
                    self.board.add_scalar(tag, number, self.progress.step)
        self.report(self.progress, left, row)

    def write_validation(
        self, values: Mapping[str, float], picture: UInt8[ndarray, "h w 3"] | None, left: float
    ) -> None:
        """Write a row of what validation pairs say, and show some of them."""
        self.write_row({"validation": values}, left)
        if picture is None:
            return
        (self.out / "samples.png").write_bytes(encode_png(picture))
        assert self.board is not None  # only the first process validates
        self.board.add_image("samples", picture, self.progress.step, dataformats="HWC")

    def close(self) -> None:
        """End TensorBoard's file."""
        if self.board:
            self.board.close()
