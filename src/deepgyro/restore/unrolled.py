"""A picture of any size through a network's stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blur import BlurOperator
from ..blur.border import LANES, crop_replicated
from ..blur.differences import PathDifferences
from ..blurfield import Field, measure_field
from ..runtime.contract import Contract
from ..runtime.session import Session
from ..threads import run_in_bands
from ..tiles import PictureLike, Tile, Window, split_into_tiles
from .canonical import OrientedField, OrientedPicture, canonical_orientation
from .inputs import PATH_CHANNELS, path_ends, path_maps, to_encoded, to_light

TILE_CORE_PX = 960
"""Side of the tiles' cores, px: about 1 GB of memory."""
MAX_UNTILED_PIXELS = 1024 * 1024
"""A picture of at most so many px is worked on in one piece."""


def restore_in_tiles(
    session: Session,
    image: PictureLike,
    field: Field,
    *,
    linear: bool,
    extent: int | None = None,
    core: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[Window, Float32[ndarray, "a b 3"]]]:
    """Take the blur out of a picture, stage after stage, each in tiles.

    The network sees the picture in the orientation of its training (`canonical_orientation`). A tile's window
    reaches beyond it by a stage's receptive field, and the guess that is blurred again is that of the whole
    picture, so that tiles don't show. `image`: encoded values; `extent`: the largest |x| or |y| of a path,
    px, if known; `core`: side of the tiles' cores, px, by default one tile for a small picture. Yields and
    the other parameters are those of `Method.restore`.
    """
    contract = session.contract
    extent = measure_field(field)[2] if extent is None else extent
    turn = canonical_orientation(field)
    before = field.shape[:2]
    image, field = OrientedPicture(image, turn, *before), OrientedField(field, turn)
    height, width = field.shape[:2]
    core = core or (max(height, width) if height * width <= MAX_UNTILED_PIXELS else TILE_CORE_PX)
    step = _window_multiple(contract)
    margin = -(-contract.margin // step) * step
    cut = list(split_into_tiles(height, width, core=core, margin=margin, multiple=step))
    work = _StageRunner(session, image, field, linear, cut, extent)
    for stage in range(1, contract.stages + 1):
        for done, change in enumerate(work.run_stage(stage)):
            if stage == contract.stages:
                tile = cut[done]
                sharp = _combine_planes(np.add, work.blurred_planes(tile.core), change)
                yield turn.window(tile.core, *before), turn.inverse(sharp.transpose(1, 2, 0))
            if progress:
                progress((stage - 1 + (done + 1) / len(cut)) / contract.stages)


@dataclass(frozen=True, eq=False)
class _WindowOperators:
    """The operators of a window's paths."""

    field: Float32[ndarray, "h w n 2"]
    contract: Contract

    @cached_property
    def A(self) -> BlurOperator:
        """The blur along them."""
        return BlurOperator(self.field)

    @cached_property
    def D(self) -> PathDifferences:
        """The differences along them."""
        return PathDifferences(path_ends(self.field), self.contract.fractions, self.contract.steps)


class _StageRunner:
    """State of a picture between its stages: the guess less the picture, and the network's hidden state."""

    def __init__(
        self, session: Session, image: PictureLike, field: Field, linear: bool, cut: list[Tile], extent: int
    ) -> None:
        self.session, self.image, self.field, self.linear, self.cut = session, image, field, linear, cut
        self.size = field.shape[:2]
        # Differences of a large picture are kept in half precision: they are small.
        self.kept = np.float32 if len(cut) == 1 else np.float16
        self.change: ndarray | None = None
        self.memory: ndarray | None = None
        self.extent = extent
        self.step = _window_multiple(session.contract)
        self.room = np.empty(0, np.float32)

    def run_stage(self, stage: int) -> Iterator[Float32[ndarray, "3 a b"]]:
        """Run a stage, tile by tile; return what is to be added to the picture."""
        contract = self.session.contract
        residual = None if self.change is None else self._compute_residual()
        change = np.empty((3, *((0, 0) if stage == contract.stages else self.size)), self.kept)
        memory: ndarray | None = None
        last = stage == contract.stages
        for tile in self.cut:
            inputs = {f"seen{stage}": self._stage_inputs(tile.window, residual)}
            if self.memory is not None:
                inputs[f"before{stage}"] = self._half_size_features(
                    self.memory, tile.window, inputs[f"seen{stage}"].shape
                )
            outputs = self.session.run(stage, inputs)
            new = outputs[f"change{stage}"][0][:, *tile.core_in_window]
            if self.change is not None:
                new = _combine_planes(np.add, new, self.change[:, *tile.core])
            if not last:
                change[:, *tile.core] = new
                found = outputs[f"memory{stage}"][0][:, *_half_size_window(tile.core_in_window)]
                if len(self.cut) == 1:
                    memory = found  # only the next run of this stage overwrites it
                else:
                    if memory is None:
                        half = [-(-side // 2) for side in self.size]
                        memory = np.empty((len(found), *half), self.kept)
                    memory[:, *_half_size_window(tile.core)] = found
            yield new
        self.change, self.memory = change, memory
        if len(self.cut) > 1:
            self.session.release(stage)

    def _stage_inputs(self, window: Window, residual: ndarray | None) -> Float32[ndarray, "1 c rows columns"]:
        """Return a stage's inputs in a window, continued to whole blocks."""
        contract = self.session.contract
        D = self._window_paths(window).D
        ends = D.ends
        around, top, left = _widen_window(window, D.reach(self.extent), self.size)
        height, width = ends.shape[1:]
        taps = len(contract.fractions) * len(contract.steps)
        pictures = 3 if residual is None else 6
        rows = -(-height // contract.multiple) * contract.multiple
        columns = -(-width // self.step) * self.step
        features = self._input_buffer(1, pictures + PATH_CHANNELS + 3 * taps, rows, columns)
        if residual is None:
            source = self.blurred_planes(around)
            features[0, :3, :height, :width] = source[:, top : top + height, left : left + width]
        else:
            assert self.change is not None
            _combine_planes(
                np.add, self.blurred_planes(window), self.change[:, *window], features[0, :3, :height, :width]
            )
            source = residual[:, *around].astype(np.float32, copy=False)
            features[0, 3:6, :height, :width] = residual[:, *window]
        path_maps(ends, features[0, pictures : pictures + 3])
        features[0, pictures + 3] = 1
        differences = features[0, pictures + PATH_CHANNELS :].reshape(taps, 3, rows, columns)
        D.difference_part(source, differences, top=top, left=left)
        features[..., width:] = features[..., width - 1 : width]
        features[..., height:, :] = features[..., height - 1 : height, :]
        return features

    def _compute_residual(self) -> ndarray:
        """Return ``B - A(guess)``, encoded."""
        assert self.change is not None
        residual = np.empty((3, *self.size), self.kept)
        for tile in self.cut:
            A = self._window_paths(tile.core).A
            around, top, left = _widen_window(tile.core, A.reach + LANES, self.size)
            guess = _combine_planes(np.add, self.blurred_planes(around), self.change[:, *around])
            light = to_light(guess) if self.linear else guess
            again = A.part_of_planes(light, top=top, left=left)
            again = to_encoded(again) if self.linear else again
            _combine_planes(np.subtract, self.blurred_planes(tile.core), again, residual[:, *tile.core])
        return residual

    def blurred_planes(self, window: Window) -> Float32[ndarray, "3 a b"]:
        """Return the picture in a window, in planes."""
        return self._whole_picture[0] if len(self.cut) == 1 else _window_planes(self.image, window)

    def _window_paths(self, window: Window) -> _WindowOperators:
        """Return the paths in a window."""
        return self._whole_picture[1] if len(self.cut) == 1 else self._cut_paths(window)

    @cached_property
    def _whole_picture(self) -> tuple[ndarray, _WindowOperators]:
        """Of a picture in one piece, the planes and the paths: once for all stages."""
        window = self.cut[0].window
        return _window_planes(self.image, window), self._cut_paths(window)

    def _cut_paths(self, window: Window) -> _WindowOperators:
        return _WindowOperators(np.ascontiguousarray(self.field[window]), self.session.contract)

    def _input_buffer(self, *shape: int) -> Float32[ndarray, "1 c h w"]:
        """Return room for a stage's inputs, the same again and again: fresh pages cost time."""
        size = math.prod(shape)
        if size > len(self.room):
            self.room = np.empty(size, np.float32)
        return self.room[:size].reshape(shape)

    def _half_size_features(self, memory: ndarray, window: Window, shape: tuple[int, ...]) -> ndarray:
        part = memory[:, *_half_size_window(window)]
        part = part.astype(np.float32, copy=False)
        return crop_replicated(part, 0, 0, shape[2] // 2, shape[3] // 2)[None]


def _window_multiple(contract: Contract) -> int:
    """Return what the sides of windows are continued to multiples of, as the whole picture's are, px."""
    return math.lcm(contract.multiple, LANES)


def _widen_window(window: Window, reach: int, size: tuple[int, ...]) -> tuple[Window, int, int]:
    """Return a window wider by `reach` on every side, within the picture, and where the window lies in it."""
    rows, columns = (
        slice(max(p.start - reach, 0), min(p.stop + reach, side))
        for p, side in zip(window, size, strict=False)
    )
    return (rows, columns), window[0].start - rows.start, window[1].start - columns.start


def _half_size_window(window: Window) -> Window:
    """Return where a window's features are, which have half its size."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in window)
    return rows, columns


def _window_planes(picture: PictureLike, window: Window) -> Float32[ndarray, "3 a b"]:
    """Return a window of a picture in planes."""
    rows, columns = window
    out = np.empty((3, rows.stop - rows.start, columns.stop - columns.start), np.float32)

    def band(top: int, bottom: int) -> None:
        pixels = picture[rows.start + top : rows.start + bottom, columns]
        out[:, top:bottom] = pixels.transpose(2, 0, 1)

    run_in_bands(out.shape[1], 64, band)
    return out


def _combine_planes(operation: np.ufunc, a: ndarray, b: ndarray, out: ndarray | None = None) -> ndarray:
    """Return the sum or difference of planes, float32 if there is no `out`."""
    filled = np.empty(a.shape, np.float32) if out is None else out

    def band(top: int, bottom: int) -> None:
        operation(a[:, top:bottom], b[:, top:bottom], out=filled[:, top:bottom], casting="same_kind")

    run_in_bands(a.shape[1], 64, band)
    return filled
