"""How long, which way and how wrong: the fields of pairs, counted in bounded memory, and as a table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ...blurfield import path_lengths
from .gyro import GyroKind
from .pair import Pair

SAMPLE_STEP_PX = 16
"""Fields are looked at in every 16th row and column, px."""
LENGTH_BIN_EDGES_PX = tuple(5.0 * k for k in range(21))
"""Edges of the bins of blur lengths, px; longer ones have a bin of their own."""
DISTANCE_BIN_EDGES_PX = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Edges of the bins of distances, px; longer ones have a bin of their own."""
DIRECTION_BIN_DEG = 15
"""Width of a bin of directions, degrees; the first is centred on 0."""
MIN_DIRECTION_LENGTH_PX = 1.0
"""The direction of a blur vector that is shorter is not counted, px."""
GYRO_KINDS: tuple[GyroKind, ...] = ("exact", "refined", "raw", "wrong", "none")

_BINS_PER_PX = 16  # bins a px
_MAX_LENGTH_PX = 1024  # px


class LengthHistogram:
    """Counts of lengths, in 128 kB for any number of them."""

    def __init__(self) -> None:
        self.zero_count = 0
        self.total = 0.0
        self.counts = np.zeros(_BINS_PER_PX * _MAX_LENGTH_PX + 1, np.int64)

    def add(self, lengths: Float64[ndarray, "*any"]) -> None:
        """Count lengths, px."""
        self.zero_count += int((lengths == 0).sum())
        self.total += float(lengths.sum())
        bins = np.minimum(lengths.ravel() * _BINS_PER_PX, _BINS_PER_PX * _MAX_LENGTH_PX).astype(np.int64)
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Of all lengths, px; 0 of none."""
        return self.total / max(len(self), 1)

    def quantile(self, share: float) -> float:
        """Return what this share of the lengths is shorter than, to 1/32 px; 0 of none."""
        wanted = share * len(self)
        if wanted <= self.zero_count:
            return 0.0
        return float((np.searchsorted(np.cumsum(self.counts), wanted) + 0.5) / _BINS_PER_PX)

    def counts_between(self, edges: Sequence[float]) -> Int64[ndarray, " bins"]:
        """Return how many lengths lie from each edge to the next, and from the last on; the first is 0."""
        starts = (np.array(edges) * _BINS_PER_PX).astype(np.int64)
        return np.asarray(np.add.reduceat(self.counts, starts), np.int64)


class FieldStatistics:
    """Counts what the fields of pairs are like, in the same memory for any number of pairs."""

    def __init__(self) -> None:
        self.pairs_by_kind = dict.fromkeys(map(str, GYRO_KINDS), 0)
        """By the kind of the gyro."""
        self.lengths = LengthHistogram()
        """Of the exact paths."""
        self.directions = np.zeros(180 // DIRECTION_BIN_DEG, np.int64)
        """Of the exact blur vectors, around multiples of `DIRECTION_BIN_DEG`; from `MIN_DIRECTION_LENGTH_PX`
        on each counts the same."""
        self.distances = {kind: LengthHistogram() for kind in self.pairs_by_kind}
        """Between exact and noisy blur vectors; a field that is reversed as a whole is the same."""

    def add(self, pair: Pair) -> None:
        """Count a pair's fields in every `SAMPLE_STEP_PX`-th row and column, what moves by itself
        included."""
        height, width = pair.exact.shape[:2]
        rows, columns = (
            slice(min(SAMPLE_STEP_PX // 2, size // 2), None, SAMPLE_STEP_PX) for size in (height, width)
        )
        exact = pair.exact[rows, columns].astype(np.float64)
        noisy = pair.prior[rows, columns].astype(np.float64)
        self.lengths.add(path_lengths(exact))
        u, v = (paths[..., -1, :] - paths[..., 0, :] for paths in (exact, noisy))
        angles = np.degrees(np.arctan2(u[..., 1], u[..., 0]))[
            np.linalg.norm(u, axis=-1) >= MIN_DIRECTION_LENGTH_PX
        ]
        bins = np.floor(angles / DIRECTION_BIN_DEG + 0.5).astype(np.int64) % len(self.directions)
        self.directions += np.bincount(bins, minlength=len(self.directions))
        kind = str(pair.metadata["gyro"])
        self.pairs_by_kind[kind] += 1
        ways = [np.linalg.norm(u - sign * v, axis=-1) for sign in (1, -1)]
        self.distances[kind].add(min(ways, key=np.mean))

    @property
    def pair_count(self) -> int:
        """Pairs."""
        return sum(self.pairs_by_kind.values())

    @property
    def present_kinds(self) -> list[str]:
        """Those of the gyro that occur."""
        return [kind for kind, pairs in self.pairs_by_kind.items() if pairs]


def bin_shares_percent(counts: Int64[ndarray, " bins"]) -> Float64[ndarray, " bins"]:
    """Return each bin's share, %; 0 where nothing was counted."""
    return np.asarray(100.0 * counts / max(int(counts.sum()), 1))


