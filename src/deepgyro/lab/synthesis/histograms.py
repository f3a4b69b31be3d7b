"""The histograms of a tally, drawn: blur length, its direction, and how far off the noisy field is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ...blurfield.picture import direction_colour
from .tally import (
    DIRECTION_BIN_DEG,
    DISTANCE_BIN_EDGES_PX,
    LENGTH_BIN_EDGES_PX,
    MIN_DIRECTION_LENGTH_PX,
    FieldStatistics,
    bin_shares_percent,
    describe_lengths,
)

if TYPE_CHECKING:
    from PIL import ImageDraw

Colour = tuple[int, int, int]

GYRO_KIND_COLOURS: dict[str, Colour] = {
    "exact": (27, 94, 32),
    "refined": (129, 199, 132),
    "raw": (255, 179, 0),
    "wrong": (198, 40, 40),
    "none": (150, 150, 150),
}
_BLUE, _BLACK, _GRAY, _PALE = (66, 118, 180), (20, 20, 20), (110, 110, 110), (225, 225, 225)
_CHART_HEIGHT_PX, _CHART_WIDTH_PX = 520, 640  # px, of a panel
_PLOT_LEFT_PX, _PLOT_RIGHT_PX, _PLOT_TOP_PX, _PLOT_BOTTOM_PX = 60, 620, 90, 450  # px, of its axes


@dataclass(frozen=True, eq=False)
class BarChart:
    """A chart of bars."""

    title: str
    subtitle: str
    """What else is to be known; a line."""
    axis: str
    """What lies along x."""
    ticks: Sequence[tuple[float, str]]
    """What stands below it, and where; a bin is 1 wide."""
    bar_parts: Float64[ndarray, "parts bins"]
    """Shares that are stacked, %."""
    colours: Sequence[Sequence[Colour]]
    """Of each part and bin."""
    legend: Sequence[tuple[str, Colour]] = ()


def draw_histograms(statistics: FieldStatistics) -> UInt8[ndarray, "520 1920 3"]:
    """Draw the histograms of a tally, with axes and numbers.

    Raises
    ------
    ValueError
        If nothing was counted.
    """
    if not statistics.pair_count:
        raise ValueError("there are no pairs to draw histograms of")
    panels = _length_chart(statistics), _direction_chart(statistics), _distance_chart(statistics)
    return np.concatenate([_draw_chart(panel) for panel in panels], axis=1)


def _length_chart(statistics: FieldStatistics) -> BarChart:
    parts = bin_shares_percent(statistics.lengths.counts_between(LENGTH_BIN_EDGES_PX))[None]
    return BarChart(
        title="Blur length of the exact field",
        subtitle=describe_lengths(statistics.lengths),
        axis=f"length of the path, px    ({statistics.pair_count} pairs, {len(statistics.lengths)} places)",
        ticks=_edge_ticks(LENGTH_BIN_EDGES_PX)[::2],
        bar_parts=parts,
        colours=[[_BLUE] * parts.shape[1]],
    )


def _direction_chart(statistics: FieldStatistics) -> BarChart:
    parts = bin_shares_percent(statistics.directions)[None]
    angles = [DIRECTION_BIN_DEG * k for k in range(parts.shape[1])]
    vectors = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=-1)
    return BarChart(
        title="Direction of the blur",
        subtitle=f"blur vectors from {MIN_DIRECTION_LENGTH_PX:g} px on, {statistics.directions.sum()} "
        "places, each counted once",
        axis="degrees (0: horizontal, 45: falling to the right, 90: vertical)",
        ticks=[(k + 0.5, f"{angle}") for k, angle in enumerate(angles)],
        bar_parts=parts,
        colours=[[direction_colour(vector) for vector in vectors]],
    )


def _distance_chart(statistics: FieldStatistics) -> BarChart:
    tallies = [statistics.distances[kind] for kind in statistics.present_kinds]
    total = len(statistics.lengths)
    parts = np.stack([100.0 * each.counts_between(DISTANCE_BIN_EDGES_PX) / total for each in tallies])
    words = [
        f"{kind}: {statistics.pairs_by_kind[kind]} pairs, median "
        f"{statistics.distances[kind].quantile(0.5):.2f} px"
        for kind in statistics.present_kinds
    ]
    return BarChart(
        title="Distance between exact and noisy field",
        subtitle="of the blur vectors; stacked by the kind of the gyro; bins grow twofold",
        axis="distance, px",
        ticks=_edge_ticks(DISTANCE_BIN_EDGES_PX),
        bar_parts=parts,
        colours=[[GYRO_KIND_COLOURS[kind]] * parts.shape[1] for kind in statistics.present_kinds],
        legend=[
            (line, GYRO_KIND_COLOURS[kind])
            for line, kind in zip(words, statistics.present_kinds, strict=True)
        ],
    )


def _edge_ticks(edges: Sequence[float]) -> list[tuple[float, str]]:
    ticks = [(float(k), f"{edge:g}") for k, edge in enumerate(edges[:-1])]
    return [*ticks, (len(edges) - 0.5, f">{edges[-1]:g}")]


def _draw_chart(panel: BarChart) -> UInt8[ndarray, "520 640 3"]:
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (_CHART_WIDTH_PX, _CHART_HEIGHT_PX), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    draw_text(pen, _PLOT_LEFT_PX, 14, panel.title, size=20)
    draw_text(pen, _PLOT_LEFT_PX, 44, panel.subtitle, size=14, colour=_GRAY)
    tops = np.cumsum(panel.bar_parts, axis=0)
    highest = max(float(tops[-1].max()), 1.0) * (1.5 if panel.legend else 1.1)
    draw_text(pen, _PLOT_LEFT_PX - 6, _PLOT_TOP_PX - 20, "share of places", size=12, colour=_GRAY)
    _draw_share_axis(pen, highest)
    wide = (_PLOT_RIGHT_PX - _PLOT_LEFT_PX) / tops.shape[1]
    for k, share in enumerate(tops[-1]):
        x = _PLOT_LEFT_PX + k * wide
        for upper, part, colours in zip(tops[:, k], panel.bar_parts[:, k], panel.colours, strict=True):
            box = (x + 1, _share_to_y(upper / highest), x + wide - 2, _share_to_y((upper - part) / highest))
            if box[3] - box[1] >= 0.5:
                pen.rectangle(box, colours[k])
        written = f"{share:.0f}" if share >= 9.95 else f"{share:.1f}"
        draw_text(
            pen, x + wide / 2, _share_to_y(share / highest) - 9, written, size=12, anchor="mm", colour=_GRAY
        )
    for place, name in panel.ticks:
        draw_text(pen, _PLOT_LEFT_PX + place * wide, _PLOT_BOTTOM_PX + 14, name, size=13, anchor="mm")
    pen.line((_PLOT_LEFT_PX, _PLOT_BOTTOM_PX, _PLOT_RIGHT_PX, _PLOT_BOTTOM_PX), _BLACK)
    draw_text(
        pen, (_PLOT_LEFT_PX + _PLOT_RIGHT_PX) / 2, _PLOT_BOTTOM_PX + 42, panel.axis, size=14, anchor="mm"
    )
    for k, (name, colour) in enumerate(panel.legend):
        top = _PLOT_TOP_PX + 6 + 20 * k
        pen.rectangle((_PLOT_RIGHT_PX - 240, top, _PLOT_RIGHT_PX - 228, top + 12), colour)
        draw_text(pen, _PLOT_RIGHT_PX - 220, top + 6, name, size=14, anchor="lm")
    return np.array(page)


def _draw_share_axis(pen: ImageDraw.ImageDraw, highest: float) -> None:
    """Draw the lines of the shares, %."""
    step = next(each for each in (1, 2, 5, 10, 20) if highest / each <= 8)
    for share in range(0, int(highest) + 1, step):
        y = _share_to_y(share / highest)
        pen.line((_PLOT_LEFT_PX, y, _PLOT_RIGHT_PX, y), _PALE)
        draw_text(pen, _PLOT_LEFT_PX - 6, y, f"{share} %", size=13, anchor="rm")


def _share_to_y(share: float) -> float:
    return _PLOT_BOTTOM_PX - share * (_PLOT_BOTTOM_PX - _PLOT_TOP_PX)


def draw_text(
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
