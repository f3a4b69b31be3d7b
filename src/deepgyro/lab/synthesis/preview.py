"""Pictures of a data set: a sheet of its first pairs, and histograms."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
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
from .histograms import FieldSample, draw_histograms, draw_text, sample_fields
from .pair import Pair
from .samples import unpack_pair
from .shards import read_samples

CELL_WIDTH_PX = 480
"""Width of each of a sheet's four columns, px."""
SHEET_PAIR_COUNT = 8
HISTOGRAM_MAX_PAIRS = 500

_COLUMN_TITLES = (
    "sharp",
    "blurred",
    "exact field (outlined: moves by itself)",
    "prior field (thin and black: the exact one)",
)
_HEADER_HEIGHT_PX, _CAPTION_HEIGHT_PX, _CELL_GAP_PX = 30, 28, 4


def preview_paths(path: Path) -> tuple[Path, Path]:
    """Return the paths of a sheet and of its histograms, ``_histograms`` added, checked before the work.

    Raises
    ------
    DeepGyroError
        If a file there is no preview, or the folder does not exist.
    """
    files = path, path.with_name(f"{path.stem}_histograms{path.suffix}")
    for file in files:
        format_from_suffix(file)
        check_writable(file, overwrite=_is_preview(file))
    return files


def write_dataset_preview(folder: Path, path: Path) -> None:
    """Write a preview of a data set's first pairs; see `write_preview`."""
    write_preview(map(unpack_pair, read_samples(folder)), path)


def write_preview(
    pairs: Iterable[Pair], path: Path, *, count: int = SHEET_PAIR_COUNT, max_pairs: int = HISTOGRAM_MAX_PAIRS
) -> None:
    """Write a sheet of the first `count` pairs and histograms of the first `max_pairs`; replace former ones.

    No more pairs than needed are taken. Paths, and errors of files, are those of `preview_paths`.

    Raises
    ------
    ValueError
        If there are no pairs.
    """
    sheet, beside = preview_paths(path)
    samples: list[FieldSample] = []
    first: list[Pair] = []
    for pair in itertools.islice(pairs, max(count, max_pairs)):
        samples.append(sample_fields(pair))
        if len(first) < count:
            first.append(pair)
    pictures = {sheet: draw_contact_sheet(first), beside: draw_histograms(samples)}
    for file, pixels in pictures.items():
        record = {"preview": file.name, "pairs": len(samples)}
        write_photo(file, Photo(pixels, "PNG", file), record=record, overwrite=_is_preview(file))


def _is_preview(path: Path) -> bool:
    try:
        return "preview" in (read_record(path) or {})
    except DeepGyroError:
        return False


def draw_contact_sheet(pairs: Sequence[Pair]) -> UInt8[ndarray, "a b 3"]:
    """Draw pairs one below the other: sharp, blurred, exact field, prior field.

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
        draw_text(pen, left + 4, _HEADER_HEIGHT_PX / 2, name, size=16, anchor="lm")
    top = _HEADER_HEIGHT_PX
    for pair, row in zip(pairs, rows, strict=True):
        for left, cell in zip(lefts, row, strict=True):
            sheet.paste(Image.fromarray(cell), (left, top))
        top += len(row[0])
        draw_text(pen, 4, top + _CAPTION_HEIGHT_PX / 2, describe_pair(pair), size=15, anchor="lm")
        top += _CAPTION_HEIGHT_PX
    return np.array(sheet)


def describe_pair(pair: Pair) -> str:
    """Describe a pair in one line."""
    drawn: Mapping[str, Any] = pair.metadata
    camera, patches = drawn["camera"], len(drawn["patches"])
    light = "encoded values" if drawn["encoding"] == "encoded" else "linear light"
    gain = drawn["image"].get("highlight_gain", 0.0)
    parts = [
        f"#{drawn['index']}" if "index" in drawn else "",
        f"blur {drawn['blur_px']:.1f} px",
        f"gyro {drawn['gyro']}, off by {drawn['error_px']:.1f} px",
        f"exposure {1e3 * drawn['exposure']:.0f} ms",
        f"readout {1e3 * camera['readout_time']:.0f} ms {camera['readout_direction']}",
        f"focal length {camera['focal']:.0f} px",
        "straight" if drawn["straight"] else "curved",
        "translation" if "velocity" in drawn else "",
        f"{patches} moving region{'s' * (patches > 1)}" if patches else "",
        f"{light}, highlights +{gain:.1f}" if gain else light,
        "JPEG" if pair.jpeg else "",
        str(drawn.get("photo", "")),
        str(drawn.get("log", "")),
    ]
    return "   |   ".join(filter(None, parts))


def _draw_pair_cells(pair: Pair) -> list[UInt8[ndarray, "h w 3"]]:
    import cv2

    height, width = pair.sharp.shape[:2]
    scale = CELL_WIDTH_PX / max(height, width)
    size = round(scale * width), round(scale * height)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sharp, blurred = (cv2.resize(each, size, interpolation=method) for each in (pair.sharp, pair.blurred))
    spacing = max(40.0, 0.8 * scale * max(measure_field(pair.exact)[1], measure_field(pair.prior)[1]))
    faded = (110 + blurred * np.float32(0.57)).astype(np.uint8)
    exact, prior = faded.copy(), faded.copy()
    for patch in pair.exact.patches:
        centre, axes = (patch.x * scale, patch.y * scale), (2 * patch.a * scale, 2 * patch.b * scale)
        cv2.ellipse(exact, (centre, axes, np.degrees(patch.angle)), (255, 255, 255), 1, cv2.LINE_AA)
    draw_paths(exact, pair.exact, scale=scale, spacing=spacing)
    draw_paths(prior, pair.prior, scale=scale, spacing=spacing)
    draw_paths(prior, pair.exact, scale=scale, spacing=spacing, colour=(0, 0, 0))
    return [sharp, blurred, exact, prior]
