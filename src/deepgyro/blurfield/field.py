"""From a gyro log and a camera to the path of every pixel: eq. 2-5 of [1], for rolling shutters.

[1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray

from ..errors import ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera
from ..rotations import integrate_rates
from ..threads import run_in_bands
from .grid import GridField, interpolate_nodes, locate_cells, node_positions
from .trajectory import Trajectory

if TYPE_CHECKING:
    from ..camera import Camera
    from ..telemetry import GyroLog


PathReference = Literal["row", "picture", "start"]

EXACT_GRID_STEP_PX = 4
"""Distance of the rows and columns that are computed one by one where a pixel is dear, px."""


@runtime_checkable
class Field(Protocol):
    """A blur field: an array (height, width, n, 2) of float32 px, or what slices like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, n, 2)."""
        ...

    def __getitem__(self, window: tuple[slice, slice], /) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns."""
        ...


@dataclass(frozen=True, eq=False)
class MotionField:
    """A blur field that is computed where it is asked for, from a few poses a line of the sensor.

    It slices like an array (height, width, n, 2) of float32 px: ``field[top:bottom, left:right]``. No more of
    it than was asked for is ever in memory.
    """

    camera: Camera
    """The camera, scaled to the picture's size."""
    t: float
    """Start of the exposure of the line that is read first, on the frames' clock, s."""
    exposure: float
    """How long one line collects light, s."""
    reference: PathReference
    instants: Float64[ndarray, " n"]
    """Instants of a path, from the start of its line's exposure on, s."""
    trajectory: Trajectory

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(height, width, n, 2)."""
        return self.camera.height, self.camera.width, len(self.instants), 2

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns, px.

        What needs iterations (a lens, ``reference="picture"``) is computed on every `EXACT_GRID_STEP_PX`-th
        row and column
        and interpolated: within 0.02 px in a strong shake (100 rad/s^2), 0.1 px in a violent one (400).
        """
        rows, columns = (
            np.arange(*part.indices(size)) for part, size in zip(window, self.shape[:2], strict=True)
        )
        if self._is_closed_form:
            return self.at(rows, columns, np.float32)
        if not (rows.size and columns.size):
            return np.empty((len(rows), len(columns), *self.shape[2:]), np.float32)
        y, _, row, row_share = locate_cells(rows, self.shape[0], EXACT_GRID_STEP_PX)
        x, _, column, column_share = locate_cells(columns, self.shape[1], EXACT_GRID_STEP_PX)
        return interpolate_nodes(self.at(y, x, np.float32), row, row_share, column, column_share)

    @property
    def _is_closed_form(self) -> bool:
        """Whether no path needs iterations."""
        return self.reference != "picture" and self.camera.distortion.model == "none"

    def tabulate(self) -> Field:
        """Return the same numbers, iterated for once: for windows that overlap or are asked for again."""
        return self if self._is_closed_form else self.sample_on_grid(EXACT_GRID_STEP_PX)

    def sample_on_grid(self, step: int) -> GridField:
        """Return the field computed at every `step`-th row and column only, px."""
        height, width = self.shape[:2]
        nodes = self.at(node_positions(height, step), node_positions(width, step), np.float32)
        return GridField(nodes, height, width, step)

    def _rays_to_world(self, lines: Int64[ndarray, " k"]) -> Float64[ndarray, "k m 4 3"]:
        """Return what takes a ray of a line to a world vector, at each instant or at the one that counts."""
        instants = {
            "row": self.instants[[0, -1]].mean(keepdims=True),
            "picture": self.instants,
            "start": self.instants[:1],
        }
        lift = self.trajectory.ray_to_world(self._exposure_starts(lines)[:, None] + instants[self.reference])
        # Without a lens K and its inverse are in the matrices already.
        if self.camera.distortion.model == "none":
            lift = lift @ np.linalg.inv(self.camera.K)
        return lift

    def _world_to_lines(self, lines: Int64[ndarray, " k"]) -> Float64[ndarray, "k m 3 4"]:
        """Return where a line shows a world vector, at each instant or at the one that counts."""
        instants = self.instants
        if self.reference == "picture":
            instants = instants[[0, -1]].mean(keepdims=True)
        look = self.trajectory.world_to_ray(self._exposure_starts(lines)[:, None] + instants)
        return np.asarray(self.camera.K @ look if self.camera.distortion.model == "none" else look)

    @cached_property
    def _world_to_all_lines(self) -> Float64[ndarray, "lines 3 4"]:
        return np.ascontiguousarray(self._world_to_lines(np.arange(readout_line_count(self.camera)))[:, 0])

    def _exposure_starts(self, lines: Int64[ndarray, " k"]) -> Float64[ndarray, " k"]:
        """Return when the exposure of lines begins, s on the gyro's clock."""
        return np.asarray(line_exposure_starts(self.camera, self.t)[lines])

    def at(
        self, rows: Int64[ndarray, " h"], columns: Int64[ndarray, " w"], dtype: type = np.float64
    ) -> Float[ndarray, "h w n 2"]:
        """Return the field at the crossings of some rows and columns, px.

        Raises
        ------
        PixelBehindCamera, MotionOutrunsShutter
            If a pixel turns behind the camera, or the picture runs along with the rolling shutter.
        """
        from .kernels import STATUS_BEHIND_CAMERA

        by_row = self.camera.readout_direction in ("down", "up")
        lines = rows if by_row else columns
        if self.reference == "picture":
            matrices = [np.ascontiguousarray(self._rays_to_world(lines)), self._world_to_all_lines]
        else:
            matrices = [np.ascontiguousarray(self._world_to_lines(lines) @ self._rays_to_world(lines))]
        out: ndarray = np.empty((len(rows), len(columns), *self.shape[2:]), dtype)
        status: list[int] = []
        run_in_bands(
            len(rows), 32, lambda top, end: status.append(self._fill(out, rows, columns, matrices, top, end))
        )
        if any(s & STATUS_BEHIND_CAMERA for s in status):
            raise PixelBehindCamera(
                "a pixel turns behind the camera during the exposure (most often omega in deg/s)"
            )
        if any(status):
            raise MotionOutrunsShutter(
                "the picture moves as fast as the rolling shutter reads it: no sharp rolling-shutter picture "
                'exists to refer to; use reference="row", or check readout_time and the units of omega'
            )
        return out

    def _fill(
        self, out: ndarray, rows: ndarray, columns: ndarray, matrices: list[ndarray], top: int, end: int
    ) -> int:
        """Compute a band of `at`; return the kernels' status."""
        from . import kernels

        camera = self.camera
        lens = kernels.LENS_CODES[camera.distortion.model]
        coefficients = np.zeros(5)
        coefficients[: len(camera.distortion.coefficients)] = camera.distortion.coefficients
        K = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
        by_row = camera.readout_direction in ("down", "up")
        rays = np.zeros((1, 1, 2))
        if lens != kernels.LENS_CODES["none"]:
            rays = camera.rays(np.stack(np.meshgrid(columns, rows[top:end]), axis=-1).astype(float))[..., :2]
        compute = kernels.compute_picture_paths if self.reference == "picture" else kernels.compute_row_paths
        own = matrices[0][top:end] if by_row else matrices[0]
        return int(
            compute(
                own, *matrices[1:], by_row, rows[top:end], columns, rays, lens, coefficients, *K, out[top:end]
            )
        )


