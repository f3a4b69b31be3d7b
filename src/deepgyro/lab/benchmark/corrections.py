"""`bench corrections`: how the photos of real recordings correct their gyro, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...blurfield import Field, PathReference, sample_paths
from ...errors import ExposureNotCovered
from ...recording.photos import PhotoRecording
from ...refine import ACCEPT_CONFIDENCE, refine_field
from ..report import BenchReport, Progress, Row, as_number, count_values, make_report
from .recordings import RECORDING_FILES, open_recording, read_paper_crops, spread_evenly
from .shots import read_pixels

FIELD_REFERENCES: tuple[PathReference, ...] = ("picture", "row")
CORRECTIONS_WIDTH_PX = 960
CORRECTIONS_PHOTO_COUNT = 20
CORRECTIONS_INSTANTS = 17
LONG_BLUR_PX = 10.0
"""Photos with less blur say little of a scale, px at a picture 480 px wide."""


def bench_corrections(
    data: Path,
    *,
    recordings: Sequence[str] = (),
    width: int = CORRECTIONS_WIDTH_PX,
    count: int = CORRECTIONS_PHOTO_COUNT,
    progress: Progress | None = None,
) -> BenchReport:
    """Let real photos correct the field of their gyro: the exact one of a rolling shutter, and eq. 5's.

    A row is a photo and a `reference`: ``blur_px``, the gyro's; ``correction_px``, how far the corrected blur
    vectors lie from that; ``scale``, their length over the prior's; ``answer``: corrected, replaced (found in
    the picture, against the gyro), kept (not confirmed), or ignored. There is no ground truth. Nothing may be
    chosen by these figures.

    Parameters
    ----------
    recordings
        Those of `RECORDING_FILES`, by default all; the crops of figure 8 always come last.
    width
        To which the photos are made smaller, px.
    count
        Photos of each recording, at most, evenly spread.
    """
    if unknown := set(recordings) - set(RECORDING_FILES):
        raise ValueError(f"--recording {sorted(unknown)[0]}: one of {', '.join(RECORDING_FILES)} is needed")
    recordings = recordings or tuple(RECORDING_FILES)
    rows: list[Row] = []
    for k, name in enumerate(recordings):
        recording, photos = open_recording(data, name)
        photos = spread_evenly(photos, count)
        for i, photo in enumerate(photos):
            rows += _photo_rows(name, recording, photo, width)
            if progress:
                progress((k + (i + 1) / len(photos)) / (len(recordings) + 1))
    for crop in read_paper_crops(data):
        rows.append(_row("shield_crops", crop.path.name, "start", crop.read_pixels(), crop.field))
    if progress:
        progress(1.0)
    return make_report("corrections", rows, corrections_display_rows(rows))


def corrections_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: those of each recording and reference summed up."""
    shown: list[Row] = []
    for name, reference in dict.fromkeys((row["recording"], row["reference"]) for row in rows):
        part = [row for row in rows if (row["recording"], row["reference"]) == (name, reference)]
        corrected = [row for row in part if row["answer"] == "corrected"]
        scales = [as_number(row["scale"]) for row in corrected if as_number(row["blur_480"]) > LONG_BLUR_PX]
        shown.append(
            {
                "recording": name,
                "reference": reference,
                "photos": len(part),
                "answers": count_values([row["answer"] for row in part]),
                "blur, px": _median([row["blur_px"] for row in corrected]),
                "correction, px": _median([row["correction_px"] for row in corrected]),
                "scale": _median(scales),
                "spread of scale": float(np.std(scales)) if len(scales) > 1 else None,
                "of photos": len(scales),
            }
        )
    return shown


def _photo_rows(name: str, recording: PhotoRecording, photo: Path, width: int) -> list[Row]:
    import cv2

    frame = recording.exposures[photo]
    if frame is None:
        return []
    pixels = read_pixels(photo)
    height = round(pixels.shape[0] * width / pixels.shape[1])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    rows = []
    for reference in FIELD_REFERENCES:
        try:
            field = recording.motion_field(frame, height, width, n=CORRECTIONS_INSTANTS, reference=reference)
        except ExposureNotCovered:
            return []
        rows.append(_row(name, photo.name, reference, small, field.tabulate()))
    return rows


def _row(name: str, photo: str, reference: PathReference, pixels: np.ndarray, field: Field) -> Row:
    fit = refine_field(pixels, field)
    prior_px = _mean_path_length_px(field)
    fitted_px = None if fit.field is None else _mean_path_length_px(fit.field)
    if fit.field is None:
        answer = "ignored"
    elif fit.confidence < ACCEPT_CONFIDENCE:
        answer = "kept"
    else:
        answer = "replaced" if fit.replaced else "corrected"
    return {
        "recording": name,
        "photo": photo,
        "reference": reference,
        "blur_px": round(prior_px, 2),
        "blur_480": round(prior_px * 480 / max(pixels.shape[:2]), 2),
        "correction_px": None if fit.field is None else round(fit.correction_px, 3),
        "scale": round(fitted_px / prior_px, 4) if fitted_px is not None and prior_px else None,
        "confidence": round(fit.confidence, 3),
        "answer": answer,
    }


def _mean_path_length_px(field: Field) -> float:
    paths = sample_paths(field, 45, 80)
    return float(np.linalg.norm(paths[:, :, -1] - paths[:, :, 0], axis=-1).mean())


def _median(values: Sequence[object]) -> float | None:
    return float(np.median([as_number(value) for value in values])) if values else None
