"""What is known of how a clip was taken: its gyro, its camera, the exposure of each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..blurfield import MotionField, motion_field, reduce_instants
from ..camera import Camera, read_camera
from ..errors import DeepGyroError, ExposureNotCovered, MotionOutrunsShutter
from ..frames import MAX_EXPOSURE_S, Clip
from ..telemetry import ClipMetadata, GyroLog, read_gyro


@dataclass(frozen=True)
class ClipSource:
    """A clip, and what is known of it beside its own metadata."""

    clip: Path
    gyro: Path | None = None
    """The log; None: the one in the clip."""
    camera: Path | None = None
    exposure: float | None = None
    """Of every frame, s; None: as the clip says."""
    readout_time: float | None = None
    """s; None: as the camera file says, or else the clip."""
    time_offset: float | None = None
    """s; None: as the camera file says."""
    gyro_columns: str | None = None
    """Columns and units of a log that does not say them."""

    def __post_init__(self) -> None:
        if self.exposure is not None and not 0 < self.exposure <= MAX_EXPOSURE_S:
            raise ValueError(
                f"--exposure is {self.exposure:g} s: over 0 and at most {MAX_EXPOSURE_S:g} s is needed"
            )
        if self.time_offset is not None and not math.isfinite(self.time_offset):
            raise ValueError(f"--time-offset is {self.time_offset:g}: a time in s is needed")
        if self.gyro_columns is not None and self.gyro is None:
            raise ValueError("--gyro-columns is for a log beside the clip: give --gyro too")


@dataclass(frozen=True, eq=False)
class ClipRecording:
    """A clip's gyro, its camera, and how long each frame was exposed."""

    log: GyroLog
    camera: Camera
    exposures: Float64[ndarray, " m"]
    """s; the last one holds for all frames after it."""
    exposure_centred: bool = False
    """Whether frames' times are those of the middle of their exposures, not of the start: so where clip and
    log were brought together without knowing exposures."""

    def exposure(self, index: int) -> float:
        """Return how long a line of a frame collected light, s."""
        return float(self.exposures[min(index, len(self.exposures) - 1)])

    def start(self, index: int, t: float) -> float:
        """Return when the exposure of the line that is read first begins, of a frame of time t, s."""
        return t - 0.5 * self.exposure(index) if self.exposure_centred else t

    @property
    def time_offset(self) -> float:
        """From a usual frame's time to the start of its exposure on the gyro's clock, s."""
        return self.camera.time_offset - (
            0.5 * float(np.median(self.exposures)) if self.exposure_centred else 0.0
        )

    def field(self, index: int, t: float, height: int, width: int) -> tuple[MotionField | None, str]:
        """Return a frame's field in the sharp picture, or why there is none.

        Parameters
        ----------
        index
            Of the frame, from 0 on.
        t
            Its time on the clip's clock, s.
        height, width
            px
        """
        try:
            field = motion_field(
                self.log, self.camera, t=self.start(index, t), exposure=self.exposure(index),
                height=height, width=width, n=17, reference="picture",
            )  # fmt: skip
            return reduce_instants(field), ""
        except ExposureNotCovered:
            return None, "the gyro log does not cover it"
        except MotionOutrunsShutter:
            return None, "the picture moves as fast as the shutter reads it"
        except ValueError as error:
            raise DeepGyroError(f"frame {index} at {t:.3f} s: {error}") from error


def read_clip_recording(
    source: ClipSource,
    metadata: ClipMetadata,
    clip: Clip,
    *,
    exposure_needed: bool = True,
    readout_time: float | None = None,
) -> ClipRecording:
    """Read the gyro and the camera of a clip.

    Parameters
    ----------
    source, metadata, clip
        What is known of it, and its own metadata.
    exposure_needed
        Whether exposures must be known; else unknown ones count as 0.
    readout_time
        Where nothing says it, s; None: then it is an error.

    Raises
    ------
    DeepGyroError
        If one cannot be used, or something that is needed is not known.
    """
    if source.camera is None:
        raise DeepGyroError(
            f"{source.clip}: the camera that took it is not known (focal length, lens): give --camera FILE"
        )
    camera = read_camera(source.camera)
    try:
        camera = camera.scale_to(height=clip.height, width=clip.width)
    except ValueError as error:
        raise DeepGyroError(f"{source.camera}: {error}") from error
    said = (source.readout_time, camera.readout_time, metadata.readout_time, readout_time)
    readout_time = next((time for time in said if time is not None), None)
    if readout_time is None:
        raise DeepGyroError(
            f"{source.camera}: has no readout_time, nor has the clip: add it, or give --readout-time"
        )
    camera = replace(camera, readout_time=readout_time)
    if source.time_offset is not None:
        camera = replace(camera, time_offset=source.time_offset, time_offset_known=True)
    log = read_gyro(source.gyro or source.clip, columns=source.gyro_columns)
    return ClipRecording(log, camera, _frame_exposures(source, metadata, exposure_needed=exposure_needed))


def check_clip_coverage(recording: ClipRecording, first: float, last: float) -> None:
    """Refuse a log that does not meet the clip at all: it belongs to another one.

    Parameters
    ----------
    recording
        The log, and when the clip begins on its clock.
    first, last
        When the first and the last frame are shown, on the clip's clock, s.
    """
    log, camera = recording.log, recording.camera
    start, end = first + camera.time_offset, last + camera.time_offset
    if end < log.t[0] or start > log.t[-1]:
        raise DeepGyroError(
            f"{log.source}: runs from {log.t[0]:.3f} to {log.t[-1]:.3f} s, but the clip from {start:.3f} to "
            f"{end:.3f} s on its clock: check the log and time_offset"
        )


def _frame_exposures(
    source: ClipSource, metadata: ClipMetadata, *, exposure_needed: bool
) -> Float64[ndarray, " m"]:
    if source.exposure is not None:
        return np.array([source.exposure])
    if metadata.exposures is None and not exposure_needed:
        return np.zeros(1)
    if metadata.exposures is None:
        raise DeepGyroError(
            f"{source.clip}: does not say how long its frames were exposed: give --exposure (s)"
        )
    return metadata.exposures
