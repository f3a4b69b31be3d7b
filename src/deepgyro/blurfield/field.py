"""From a gyro log and a camera to the path of every pixel: eq. 2-5 of [1], for rolling shutters.

Poses are those of the camera in a world that is the camera's own frame when the first line begins to be
exposed. A point of the plane ``q . X = 1`` (q = normal / distance, 1/m; q = 0: infinitely far) that is seen
along the ray r from the pose (R, c) is, up to its distance,

    V = (R r + c s, s)  with  s = q . R r / (1 - q . c)                               ("lift", 4 x 3)

and from another pose (R', c') it is seen along ``R'^T (V_xyz - c' V_s)``               ("look", 3 x 4),

so that look @ lift is the homography ``R'^T R (I - c n^T / d)`` of eq. 2, and its product with K eq. 3.

[1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray

from ..errors import NotCovered
from ..rotations import integrate
from ..threads import for_bands

if TYPE_CHECKING:
    from ..camera import Camera
    from ..telemetry import GyroLog


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
    reference: Literal["row", "picture"]
    lift: Float64[ndarray, "lines n 4 3"]
    """World vector of what each line sees at each instant ("row": in mid-exposure alone, n = 1)."""
    look: Float64[ndarray, "lines n 3 4"]
    """How each line sees a world vector at each instant ("picture": in mid-exposure alone, n = 1)."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(height, width, n, 2)."""
        n = max(self.lift.shape[1], self.look.shape[1])
        return self.camera.height, self.camera.width, n, 2

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns, px."""
        rows, columns = (
            np.arange(*part.indices(size)) for part, size in zip(window, self.shape[:2], strict=True)
        )
        return self.at(rows, columns, np.float32)

    def at(
        self, rows: Int64[ndarray, " h"], columns: Int64[ndarray, " w"], dtype: type = np.float64
    ) -> Float[ndarray, "h w n 2"]:
        """Return the field at the crossings of some rows and columns, px.

        Raises
        ------
        ValueError
            If a pixel turns behind the camera, or the picture runs along with the rolling shutter.
        """
        from . import kernels

        camera = self.camera
        lens = {"none": kernels.NONE, "radtan": kernels.RADTAN, "equidistant": kernels.EQUIDISTANT}[
            camera.distortion.model
        ]
        coefficients = np.zeros(5)
        coefficients[: len(camera.distortion.coefficients)] = camera.distortion.coefficients
        fx, fy, cx, cy = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
        by_row = camera.readout_direction in ("down", "up")
        if self.reference == "row":
            matrices: tuple[ndarray, ...] = (self.look @ self.lift,)
            paths = kernels.row_paths
        else:
            matrices = (self.lift, self.look[:, 0])
            paths = kernels.picture_paths
        if lens == kernels.NONE:  # fold K and its inverse in, once a line instead of once a pixel
            K_inv = np.linalg.inv(camera.K)
            if self.reference == "row":
                matrices = (camera.K @ matrices[0] @ K_inv,)
            else:
                matrices = (matrices[0] @ K_inv, camera.K @ matrices[1])
        matrices = tuple(np.ascontiguousarray(m) for m in matrices)
        out: ndarray = np.empty((len(rows), len(columns), *self.shape[2:]), dtype)
        status = []

        def band(top: int, bottom: int) -> None:
            ys = rows[top:bottom]
            rays = np.zeros((1, 1, 2))
            if lens != kernels.NONE:
                rays = camera.rays(np.stack(np.meshgrid(columns, ys), axis=-1).astype(float))[..., :2]
            status.append(
                paths(
                    *matrices, by_row, ys, columns, rays, lens, coefficients, fx, fy, cx, cy, out[top:bottom]
                )
            )

        for_bands(len(rows), 32, band)
        if any(s & kernels.BEHIND for s in status):
            raise ValueError(
                "a pixel turns behind the camera during the exposure (most often omega in deg/s)"
            )
        if any(status):
            raise ValueError(
                "the picture moves as fast as the rolling shutter reads it: no sharp rolling-shutter picture "
                'exists to refer to; use reference="row", or check readout_time and the units of omega'
            )
        return out


def motion_field(
    log: GyroLog,
    camera: Camera,
    *,
    t: float,
    exposure: float,
    height: int | None = None,
    width: int | None = None,
    n: int = 9,
    reference: Literal["row", "picture"] = "row",
    velocity: Float64[ndarray, " 3"] | None = None,
    plane: Float64[ndarray, " 3"] | None = None,
) -> MotionField:
    """Return the blur field of one exposure, to be sliced: see `blur_field` for the parameters."""
    _check_exposure(t, exposure, n)
    height, width = height or camera.height, width or camera.width
    camera = camera.scaled(height=height, width=width)
    if camera.readout_time is None or camera.cam_from_imu is None:
        missing = "readout_time" if camera.readout_time is None else "cam_from_imu"
        raise ValueError(f"the camera ({camera.source}) has no {missing}: add it to the camera file")
    lines = height if camera.readout_direction in ("down", "up") else width
    order = np.arange(lines) if camera.readout_direction in ("down", "right") else np.arange(lines)[::-1]
    start = t + camera.time_offset + order * (camera.readout_time / lines)
    instants = start[:, None] + np.linspace(0.0, exposure, n)
    middle = start[:, None] + 0.5 * exposure
    first, last = float(instants.min()), float(instants.max())
    if not log.covers(first, last):
        raise NotCovered(
            f"{log.source}: the exposure from {first:.6f} to {last:.6f} s on the gyro's clock is not covered "
            f"by the log, {log.t[0]:.6f} to {log.t[-1]:.6f} s (or is in a gap): check t, exposure, time_offset"
        )
    low = max(np.searchsorted(log.t, first, side="right") - 1, 0)
    high = np.searchsorted(log.t, last, side="left") + 1
    # The body is the camera: its rates are the gyro's, in the camera's axes.
    turning = integrate(log.t[low:high], log.omega[low:high] @ camera.cam_from_imu.T)
    world = turning.at(np.array([first]))[0]
    velocity = np.zeros(3) if velocity is None else velocity
    plane = np.zeros(3) if plane is None else plane

    def pose(times: ndarray) -> tuple[ndarray, ndarray]:
        return world.T @ turning.at(times), (times - first)[..., None] * velocity

    lift, look = (instants, middle) if reference == "picture" else (middle, instants)
    return MotionField(camera, t, exposure, reference, _lift(*pose(lift), plane), _look(*pose(look)))


def blur_field(
    log: GyroLog,
    camera: Camera,
    *,
    t: float,
    exposure: float,
    height: int | None = None,
    width: int | None = None,
    n: int = 9,
    reference: Literal["row", "picture"] = "row",
    velocity: Float64[ndarray, " 3"] | None = None,
    plane: Float64[ndarray, " 3"] | None = None,
) -> Float32[ndarray, "h w n 2"]:
    """Compute the path of every pixel while its line is exposed: eq. 5 of [1], at n instants.

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
        Size of the picture, px; the camera's own by default.
    n
        Number of instants that divide the exposure equally, first at its start and last at its end; between
        two of them the path is straight and its speed constant. 2 is the paper's straight blur.
    reference
        ``"row"``: the shift of the point that is seen at (x, y) in the middle of its line's exposure, in the
        frame of that line: eq. 5 as the paper has it. ``"picture"``: the path in the sharp rolling-shutter
        picture, whose other lines were exposed at other times: (x, y) minus where that picture shows the
        point that is seen at (x, y) at the instant (docs/theory/rolling-shutter.md).
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
    NotCovered
        If the log does not cover the exposure, readout included.
    ValueError
        If a pixel turns behind the camera, or the camera lacks readout_time or cam_from_imu.
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


