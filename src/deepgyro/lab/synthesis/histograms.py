"""The histograms of a tally, drawn: blur length, its direction, and how far off the noisy field is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ...blurfield.picture import direction_colour
from .tally import DISTANCES, LENGTHS, SHORTEST, TURN, FieldTally, numbers, shares

if TYPE_CHECKING:
    from PIL import ImageDraw

Colour = tuple[int, int, int]

KIND_COLOURS: dict[str, Colour] = {
    "exact": (27, 94, 32),
    "refined": (129, 199, 132),
    "raw": (255, 179, 0),
    "wrong": (198, 40, 40),
    "none": (150, 150, 150),
}
_BLUE, _BLACK, _GRAY, _PALE = (66, 118, 180), (20, 20, 20), (110, 110, 110), (225, 225, 225)
_HEIGHT, _WIDTH = 520, 640  # px, of a panel
_LEFT, _RIGHT, _TOP, _FOOT = 60, 620, 90, 450  # px, of its axes


@dataclass(frozen=True, eq=False)
class Panel:
    """A chart of bars."""

    title: str
    words: str
    """What else is to be known; a line."""
    axis: str
    """What lies along x."""
    ticks: Sequence[tuple[float, str]]
    """What stands below it, and where; a bin is 1 wide."""
    parts: Float64[ndarray, "parts bins"]
    """Shares that are stacked, %."""
    colours: Sequence[Sequence[Colour]]
    """Of each part and bin."""
    legend: Sequence[tuple[str, Colour]] = ()


def draw_histograms(counted: FieldTally) -> UInt8[ndarray, "520 1920 3"]:
    """Draw the histograms of a tally, with axes and numbers.

    Raises
    ------
    ValueError
        If nothing was counted.
    """
    if not counted.count:
        raise ValueError("there are no pairs to draw histograms of")
    panels = _lengths(counted), _directions(counted), _distances(counted)
    return np.concatenate([_draw(panel) for panel in panels], axis=1)


def _lengths(counted: FieldTally) -> Panel:
    parts = shares(counted.lengths.within(LENGTHS))[None]
    return Panel(
        title="Blur length of the exact field",
        words=numbers(counted.lengths),
        axis=f"length of the path, px    ({counted.count} pairs, {len(counted.lengths)} places)",
        ticks=_edges(LENGTHS)[::2],
        parts=parts,
        colours=[[_BLUE] * parts.shape[1]],
    )


def _directions(counted: FieldTally) -> Panel:
    parts = shares(counted.directions)[None]
    angles = [TURN * k for k in range(parts.shape[1])]
    vectors = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=-1)
    return Panel(
        title="Direction of the blur",
        words=f"blur vectors from {SHORTEST:g} px on, {counted.directions.sum()} places, each counted once",
        axis="degrees (0: horizontal, 45: falling to the right, 90: vertical)",
        ticks=[(k + 0.5, f"{angle}") for k, angle in enumerate(angles)],
        parts=parts,
        colours=[[direction_colour(vector) for vector in vectors]],
    )


def _distances(counted: FieldTally) -> Panel:
    tallies = [counted.distances[kind] for kind in counted.kinds]
    total = len(counted.lengths)
    parts = np.stack([100.0 * each.within(DISTANCES) / total for each in tallies])
    words = [
        f"{kind}: {counted.pairs[kind]} pairs, median {counted.distances[kind].quantile(0.5):.2f} px"
        for kind in counted.kinds
    ]
    return Panel(
        title="Distance between exact and noisy field",
        words="of the blur vectors; stacked by the kind of the gyro; bins grow twofold",
        axis="distance, px",
        ticks=_edges(DISTANCES),
        parts=parts,
        colours=[[KIND_COLOURS[kind]] * parts.shape[1] for kind in counted.kinds],
        legend=[(line, KIND_COLOURS[kind]) for line, kind in zip(words, counted.kinds, strict=True)],
    )


def _edges(edges: Sequence[float]) -> list[tuple[float, str]]:
    ticks = [(float(k), f"{edge:g}") for k, edge in enumerate(edges[:-1])]
    return [*ticks, (len(edges) - 0.5, f">{edges[-1]:g}")]


def _draw(panel: Panel) -> UInt8[ndarray, "520 640 3"]:
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (_WIDTH, _HEIGHT), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    write(pen, _LEFT, 14, panel.title, size=20)
    write(pen, _LEFT, 44, panel.words, size=14, colour=_GRAY)
    tops = np.cumsum(panel.parts, axis=0)
    highest = max(float(tops[-1].max()), 1.0) * (1.5 if panel.legend else 1.1)
    write(pen, _LEFT - 6, _TOP - 20, "share of places", size=12, colour=_GRAY)
    _draw_scale(pen, highest)
    wide = (_RIGHT - _LEFT) / tops.shape[1]
    for k, share in enumerate(tops[-1]):
        x = _LEFT + k * wide
        for upper, part, colours in zip(tops[:, k], panel.parts[:, k], panel.colours, strict=True):
            box = (x + 1, _y(upper / highest), x + wide - 2, _y((upper - part) / highest))
            if box[3] - box[1] >= 0.5:
                pen.rectangle(box, colours[k])
        written = f"{share:.0f}" if share >= 9.95 else f"{share:.1f}"
        write(pen, x + wide / 2, _y(share / highest) - 9, written, size=12, anchor="mm", colour=_GRAY)
    for place, name in panel.ticks:
        write(pen, _LEFT + place * wide, _FOOT + 14, name, size=13, anchor="mm")
    pen.line((_LEFT, _FOOT, _RIGHT, _FOOT), _BLACK)
    write(pen, (_LEFT + _RIGHT) / 2, _FOOT + 42, panel.axis, size=14, anchor="mm")
    for k, (name, colour) in enumerate(panel.legend):
        top = _TOP + 6 + 20 * k
        pen.rectangle((_RIGHT - 240, top, _RIGHT - 228, top + 12), colour)
        write(pen, _RIGHT - 220, top + 6, name, size=14, anchor="lm")
    return np.array(page)


def _draw_scale(pen: ImageDraw.ImageDraw, highest: float) -> None:
    """Draw the lines of the shares, %."""
    step = next(each for each in (1, 2, 5, 10, 20) if highest / each <= 8)
    for share in range(0, int(highest) + 1, step):
        y = _y(share / highest)
        pen.line((_LEFT, y, _RIGHT, y), _PALE)
        write(pen, _LEFT - 6, y, f"{share} %", size=13, anchor="rm")


def _y(share: float) -> float:
    return _FOOT - share * (_FOOT - _TOP)


def write(
    pen: ImageDraw.ImageDraw,
    x: int | float,
    y: int | float,
    text: str,
    *,
    size: int,
    anchor: str = "la",
    colour: Colour = _BLACK,
) -> None:
    """Write a line of text, its letters `size` px high."""
    from PIL import ImageFont

    pen.text((x, y), text, colour, ImageFont.load_default(size), anchor=anchor)
