"""How the gyro sits on the camera: a rotation, checked."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

_ROTATION_TOLERANCE = 1e-3  # a matrix typed with four decimals is still meant as a rotation


def nearest_rotation(matrix: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    """Return the rotation nearest to a cam_from_imu matrix that may have been rounded.

    Files carry rounded numbers, so a matrix within 1e-3 of a rotation is replaced by that rotation (the
    orthogonal factor of its polar decomposition, by SVD).

    Parameters
    ----------
    matrix
        Carries vectors of the log's axes to the camera's (x right, y down, z forward).

    Returns
    -------
    rotation
        Orthonormal to machine precision, determinant +1.

    Raises
    ------
    ValueError
        If the matrix mirrors (determinant -1) or is no rotation at all.
    """
    if not np.isfinite(matrix).all():
        raise ValueError(f"cam_from_imu is {matrix_to_yaml(matrix)}; its nine numbers must be finite")
    determinant = float(np.linalg.det(matrix))
    deviation = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if deviation > _ROTATION_TOLERANCE:
        raise ValueError(
            f"cam_from_imu is no rotation: its determinant is {determinant:.4g} and its rows are off from "
            f"unit length and right angles by {deviation:.2g}; needed +1 and at most "
            f"{_ROTATION_TOLERANCE:g}; give the "
            "gyro's axes seen from the camera (x right, y down, z forward) with more decimals"
        )
    if determinant < 0:
        raise ValueError(
            "cam_from_imu is a reflection (determinant -1), and no gyro can be mounted mirrored; needed is a "
            "rotation (determinant +1); matrices from programs that flip the sign elsewhere become one when "
            f"negated: try cam_from_imu: {matrix_to_yaml(-matrix)}"
        )
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def matrix_to_yaml(matrix: Float64[ndarray, "3 3"]) -> str:
    """Return a matrix as one line of YAML, ready to paste."""
    rows = (", ".join(f"{value + 0.0:.9g}" for value in row) for row in matrix)
    return "[" + ", ".join(f"[{row}]" for row in rows) + "]"
