"""What a clip's blurred frames say of its gyro: scale, clock, bias, readout time, and an unknown exposure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from ..blurfield import Field, measure_field, motion_field, sample_paths
from ..errors import DeepGyroError, ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera
from ..frames import ClipReader, to_eight_bits
from ..light import Pixels
from ..refine import ACCEPT_CONFIDENCE, mean_vector_distance, mean_vector_length, refine_field
from .calibration import LEAST, PLACES, Correction, Shared, ask_together, spread_for
from .clips import ClipRecording

MAX_CALIBRATION_FRAMES = 12
"""That are asked, at most."""
MAX_CALIBRATION_S = 60.0
"""No more of a clip is looked at, s."""
CALIBRATION_MIN_BLUR_PX, CALIBRATION_MAX_BLUR_PX = 8.0, 60.0
"""Median paths that a frame can tell of, px of a picture `CALIBRATION_FRAME_SIDE_PX` px wide."""
CALIBRATION_BEST_BLUR_PX = 40.0
"""Those that tell most, px."""
CALIBRATION_FRAME_SIDE_PX = 640
"""Frames are made smaller until their longer side is this, px."""
ACCEPT_VECTOR_DIFFERENCE = 0.2
"""The gyro's vectors are those of a picture alone if they differ by less, as a share of their length."""
_GUESSED_EXPOSURE_LOG_STD = 0.5
"""Standard deviation of the logarithm of exposures that first guesses gave."""
_CONSTANT_EXPOSURE_LOG_MAD = 0.12
"""First guesses are of one exposure if their logarithms' median distance from the median is less."""


@dataclass(frozen=True, eq=False)
class _CalibrationFrame:
    """A frame that is asked."""

    index: int
    t: float
    image: UInt8[ndarray, "h w 3"]


def calibrate_clip(
    clip: Path,
    recording: ClipRecording,
    *,
    exposure_known: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ClipRecording, str]:
    """Return a recording as its own blurred frames correct it, and what they said in words.

    A sample of the frames is refined one by one; scale, offset, bias and readout time that suit all of them
    are fitted.

    Parameters
    ----------
    clip
        The clip.
    recording
        Its gyro and camera.
    exposure_known
        Whether the exposures are known. Otherwise they are found: one for all frames, or their course where
        the frames differ.
    progress
        As in `deblur_video`.

    Raises
    ------
    DeepGyroError
        If the exposure is not known, and the frames don't tell.
    """
    spread = spread_for(recording.camera)
    if exposure_known:
        frames = _sample_blurred_frames(
            clip, recording, progress, CALIBRATION_MIN_BLUR_PX, CALIBRATION_MAX_BLUR_PX
        )
    else:
        longest = _frame_interval(clip)
        recording = replace(recording, exposures=np.array([longest]))
        frames = _sample_blurred_frames(clip, recording, progress, CALIBRATION_MIN_BLUR_PX, np.inf)
        recording = replace(recording, exposures=_guess_exposures(clip, recording, frames, longest))
        spread[0] = _GUESSED_EXPOSURE_LOG_STD
    found = _fit_calibration(recording, frames, spread, exposure_known=exposure_known)
    if found is None:
        if not exposure_known:
            raise _unknown_exposure_error(clip)
        return recording, "too few frames are blurred enough, or agree, to correct the gyro by"
    changed = _apply_correction(recording, found.correction, exposure_known=exposure_known)
    return changed, _describe_calibration(found, changed, exposure_known=exposure_known)


def _describe_calibration(calibration: Shared, calibrated: ClipRecording, *, exposure_known: bool) -> str:
    change = calibration.correction
    least, most = 1000 * calibrated.exposures.min(), 1000 * calibrated.exposures.max()
    if exposure_known:
        first = f"blur x {change.scale:.2f}"
    elif least < most:
        first = f"exposures {least:.1f} to {most:.1f} ms"
    else:
        first = f"exposure {most:.1f} ms +- {100 * calibration.spread[0]:.0f} %"
    parts = [first, f"offset {1000 * change.time_offset:+.1f} ms"]
    if abs(change.readout_time) > 2e-4:
        parts.append(f"readout time {1000 * (calibrated.camera.readout_time or 0):.1f} ms")
    bias = float(np.linalg.norm(change.bias))
    if bias > 2e-3:
        parts.append(f"bias {bias:.3f} rad/s")
    return f"{calibration.count} blurred frames say: {', '.join(parts)}"


def _fit_calibration(
    recording: ClipRecording,
    frames: Sequence[_CalibrationFrame],
    spread: Float64[ndarray, " 6"],
    *,
    exposure_known: bool,
) -> Shared | None:
    """Refine frames one by one, and fit what they share."""
    asked: list[_CalibrationFrame] = []

    def pictures() -> Iterator[tuple[Pixels, Field]]:
        for frame in frames:
            height, width = frame.image.shape[:2]
            field, _ = recording.field(frame.index, frame.t, height, width)
            if field is not None:
                asked.append(frame)
                yield frame.image, field

    def gyro_vectors(k: int, change: Correction) -> Float64[ndarray, "rows columns 2"]:
        return _gyro_vectors(_apply_correction(recording, change, exposure_known=exposure_known), asked[k])

    try:
        return ask_together(pictures(), gyro_vectors, spread=spread)
    except (ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera):
        return None


def _apply_correction(recording: ClipRecording, change: Correction, *, exposure_known: bool) -> ClipRecording:
    """Return a recording after a correction, whose scale is that of the gyro or of unknown exposures."""
    exposures = recording.exposures
    if not exposure_known:
        exposures, change = exposures * change.scale, replace(change, scale=1.0)
    log, camera = change.apply(recording.log, recording.camera)
    return replace(recording, log=log, camera=camera, exposures=exposures)