def bin_labels(edges: Sequence[float]) -> list[str]:
    """Return what to call the bins of some edges."""
    return [f"{low:g}-{high:g}" for low, high in itertools.pairwise(edges)] + [f"{edges[-1]:g}+"]


def describe_lengths(lengths: LengthHistogram) -> str:
    """Return mean, median, 90 % and the share of zero, in words."""
    zero = 100 * lengths.zero_count / max(len(lengths), 1)
    return (
        f"mean {lengths.mean:.2f} px, median {lengths.quantile(0.5):.2f} px, "
        f"90 % under {lengths.quantile(0.9):.2f} px, {zero:.1f} % are zero"
    )


def statistics_table(statistics: FieldStatistics) -> str:
    """Return a tally as text: the numbers, and a Markdown table of each histogram.

    Raises
    ------
    ValueError
        If nothing was counted.
    """
    if not statistics.pair_count:
        raise ValueError("there are no pairs to tell of")
    lengths, turned = statistics.lengths, statistics.directions
    angles = [f"{DIRECTION_BIN_DEG * k}" for k in range(len(turned))]
    return "\n\n".join(
        [
            f"Blur length at {len(lengths)} places of {statistics.pair_count} pairs: "
            f"{describe_lengths(lengths)}.",
            _markdown_table(
                ["length, px", "places", "share"],
                _share_rows(bin_labels(LENGTH_BIN_EDGES_PX), lengths.counts_between(LENGTH_BIN_EDGES_PX)),
            ),
            f"Direction of the blur vectors from {MIN_DIRECTION_LENGTH_PX:g} px on, within "
            f"{DIRECTION_BIN_DEG / 2:g} degrees: 0 is "
            "horizontal, 45 falls to the right, 90 is vertical.",
            _markdown_table(["direction, degrees", "places", "share"], _share_rows(angles, turned)),
            "Distance between the exact blur vector and the noisy one, by the kind of the gyro.",
            _markdown_table(["distance, px", *statistics.present_kinds], _distance_rows(statistics)),
        ]
    )


def _share_rows(names: Sequence[str], counts: Int64[ndarray, " bins"]) -> list[list[str]]:
    columns = zip(names, counts, bin_shares_percent(counts), strict=True)
    return [[name, f"{count}", f"{share:.1f} %"] for name, count, share in columns]


def _distance_rows(statistics: FieldStatistics) -> list[list[str]]:
    tallies = [statistics.distances[kind] for kind in statistics.present_kinds]
    by_kind = [
        [f"{share:.1f} %" for share in bin_shares_percent(each.counts_between(DISTANCE_BIN_EDGES_PX))]
        for each in tallies
    ]
    return [
        *([name, *row] for name, *row in zip(bin_labels(DISTANCE_BIN_EDGES_PX), *by_kind, strict=True)),
        ["zero", *(f"{100 * each.zero_count / len(each):.1f} %" for each in tallies)],
        ["mean, px", *(f"{each.mean:.2f}" for each in tallies)],
        ["median, px", *(f"{each.quantile(0.5):.2f}" for each in tallies)],
        ["90 %, px", *(f"{each.quantile(0.9):.2f}" for each in tallies)],
        ["pairs", *(f"{statistics.pairs_by_kind[kind]}" for kind in statistics.present_kinds)],
    ]


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * (width - 1) + ":" for width in widths], *rows]
    cells = ([cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
