"""A gyro log and the camera that it was fixed to: the blur field of any exposure between its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..blurfield import (
    Field,
    MotionField,
    PathReference,
    exposure_interval,
    motion_field,
    reduce_instants,
    sample_paths,
)
from ..camera import Camera
from ..errors import DeepGyroError, ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera
from ..telemetry import GyroLog

COMPARISON_GRID = (5, 8)
"""Rows and columns of places at which fields of a recording are compared."""


@dataclass(frozen=True)
class Exposure:
    """When a frame was exposed."""

    t: float
    """Time on the frames' clock, s."""
    exposure: float
    """How long one row collects light, s."""
    at: Literal["start", "row middle", "middle"] = "start"
    """What `t` is: the start of the exposure of the row that is read first, its middle, or the middle of the
    exposure of the picture's central row."""

    def start(self, camera: Camera) -> float:
        """Return when the row that is read first begins to be exposed, s on the frames' clock."""
        if self.at == "start":
            return self.t
        if self.at == "row middle":
            return self.t - 0.5 * self.exposure
        if camera.readout_time is None:
            raise DeepGyroError(
                f"{camera.source}: mid-exposure times need readout_time: add it to the camera file"
            )
        return self.t - 0.5 * (self.exposure + camera.readout_time)


@dataclass(frozen=True, eq=False)
class Recording:
    """A gyro log and the camera that it was fixed to."""

    log: GyroLog
    camera: Camera

    def motion_field(
        self, frame: Exposure, height: int, width: int, *, n: int, reference: PathReference = "picture"
    ) -> MotionField:
        """Return the field of an exposure at n instants; errors as in `blur_field`."""
        return motion_field(
            self.log, self.camera, t=frame.start(self.camera), exposure=frame.exposure,
            height=height, width=width, n=n, reference=reference,
        )  # fmt: skip

    def field(
        self, frame: Exposure, height: int, width: int, *, n: int = 17
    ) -> tuple[MotionField | None, str]:
        """Return an exposure's field in the sharp picture, or None and why there is none.

        Parameters
        ----------
        n
            Instants that are computed, 2^m + 1; as many are kept as the paths need.

        Raises
        ------
        PixelBehindCamera
            If a pixel turns behind the camera: the rates or their unit are wrong.
        """
        try:
            return reduce_instants(self.motion_field(frame, height, width, n=n)), ""
        except ExposureNotCovered:
            return None, "the gyro log does not cover its exposure"
        except MotionOutrunsShutter:
            return None, "the picture moves as fast as the shutter reads it"

    def blur_vectors(
        self, frame: Exposure, height: int, width: int, grid: tuple[int, int]
    ) -> Float64[ndarray, "rows columns 2"]:
        """Return an exposure's blur vectors at rows and columns of places, px; NaN where it has no field."""
        try:
            field, _ = self.field(frame, height, width, n=2)
        except PixelBehindCamera:
            field = None
        if field is None:
            return np.full((*grid, 2), np.nan)
        return straight_vectors_on_grid(field, grid)

    def check_coverage(self, frames: Sequence[Exposure]) -> None:
        """Refuse a log that covers none of several photos: it belongs to another day."""
        spans = [exposure_interval(self.camera, one.start(self.camera), one.exposure) for one in frames]
        if not any(self.log.covers(first, last) for first, last in spans):
            first, last = min(first for first, _ in spans), max(last for _, last in spans)
            raise DeepGyroError(
                f"{self.log.source}: runs from {self.log.t[0]:.3f} to {self.log.t[-1]:.3f} s and covers none "
                f"of the photos, exposed from {first:.3f} to {last:.3f} s on its clock: check the log, the "
                "times and time_offset"
            )


def straight_vectors_on_grid(
    field: Field, grid: tuple[int, int] = COMPARISON_GRID
) -> Float64[ndarray, "rows columns 2"]:
    """Return vectors from the start to the end of the paths at rows and columns of places, px."""
    rows, columns = grid
    paths = sample_paths(field, rows, columns)[:rows, :columns]
    return np.asarray(paths[:, :, -1] - paths[:, :, 0], np.float64)