def _frame_interval(clip: Path) -> float:
    with ClipReader(clip) as reader:
        return float(1 / reader.clip.rate)


def _guess_exposures(
    clip: Path, recording: ClipRecording, frames: Sequence[_CalibrationFrame], max_exposure: float
) -> Float64[ndarray, " m"]:
    """Return the exposures, up to the longest, at which the gyro's blur is most like what frames show."""
    found: list[tuple[int, float]] = []
    for frame in frames:
        result = refine_field(frame.image, None)
        if result.field is None or result.confidence < ACCEPT_CONFIDENCE:
            continue
        paths = sample_paths(result.field, *PLACES)[: PLACES[0], : PLACES[1]]
        exposure = _most_likely_exposure(recording, frame, paths[:, :, -1] - paths[:, :, 0], max_exposure)
        if exposure is not None:
            found.append((frame.index, exposure))
    if len(found) < LEAST:
        raise _unknown_exposure_error(clip)
    return _interpolate_exposures(*zip(*found, strict=True))


def _most_likely_exposure(
    recording: ClipRecording,
    frame: _CalibrationFrame,
    picture_vectors: Float32[ndarray, "rows columns 2"],
    max_exposure: float,
) -> float | None:
    """Return the exposure at which the gyro's vectors are most like those seen; None if they never are."""
    exposures = max_exposure * np.geomspace(1 / 64, 1, 49)
    apart = np.full(len(exposures), np.inf)
    for k, exposure in enumerate(exposures):
        with suppress(ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera):
            apart[k] = mean_vector_distance(
                picture_vectors, _gyro_vectors(replace(recording, exposures=np.array([exposure])), frame)
            )
    best = int(apart.argmin())
    return (
        float(exposures[best])
        if apart[best] < ACCEPT_VECTOR_DIFFERENCE * mean_vector_length(picture_vectors)
        else None
    )


def _interpolate_exposures(frames: Sequence[int], exposures: Sequence[float]) -> Float64[ndarray, " m"]:
    """Return the exposures of all frames from guesses of some: one, or their course where they differ."""
    logs = np.log(exposures)
    usual = np.median(logs)
    if np.median(np.abs(logs - usual)) < _CONSTANT_EXPOSURE_LOG_MAD:
        return np.exp([usual])
    # The median of three neighbours, since a single guess may be far off.
    middle = np.clip(np.arange(len(logs)), 1, len(logs) - 2)
    smooth = np.median([logs[middle + k] for k in (-1, 0, 1)], axis=0)
    return np.asarray(np.exp(np.interp(np.arange(max(frames) + 1), frames, smooth)))


def _unknown_exposure_error(clip: Path) -> DeepGyroError:
    return DeepGyroError(
        f"{clip}: does not say how long its frames were exposed, and too few of them are blurred enough to "
        "tell: give --exposure (s)"
    )


def _gyro_vectors(recording: ClipRecording, frame: _CalibrationFrame) -> Float64[ndarray, "rows columns 2"]:
    """Return the gyro's blur vectors of a frame at the places where fields are compared, px."""
    height, width = frame.image.shape[:2]
    field = motion_field(
        recording.log, recording.camera, t=recording.start(frame.index, frame.t),
        exposure=recording.exposure(frame.index), height=height, width=width, n=2, reference="picture",
    )  # fmt: skip
    paths = sample_paths(field, *PLACES)
    return np.asarray(paths[:, :, 1] - paths[:, :, 0], np.float64)


def _sample_blurred_frames(
    clip: Path,
    recording: ClipRecording,
    progress: Callable[[int, int], None] | None,
    min_blur: float,
    max_blur: float,
) -> list[_CalibrationFrame]:
    """Return frames whose blur tells most, spread over the clip, made smaller."""
    import cv2

    lengths: dict[int, float] = {}
    with ClipReader(clip) as reader:
        facts = reader.clip
        scale = min(1.0, CALIBRATION_FRAME_SIDE_PX / max(facts.height, facts.width))
        height, width = round(facts.height * scale), round(facts.width * scale)
        total = facts.count or round((facts.duration or 0.0) * facts.rate) or 1
        for frame in reader.frames():
            if frame.t - reader.first.t > MAX_CALIBRATION_S:
                break
            if progress:
                progress(frame.index, max(total, frame.index))
            field, _ = recording.field(frame.index, frame.t, height, width)
            median = measure_field(field)[0] if field is not None else 0.0
            if min_blur <= median <= max_blur:
                lengths[frame.index] = median
    chosen = set(_select_frames(lengths))
    frames: list[_CalibrationFrame] = []
    with ClipReader(clip) as reader:
        for frame in reader.frames():
            if len(frames) == len(chosen):
                break
            if frame.index in chosen:
                whole = to_eight_bits(frame.rgb())
                small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
                frames.append(_CalibrationFrame(frame.index, frame.t, np.asarray(small)))
    return frames


def _select_frames(lengths: dict[int, float]) -> list[int]:
    """Return the number of the frame whose blur tells most in each of `MAX_CALIBRATION_FRAMES` stretches."""
    numbers = np.array(sorted(lengths))
    parts = [part for part in np.array_split(numbers, MAX_CALIBRATION_FRAMES) if len(part)]
    return [
        min(part.tolist(), key=lambda number: abs(np.log(lengths[number] / CALIBRATION_BEST_BLUR_PX)))
        for part in parts
    ]
