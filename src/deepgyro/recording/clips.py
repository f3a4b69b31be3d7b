"""What is known of how a clip was taken: its gyro, its camera, the exposure of each frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..camera import read_camera
from ..errors import DeepGyroError
from ..frames import MAX_EXPOSURE_S, Clip, ClipReader, to_eight_bits
from ..light import Pixels
from ..telemetry import ClipMetadata, read_gyro
from .calibration import (
    CALIBRATION_MAX_BLUR_PX,
    MIN_CALIBRATION_PICTURES,
    calibrate,
    median_blur_px,
    select_pictures,
    shrink_picture,
)
from .estimation import estimate_exposure
from .recording import Exposure, Recording

MAX_CALIBRATION_S = 60.0
"""No more of a clip is looked at."""
_CONSTANT_EXPOSURE_LOG_MAD = 0.12
"""Estimates are of one exposure if their logarithms' median distance from the median is less."""


@dataclass(frozen=True)
class ClipSource:
    """A clip, and what is known of it beside its own metadata."""

    clip: Path
    gyro: Path | None = None
    """The log; None: the one in the clip."""
    camera: Path | None = None
    exposure: float | None = None
    """Of every frame, s; None: from the clip's metadata."""
    readout_time: float | None = None
    """s; None: from the camera file, or else the clip's metadata."""
    time_offset: float | None = None
    """s; None: from the camera file."""
    gyro_columns: str | None = None
    """Columns and units of a log without a header."""

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
class ClipRecording(Recording):
    """A clip's gyro, its camera, and how long each frame was exposed."""

    exposures: Float64[ndarray, " m"]
    """s; the last one holds for all frames after it; 0: not known."""
    exposure_centred: bool = False
    """Whether frames' times are those of the middle of the first row's exposure, not of its start: so where
    clip and log were synchronised without known exposures."""

    def frame(self, index: int, t: float) -> Exposure:
        """Return when a frame of time t (s) was exposed."""
        exposure = float(self.exposures[min(index, len(self.exposures) - 1)])
        return Exposure(t, exposure, "row middle" if self.exposure_centred else "start")

    @property
    def time_offset(self) -> float:
        """From a usual frame's time to the start of its exposure on the gyro's clock, s."""
        return self.camera.time_offset - (
            0.5 * float(np.median(self.exposures)) if self.exposure_centred else 0.0
        )


