"""A figure of two curves: the camera's rates from the picture, and from the gyro."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from .sync import SyncResult

PLOT_WIDTH_PX, PLOT_HEIGHT_PX, PLOT_MARGIN_PX = 1200, 720, 60  # px
_AXIS_LABELS = ("x (right)", "y (down)", "z (forward)")
_PICTURE_COLOUR, _GYRO_COLOUR = (30, 90, 200), (220, 90, 20)
_TEXT_COLOUR, _GRID_COLOUR = (60, 60, 60), (225, 225, 225)


def draw_rate_curves(sync: SyncResult) -> UInt8[ndarray, "h w 3"]:
    """Draw the camera's rates about its three axes over the clip: from the picture, and from the gyro.

    Each axis has its own scale. The gyro's curve is shifted by the estimated offset: the two should coincide.
    """
    import cv2

    page = np.full((PLOT_HEIGHT_PX, PLOT_WIDTH_PX, 3), 255, np.uint8)
    title = (
        f"offset {sync.time_offset * 1000:+.1f} ms, confidence {sync.confidence:.2f}, the gyro explains "
        f"{100 * sync.explained_share:.0f} % of the turning"
    )
    _draw_text(page, title, PLOT_MARGIN_PX, 32, _TEXT_COLOUR)
    _draw_text(page, "picture", PLOT_WIDTH_PX - 240, 32, _PICTURE_COLOUR)
    _draw_text(page, "gyro", PLOT_WIDTH_PX - 120, 32, _GYRO_COLOUR)
    t = sync.rotations.t
    both = np.concatenate([sync.rotations.omega, sync.gyro[np.isfinite(sync.gyro).all(axis=1)]])
    panel = (PLOT_HEIGHT_PX - 50 - PLOT_MARGIN_PX) // 3
    length = PLOT_WIDTH_PX - 20 - PLOT_MARGIN_PX
    x = PLOT_MARGIN_PX + (t - t[0]) / max(float(t[-1] - t[0]), 1e-9) * length
    curves = ((sync.gyro, _GYRO_COLOUR, 3), (sync.rotations.omega, _PICTURE_COLOUR, 1))
    for axis, name in enumerate(_AXIS_LABELS):
        largest = max(float(np.abs(both[:, axis]).max()), 1e-3)
        middle = 50 + panel * axis + panel // 2
        cv2.line(page, (PLOT_MARGIN_PX, middle), (PLOT_WIDTH_PX - 20, middle), _GRID_COLOUR, 1)
        label = f"{name}, +-{np.degrees(largest):.1f} deg/s"
        _draw_text(page, label, PLOT_MARGIN_PX + 6, middle - panel // 2 + 18, _TEXT_COLOUR)
        for rates, colour, thickness in curves:
            y = middle - rates[:, axis] / largest * (panel / 2 - 6)
            for part in _finite_segments(np.stack([x, y], axis=1)):
                points = [np.rint(part * 16).astype(np.int32)]
                cv2.polylines(page, points, False, colour, thickness, cv2.LINE_AA, 4)
    _draw_text(page, f"{t[0]:.1f} s", PLOT_MARGIN_PX, PLOT_HEIGHT_PX - 20, _TEXT_COLOUR)
    _draw_text(page, f"{t[-1]:.1f} s", PLOT_WIDTH_PX - 80, PLOT_HEIGHT_PX - 20, _TEXT_COLOUR)
    return page


def _finite_segments(points: ndarray) -> list[ndarray]:
    """Return the stretches of points that are numbers."""
    known = np.isfinite(points).all(axis=1)
    cuts = np.flatnonzero(np.diff(known)) + 1
    return [part for part in np.split(points, cuts) if len(part) > 1 and np.isfinite(part).all()]


def _draw_text(page: ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
