"""Photos of one recording: their log, camera and exposures, and a calibration for them all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..blurfield import MotionField
from ..camera import read_camera
from ..errors import DeepGyroError
from ..frames import MAX_EXPOSURE_S, match_frames, read_frames, read_photo
from ..light import Pixels
from ..telemetry import read_gyro
from .calibration import MAX_CALIBRATION_PICTURES, calibrate, median_blur_px, select_pictures, shrink_picture
from .estimation import ACCEPT_OFFSET_PROBABILITY, estimate_time_offset
from .recording import Exposure, Recording

PLACEHOLDER_EXPOSURE_S = 1 / 4000
"""Stands for an exposure that is not known yet, s."""


@dataclass(frozen=True)
class FieldSource:
    """Where the blur fields of a job come from: a log with its camera and times, field files, or nowhere."""

    gyro: Path | None = None
    camera: Path | None = None
    frames: Path | None = None
    time: float | None = None
    """Start of the exposure of the line that is read first, s."""
    exposure: float | None = None
    """s."""
    gyro_columns: str | None = None
    """Columns and units of a log without a header."""
    field: tuple[Path, ...] = ()
    """One .npz, or the original program's two pictures."""
    estimate: Literal["exposure", "offset"] | None = None
    """What is not known, and estimated from the pictures."""

    def __post_init__(self) -> None:
        timed = self.time is not None or self.exposure is not None
        if self.field:
            if timed or any((self.gyro, self.frames, self.camera, self.gyro_columns)):
                raise ValueError(
                    "--field needs no recording: leave out --gyro, --camera, --frames, --time, "
                    "--exposure and "
                    "--gyro-columns"
                )
            return
        if self.time is not None and not math.isfinite(self.time):
            raise ValueError(f"--time is {self.time:g}: a time in s is needed")
        if self.exposure is not None and not 0 < self.exposure <= MAX_EXPOSURE_S:
            raise ValueError(
                f"--exposure is {self.exposure:g} s: over 0 and at most {MAX_EXPOSURE_S:g} s is needed"
            )
        if (self.gyro is None) != (self.camera is None):
            raise ValueError("--gyro and --camera belong together: give both or neither")
        if self.gyro is None:
            if timed or any((self.frames, self.gyro_columns)):
                raise ValueError("--frames, --time, --exposure and --gyro-columns need --gyro and --camera")
        elif self.frames is not None:
            if timed:
                raise ValueError("--frames holds times and exposures: leave out --time and --exposure")
        elif self.time is None or (self.exposure is None and self.estimate != "exposure"):
            raise ValueError(
                "--gyro needs to know when: give --frames TABLE, or --time and --exposure (if that is not "
                "known: --estimate exposure)"
            )
        if self.estimate and self.gyro is None:
            raise ValueError("--estimate needs --gyro and --camera")
        if self.estimate == "exposure" and self.exposure is not None:
            raise ValueError("--exposure is given: leave it out, or --estimate exposure")


@dataclass(frozen=True, eq=False)
class PhotoRecording(Recording):
    """A log, its camera, and when each photo was taken."""

    exposures: Mapping[Path, Exposure | None]
    """None: not in the table of frames."""

    def photo_field(self, photo: Path, height: int, width: int) -> tuple[MotionField | None, str]:
        """Return a photo's field in the sharp picture, or None and why there is none."""
        frame = self.exposures[photo]
        if frame is None:
            return None, "not in the table of frames"
        return self.field(frame, height, width, n=33)


def read_photo_recording(source: FieldSource, photos: Sequence[Path]) -> PhotoRecording | None:
    """Read the log, camera and table of a source; None if it has none.

    Raises
    ------
    DeepGyroError
        If one cannot be used, or the log covers none of several photos.
    """
    if source.gyro is None or source.camera is None:
        return None
    log = read_gyro(source.gyro, columns=source.gyro_columns)
    camera = read_camera(source.camera)
    for name in ("readout_time", "cam_from_imu"):
        if getattr(camera, name) is None:
            raise DeepGyroError(f"{source.camera}: has no {name}: add it (see docs/camera.md)")
    exposures: dict[Path, Exposure | None]
    if source.frames is not None:
        unknown = PLACEHOLDER_EXPOSURE_S if source.estimate == "exposure" else None
        table = match_frames(read_frames(source.frames, photos, exposure=unknown), photos)
        if not any(table.values()):
            raise DeepGyroError(
                f"{source.frames}: names none of the photos ({photos[0].name}, ...): check its column file"
            )
        exposures = {
            photo: Exposure(row.t, row.exposure, row.at) if row else None for photo, row in table.items()
        }
    else:
        if len(photos) > 1:
            raise ValueError("--time is that of one photo: give --frames TABLE for several")
        if source.time is None:
            raise ValueError("a time is needed")
        exposures = {photos[0]: Exposure(source.time, source.exposure or PLACEHOLDER_EXPOSURE_S)}
    recording = PhotoRecording(log, camera, exposures)
    if source.estimate != "offset" and len(photos) > 1:  # a single photo has this reason in its report
        recording.check_coverage(list(filter(None, exposures.values())))
    return recording


def calibrate_from_photos(recording: PhotoRecording, photos: Sequence[Path]) -> tuple[PhotoRecording, str]:
    """Correct a recording by its blurred photos; return it, and a line for a person.

    Unchanged, and an empty line, where no three of them agree.
    """
    camera = recording.camera
    blur_px = {
        photo: median_blur_px(recording, frame, camera.height, camera.width)
        for photo in photos
        if (frame := recording.exposures.get(photo))
    }
    pictures = _read_photos(recording, select_pictures(blur_px))
    calibration = calibrate(recording, ((frame, shrink_picture(pixels)) for frame, pixels in pictures))
    if calibration is None:
        return recording, ""
    recording = calibration.correction.apply(recording)
    scale = f"blur x {calibration.correction.scale:.2f}"
    return recording, calibration.describe("photos", scale, recording.camera.readout_time)


def estimate_photo_offset(recording: PhotoRecording, photos: Sequence[Path]) -> PhotoRecording:
    """Return a recording with the clock's offset at which its photos, together, fit the log best.

    Raises
    ------
    DeepGyroError
        If the photos do not determine it, or the log covers none of them then.
    """
    known = [photo for photo in photos if recording.exposures.get(photo)]
    spread = np.linspace(0, len(known) - 1, MAX_CALIBRATION_PICTURES).round().astype(int)
    some = [known[k] for k in np.unique(spread)]
    change, probability = estimate_time_offset(recording, _read_photos(recording, some))
    if probability < ACCEPT_OFFSET_PROBABILITY:
        raise DeepGyroError(
            f"--estimate offset: {len(some)} photos do not determine it (confidence {probability:.2f}, "
            f"{ACCEPT_OFFSET_PROBABILITY} is needed): "
            "give more photos with more blur, or measure time_offset (docs/camera.md)"
        )
    camera = recording.camera
    moved = replace(recording, camera=replace(camera, time_offset=camera.time_offset + change))
    moved.check_coverage(list(filter(None, moved.exposures.values())))
    return moved


def _read_photos(recording: PhotoRecording, photos: Sequence[Path]) -> Iterator[tuple[Exposure, Pixels]]:
    """Yield photos and their exposures, but for those that cannot be used: the job reports them later."""
    for photo in photos:
        frame = recording.exposures[photo]
        with suppress(DeepGyroError, OSError, ValueError):
            pixels = read_photo(photo, quiet=True).pixels
            recording.camera.scale_to(height=pixels.shape[0], width=pixels.shape[1])
            if frame:
                yield frame, pixels
