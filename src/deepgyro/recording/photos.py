"""Where blur fields come from: a log, a camera, and when each photo was taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..blurfield import Field, MotionField, PathReference, exposure_interval, motion_field, reduce_instants
from ..camera import Camera, read_camera
from ..errors import DeepGyroError, ExposureNotCovered, MotionOutrunsShutter
from ..frames import MAX_EXPOSURE_S, FrameExposure, match_frames, read_frames
from ..telemetry import GyroLog, read_gyro

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
    """Columns and units of a log without a header that says them."""
    field: tuple[Path, ...] = ()
    """One .npz, or the original program's two pictures."""
    estimate: Literal["exposure", "offset"] | None = None
    """What is not known, and estimated from the pictures."""

    def __post_init__(self) -> None:
        if self.field:
            if any((self.gyro, self.frames, self.camera, self.gyro_columns)) or not (
                self.time is None and self.exposure is None
            ):
                raise ValueError(
                    "--field says it all: leave out --gyro, --camera, --frames, --time, --exposure and "
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
            if any((self.frames, self.gyro_columns)) or not (self.time is None and self.exposure is None):
                raise ValueError("--frames, --time, --exposure and --gyro-columns need --gyro and --camera")
        elif self.frames is not None:
            if self.time is not None or self.exposure is not None:
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
class PhotoRecording:
    """A log, its camera, and when each photo was taken."""

    log: GyroLog
    camera: Camera
    times: Mapping[Path, FrameExposure | None]

    def frame_field(
        self, frame: FrameExposure, height: int, width: int, *, n: int, reference: PathReference
    ) -> MotionField:
        """Return the field of a frame; errors as in `blur_field`."""
        return motion_field(
            self.log,
            self.camera,
            t=exposure_start(frame, self.camera),
            exposure=frame.exposure,
            height=height,
            width=width,
            n=n,
            reference=reference,
        )

    def field(self, photo: Path, height: int, width: int) -> tuple[Field | None, str]:
        """Return a photo's field in the sharp picture, or why there is none."""
        frame = self.times[photo]
        if frame is None:
            return None, "not in the table of frames"
        try:
            field = self.frame_field(frame, height, width, n=33, reference="picture")
            return reduce_instants(field), ""
        except ExposureNotCovered:
            return None, "the gyro log does not cover its exposure"
        except MotionOutrunsShutter:
            return None, "the picture moves as fast as the shutter reads it"
        except ValueError as error:
            raise DeepGyroError(f"{photo}: {error}") from error


def exposure_start(frame: FrameExposure, camera: Camera) -> float:
    """Return when the line that is read first begins to be exposed, s on the frames' clock."""
    if frame.at == "start":
        return frame.t
    if camera.readout_time is None:
        raise DeepGyroError(
            f"{camera.source}: mid-exposure times need readout_time: add it to the camera file"
        )
    return frame.t - 0.5 * (frame.exposure + camera.readout_time)


def read_recording(source: FieldSource, photos: Sequence[Path]) -> PhotoRecording | None:
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
    times: Mapping[Path, FrameExposure | None]
    if source.frames is not None:
        unknown = PLACEHOLDER_EXPOSURE_S if source.estimate == "exposure" else None
        times = match_frames(read_frames(source.frames, photos, exposure=unknown), photos)
        if not any(times.values()):
            raise DeepGyroError(
                f"{source.frames}: names none of the photos ({photos[0].name}, ...): check its column file"
            )
    else:
        if len(photos) > 1:
            raise ValueError("--time is that of one photo: give --frames TABLE for several")
        if source.time is None:
            raise ValueError("a time is needed")
        times = {
            photo: FrameExposure(photo, source.time, source.exposure or PLACEHOLDER_EXPOSURE_S)
            for photo in photos
        }
    recording = PhotoRecording(log, camera, times)
    if source.estimate != "offset" and len(photos) > 1:  # a single one is said by its field
        check_photo_coverage(recording)
    return recording


def check_photo_coverage(recording: PhotoRecording) -> None:
    """Refuse a log that covers no photo at all: it belongs to another day."""
    camera, log = recording.camera, recording.log
    known = [frame for frame in recording.times.values() if frame]
    spans = [exposure_interval(camera, exposure_start(frame, camera), frame.exposure) for frame in known]
    if not any(log.covers(first, last) for first, last in spans):
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        raise DeepGyroError(
            f"{log.source}: runs from {log.t[0]:.3f} to {log.t[-1]:.3f} s and covers none of the photos, "
            f"exposed from {first:.3f} to {last:.3f} s on its clock: check the log, the times and time_offset"
        )
