"""Simulated camera shake, and a photo or a clip that it blurs: for the demonstration, benches and tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import Field
from ...camera import Camera
from ...light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from ...rotations import integrate_rates
from ...telemetry import GyroLog
from .motion import require_cam_from_imu


def simulate_camera_shake(
    rng: np.random.Generator, *, duration: float, rate: float = 200.0, strength: float = 0.6
) -> GyroLog:
    """Return the gyro log of a shaking camera.

    The rates are sums of sinusoids of 1 to 12 Hz, the band of physiological tremor, weaker towards the top,
    with random phases and directions.

    Parameters
    ----------
    duration
        Length of the log, s.
    rate
        Samples a second, Hz.
    strength
        Root mean square of the rate about each axis, rad/s.
    """
    t = np.arange(int(np.ceil(duration * rate)) + 1) / rate
    frequency = np.arange(1.0, 12.5, 0.5)  # Hz
    amplitude = rng.normal(0, 1 / np.sqrt(frequency), (3, len(frequency)))
    phase = rng.uniform(0, 2 * np.pi, (3, len(frequency)))
    waves = np.sin(2 * np.pi * frequency * t[:, None, None] + phase)
    omega = (amplitude * waves).sum(-1)
    return GyroLog(t, strength * omega / np.sqrt((omega**2).mean(0)), source="<simulated camera shake>")


def blur_photo(
    light: Float32[ndarray, "h w 3"], field: Field, rng: np.random.Generator, *, noise: float = 0.003
) -> Float32[ndarray, "h w 3"]:
    """Return a sharp picture (linear light) blurred along a field, noisy and clipped to 0 to 1.

    `noise` is the standard deviation of a white pixel's noise; it falls with the square root of the light,
    to a fifth of that in the dark.
    """
    blurred = BlurOperator(field[:, :])(light)
    deviation = noise * np.sqrt(np.maximum(blurred, 0.04))
    noisy = blurred + deviation * rng.standard_normal(blurred.shape, dtype=np.float32)
    return np.asarray(noisy.clip(0, 1), np.float32)


def render_turning_clip(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    camera: Camera,
    *,
    times: Sequence[float],
    exposure: float,
    rng: np.random.Generator,
    noise: float = 0.01,
    samples: int = 5,
) -> Iterator[UInt8[ndarray, "h w 3"]]:
    """Yield the frames, encoded (sRGB), of a camera that turns inside a photo.

    The photo (encoded) covers a sphere, one of its pixels as large as one in the middle of the frame, and is
    mirrored at its edges again and again: a static scene, infinitely far, however far the camera turns. Each
    line has its own exposure (rolling shutter), over which light is averaged.

    Parameters
    ----------
    times
        Start of the exposure of each frame's first line, on the frames' clock, s.
    exposure
        s
    noise
        Standard deviation of the noise, of white, on encoded values.
    samples
        Instants at which an exposure is sampled.
    """
    import cv2

    mounting = require_cam_from_imu(camera)
    height, width = camera.height, camera.width
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)
    rays = camera.rays(grid)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    delay = camera.line_delay(grid)
    by_row = camera.readout_direction in ("down", "up")
    lines, product = (delay[:, 0], "hij,hwj->hwi") if by_row else (delay[0], "wij,hwj->hwi")
    orientation = integrate_rates(log.t, log.omega @ mounting.T)
    light = srgb_to_linear(to_unit_range(photo))
    scale = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))  # px of the photo for 1 rad
    middle = np.array(photo.shape[1::-1]) / 2
    for t in times:
        total: Float32[ndarray, "h w 3"] = np.zeros((height, width, 3), np.float32)
        for share in (np.arange(samples) + 0.5) / samples:
            world = orientation.at(t + camera.time_offset + lines + share * exposure)
            x, y, z = np.moveaxis(np.einsum(product, world, rays), -1, 0)
            angles = np.stack([np.arctan2(x, z), np.arcsin(y.clip(-1, 1))], -1)
            at = (angles * scale + middle).astype(np.float32)
            total += cv2.remap(
                light, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
        encoded = linear_to_srgb(total / np.float32(samples))
        encoded += rng.normal(0, noise, encoded.shape).astype(np.float32)
        yield from_unit_range(encoded, np.dtype(np.uint8))