def motion_field(
    log: GyroLog,
    camera: Camera,
    *,
    t: float,
    exposure: float,
    height: int | None = None,
    width: int | None = None,
    n: int = 9,
    reference: PathReference = "picture",
    velocity: Float64[ndarray, " 3"] | None = None,
    plane: Float64[ndarray, " 3"] | None = None,
) -> MotionField:
    """Return the blur field of one exposure, to be sliced: see `blur_field` for the parameters."""
    _check_exposure(t, exposure, n)
    if reference not in get_args(PathReference):
        raise ValueError(f"reference is {reference!r}; one of {', '.join(get_args(PathReference))} is needed")
    if (velocity is None) != (plane is None):
        raise ValueError("velocity and plane belong together: far away, translation moves nothing")
    height = camera.height if height is None else height
    width = camera.width if width is None else width
    camera = camera.scale_to(height=height, width=width)
    if camera.readout_time is None or camera.cam_from_imu is None:
        missing = "readout_time" if camera.readout_time is None else "cam_from_imu"
        raise ValueError(f"the camera ({camera.source}) has no {missing}: add it to the camera file")
    start = line_exposure_starts(camera, t)
    first, last = float(start.min()), float(start.max()) + exposure
    if not log.covers(first, last):
        raise ExposureNotCovered(
            f"{log.source}: the exposure from {first:.6f} to {last:.6f} s on the gyro's clock is not covered "
            f"by the log, {log.t[0]:.6f} to {log.t[-1]:.6f} s (or in a gap): check t, exposure, time_offset"
        )
    low = max(np.searchsorted(log.t, first, side="right") - 1, 0)
    high = np.searchsorted(log.t, last, side="left") + 1
    # The body is the camera: its rates are the gyro's, in the camera's axes.
    turning = integrate_rates(log.t[low:high], log.omega[low:high] @ camera.cam_from_imu.T)
    trajectory = Trajectory(
        turning, first, np.zeros(3) if velocity is None else velocity, np.zeros(3) if plane is None else plane
    )
    return MotionField(camera, t, exposure, reference, np.linspace(0.0, exposure, n), trajectory)


def _check_exposure(t: float, exposure: float, n: int) -> None:
    if not np.isfinite(t):
        raise ValueError(f"t is {t}: a time in s is needed")
    if not (np.isfinite(exposure) and exposure > 0):
        raise ValueError(f"exposure is {exposure} s: a positive time in s is needed")
    if n < 2:
        raise ValueError(f"n is {n}: a path needs at least its start and its end")


