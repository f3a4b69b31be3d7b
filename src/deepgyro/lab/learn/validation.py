"""How good a network is on validation pairs: gains over the blurred picture, and some pairs to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from ..synthesis import unpack_pair
from ..synthesis.shards import read_samples
from .baselines.wrapper import RestorationNetwork
from .dataset import Sample, make_sample

VALIDATION_PAIR_COUNT, SAMPLE_PICTURE_COUNT = 64, 4
"""Pairs that are scored, and pairs that are shown."""


def mean_psnr(picture: Tensor, sharp: Tensor) -> Tensor:
    """Return the mean of the pictures' PSNR, dB."""
    error = ((picture.clamp(0, 1) - sharp) ** 2).mean((1, 2, 3)).clamp(min=1e-8)
    return (-10 * torch.log10(error)).mean()


@torch.no_grad()
def restore_sample(
    network: RestorationNetwork, item: Sample, field: str = "noisy", *, mixed: bool = False
) -> Tensor:
    """Return the last guess of one whole sample with the field `field`: (3, h, w) float32, encoded.

    mixed: convolutions in bfloat16; processors without it take a hundred times as long.
    """
    device = next(network.parameters()).device
    gyro = torch.ones(()) if field == "exact" else item["gyro"]
    inputs = [value[None].to(device) for value in (item["blurred"], item[field], gyro, item["linear"])]
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        return network(*inputs)[-1][0].float().cpu()  # type: ignore[no-any-return]


def whole_samples(
    network: RestorationNetwork, folder: Path, count: int
) -> Iterator[tuple[Sample, Mapping[str, object]]]:
    """Yield the first pairs of a data set, cut to the network's multiple, and each one's metadata."""
    for pair in islice(map(unpack_pair, read_samples(folder)), count):
        item = make_sample(pair, turned=network.turned)
        height, width = (side // network.multiple * network.multiple for side in item["sharp"].shape[1:])
        yield {k: v[:, :height, :width] if v.ndim else v for k, v in item.items()}, pair.metadata


def validate(network: RestorationNetwork, folder: Path, *, mixed: bool = False) -> dict[str, float]:
    """Return mean gains over the blurred picture, dB: by the kind of prior field, and for exact fields."""
    gains: dict[str, list[float]] = {}
    for item, metadata in whole_samples(network, folder, VALIDATION_PAIR_COUNT):
        sharp = item["sharp"][None]
        before = mean_psnr(item["blurred"][None], sharp)
        exact = f"exact field, {metadata['encoding']}"
        for kind, field in ((str(metadata["gyro"]), "noisy"), (exact, "exact")):
            gain = mean_psnr(restore_sample(network, item, field, mixed=mixed)[None], sharp) - before
            gains.setdefault(kind, []).append(float(gain))
    return {kind: round(float(np.mean(values)), 3) for kind, values in sorted(gains.items())}


def sample_pictures(network: RestorationNetwork, folder: Path, *, mixed: bool) -> UInt8[ndarray, "h w 3"]:
    """Return the first pairs of a data set below each other, each as blurred | guess | sharp."""
    rows = []
    for item, _ in whole_samples(network, folder, SAMPLE_PICTURE_COUNT):
        row = [item["blurred"], restore_sample(network, item, mixed=mixed), item["sharp"]]
        portrait = row[0].shape[1] > row[0].shape[2]  # pairs are turned: all to landscape, to fit together
        rows.append(torch.cat([x.transpose(1, 2) for x in row] if portrait else row, 2))
    picture = torch.cat(rows, 1).clamp(0, 1) * 255
    return np.asarray(picture.round().byte().permute(1, 2, 0))
