"""What others do for the same result: timed beside ours in `bench speed`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...camera import Camera
from ...telemetry import GyroLog


def blur_by_remap(image: ndarray, paths: ndarray, samples: int = 30) -> ndarray:
    """Return a picture blurred along straight paths: the mean of bilinear look-ups of the whole."""
    import cv2

    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    vector = paths[:, :, -1] - paths[:, :, 0]
    total = np.zeros_like(image)
    for s in (np.arange(samples, dtype=np.float32) + 0.5) / samples - 0.5:
        where_x, where_y = x - s * vector[..., 0], y - s * vector[..., 1]
        total += cv2.remap(image, where_x, where_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / samples


def field_row_by_row(log: GyroLog, camera: Camera, t: float, exposure: float) -> Float32[ndarray, "h w 2"]:
    """Return blur vectors (px) as the original program computes them: the peer of `bench speed`.

    For each row, Euler steps of the quaternion at the row rate through its exposure, then one homography for
    the row's pixels.
    """
    height, width = camera.height, camera.width
    step = (camera.readout_time or 0.0) / height
    times = t + np.arange(height + int(np.ceil(exposure / step)) + 1) * step
    rates = np.stack([np.interp(times, log.t, w) for w in (log.omega @ _cam_from_imu(camera).T).T], axis=-1)
    q = np.array([1.0, 0.0, 0.0, 0.0])
    R = np.empty((len(times), 3, 3))
    for k, (a, b, c) in enumerate(rates):
        w, x, y, z = q
        R[k] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        turn = np.array(
            [-x * a - y * b - z * c, w * a + y * c - z * b, w * b - x * c + z * a, w * c + x * b - y * a]
        )
        q = q + 0.5 * step * turn
        q /= np.sqrt(q @ q)
    K_inv = np.linalg.inv(camera.K)
    rows_of_exposure = len(times) - height
    pixels = np.stack([np.arange(width), np.zeros(width), np.ones(width)])
    out = np.empty((height, width, 2), np.float32)
    for row in range(height):
        pixels[1] = row
        H = camera.K @ R[row + rows_of_exposure - 1].T @ R[row] @ K_inv
        moved = H @ pixels
        out[row] = (moved[:2] / moved[2] - pixels[:2]).T
    return out


def _cam_from_imu(camera: Camera) -> ndarray:
    if camera.cam_from_imu is None:
        raise ValueError("the camera has no cam_from_imu")
    return camera.cam_from_imu