def line_exposure_starts(camera: Camera, t: float) -> Float64[ndarray, " lines"]:
    """Return when the exposure of each line begins, s on the gyro's clock."""
    lines = readout_line_count(camera)
    order = np.arange(lines) if camera.readout_direction in ("down", "right") else np.arange(lines)[::-1]
    return t + camera.time_offset + order * ((camera.readout_time or 0.0) / lines)


def readout_line_count(camera: Camera) -> int:
    """Return how many lines the shutter reads one after the other: rows, or columns."""
    return camera.height if camera.readout_direction in ("down", "up") else camera.width


def exposure_interval(camera: Camera, t: float, exposure: float) -> tuple[float, float]:
    """Return when the first line begins and the last line ends to be exposed, s on the gyro's clock."""
    lines = readout_line_count(camera)
    start = t + camera.time_offset
    return start, start + (camera.readout_time or 0.0) * ((lines - 1) / lines) + exposure


def blur_field(
    log: GyroLog,
    camera: Camera,
    *,
    t: float,
    exposure: float,
    height: int | None = None,
    width: int | None = None,
    n: int = 9,
    reference: PathReference = "picture",
    velocity: Float64[ndarray, " 3"] | None = None,
    plane: Float64[ndarray, " 3"] | None = None,
) -> Float32[ndarray, "h w n 2"]:
    """Compute the path of every pixel while its line is exposed, at n instants: what `deblur` takes.

    The default `reference` is the path in the sharp rolling-shutter picture, along which `deblur` works;
    ``"row"`` is eq. 5 of [1] as printed.

    Parameters
    ----------
    log
        Angular rates, rad/s in the gyro's axes.
    camera
        Intrinsics, lens, shutter and mounting; scaled when height and width differ from its own.
    t
        Start of the exposure of the line that is read first, on the frames' clock, s.
    exposure
        How long one line collects light, s.
    height, width
        Size of the picture as it is stored, before any EXIF turn, px; the camera's own by default.
    n
        Number of instants that divide the exposure equally, first at its start and last at its end; between
        two of them the path is straight and its speed constant. 2 is the paper's straight blur.
    reference
        ``"picture"``: the path in the sharp rolling-shutter picture, whose other lines were exposed at other
        times: (x, y) minus where that picture shows the point that is seen at (x, y) at the instant
        (docs/theory/rolling-shutter.md). ``"row"``: the shift of the point that is seen at (x, y) in the
        middle of its line's exposure, in the frame of that line: eq. 5 as the paper has it. ``"start"``: as
        ``"row"``, but of the point that is seen at (x, y) when its line's exposure begins, as in the original
        program's fields.
    velocity, plane
        Translation over a plane (eq. 2): the camera's velocity (m/s) and the plane as normal / distance
        (1/m), ``plane . X = 1``, both in the camera's frame when the first line begins to be exposed.
        By default the scene is far away.

    Returns
    -------
    field
        Positions minus (x, y), px: ``A(S)(x) = mean over the exposure of S(x - field)``.

    Raises
    ------
    ExposureNotCovered
        If the log does not cover the exposure, readout included.
    PixelBehindCamera, MotionOutrunsShutter
        If a pixel turns behind the camera; or if the picture moves as fast as the shutter reads it
        (``"picture"``).
    ValueError
        If the camera lacks readout_time or cam_from_imu, the picture has another shape than the camera's, or
        t, exposure or n cannot be.
    """
    return motion_field(
        log,
        camera,
        t=t,
        exposure=exposure,
        height=height,
        width=width,
        n=n,
        reference=reference,
        velocity=velocity,
        plane=plane,
    )[:, :]


def reduce_instants(field: MotionField, tolerance: float = 0.25) -> MotionField:
    """Return the field at every k-th of its 2^m + 1 instants, as few as its paths need.

    Straight pieces between the instants that stay leave the other instants at most `tolerance` px away, on
    a grid of 9 x 9 pixels. (A gyro tells a path to some per cent of its length, not better.)
    """
    height, width, n, _ = field.shape
    rows, columns = (((np.arange(9) + 0.5) * size / 9).astype(np.int64) for size in (height, width))
    path = field.at(rows, columns)
    fine = np.linspace(0, 1, n)
    step = n - 1
    while step > 1:
        kept = fine[::step]
        k = np.clip(np.searchsorted(kept, fine, side="right") - 1, 0, len(kept) - 2)
        share = ((fine - kept[k]) / (kept[k + 1] - kept[k]))[:, None]
        corner = path[:, :, ::step]
        straight = (1 - share) * corner[:, :, k] + share * corner[:, :, k + 1]
        if np.abs(straight - path).max() <= tolerance:
            break
        step //= 2
    return replace(field, instants=field.instants[::step])
