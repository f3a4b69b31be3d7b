"""SO(3): the exponential, and the integration of a gyroscope's rates (eq. 1 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray


def skew_matrix(phi: Float64[ndarray, "*batch 3"]) -> Float64[ndarray, "*batch 3 3"]:
    """Return the matrix ``[phi]`` with ``[phi] v = phi x v``."""
    matrix = np.zeros((*phi.shape, 3))
    x, y, z = np.moveaxis(phi, -1, 0)
    matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 2] = -z, y, -x
    matrix[..., 1, 0], matrix[..., 2, 0], matrix[..., 2, 1] = z, -y, x
    return matrix


def so3_exp(phi: Float64[ndarray, "*batch 3"]) -> Float64[ndarray, "*batch 3 3"]:
    """Return the rotation by the vector phi (rad): Rodrigues' formula, exact to rounding for any angle."""
    angle = np.linalg.norm(phi, axis=-1)[..., None, None]
    matrix = skew_matrix(phi)
    # sin(a)/a and (1 - cos(a))/a^2 = 2 (sin(a/2)/a)^2, both without cancellation; np.sinc is sin(pi x)/(pi x)
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    rotation: ndarray = np.eye(3) + first * matrix + second * (matrix @ matrix)
    return rotation


@dataclass(frozen=True, eq=False)
class Orientation:
    """The orientation of a turning body over time; `world` is the body's own frame at the first sample."""

    t: Float64[ndarray, " n"]
    """Sample times, s, rising."""
    omega: Float64[ndarray, "n 3"]
    """Angular rates in the body's axes, rad/s; linear between two samples."""
    world_from_body: Float64[ndarray, "n 3 3"]
    """Orientation at the samples."""

    def at(self, times: Float64[ndarray, "*batch"]) -> Float64[ndarray, "*batch 3 3"]:
        """Return `world_from_body` at any times (s) within the samples.

        Raises
        ------
        ValueError
            If a time lies outside the samples: nothing is extrapolated.
        """
        if times.size and (times.min() < self.t[0] or times.max() > self.t[-1]):
            raise ValueError(
                f"times {times.min():.6f} to {times.max():.6f} s reach outside the gyro samples, "
                f"{self.t[0]:.6f} to {self.t[-1]:.6f} s"
            )
        k = np.clip(np.searchsorted(self.t, times, side="right") - 1, 0, len(self.t) - 2)
        span = times - self.t[k]
        share = (span / (self.t[k + 1] - self.t[k]))[..., None]
        end = (1 - share) * self.omega[k] + share * self.omega[k + 1]
        rotated: ndarray = self.world_from_body[k] @ so3_exp(_linear_rate_rotation(self.omega[k], end, span))
        return rotated


def integrate_rates(t: Float64[ndarray, " n"], omega: Float64[ndarray, "n 3"]) -> Orientation:
    """Integrate angular rates to orientations: eq. 1 of [1], ``dq/dt = 1/2 q * omega``, q = 1 at t[0].

    Between two samples the rate is linear; each step is the exponential of its Magnus series to fourth
    order, so a constant rate is integrated exactly.

    [1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019.

    Parameters
    ----------
    t
        Sample times, s, rising, at least two.
    omega
        Angular rates in the body's own axes, rad/s, right-handed.
    """
    if len(t) < 2:
        raise ValueError(f"at least two gyro samples are needed to integrate, got {len(t)}")
    steps = so3_exp(_linear_rate_rotation(omega[:-1], omega[1:], np.diff(t)))
    world_from_body = np.concatenate([np.eye(3)[None], steps])
    stride = 1
    while stride < len(t):  # a prefix product in log2(n) vectorised passes
        world_from_body[stride:] = world_from_body[:-stride] @ world_from_body[stride:]
        stride *= 2
    return Orientation(t, omega, world_from_body)


def _linear_rate_rotation(
    start: Float64[ndarray, "*batch 3"], end: Float64[ndarray, "*batch 3"], span: Float64[ndarray, "*batch"]
) -> Float64[ndarray, "*batch 3"]:
    """Return the rotation vector of a turn whose rate goes linearly from start to end in `span` seconds.

    Magnus expansion of ``dR/dt = R [omega]``: the mean rate times the span, plus the commutator
    ``span^2 / 12 start x end``; the next term is of fifth order.
    """
    span = span[..., None]
    turn: ndarray = span * 0.5 * (start + end) + span**2 / 12 * np.cross(start, end)
    return turn
