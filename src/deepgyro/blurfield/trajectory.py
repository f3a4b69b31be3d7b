"""Where the camera is and how it is turned: from there to where it sees a point (eq. 2 of [1]).

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
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..rotations import Orientation


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The camera's poses over time, in a world that is its own frame at `first`, before a plane."""

    orientation: Orientation
    first: float
    """s on the gyro's clock."""
    velocity: Float64[ndarray, " 3"]
    """m/s; zero: the camera only turns."""
    plane: Float64[ndarray, " 3"]
    """Normal over distance, 1/m; zero: infinitely far."""

    @cached_property
    def _position_integral(self) -> Float64[ndarray, "3 3"]:
        return np.asarray(self.orientation.at(np.array([self.first]))[0])

    def at(
        self, times: Float64[ndarray, "*batch"]
    ) -> tuple[Float64[ndarray, "*batch 3 3"], Float64[ndarray, "*batch 3"]]:
        """Return orientation and position (m) at times on the gyro's clock (s)."""
        return self._position_integral.T @ self.orientation.at(times), (times - self.first)[
            ..., None
        ] * self.velocity

    def ray_to_world(self, times: Float64[ndarray, "*batch"]) -> Float64[ndarray, "*batch 4 3"]:
        """Return what takes a ray that is seen at a time to the plane's point, as a world vector."""
        R, c = self.at(times)
        s = (self.plane @ R) / (1 - c @ self.plane)[..., None]
        return np.concatenate([R + c[..., :, None] * s[..., None, :], s[..., None, :]], axis=-2)

    def world_to_ray(self, times: Float64[ndarray, "*batch"]) -> Float64[ndarray, "*batch 3 4"]:
        """Return what takes a world vector to the ray along which it is seen at a time."""
        R, c = self.at(times)
        from_world = np.concatenate([np.broadcast_to(np.eye(3), R.shape), -c[..., None]], axis=-1)
        return np.asarray(R.swapaxes(-1, -2) @ from_world)