def paths_from_vectors(vectors: Float[ndarray, "h w 2"]) -> Float32[ndarray, "h w 2 2"]:
    """Return the field of straight blur vectors (u, v), px: from minus to plus half the vector."""
    half = 0.5 * np.asarray(vectors, np.float32)
    return np.stack([-half, half], axis=-2)


def straight_vectors(field: Float[ndarray, "h w n 2"]) -> Float[ndarray, "h w 2"]:
    """Return the paper's blur vectors (U, V): end minus start, px, turned round where that makes u >= 0.

    (u, v) and (-u, -v) are the same blur; the paper keeps u >= 0 (and v >= 0 where u = 0).
    """
    vectors: ndarray = field[..., -1, :] - field[..., 0, :]
    u, v = vectors[..., :1], vectors[..., 1:]
    return np.where((u < 0) | ((u == 0) & (v < 0)), -vectors, vectors)


def path_length(field: Float[ndarray, "h w n 2"]) -> Float[ndarray, "h w"]:
    """Return the length of every pixel's path, px."""
    length: ndarray = np.sqrt((np.diff(field, axis=-2) ** 2).sum(-1)).sum(-1)
    return length


def field_extent(field: Field, samples: int = 64) -> tuple[float, float, int]:
    """Return median and largest path length (px) and the largest |x| or |y| of a path (px, rounded up).

    Looked at on a grid of up to `samples` rows and columns, borders included, since a field is smooth.
    """
    height, width = field.shape[:2]
    rows = [int(y) for y in np.unique(np.linspace(0, height - 1, min(samples, height)).round())]
    step = max(1, (width - 1) // samples)
    grid = np.concatenate([field[y : y + 1, ::step] for y in rows])
    edge = np.concatenate([field[y : y + 1, width - 1 :] for y in rows])
    grid = np.concatenate([grid, edge], axis=1)
    length = path_length(grid)
    return float(np.median(length)), float(length.max()), int(np.ceil(np.abs(grid).max()))


def _check_exposure(t: float, exposure: float, n: int) -> None:
    if not np.isfinite(t):
        raise ValueError(f"t is {t}: a time in s is needed")
    if not (np.isfinite(exposure) and exposure > 0):
        raise ValueError(f"exposure is {exposure} s: a positive time in s is needed")
    if n < 2:
        raise ValueError(f"n is {n}: a path needs at least its start and its end")


def _lift(R: ndarray, c: ndarray, plane: ndarray) -> Float64[ndarray, "lines n 4 3"]:
    s = (plane @ R) / (1 - c @ plane)[..., None]
    return np.concatenate([R + c[..., :, None] * s[..., None, :], s[..., None, :]], axis=-2)


def _look(R: ndarray, c: ndarray) -> Float64[ndarray, "lines n 3 4"]:
    from_world = np.concatenate([np.broadcast_to(np.eye(3), R.shape), -c[..., None]], axis=-1)
    return np.asarray(R.swapaxes(-1, -2) @ from_world)
