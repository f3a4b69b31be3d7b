"""The camera: intrinsics, lens, shutter, and how the gyro is mounted on it."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from .lens import Distortion

Direction = Literal["down", "up", "right", "left"]
_ROTATION_TOLERANCE = 1e-3
"""A matrix typed with four decimals is still meant as a rotation."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera: intrinsics, lens, shutter, mounting and clock.

    Pixel (0, 0) is the centre of the top-left pixel of the stored picture (before any EXIF turn); the
    camera's axes are x right, y down, z forward. The arrays are copied and made read-only.

    Parameters
    ----------
    width, height
        Size of the picture that K is for, px.
    K
        Intrinsics without skew, px.
    distortion
        The lens; none by default.
    readout_time
        From the start of the first-read line to the start of the line past the last, s. 0: global shutter;
        None: unknown.
    readout_direction
        "down": row 0 is read first; "right": column 0 is read first.
    cam_from_imu
        Rotation that carries the log's vectors to the camera's axes; one rounded by up to 1e-3 is mended.
        None: unknown.
    time_offset
        ``t_gyro = t_frame + time_offset``, s; t_frame is when the first-read line starts to collect light.
    source
        The file it was read from, for messages.
    time_offset_known
        False: the offset is unknown, and 0 stands for it.

    Raises
    ------
    ValueError
        If a value is impossible; the message names it and what is needed.
    """

    width: int
    height: int
    K: Float64[ndarray, "3 3"]
    distortion: Distortion = field(default_factory=Distortion)
    readout_time: float | None = None
    readout_direction: Direction = "down"
    cam_from_imu: Float64[ndarray, "3 3"] | None = None
    time_offset: float = 0.0
    source: str = "<memory>"
    time_offset_known: bool = True

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"width x height is {self.width} x {self.height}; both must be at least 1 px")
        object.__setattr__(self, "K", _as_read_only(_check_intrinsics(self.K)))
        if self.cam_from_imu is not None:
            object.__setattr__(self, "cam_from_imu", _as_read_only(_nearest_rotation(self.cam_from_imu)))
        if self.readout_time is not None and not 0 <= self.readout_time <= 1:
            raise ValueError(
                f"readout_time is {self.readout_time:g}; needed are seconds, from 0 (global shutter) to 1; "
                "if the number is in ms, divide it by 1000"
            )
        parse_direction(self.readout_direction)
        if not math.isfinite(self.time_offset):
            raise ValueError(
                f"time_offset is {self.time_offset}; needed is a finite number of seconds, the gyro's clock "
                "minus the frame's"
            )

    def scale_to(self, *, height: int, width: int) -> "Camera":
        """Return the camera of the same picture at another size.

        Pixel (0, 0) is a centre, so ``cx' = (cx + 0.5) * s - 0.5``. The readout time stays.

        Raises
        ------
        ValueError
            If the aspect ratio differs by more than 1 % and by more than rounding to a pixel: that picture is
            a crop or a turned picture, not a resized one.
        """
        if height < 1 or width < 1:
            raise ValueError(f"width x height is {width} x {height}; both must be at least 1 px")
        if (height, width) == (self.height, self.width):
            return self
        sx, sy = width / self.width, height / self.height
        off = min(abs(width - sy * self.width), abs(height - sx * self.height))  # px
        if off > 1 and abs(sx / sy - 1) > 0.01:
            raise ValueError(
                f"a {width} x {height} picture is no resized {self.width} x {self.height} picture "
                f"({self.source}): it is a crop of it or turned; give the intrinsics for that size, or use "
                "Camera.crop first"
            )
        K = np.array(
            [
                [self.K[0, 0] * sx, 0, (self.K[0, 2] + 0.5) * sx - 0.5],
                [0, self.K[1, 1] * sy, (self.K[1, 2] + 0.5) * sy - 0.5],
                [0, 0, 1],
            ]
        )
        return replace(self, width=width, height=height, K=K)

    def crop(self, *, top: int, left: int, height: int, width: int) -> "Camera":
        """Return the camera of a part of the picture; px, ValueError where it does not lie in the picture.

        Frame times stay those of the whole frame: `time_offset` grows by the delay from the whole frame's
        first-read line to the crop's, and `readout_time` shrinks to the crop's share of the lines. An unknown
        readout time stays unknown, and then so does that delay.
        """
        bottom, right = top + height, left + width
        if not (0 <= top < bottom <= self.height and 0 <= left < right <= self.width):
            raise ValueError(
                f"the crop of rows {top} to {bottom} and columns {left} to {right} does not lie in the "
                f"{self.width} x {self.height} picture"
            )
        by_rows = self.readout_direction in ("down", "up")
        first, count, lines = (top, height, self.height) if by_rows else (left, width, self.width)
        if self.readout_direction in ("up", "left"):
            first = lines - first - count
        readout_time, delay = None, 0.0
        if self.readout_time is not None:
            readout_time, delay = self.readout_time * count / lines, self.readout_time * first / lines
        return replace(
            self,
            width=width,
            height=height,
            K=self.K - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]]),
            readout_time=readout_time,
            time_offset=self.time_offset + delay,
        )

    def rays(self, uv: Float64[ndarray, "*grid 2"]) -> Float64[ndarray, "*grid 3"]:
        """Return the ray (x, y, 1) through each pixel (px), in the camera's axes.

        Raises
        ------
        ValueError
            If a pixel lies outside the lens model.
        """
        focal, centre = self.K[[0, 1], [0, 1]], self.K[:2, 2]
        xy = self.distortion.undistort((uv - centre) / focal)
        return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)

    def line_delay(self, uv: Float64[ndarray, "*grid 2"]) -> Float64[ndarray, "*grid"]:
        """Return how much later than the first-read line each pixel's line begins to collect light, s.

        Between two lines it is linear. An unknown readout time counts as 0.
        """
        by_rows = self.readout_direction in ("down", "up")
        line, lines = (uv[..., 1], self.height) if by_rows else (uv[..., 0], self.width)
        if self.readout_direction in ("up", "left"):
            line = lines - 1 - line
        return np.asarray(line * ((self.readout_time or 0.0) / lines))

    def project(self, rays: Float64[ndarray, "*grid 3"]) -> Float64[ndarray, "*grid 2"]:
        """Return the pixel (px) that each ray of any length falls on; it may lie outside the picture.

        Raises
        ------
        ValueError
            If a ray points sideways or backwards.
        """
        z = rays[..., 2:]
        if not (z > 0).all():
            raise ValueError("a pixel turns behind the camera (most often omega in deg/s)")
        focal, centre = self.K[[0, 1], [0, 1]], self.K[:2, 2]
        return np.asarray(self.distortion.distort(rays[..., :2] / z) * focal + centre)


def parse_direction(value: object) -> Direction:
    """Return a value that must be a readout direction."""
    if value not in get_args(Direction):
        raise ValueError(
            f"readout_direction is {value!r}; needed is one of {', '.join(get_args(Direction))}: "
            "the way from the line read first to the line read last"
        )
    return cast(Direction, value)


def _as_read_only(array: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    array.flags.writeable = False
    return array


def _check_intrinsics(K: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    """Return a copy of K after checking that it is finite, without skew and with positive focal lengths."""
    if not np.isfinite(K).all():
        raise ValueError("K has a number that is not finite; needed are fx, fy, cx, cy in px")
    if K[0, 1] != 0 or K[1, 0] != 0 or (K[2] != [0, 0, 1]).any():
        raise ValueError(
            f"K is {K.tolist()}; needed is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; a skew is not supported: "
            "set it to 0"
        )
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"the focal lengths in K are {K[0, 0]:g} and {K[1, 1]:g}; both must be above 0 px")
    return K.copy()


def _nearest_rotation(matrix: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    """Return the rotation nearest to a rounded matrix: the orthogonal factor of its polar decomposition."""
    if not np.isfinite(matrix).all():
        raise ValueError(f"cam_from_imu is {_matrix_to_yaml(matrix)}; its nine numbers must be finite")
    determinant = float(np.linalg.det(matrix))
    deviation = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if deviation > _ROTATION_TOLERANCE:
        raise ValueError(
            f"cam_from_imu is no rotation: its determinant is {determinant:.4g} and its rows are off from "
            f"unit length and right angles by {deviation:.2g}; needed +1, at most {_ROTATION_TOLERANCE:g}; "
            "give the gyro's axes seen from the camera (x right, y down, z forward) with more decimals"
        )
    if determinant < 0:
        raise ValueError(
            "cam_from_imu is a reflection (determinant -1), and no gyro can be mounted mirrored; needed is a "
            "rotation (determinant +1); matrices from programs that flip the sign elsewhere become one when "
            f"negated: try cam_from_imu: {_matrix_to_yaml(-matrix)}"
        )
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def _matrix_to_yaml(matrix: Float64[ndarray, "3 3"]) -> str:
    """Return a matrix as one line of YAML, ready to paste."""
    rows = (", ".join(f"{value + 0.0:.9g}" for value in row) for row in matrix)
    return "[" + ", ".join(f"[{row}]" for row in rows) + "]"
