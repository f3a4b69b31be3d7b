"""Pictures of a blur field: each pixel's path over the faded photo, and a wheel that tells the colours."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from .field import Field
from .measure import measure_field

MAX_DRAWING_SIDE_PX = 1600
"""Larger photos are drawn at this size, px."""


def draw_field(
    field: Field,
    photo: UInt8[ndarray, "h w 3"] | None = None,
    *,
    prior: Field | None = None,
    spacing: float | None = None,
) -> UInt8[ndarray, "a b 3"]:
    """Draw the paths of a field at their true length, coloured by direction.

    A path has no arrow: a blur is the same either way. The wheel in the corner has the colour of every
    direction; its radius is the longest path. The photo (encoded) is under the paths; `prior`, the gyro's
    field where the picture corrects it, is drawn over them in thin black; `spacing` is the distance of two
    paths in the drawing, px, by default so that they don't touch.
    """
    import cv2

    height, width = field.shape[:2]
    scale = min(1.0, MAX_DRAWING_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if photo is None:
        page = np.full((size[1], size[0], 3), 255, np.uint8)
    else:
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        page = (110 + small * np.float32(0.57)).astype(np.uint8)
    longest = measure_field(field)[1]
    if spacing is None:
        spacing = max(40.0, 1.2 * longest * scale)
    draw_paths(page, field, scale=scale, spacing=spacing)
    if prior is not None:
        draw_paths(page, prior, scale=scale, spacing=spacing, colour=(0, 0, 0))
    _draw_colour_wheel(page, longest)
    return page


def draw_paths(
    page: UInt8[ndarray, "a b 3"],
    field: Field,
    *,
    scale: float,
    spacing: float,
    colour: tuple[int, int, int] | None = None,
) -> None:
    """Draw the paths of a field onto a page, `scale` px of it for one of the field, `spacing` px apart.

    With a colour the paths are thin; by default each has that of its direction, and a white rim.
    """
    import cv2

    height, width = field.shape[:2]
    step = max(1, round(spacing / scale))
    rows, columns = (slice(min(step // 2, size // 2), size, step) for size in (height, width))
    paths = np.stack([field[y : y + 1, columns][0] for y in range(*rows.indices(height))])
    starts = np.stack(np.meshgrid(range(*columns.indices(width)), range(*rows.indices(height))), axis=-1)
    lines = (paths + starts[..., None, :] + 0.5) * scale - 0.5
    vectors = paths[..., -1, :] - paths[..., 0, :]
    for line, vector in zip(lines.reshape(-1, *lines.shape[2:]), vectors.reshape(-1, 2), strict=True):
        points = [np.rint(line * 16).astype(np.int32)]
        if colour is not None:
            cv2.polylines(page, points, False, colour, 1, cv2.LINE_AA, 4)
            continue
        cv2.polylines(page, points, False, (255, 255, 255), 4, cv2.LINE_AA, 4)
        cv2.polylines(page, points, False, direction_colour(vector), 2, cv2.LINE_AA, 4)


def direction_colour(vector: ndarray) -> tuple[int, int, int]:
    """Return the RGB colour of a blur vector's direction; opposite directions have the same."""
    import cv2

    angle = np.degrees(np.arctan2(vector[1], vector[0])) % 180  # OpenCV's hue runs from 0 to 180
    rgb = cv2.cvtColor(np.array([[[int(angle), 235, 205]]], np.uint8), cv2.COLOR_HSV2RGB)
    r, g, b = (int(value) for value in rgb[0, 0])
    return r, g, b


def _draw_colour_wheel(page: UInt8[ndarray, "a b 3"], max_length: float) -> None:
    import cv2

    radius = min(50, page.shape[0] // 6, page.shape[1] // 6)
    if radius < 12:
        return
    x, y = page.shape[1] - radius - 12, page.shape[0] - radius - 30
    cv2.rectangle(
        page, (x - radius - 8, y - radius - 8), (x + radius + 8, y + radius + 28), (255, 255, 255), -1
    )
    for angle in range(0, 360, 3):
        a = np.radians(angle)
        colour = direction_colour(np.array([np.cos(a), np.sin(a)]))
        cv2.ellipse(page, (x, y), (radius, radius), 0, angle, angle + 4, colour, -1, cv2.LINE_AA)
    cv2.circle(page, (x, y), radius // 3, (255, 255, 255), -1, cv2.LINE_AA)
    text = f"{max_length:.1f} px"
    (length, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    corner = (x - length // 2, y + radius + 20)
    cv2.putText(page, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
