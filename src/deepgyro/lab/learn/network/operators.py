"""The operators between a network's stages, for a batch: blur and differences along the paths, path maps.

In two forms that agree: on a CPU the product's compiled operators, a picture at a time; on any other device
twins in torch, the whole batch at once. No gradient flows through either.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from ....blur import BlurOperator
from ....blur.differences import PathDifferences
from ....restore import inputs

MIN_PATH_SAMPLES, MAX_PATH_SAMPLES = 32, 256
"""Samples of a path in the torch blur; between these bounds one for each px of the longest path."""
CHUNK_VALUES = 2**22
"""Samples, of all pixels together, that the torch blur holds at once; 200 MB with their positions."""


@runtime_checkable
class StageOperators(Protocol):
    """The operators between the stages, prepared for the paths of a batch."""

    def maps(self) -> Float32[Tensor, "b 3 h w"]:
        """Return length / 32 px, and cosine and sine of the doubled angle, of the paths."""
        ...

    def differences(self, pictures: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b m h w"]:
        """Return differences along the paths: m is three channels for each fraction and step."""
        ...

    def reblur(self, guesses: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
        """Return what the camera would have recorded of the guesses, both encoded."""
        ...


OperatorFactory = Callable[[Tensor, Tensor, tuple[float, ...], tuple[float, ...]], StageOperators]
"""As `stage_operators`."""


def stage_operators(
    paths: Float32[Tensor, "b coordinates h w"],
    linear: Float32[Tensor, " b"],
    fractions: tuple[float, ...],
    steps: tuple[float, ...],
) -> StageOperators:
    """Return the operators between the stages, in the form for the device.

    paths: x and y at n instants, px: 2 n channels, as in `make_sample`; linear: 1 where light was blurred, 0
    where encoded values were; fractions, steps: of the path, as in `PathDifferences`.
    """
    form = CompiledOperators if paths.device.type == "cpu" else TorchOperators
    return form(paths, linear, fractions, steps)


class CompiledOperators:
    """The compiled operators, a picture at a time."""

    def __init__(
        self, paths: Tensor, linear: Tensor, fractions: tuple[float, ...], steps: tuple[float, ...]
    ) -> None:
        fields = _to_arrays(_path_vertices(paths).permute(0, 3, 4, 1, 2))
        self._ends = [inputs.path_ends(field) for field in fields]
        self._blurs = [BlurOperator(field) for field in fields]
        self._differences = [PathDifferences(ends, fractions, steps) for ends in self._ends]
        self._linear = [bool(value) for value in linear]

    def maps(self) -> Float32[Tensor, "b 3 h w"]:
        """Return the maps of the paths, as `path_maps`."""
        return _stack_results([inputs.path_maps(ends) for ends in self._ends])

    def differences(self, pictures: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b m h w"]:
        """Return differences along the paths."""
        results = [D(x) for D, x in zip(self._differences, _to_arrays(pictures), strict=True)]
        return _stack_results(results).flatten(1, 2)

    def reblur(self, guesses: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
        """Return the blurred guesses."""
        results = []
        for A, guess, linear in zip(self._blurs, _to_arrays(guesses), self._linear, strict=True):
            blurred = A.part_of_planes(inputs.to_light(guess) if linear else guess, top=0, left=0)
            results.append(inputs.to_encoded(blurred) if linear else blurred)
        return _stack_results(results)


def _to_arrays(batch: Tensor) -> list[ndarray]:
    return [np.ascontiguousarray(x) for x in batch.detach().float().numpy()]


def _stack_results(results: list[ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(results))


class TorchOperators:
    """The torch operators, the whole batch at once on its device."""

    def __init__(
        self, paths: Tensor, linear: Tensor, fractions: tuple[float, ...], steps: tuple[float, ...]
    ) -> None:
        self._paths = paths.detach().float()
        self._linear = linear.view(-1, 1, 1, 1).bool()
        self._fractions, self._steps = fractions, steps

    @torch.no_grad()
    def maps(self) -> Float32[Tensor, "b 3 h w"]:
        """Return the maps of the paths: the twin of `inputs.path_maps`."""
        u, v = (self._paths[:, -2:] - self._paths[:, :2]).unbind(1)
        length = torch.sqrt(u * u + v * v)
        confidence = 1 / ((length + 4) * length.clamp(min=1e-6))
        return torch.stack([length / 32, (u * u - v * v) * confidence, 2 * u * v * confidence], 1)

    @torch.no_grad()
    def differences(self, pictures: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b m h w"]:
        """Return ``[B(x + p(k + e)) - B(x + p(k - e))] / (4 e)``: the twin of `PathDifferences`.

        p is a path from its first to its last point, k a fraction of it and e a step. They differ by the
        rounding of a position in the picture, 4e-5 px at a width of 400 px: by less than 1e-4 for photos of 0
        to 1 and 2e-4 for white noise, where e is 0.1.
        """
        first, last = self._paths[:, :2], self._paths[:, -2:]

        def at(share: float) -> Tensor:
            offsets = (0.5 - share) * first + (0.5 + share) * last
            return _sample_bilinear(pictures, offsets[:, None])[:, 0]

        pairs = [(k, e) for k in self._fractions for e in self._steps]
        return torch.cat([(at(k + e) - at(k - e)) / (4 * e) for k, e in pairs], 1)

    @torch.no_grad()
    def reblur(self, guesses: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
        """Return the blurred guesses."""
        pictures = torch.where(self._linear, to_light(guesses), guesses)
        blurred = blur_along_paths(pictures, self._paths, self._sample_count)
        return torch.where(self._linear, to_encoded(blurred), blurred)

    @cached_property
    def _sample_count(self) -> int:
        return path_sample_count(self._paths)


def path_sample_count(paths: Float32[Tensor, "b coordinates h w"]) -> int:
    """Return the samples for `blur_along_paths` between two instants of paths, px; it waits for a GPU."""
    vertices = _path_vertices(paths)
    pieces = vertices.shape[1] - 1
    longest = float(vertices.diff(dim=1).square().sum(2).max().sqrt())
    return max(min(int(np.ceil(longest)), MAX_PATH_SAMPLES // pieces), -(-MIN_PATH_SAMPLES // pieces))


@torch.no_grad()
def blur_along_paths(
    pictures: Float32[Tensor, "b 3 rows columns"],
    paths: Float32[Tensor, "b coordinates h w"],
    samples: int,
    *,
    margin: int = 0,
) -> Float32[Tensor, "b 3 h w"]:
    """Return the means of pictures along the paths: the twin of `BlurOperator`.

    `BlurOperator` has the exact integral, this one the mean of samples in the middles of equal parts of the
    time. With as many as `path_sample_count` they differ by less than 3e-4 on average and 5e-3 at the most
    for photos of 0 to 1, by less than 3e-3 and 3e-2 for white noise: most at 10 to 60 px.

    pictures: values of any kind, continued by their border pixels; paths: x and y at n instants, px; samples:
    taken between two instants; margin: by how much pictures are larger than paths on every side, px.
    """
    vertices = _path_vertices(paths)
    count = samples * (vertices.shape[1] - 1)
    times = (torch.arange(count, device=paths.device) + 0.5) / samples
    total = pictures.new_zeros(*pictures.shape[:2], *paths.shape[2:])
    chunk = max(CHUNK_VALUES // vertices[:, 0, 0].numel(), 1)
    for start in range(0, count, chunk):
        some = times[start : start + chunk]
        piece = some.long()
        share = (some - piece).view(-1, 1, 1, 1)
        points = torch.lerp(vertices[:, piece], vertices[:, piece + 1], share)
        total += _sample_bilinear(pictures, -points, margin).sum(1)
    return total / count


def _path_vertices(paths: Tensor) -> Tensor:
    """Return channels (b, 2 n, h, w) as (b, n, 2, h, w)."""
    batch, channels, height, width = paths.shape
    return paths.view(batch, channels // 2, 2, height, width)


def _sample_bilinear(
    pictures: Float32[Tensor, "b c rows columns"], offsets: Float32[Tensor, "b k 2 h w"], margin: int = 0
) -> Float32[Tensor, "b k c h w"]:
    """Return pictures at ``x + margin + offset`` (px): bilinear, continued by their border pixels."""
    count, height, width = offsets.shape[1], *offsets.shape[3:]
    columns = torch.arange(margin, margin + width, device=offsets.device)
    rows = torch.arange(margin, margin + height, device=offsets.device)[:, None]
    last_row, last_column = (max(side - 1, 1) for side in pictures.shape[2:])
    x = (offsets[:, :, 0] + columns) * (2 / last_column) - 1  # -1 and 1: the first and the last
    y = (offsets[:, :, 1] + rows) * (2 / last_row) - 1
    with torch.autocast(pictures.device.type, enabled=False):  # bfloat16 rounds 200 px to 1 px
        values = torch.nn.functional.grid_sample(
            pictures, torch.stack([x, y], -1).flatten(1, 2), padding_mode="border", align_corners=True
        )
    return values.view(*values.shape[:2], count, height, width).transpose(1, 2)


@torch.no_grad()
def to_light(encoded: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
    """Return the light of encoded values, clipped to 0 and 1: the twin of `inputs.to_light`."""
    return _look_up_table(encoded, _srgb_tables(encoded.device)[0])


@torch.no_grad()
def to_encoded(light: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
    """Return the encoded values of light, clipped to 0 and 1: the twin of `inputs.to_encoded`."""
    return _look_up_table(light, _srgb_tables(light.device)[1])


def _look_up_table(values: Tensor, table: Tensor) -> Tensor:
    """Return the linear interpolation of a table with equal steps from 0 to 1."""
    last = len(table) - 1
    place = values.clamp(0, 1) * last
    k = place.long().clamp(0, last - 1)  # 0, too, of NaN
    return torch.lerp(table[k], table[k + 1], place - k)


@cache
def _srgb_tables(device: torch.device) -> tuple[Tensor, Tensor]:
    light, encoded = inputs.srgb_tables()
    return torch.from_numpy(light).to(device), torch.from_numpy(encoded).to(device)
