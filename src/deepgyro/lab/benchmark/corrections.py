"""`bench corrections`: how the photos of real recordings correct their gyro, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...blurfield import Field, PathReference, sample_paths
from ...errors import ExposureNotCovered
from ...frames import read_photo, to_eight_bits
from ...recording.photos import PhotoRecording
from ...refine import ACCEPT_CONFIDENCE, refine_field
from ..report import BenchReport, Row, as_number, make_report
from .recordings import RECORDING_FILES, open_recording, read_paper_crops

FIELD_REFERENCES: tuple[PathReference, ...] = ("picture", "row")
CORRECTIONS_WIDTH_PX = 960
CORRECTIONS_PHOTO_COUNT = 20
CORRECTIONS_INSTANTS = 17
LONG_BLUR_PX = 10.0
"""Photos with less blur say little of a scale, px at a picture 480 px wide."""


def bench_corrections(
    data: Path,
    *,
    recordings: Sequence[str] = tuple(RECORDING_FILES),
    width: int = CORRECTIONS_WIDTH_PX,
    count: int = CORRECTIONS_PHOTO_COUNT,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Let real photos correct the field of their gyro: the exact one of a rolling shutter, and eq. 5's.

    A row is a photo and a `reference`: ``blur_px``, what the gyro tells; ``correction_px``, how far the
    corrected blur vectors lie from that; ``scale``, their length over the prior's; ``answer``: corrected,
    replaced (found in the picture, against the gyro), kept (not confirmed), or ignored. What is true is not
    known. Nothing may be chosen by these figures.

    Parameters
    ----------
    data
        Folder with ``real``.
    recordings
        Those of `RECORDINGS`.
    width
        To which the photos are made smaller, px.
    count
        Photos of each recording, at most, evenly spread.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a recording is not in the data folder, or its camera file not in the checkout.
    ValueError
        If there is no such recording.
    """
    if unknown := set(recordings) - set(RECORDING_FILES):
        raise ValueError(f"--recording {sorted(unknown)[0]}: one of {', '.join(RECORDING_FILES)} is needed")
    rows: list[Row] = []
    for k, name in enumerate(recordings):
        recording, photos = open_recording(data, name)
        photos = [photos[i] for i in np.unique(np.linspace(0, len(photos) - 1, count).round().astype(int))]
        for i, photo in enumerate(photos):
            rows += _photo_rows(name, recording, photo, width)
            if progress:
                progress((k + (i + 1) / len(photos)) / (len(recordings) + 1))
    for crop in read_paper_crops(data):
        rows.append(_row("shield_crops", crop.path.name, "start", crop.read_pixels(), crop.field))
    if progress:
        progress(1.0)
    return make_report("corrections", rows)


def corrections_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: those of each recording and reference summed up."""
    shown: list[Row] = []
    for name, reference in dict.fromkeys((row["recording"], row["reference"]) for row in rows):
        part = [row for row in rows if (row["recording"], row["reference"]) == (name, reference)]
        corrected = [row for row in part if row["answer"] == "corrected"]
        long = [as_number(row["scale"]) for row in corrected if as_number(row["blur_480"]) > LONG_BLUR_PX]
        answers = [str(row["answer"]) for row in part]
        shown.append(
            {
                "recording": name,
                "reference": reference,
                "photos": len(part),
                "answers": ", ".join(f"{answers.count(a)} {a}" for a in dict.fromkeys(answers)),
                "blur, px": _median([row["blur_px"] for row in corrected]),
                "correction, px": _median([row["correction_px"] for row in corrected]),
                "scale": float(np.median(long)) if long else None,
                "spread of scale": float(np.std(long)) if len(long) > 1 else None,
                "of photos": len(long),
            }
        )
    return shown


def _photo_rows(name: str, recording: PhotoRecording, photo: Path, width: int) -> list[Row]:
    import cv2

    frame = recording.exposures[photo]
    if frame is None:
        return []
    pixels = to_eight_bits(read_photo(photo, quiet=True).pixels)
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
    found = None if fit.field is None else _mean_path_length_px(fit.field)
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
        "scale": None if found is None else round(found / prior_px, 4) if prior_px else None,
        "confidence": round(fit.confidence, 3),
        "answer": answer,
    }


def _mean_path_length_px(field: Field) -> float:
    paths = sample_paths(field, 45, 80)
    return float(np.linalg.norm(paths[:, :, -1] - paths[:, :, 0], axis=-1).mean())


def _median(values: Sequence[object]) -> float | None:
    return float(np.median([as_number(value) for value in values])) if values else None
