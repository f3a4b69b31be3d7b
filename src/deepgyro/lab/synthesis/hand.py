"""A simulated hand, and a photo that it blurs: for the demonstration and the benches."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import Field
from ...telemetry import GyroLog


def simulate_camera_shake(
    rng: np.random.Generator, *, duration: float, rate: float = 200.0, strength: float = 0.6
) -> GyroLog:
    """Return the gyro log of a hand that holds a camera and shakes.

    The rates are sums of sinusoids of 1 to 12 Hz, the band of a hand's tremor, weaker towards the top, with
    random phases and directions.

    Parameters
    ----------
    rng
        Every draw comes from it.
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
    return GyroLog(t, strength * omega / np.sqrt((omega**2).mean(0)), source="<simulated hand>")


def blur_photo(
    light: Float32[ndarray, "h w 3"], field: Field, rng: np.random.Generator, *, noise: float = 0.003
) -> Float32[ndarray, "h w 3"]:
    """Return what a camera records of a sharp picture along a field: blurred, noisy, clipped.

    Parameters
    ----------
    light
        The sharp picture, linear, 0 to 1.
    field
        Paths, px.
    rng
        Every draw comes from it.
    noise
        Standard deviation of the noise of a white pixel; it falls with the square root of the light, to a
        fifth of that in the dark.
    """
    blurred = BlurOperator(field[:, :])(light)
    deviation = noise * np.sqrt(np.maximum(blurred, 0.04))
    noisy = blurred + deviation * rng.standard_normal(blurred.shape, dtype=np.float32)
    return np.asarray(noisy.clip(0, 1), np.float32)
