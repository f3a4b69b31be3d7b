"""Histograms of pairs: blur length, its direction, and the distance of the prior field from the exact one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from ...blurfield import path_lengths
from ...blurfield.picture import direction_colour
from .pair import Pair

if TYPE_CHECKING:
    from PIL import ImageDraw

SAMPLE_STEP_PX = 16
"""Fields are sampled in every 16th row and column, px."""
LENGTH_BIN_EDGES_PX = tuple(5.0 * k for k in range(21))
"""Edges of the bins of blur lengths, px; longer ones have a bin of their own."""
DISTANCE_BIN_EDGES_PX = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Edges of the bins of distances, px; longer ones have a bin of their own."""
DIRECTION_BIN_DEG = 15
"""Width of a bin of directions, degrees; the first is centred on 0."""
MIN_DIRECTION_LENGTH_PX = 1.0
"""Shorter blur vectors have no direction, px."""

Colour = tuple[int, int, int]
GYRO_KIND_COLOURS: dict[str, Colour] = {
    "exact": (27, 94, 32),
    "refined": (129, 199, 132),
    "raw": (255, 179, 0),
    "wrong": (198, 40, 40),
    "none": (150, 150, 150),
}
_BLUE, _BLACK, _GRAY, _PALE = (66, 118, 180), (20, 20, 20), (110, 110, 110), (225, 225, 225)
_CHART_HEIGHT_PX, _CHART_WIDTH_PX = 520, 640
_PLOT_LEFT_PX, _PLOT_RIGHT_PX, _PLOT_TOP_PX, _PLOT_BOTTOM_PX = 60, 620, 90, 450


class FieldSample(NamedTuple):
    """The fields of a pair at every `SAMPLE_STEP_PX`-th row and column, moving regions included."""

    gyro: str
    """Kind of the prior field."""
    lengths: Float64[ndarray, " places"]
    """Of the exact paths, px."""
    angles: Float64[ndarray, " vectors"]
    """Of the exact blur vectors from `MIN_DIRECTION_LENGTH_PX` on, degrees."""
    distances: Float64[ndarray, " places"]
    """Between exact and prior blur vectors, px; the prior field reversed as a whole is the same field."""


