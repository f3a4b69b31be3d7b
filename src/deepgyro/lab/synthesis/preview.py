"""What a person looks at to judge a data set: a sheet of its first pairs, and its histograms."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...blurfield import measure_field
from ...blurfield.picture import draw_paths
from ...errors import DeepGyroError
from ...files import check_writable
from ...frames import Photo, format_from_suffix, read_record, write_photo
from .histograms import draw_histograms, draw_text
from .pair import Pair
from .samples import unpack_pair
from .shards import read_samples
from .tally import FieldStatistics

CELL_WIDTH_PX = 480
"""Width of each of a sheet's four columns, px."""
SHEET_PAIR_COUNT = 8
"""Pairs on a sheet."""
HISTOGRAM_MAX_PAIRS = 500
"""Pairs whose fields are counted."""

_COLUMN_TITLES = (
    "sharp",
    "blurred",
    "exact field (outlined: moves by itself)",
    "noisy field (thin and black: the exact one)",
)
_HEADER_HEIGHT_PX, _CAPTION_HEIGHT_PX, _CELL_GAP_PX = 30, 28, 4  # px


@dataclass(frozen=True, eq=False)
class Preview:
    """What was drawn, and of how many pairs."""

    sheet: Path
    histograms: Path
    statistics: FieldStatistics


def preview_paths(path: Path) -> tuple[Path, Path]:
    """Return the names of a sheet and of its histograms, checked before the work.

    Raises
    ------
    DeepGyroError
        If a file of that name is there that is no preview, or its folder is not.
    """
    files = path, path.with_name(f"{path.stem}_histograms{path.suffix}")
    for file in files:
        format_from_suffix(file)
        check_writable(file, overwrite=_is_preview(file))
    return files


def write_dataset_preview(folder: Path, path: Path) -> Preview:
    """Write a preview of a data set's first pairs; see `write_preview`."""
    return write_preview(map(unpack_pair, read_samples(folder)), path)


def write_preview(
    pairs: Iterable[Pair], path: Path, *, count: int = SHEET_PAIR_COUNT, max_pairs: int = HISTOGRAM_MAX_PAIRS
) -> Preview:
    """Write a contact sheet of the first pairs, and the histograms of the first few hundred.

    Parameters
    ----------
    pairs
        No more of them than needed are taken, and of those that are counted only one is kept at a time.
    path
        The sheet; the histograms get its name with ``_histograms`` added. Former previews are replaced.
    count
        Pairs on the sheet.
    max_pairs
        Pairs whose fields are counted.

    Raises
    ------
    DeepGyroError
        If a file of that name is no preview, or cannot be written.
    ValueError
        If there are no pairs, or none is asked for.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least one pair is needed")
    sheet, beside = preview_paths(path)
    counted = FieldStatistics()
    first: list[Pair] = []
    for pair in itertools.islice(pairs, max(count, max_pairs)):
        counted.add(pair)
        if len(first) < count:
            first.append(pair)
    pictures = {sheet: draw_contact_sheet(first), beside: draw_histograms(counted)}
    for file, pixels in pictures.items():
        record = {"preview": file.name, "pairs": counted.pair_count}
        write_photo(file, Photo(pixels, "PNG", file), record=record, overwrite=_is_preview(file))
    return Preview(sheet, beside, counted)


def _is_preview(path: Path) -> bool:
    try:
        return "preview" in (read_record(path) or {})
    except DeepGyroError:
        return False


def draw_contact_sheet(pairs: Sequence[Pair]) -> UInt8[ndarray, "a b 3"]:
    """Draw pairs one below the other: sharp, blurred, exact field, noisy field.

    Both fields of a pair lie over its faded blurred picture, at the same places and their true length.

    Raises
    ------
    ValueError
        If there are no pairs.
    """
    from PIL import Image, ImageDraw

    if not pairs:
        raise ValueError("there are no pairs to draw")
    rows = [_draw_pair_cells(pair) for pair in pairs]
    width = 4 * CELL_WIDTH_PX + 3 * _CELL_GAP_PX
    height = _HEADER_HEIGHT_PX + sum(len(row[0]) + _CAPTION_HEIGHT_PX for row in rows)
    sheet = Image.new("RGB", (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    lefts = [k * (CELL_WIDTH_PX + _CELL_GAP_PX) for k in range(4)]
    for left, name in zip(lefts, _COLUMN_TITLES, strict=True):
        draw_text(pen, left + 4.0, _HEADER_HEIGHT_PX / 2, name, size=16, anchor="lm")
    top = _HEADER_HEIGHT_PX
    for pair, row in zip(pairs, rows, strict=True):
        for left, cell in zip(lefts, row, strict=True):
            sheet.paste(Image.fromarray(cell), (left, top))
        top += len(row[0])
        draw_text(pen, 4.0, top + _CAPTION_HEIGHT_PX / 2, describe_pair(pair), size=15, anchor="lm")
        top += _CAPTION_HEIGHT_PX
    return np.array(sheet)


def describe_pair(pair: Pair) -> str:
    """Return what a pair is like, in one line."""
    facts: Mapping[str, Any] = pair.metadata
    camera, image = facts["camera"], facts["image"]
    number = [f"#{facts['index']}"] if "index" in facts else []
    moved = ["translation"] if "velocity" in facts else []
    patches = len(facts["patches"])
    moved += [f"{patches} moving region{'s' * (patches > 1)}"] if patches else []
    light = "encoded values" if facts["encoding"] == "encoded" else "linear light"
    gain = image.get("highlight_gain", 0.0)
    parts = [
        *number,
        f"blur {facts['blur_px']:.1f} px",
        f"gyro {facts['gyro']}, off by {facts['error_px']:.1f} px",
        f"exposure {1e3 * facts['exposure']:.0f} ms",
        f"readout {1e3 * camera['readout_time']:.0f} ms {camera['readout_direction']}",
        f"focal length {camera['focal']:.0f} px",
        "straight" if facts["straight"] else "curved",
        *moved,
        f"{light}, highlights +{gain:.1f}" if gain else light,
        *(["JPEG"] if pair.jpeg else []),
        *(f"{facts[name]}" for name in ("photo", "log") if name in facts),
    ]
    return "   |   ".join(parts)


def _draw_pair_cells(pair: Pair) -> list[UInt8[ndarray, "h w 3"]]:
    import cv2

    height, width = pair.sharp.shape[:2]
    scale = CELL_WIDTH_PX / max(height, width)
    size = round(scale * width), round(scale * height)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sharp, blurred = (cv2.resize(each, size, interpolation=method) for each in (pair.sharp, pair.blurred))
    spacing = max(40.0, 0.8 * scale * max(measure_field(pair.exact)[1], measure_field(pair.prior)[1]))
    faded = (110 + blurred * np.float32(0.57)).astype(np.uint8)
    exact, noisy = faded.copy(), faded.copy()
    for patch in pair.exact.patches:
        centre, axes = (patch.x * scale, patch.y * scale), (2 * patch.a * scale, 2 * patch.b * scale)
        cv2.ellipse(exact, (centre, axes, np.degrees(patch.angle)), (255, 255, 255), 1, cv2.LINE_AA)
    draw_paths(exact, pair.exact, scale=scale, spacing=spacing)
    draw_paths(noisy, pair.prior, scale=scale, spacing=spacing)
    draw_paths(noisy, pair.exact, scale=scale, spacing=spacing, colour=(0, 0, 0))
    return [sharp, blurred, exact, noisy]
