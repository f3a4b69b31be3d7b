"""Lens distortion: where a straight ray lands, and which ray landed there."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

LensModel = Literal["none", "radtan", "equidistant"]

_COEFFICIENT_COUNTS: dict[str, tuple[int, ...]] = {"none": (0,), "radtan": (4, 5), "equidistant": (4,)}
_UNDISTORT_TOLERANCE = 1e-12
"""In focal lengths: under a hundred-millionth of a pixel."""


@dataclass(frozen=True, eq=False)
class Distortion:
    """How a lens bends rays, in normalised coordinates (x right, y down, at distance 1).

    Parameters
    ----------
    model
        "none"; "radtan", OpenCV's plumb bob [1]_; "equidistant", Kannala-Brandt, OpenCV's fisheye [2]_.
    coefficients
        Nothing; (k1, k2, p1, p2) or (k1, k2, p1, p2, k3); (k1, k2, k3, k4).

    References
    ----------
    .. [1] OpenCV, `calib3d`, `projectPoints`.
    .. [2] J. Kannala, S. Brandt, "A generic camera model ...", PAMI 28(8), 2006; OpenCV, `fisheye`.
    """

    model: LensModel = "none"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        parse_lens_model(self.model)
        if len(self.coefficients) not in _COEFFICIENT_COUNTS[self.model]:
            counts = " or ".join(map(str, _COEFFICIENT_COUNTS[self.model]))
            raise ValueError(
                f"distortion has {len(self.coefficients)} coefficients; the model {self.model} needs {counts}"
            )
        if not np.isfinite(self.coefficients).all():
            raise ValueError(f"distortion coefficients are {self.coefficients}; they must be finite numbers")

    def distort(self, xy: Float64[ndarray, "*grid 2"]) -> Float64[ndarray, "*grid 2"]:
        """Return where the lens puts the rays (x, y, 1), in normalised coordinates.

        Far outside the picture a polynomial may fold back, as OpenCV's does; `undistort` knows the limit.
        """
        if self.model == "none":
            return xy
        if self.model == "radtan":
            return _distort_radtan(xy, self.coefficients)
        radius = np.hypot(xy[..., 0], xy[..., 1])
        distorted = _distort_radius(np.arctan(radius), self.coefficients)
        return np.asarray(xy * _safe_ratio(distorted, radius)[..., None])

    def undistort(self, xy: Float64[ndarray, "*grid 2"]) -> Float64[ndarray, "*grid 2"]:
        """Return the rays (x, y, 1) that the lens puts at xy; `distort` gives xy back within 1e-12.

        Raises
        ------
        ValueError
            If a point lies where the model has no ray: past the radius where its polynomial stops rising, or
            90 degrees or more off the axis.
        """
        if self.model == "none":
            return xy
        if not np.isfinite(xy).all():
            raise ValueError("a point to undistort is not finite")
        solve = _invert_radtan if self.model == "radtan" else _invert_equidistant
        rays, solved = solve(xy, self.coefficients)
        if not solved.all():
            first = xy[~solved][0]
            raise ValueError(
                f"{np.sum(~solved)} of {solved.size} points lie outside the lens model {self.model}, "
                f"the first at ({first[0]:.4g}, {first[1]:.4g}) in focal lengths from the centre; "
                "check K and the distortion coefficients, or crop the picture"
            )
        return rays


def parse_lens_model(value: object) -> LensModel:
    """Return a value that must be the name of a distortion model."""
    if value not in get_args(LensModel):
        raise ValueError(f"distortion model is {value!r}; needed is one of {', '.join(get_args(LensModel))}")
    return cast(LensModel, value)


def _safe_ratio(a: Float64[ndarray, "*n"], b: Float64[ndarray, "*n"]) -> Float64[ndarray, "*n"]:
    """Return a / b, and 1 where b is 0 (on the axis every lens is straight)."""
    return np.asarray(np.divide(a, b, out=np.ones_like(b), where=b > 0))


def _distort_radius(r: Float64[ndarray, "*n"], k: tuple[float, ...]) -> Float64[ndarray, "*n"]:
    """Return ``r (1 + k1 r^2 + k2 r^4 + ...)``."""
    return np.asarray(r * np.polynomial.polynomial.polyval(r * r, [1.0, *k]))


def _derivative_coefficients(k: tuple[float, ...]) -> list[float]:
    """Return the coefficients, in powers of r^2, of the derivative of `_distort_radius`."""
    return [1.0, *((2 * i + 3) * value for i, value in enumerate(k))]


def _largest_monotonic_radius(k: tuple[float, ...]) -> float:
    """Return the radius at which `_distort_radius` stops rising; infinite where it never does."""
    roots = np.roots(_derivative_coefficients(k)[::-1])  # in r^2
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(np.sqrt(real.min())) if real.size else float("inf")


def _undistort_radius(
    rho: Float64[ndarray, "*n"], k: tuple[float, ...], limit: float
) -> Float64[ndarray, "*n"]:
    """Solve ``_distort_radius(r) = rho`` for r in 0..limit, limit if out of reach: bracketed Newton."""
    if np.isfinite(limit):
        top = limit
    else:
        top = float(rho.max(initial=1.0))
        while _distort_radius(np.array(top), k) < rho.max(initial=0.0):
            top *= 2
    low, high = np.zeros_like(rho), np.full_like(rho, top)
    r = np.minimum(rho, top)
    for _ in range(80):
        error = _distort_radius(r, k) - rho
        low, high = np.where(error < 0, r, low), np.where(error > 0, r, high)
        slope = np.polynomial.polynomial.polyval(r * r, _derivative_coefficients(k))
        newton = r - error / np.maximum(slope, 1e-9)
        before, r = r, np.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        if np.abs(r - before).max(initial=0.0) <= 1e-14:
            break
    return np.asarray(r)


def _invert_equidistant(
    xy: Float64[ndarray, "*grid 2"], k: tuple[float, ...]
) -> tuple[Float64[ndarray, "*grid 2"], ndarray]:
    rho = np.hypot(xy[..., 0], xy[..., 1])
    theta = _undistort_radius(rho, k, min(_largest_monotonic_radius(k), np.pi / 2))
    solved = (np.abs(_distort_radius(theta, k) - rho) <= _UNDISTORT_TOLERANCE) & (theta < np.pi / 2)
    return xy * _safe_ratio(np.tan(theta), rho)[..., None], solved


def _distort_radtan(
    xy: Float64[ndarray, "*grid 2"], coefficients: tuple[float, ...]
) -> Float64[ndarray, "*grid 2"]:
    k1, k2, p1, p2, k3 = (*coefficients, 0.0)[:5]
    x, y = xy[..., 0], xy[..., 1]
    xx, yy, r2 = x * x, y * y, x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    distorted_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * xx)
    distorted_y = y * radial + p1 * (r2 + 2 * yy) + 2 * p2 * x * y
    return np.stack([distorted_x, distorted_y], axis=-1)


def _radtan_jacobian(xy: Float64[ndarray, "*grid 2"], coefficients: tuple[float, ...]) -> tuple[ndarray, ...]:
    """Return dx'/dx, dx'/dy (which is dy'/dx) and dy'/dy of `_distort_radtan`."""
    k1, k2, p1, p2, k3 = (*coefficients, 0.0)[:5]
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2 * k2 + r2 * 3 * k3)
    return (
        radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x,
        2 * x * y * slope + 2 * p1 * x + 2 * p2 * y,
        radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x,
    )


def _invert_radtan(
    xy: Float64[ndarray, "*grid 2"], coefficients: tuple[float, ...]
) -> tuple[Float64[ndarray, "*grid 2"], ndarray]:
    """Solve by Newton's method in two dimensions, from the solution of the radial part alone."""
    k1, k2, _, _, k3 = (*coefficients, 0.0)[:5]
    k = (k1, k2, k3)
    limit = _largest_monotonic_radius(k)
    reach = float(_distort_radius(np.array(0.95 * limit), k)) if np.isfinite(limit) else limit
    rho = np.hypot(xy[..., 0], xy[..., 1])
    near = np.minimum(rho, reach)
    rays = xy * (_safe_ratio(near, rho) * _safe_ratio(_undistort_radius(near, k, limit), near))[..., None]
    with np.errstate(all="ignore"):  # where Newton diverges, the residual shows it
        for _ in range(30):
            error = _distort_radtan(rays, coefficients) - xy
            if np.abs(error).max(initial=0.0) <= _UNDISTORT_TOLERANCE / 10:
                break
            a, b, d = _radtan_jacobian(rays, coefficients)
            ex, ey = error[..., 0], error[..., 1]
            step = np.stack([d * ex - b * ey, a * ey - b * ex], axis=-1) / (a * d - b * b)[..., None]
            rays = rays - step
        a, b, d = _radtan_jacobian(rays, coefficients)
        residual = np.abs(_distort_radtan(rays, coefficients) - xy).max(axis=-1)
        inside = np.hypot(rays[..., 0], rays[..., 1]) <= limit
        solved = (residual <= _UNDISTORT_TOLERANCE) & (a * d - b * b > 0) & inside
    return rays, solved