def sample_fields(pair: Pair) -> FieldSample:
    """Sample the fields of a pair."""
    step = SAMPLE_STEP_PX
    rows, columns = (slice(min(step // 2, size // 2), None, step) for size in pair.exact.shape[:2])
    exact = pair.exact[rows, columns].astype(np.float64)
    prior = pair.prior[rows, columns].astype(np.float64)
    u, v = (paths[..., -1, :] - paths[..., 0, :] for paths in (exact, prior))
    directed = u[np.linalg.norm(u, axis=-1) >= MIN_DIRECTION_LENGTH_PX]
    both_ways = [np.linalg.norm(u - sign * v, axis=-1) for sign in (1, -1)]
    return FieldSample(
        gyro=str(pair.metadata["gyro"]),
        lengths=path_lengths(exact).ravel(),
        angles=np.degrees(np.arctan2(directed[:, 1], directed[:, 0])),
        distances=min(both_ways, key=np.mean).ravel(),
    )


def count_in_bins(values: ndarray, edges: Sequence[float]) -> Int64[ndarray, " bins"]:
    """Return how many values lie from each edge to the next, and from the last one on."""
    return np.bincount(np.digitize(values, edges) - 1, minlength=len(edges))


def count_directions(angles: ndarray) -> Int64[ndarray, " bins"]:
    """Return how many angles (degrees) lie around each multiple of `DIRECTION_BIN_DEG` under 180 degrees."""
    bins = 180 // DIRECTION_BIN_DEG
    return np.bincount(np.floor(angles / DIRECTION_BIN_DEG + 0.5).astype(int) % bins, minlength=bins)


def draw_histograms(samples: Sequence[FieldSample]) -> UInt8[ndarray, "520 1920 3"]:
    """Draw the histograms of pairs, with axes and numbers.

    Raises
    ------
    ValueError
        If there are no pairs.
    """
    if not samples:
        raise ValueError("there are no pairs to draw histograms of")
    lengths = np.concatenate([sample.lengths for sample in samples])
    charts = (
        _draw_lengths(lengths, len(samples)),
        _draw_directions(np.concatenate([sample.angles for sample in samples])),
        _draw_distances(samples, len(lengths)),
    )
    return np.concatenate(charts, axis=1)


def _draw_lengths(lengths: ndarray, pair_count: int) -> UInt8[ndarray, "520 640 3"]:
    median, ninth_decile = np.quantile(lengths, [0.5, 0.9])
    bars = 100 * count_in_bins(lengths, LENGTH_BIN_EDGES_PX) / len(lengths)
    return _draw_chart(
        "Blur length of the exact field",
        f"mean {lengths.mean():.2f} px, median {median:.2f} px, 90 % under {ninth_decile:.2f} px, "
        f"{100 * (lengths == 0).mean():.1f} % are zero",
        f"length of the path, px    ({pair_count} pairs, {len(lengths)} places)",
        _edge_ticks(LENGTH_BIN_EDGES_PX)[::2],
        bars[None],
        [[_BLUE] * len(bars)],
    )


def _draw_directions(angles: ndarray) -> UInt8[ndarray, "520 640 3"]:
    counts = count_directions(angles)
    centres = [DIRECTION_BIN_DEG * k for k in range(len(counts))]
    vectors = np.stack([np.cos(np.radians(centres)), np.sin(np.radians(centres))], axis=-1)
    return _draw_chart(
        "Direction of the blur",
        f"blur vectors from {MIN_DIRECTION_LENGTH_PX:g} px on, {len(angles)} places, each counted once",
        "degrees (0: horizontal, 45: falling to the right, 90: vertical)",
        [(k + 0.5, f"{angle}") for k, angle in enumerate(centres)],
        100 * counts[None] / max(len(angles), 1),
        [[direction_colour(vector) for vector in vectors]],
    )


def _draw_distances(samples: Sequence[FieldSample], places: int) -> UInt8[ndarray, "520 640 3"]:
    pairs = Counter(sample.gyro for sample in samples)
    kinds = [kind for kind in GYRO_KIND_COLOURS if pairs[kind]]
    distances = [np.concatenate([s.distances for s in samples if s.gyro == kind]) for kind in kinds]
    bars = np.stack([100 * count_in_bins(each, DISTANCE_BIN_EDGES_PX) / places for each in distances])
    return _draw_chart(
        "Distance between exact and prior field",
        "of the blur vectors; stacked by the kind of the gyro; bins grow twofold",
        "distance, px",
        _edge_ticks(DISTANCE_BIN_EDGES_PX),
        bars,
        [[GYRO_KIND_COLOURS[kind]] * bars.shape[1] for kind in kinds],
        legend=[
            (f"{kind}: {pairs[kind]} pairs, median {np.median(each):.2f} px", GYRO_KIND_COLOURS[kind])
            for kind, each in zip(kinds, distances, strict=True)
        ],
    )


def _edge_ticks(edges: Sequence[float]) -> list[tuple[float, str]]:
    ticks = [(float(k), f"{edge:g}") for k, edge in enumerate(edges[:-1])]
    return [*ticks, (len(edges) - 0.5, f">{edges[-1]:g}")]


def _draw_chart(
    title: str,
    subtitle: str,
    axis: str,
    ticks: Sequence[tuple[float, str]],
    bars: Float64[ndarray, "parts bins"],
    colours: Sequence[Sequence[Colour]],
    *,
    legend: Sequence[tuple[str, Colour]] = (),
) -> UInt8[ndarray, "520 640 3"]:
    """Draw stacked bars of shares (%), 1 wide on the x axis of the ticks; each part has a colour a bin."""
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (_CHART_WIDTH_PX, _CHART_HEIGHT_PX), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    draw_text(pen, _PLOT_LEFT_PX, 14, title, size=20)
    draw_text(pen, _PLOT_LEFT_PX, 44, subtitle, size=14, colour=_GRAY)
    draw_text(pen, _PLOT_LEFT_PX - 6, _PLOT_TOP_PX - 20, "share of places", size=12, colour=_GRAY)
    tops = np.cumsum(bars, axis=0)
    highest = max(float(tops[-1].max()), 1.0) * (1.5 if legend else 1.1)

    def to_y(share: int | float) -> float:
        return _PLOT_BOTTOM_PX - share / highest * (_PLOT_BOTTOM_PX - _PLOT_TOP_PX)

    for share in range(0, int(highest) + 1, next(step for step in (1, 2, 5, 10, 20) if highest / step <= 8)):
        pen.line((_PLOT_LEFT_PX, to_y(share), _PLOT_RIGHT_PX, to_y(share)), _PALE)
        draw_text(pen, _PLOT_LEFT_PX - 6, to_y(share), f"{share} %", size=13, anchor="rm")
    bar_width = (_PLOT_RIGHT_PX - _PLOT_LEFT_PX) / tops.shape[1]
    for k, share in enumerate(tops[-1]):
        x = _PLOT_LEFT_PX + k * bar_width
        for top, part, by_bin in zip(tops[:, k], bars[:, k], colours, strict=True):
            box = (x + 1, to_y(top), x + bar_width - 2, to_y(top - part))
            if box[3] - box[1] >= 0.5:
                pen.rectangle(box, by_bin[k])
        number = f"{share:.0f}" if share >= 9.95 else f"{share:.1f}"
        draw_text(pen, x + bar_width / 2, to_y(share) - 9, number, size=12, anchor="mm", colour=_GRAY)
    for place, name in ticks:
        draw_text(pen, _PLOT_LEFT_PX + place * bar_width, _PLOT_BOTTOM_PX + 14, name, size=13, anchor="mm")
    pen.line((_PLOT_LEFT_PX, _PLOT_BOTTOM_PX, _PLOT_RIGHT_PX, _PLOT_BOTTOM_PX), _BLACK)
    draw_text(pen, (_PLOT_LEFT_PX + _PLOT_RIGHT_PX) / 2, _PLOT_BOTTOM_PX + 42, axis, size=14, anchor="mm")
    for k, (name, colour) in enumerate(legend):
        top = _PLOT_TOP_PX + 6 + 20 * k
        pen.rectangle((_PLOT_RIGHT_PX - 240, top, _PLOT_RIGHT_PX - 228, top + 12), colour)
        draw_text(pen, _PLOT_RIGHT_PX - 220, top + 6, name, size=14, anchor="lm")
    return np.array(page)


def draw_text(
    pen: ImageDraw.ImageDraw, x: int | float, y: int | float, text: str,
    *, size: int, anchor: str = "la", colour: Colour = _BLACK,
) -> None:  # fmt: skip
    """Write a line of text, its letters `size` px high."""
    from PIL import ImageFont

    pen.text((x, y), text, colour, ImageFont.load_default(size), anchor=anchor)
