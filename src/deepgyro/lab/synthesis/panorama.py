"""A clip of a camera that turns inside a sphere on which a photo repeats: frames with known motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...camera import Camera
from ...light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from ...rotations import integrate_rates
from ...telemetry import GyroLog


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
    """Yield the frames that a turning camera takes of a photo all around it.

    The photo lies on a sphere, a pixel of it as large as one in the middle of the frame, mirrored at its
    edges again and again: a static scene, infinitely far, however far the camera turns. Each line is exposed
    in its own time (rolling shutter), light is averaged over the exposure.

    Parameters
    ----------
    photo
        Encoded (sRGB).
    log
        How the camera turns.
    camera
        The camera, with its mounting and clock.
    times
        When the first line of each frame begins to be exposed, on the frames' clock, s.
    exposure
        s
    rng
        For the noise.
    noise
        Standard deviation, of white, on encoded values.
    samples
        Instants at which the exposure is sampled.

    Yields
    ------
    frame
        Encoded (sRGB).
    """
    import cv2

    if camera.cam_from_imu is None:
        raise ValueError(f"the camera ({camera.source}) has no cam_from_imu")
    height, width = camera.height, camera.width
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)
    rays = camera.rays(grid)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    delay = camera.line_delay(grid)
    lines = delay[:, 0] if camera.readout_direction in ("down", "up") else delay[0]
    by_row = camera.readout_direction in ("down", "up")
    turning = integrate_rates(log.t, log.omega @ camera.cam_from_imu.T)
    light = srgb_to_linear(to_unit_range(photo))
    scale = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))  # px of the photo for 1 rad
    middle = np.array(photo.shape[1::-1]) / 2
    for t in times:
        total: Float32[ndarray, "h w 3"] = np.zeros((height, width, 3), np.float32)
        for share in (np.arange(samples) + 0.5) / samples:
            world = turning.at(t + camera.time_offset + lines + share * exposure)
            seen = np.einsum("hij,hwj->hwi" if by_row else "wij,hwj->hwi", world, rays)
            angles = np.stack(
                [np.arctan2(seen[..., 0], seen[..., 2]), np.arcsin(seen[..., 1].clip(-1, 1))], -1
            )
            at = (angles * scale + middle).astype(np.float32)
            total += cv2.remap(
                light, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
        encoded = linear_to_srgb(total / np.float32(samples))
        encoded += rng.normal(0, noise, encoded.shape).astype(np.float32)
        yield from_unit_range(encoded, np.dtype(np.uint8))
