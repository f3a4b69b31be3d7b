"""A picture of two curves: how the picture turns, and what the gyro says of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from .sync import Sync

WIDTH, HEIGHT, MARGIN = 1200, 720, 60  # px
_NAMES = ("x (right)", "y (down)", "z (forward)")
_PICTURE, _GYRO, _INK, _FAINT = (30, 90, 200), (220, 90, 20), (60, 60, 60), (225, 225, 225)


def draw_curves(sync: Sync) -> UInt8[ndarray, "h w 3"]:
    """Draw the camera's rates about its three axes over the clip: from the picture, and from the gyro.

    Each axis has its own scale. The gyro's curve is drawn at the offset that was found, so that the two
    should lie on each other.
    """
    import cv2

    page = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    title = (
        f"offset {sync.time_offset * 1000:+.1f} ms, confidence {sync.confidence:.2f}, the gyro explains "
        f"{100 * sync.explained:.0f} % of the turning"
    )
    _write(page, title, MARGIN, 32, _INK)
    _write(page, "picture", WIDTH - 240, 32, _PICTURE)
    _write(page, "gyro", WIDTH - 120, 32, _GYRO)
    t = sync.turns.t
    both = np.concatenate([sync.turns.omega, sync.gyro[np.isfinite(sync.gyro).all(axis=1)]])
    panel = (HEIGHT - 50 - MARGIN) // 3
    for axis, name in enumerate(_NAMES):
        most = max(float(np.abs(both[:, axis]).max()), 1e-3)
        middle = 50 + panel * axis + panel // 2
        cv2.line(page, (MARGIN, middle), (WIDTH - 20, middle), _FAINT, 1)
        _write(page, f"{name}, +-{np.degrees(most):.1f} deg/s", MARGIN + 6, middle - panel // 2 + 18, _INK)
        for rates, colour, thick in ((sync.gyro, _GYRO, 3), (sync.turns.omega, _PICTURE, 1)):
            x = MARGIN + (t - t[0]) / max(float(t[-1] - t[0]), 1e-9) * (WIDTH - 20 - MARGIN)
            y = middle - rates[:, axis] / most * (panel / 2 - 6)
            for part in _runs(np.stack([x, y], axis=1)):
                cv2.polylines(
                    page, [np.rint(part * 16).astype(np.int32)], False, colour, thick, cv2.LINE_AA, 4
                )
    _write(page, f"{t[0]:.1f} s", MARGIN, HEIGHT - 20, _INK)
    _write(page, f"{t[-1]:.1f} s", WIDTH - 80, HEIGHT - 20, _INK)
    return page


def _runs(points: ndarray) -> list[ndarray]:
    """Return the stretches of points that are numbers."""
    known = np.isfinite(points).all(axis=1)
    cuts = np.flatnonzero(np.diff(known)) + 1
    return [part for part in np.split(points, cuts) if len(part) > 1 and np.isfinite(part).all()]


def _write(page: ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