def read_clip_recording(
    source: ClipSource, metadata: ClipMetadata, clip: Clip, *, readout_time: float | None = None
) -> ClipRecording:
    """Read the gyro and the camera of a clip; exposures that are not known are 0.

    Parameters
    ----------
    source, metadata, clip
        What is known of it, and its own metadata.
    readout_time
        Where neither source, camera nor metadata have it, s; None: then it is an error.

    Raises
    ------
    DeepGyroError
        If one cannot be used, or camera or readout time are not known.
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
    known = (source.readout_time, camera.readout_time, metadata.readout_time, readout_time)
    readout_time = next((time for time in known if time is not None), None)
    if readout_time is None:
        raise DeepGyroError(
            f"{source.camera}: has no readout_time, nor has the clip: add it, or give --readout-time"
        )
    camera = replace(camera, readout_time=readout_time)
    if source.time_offset is not None:
        camera = replace(camera, time_offset=source.time_offset, time_offset_known=True)
    log = read_gyro(source.gyro or source.clip, columns=source.gyro_columns)
    exposures = metadata.exposures if source.exposure is None else np.array([source.exposure])
    return ClipRecording(log, camera, np.zeros(1) if exposures is None else exposures)


def check_clip_coverage(recording: ClipRecording, first: float, last: float) -> None:
    """Refuse a log that does not meet the clip, shown from `first` to `last` (s on its clock), at all."""
    log, camera = recording.log, recording.camera
    start, end = first + camera.time_offset, last + camera.time_offset
    if end < log.t[0] or start > log.t[-1]:
        raise DeepGyroError(
            f"{log.source}: runs from {log.t[0]:.3f} to {log.t[-1]:.3f} s, but the clip from {start:.3f} to "
            f"{end:.3f} s on its clock: check the log and time_offset"
        )


def calibrate_clip(
    clip: Path,
    recording: ClipRecording,
    *,
    exposure_known: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ClipRecording, str]:
    """Correct a recording by a sample of its blurred frames; return it, and a line for a person.

    Parameters
    ----------
    clip
        The clip.
    recording
        Its gyro and camera.
    exposure_known
        Whether the exposures are known. Otherwise they are estimated: one for all frames, or their course
        where the frames differ.
    progress
        As in `deblur_video`.

    Raises
    ------
    DeepGyroError
        If the exposure is not known, and cannot be estimated.
    """
    unknown = DeepGyroError(
        f"{clip}: its metadata have no exposure, and too few frames are blurred enough to estimate it: "
        "give --exposure (s)"
    )
    if not exposure_known:
        with ClipReader(clip) as reader:
            longest = float(1 / reader.clip.rate)
        recording = replace(recording, exposures=np.array([longest]))
    max_blur = CALIBRATION_MAX_BLUR_PX if exposure_known else np.inf
    frames = _sample_blurred_frames(clip, recording, progress, max_blur)
    if not exposure_known:
        guesses = {
            index: estimate_exposure(recording, recording.frame(index, t), image, max_exposure=longest)
            for index, t, image in frames
        }
        accepted = {index: exposure for index, exposure in guesses.items() if exposure is not None}
        if len(accepted) < MIN_CALIBRATION_PICTURES:
            raise unknown
        recording = replace(recording, exposures=_interpolate_exposures(accepted))
    pictures = ((recording.frame(index, t), image) for index, t, image in frames)
    calibration = calibrate(recording, pictures, exposure_known=exposure_known)
    if calibration is None:
        if not exposure_known:
            raise unknown
        return recording, "too few frames are blurred enough, or agree, to correct the gyro by"
    change = calibration.correction
    scale = f"blur x {change.scale:.2f}"
    if not exposure_known:
        exposures = recording.exposures * change.scale
        recording, change = replace(recording, exposures=exposures), replace(change, scale=1.0)
        first, last = 1000 * exposures.min(), 1000 * exposures.max()
        scale = f"exposure {last:.1f} ms +- {100 * calibration.std[0]:.0f} %"
        if first < last:
            scale = f"exposures {first:.1f} to {last:.1f} ms"
    recording = change.apply(recording)
    return recording, calibration.describe("blurred frames", scale, recording.camera.readout_time)


def _interpolate_exposures(exposures: Mapping[int, float]) -> Float64[ndarray, " m"]:
    """Return the exposures of all frames from those of some: one, or their course where they differ."""
    logs = np.log(list(exposures.values()))
    median = np.median(logs)
    if np.median(np.abs(logs - median)) < _CONSTANT_EXPOSURE_LOG_MAD:
        return np.exp([median])
    # The median of three neighbours, since a single estimate may be far off.
    middle = np.clip(np.arange(len(logs)), 1, len(logs) - 2)
    smooth = np.median([logs[middle + k] for k in (-1, 0, 1)], axis=0)
    return np.asarray(np.exp(np.interp(np.arange(max(exposures) + 1), list(exposures), smooth)))


def _sample_blurred_frames(
    clip: Path, recording: ClipRecording, progress: Callable[[int, int], None] | None, max_blur: float
) -> list[tuple[int, float, Pixels]]:
    """Return index, time (s) and small picture of the frames whose blur corrects best, all along the clip."""
    blur_px: dict[int, float] = {}
    with ClipReader(clip) as reader:
        total = reader.clip.expected_frames
        for frame in reader.frames():
            if frame.t - reader.first.t > MAX_CALIBRATION_S:
                break
            if progress:
                progress(frame.index, max(total, frame.index))
            blur_px[frame.index] = median_blur_px(
                recording, recording.frame(frame.index, frame.t), reader.clip.height, reader.clip.width
            )
    chosen = set(select_pictures(blur_px, max_blur))
    frames: list[tuple[int, float, Pixels]] = []
    with ClipReader(clip) as reader:
        for frame in reader.frames():
            if len(frames) == len(chosen):
                break
            if frame.index in chosen:
                frames.append((frame.index, frame.t, shrink_picture(to_eight_bits(frame.rgb()))))
    return frames
