"""One correction of gyro, clock and shutter for all blurred pictures of a recording."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from ..errors import PixelBehindCamera
from ..light import Pixels
from ..refine import ACCEPT_CONFIDENCE, Refined, refine_field
from .recording import COMPARISON_GRID, Exposure, Recording, straight_vectors_on_grid

Key = TypeVar("Key", bound=Hashable)
AnyRecording = TypeVar("AnyRecording", bound=Recording)

PRIOR_STD = np.array([0.1, 0.004, 0.02, 0.02, 0.02, 0.003])
"""Before any picture is seen: logarithm of the scale, offset (s), bias about each axis (rad/s), readout time
(s)."""
UNKNOWN_EXPOSURE_LOG_STD = 0.5
"""The first of `PRIOR_STD` where exposures are first guesses."""
MIN_CALIBRATION_PICTURES, MAX_CALIBRATION_PICTURES = 3, 12
CALIBRATION_SIDE_PX = 640
"""Pictures are made smaller until their longer side is this."""
CALIBRATION_MIN_BLUR_PX, CALIBRATION_MAX_BLUR_PX, CALIBRATION_BEST_BLUR_PX = 8.0, 80.0, 40.0
"""Median lengths of blur vectors that a picture of that size can correct, and those that correct it best."""
_FIXED_STD = 1e-6
_REFINED_ERROR_PX, _REFINED_ERROR_SHARE = 0.8, 0.05
"""Usual error of a refined field: px of a picture 480 px wide, and a share of its length."""
_REFINED_TERMS = 6
"""Independent numbers that a refined field holds: its terms are smooth."""
_STEPS = np.array([0.02, 0.001, 0.005, 0.005, 0.005, 0.001])
_MAX_ITERATIONS = 8


@dataclass(frozen=True, eq=False)
class Observation:
    """A picture's refined field, as blur vectors at the places of `COMPARISON_GRID`."""

    vectors: Float64[ndarray, "rows columns 2"]
    """From the start to the end of the paths, px."""
    confidence: float
    """Probability that they are right."""
    width: int
    """Of the picture, px."""

    @classmethod
    def from_refined(cls, fit: Refined) -> Observation | None:
        """Return what a picture shows of its prior field; None if it does not confirm it."""
        if fit.field is None or fit.confidence < ACCEPT_CONFIDENCE or fit.replaced:
            return None
        return cls(straight_vectors_on_grid(fit.field), fit.confidence, fit.field.shape[1])


@dataclass(frozen=True, eq=False)
class Correction:
    """What is to be changed in a recording."""

    scale: float
    """Of all blur: the gyro's rates, the focal length, or an exposure that is not known, times this."""
    time_offset: float
    """To be added, s."""
    bias: Float64[ndarray, " 3"]
    """To be added to the rates, rad/s in the gyro's axes."""
    readout_time: float
    """To be added, s."""

    @classmethod
    def from_vector(cls, theta: Float64[ndarray, " 6"]) -> Correction:
        """Return the correction of a fit's unknowns, in the order of `PRIOR_STD`."""
        return cls(float(np.exp(theta[0])), float(theta[1]), theta[2:5].copy(), float(theta[5]))

    def apply(self, recording: AnyRecording) -> AnyRecording:
        """Return a recording after the correction; a longer readout begins earlier by half."""
        log, camera = recording.log, recording.camera
        before = camera.readout_time or 0.0
        readout_time = max(before + self.readout_time, 0.0)
        offset = camera.time_offset + self.time_offset - 0.5 * (readout_time - before)
        return replace(
            recording,
            log=replace(log, omega=self.scale * (log.omega + self.bias)),
            camera=replace(camera, time_offset=offset, readout_time=readout_time),
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """The correction that fits all pictures of a recording best."""

    correction: Correction
    std: Float64[ndarray, " 6"]
    """Standard deviations, in the order of `PRIOR_STD`."""
    before_px: float
    """Distance of the gyro's vectors from those of the pictures, median over the pictures, px."""
    after_px: float
    count: int
    """Pictures that agree with it: nearer than three times their error."""

    def describe(self, pictures: str, scale: str, readout_time: float | None) -> str:
        """Return a line for a person.

        Parameters
        ----------
        pictures
            What was looked at, e.g. "photos".
        scale
            What the correction's scale has led to.
        readout_time
            After the correction, s.
        """
        change = self.correction
        parts = [scale, f"offset {1000 * change.time_offset:+.1f} ms"]
        if abs(change.readout_time) > 2e-4:
            parts.append(f"readout time {1000 * (readout_time or 0):.1f} ms")
        if (bias := float(np.linalg.norm(change.bias))) > 2e-3:
            parts.append(f"bias {bias:.3f} rad/s")
        return f"gyro corrected by {self.count} {pictures}: {', '.join(parts)}"


def select_pictures(blur_px: Mapping[Key, float], max_blur: float = CALIBRATION_MAX_BLUR_PX) -> list[Key]:
    """Return the picture whose blur corrects best in each of `MAX_CALIBRATION_PICTURES` parts of a recording.

    Parameters
    ----------
    blur_px
        Median length of the blur vectors of pictures `CALIBRATION_SIDE_PX` large, px, in the order in which
        they were taken.
    max_blur
        px
    """
    usable = [key for key, length in blur_px.items() if CALIBRATION_MIN_BLUR_PX <= length <= max_blur]
    parts = np.array_split(np.arange(len(usable)), MAX_CALIBRATION_PICTURES)
    return [
        min((usable[k] for k in part), key=lambda key: abs(np.log(blur_px[key] / CALIBRATION_BEST_BLUR_PX)))
        for part in parts
        if len(part)
    ]


def median_blur_px(recording: Recording, frame: Exposure, height: int, width: int) -> float:
    """Return the median length of an exposure's blur vectors, px of a picture `CALIBRATION_SIDE_PX` large; 0
    where the gyro has no field.

    Parameters
    ----------
    height, width
        Of the picture before it is made smaller, px.
    """
    scale = min(1.0, CALIBRATION_SIDE_PX / max(height, width))
    vectors = recording.blur_vectors(frame, round(height * scale), round(width * scale), COMPARISON_GRID)
    return float(np.median(np.linalg.norm(np.nan_to_num(vectors), axis=-1)))


def shrink_picture(pixels: Pixels) -> Pixels:
    """Return a picture whose longer side is at most `CALIBRATION_SIDE_PX`."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, CALIBRATION_SIDE_PX / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def calibrate(
    recording: Recording, pictures: Iterable[tuple[Exposure, Pixels]], *, exposure_known: bool = True
) -> Calibration | None:
    """Refine the fields of pictures one by one, and return the correction that fits them together.

    Parameters
    ----------
    recording
        Log and camera before the correction.
    pictures
        Made smaller, and when they were exposed. Those without a field, or that do not confirm it, are left
        out.
    exposure_known
        Else the correction's scale is that of all exposures, not of the gyro's rates.
    """
    observations: list[Observation] = []
    exposed: list[tuple[Exposure, int, int]] = []
    for frame, image in pictures:
        height, width = image.shape[:2]
        field = None
        with suppress(PixelBehindCamera):
            field, _ = recording.field(frame, height, width)
        observation = field and Observation.from_refined(refine_field(image, field.tabulate()))
        if observation:
            observations.append(observation)
            exposed.append((frame, height, width))

    def gyro_vectors(k: int, change: Correction) -> Float64[ndarray, "rows columns 2"]:
        frame, height, width = exposed[k]
        if not exposure_known:
            frame = replace(frame, exposure=change.scale * frame.exposure)
            change = replace(change, scale=1.0)
        return change.apply(recording).blur_vectors(frame, height, width, COMPARISON_GRID)

    std = PRIOR_STD.copy()
    if recording.camera.readout_time == 0:  # a global shutter stays one
        std[5] = _FIXED_STD
    if not exposure_known:
        std[0] = UNKNOWN_EXPOSURE_LOG_STD
    return fit_correction(observations, gyro_vectors, prior_std=std)


def fit_correction(
    observations: Sequence[Observation],
    gyro_vectors: Callable[[int, Correction], Float[ndarray, "rows columns 2"]],
    *,
    prior_std: Float64[ndarray, " 6"] = PRIOR_STD,
) -> Calibration | None:
    """Return the correction that fits all refined fields best; None if too few agree on any.

    Least squares on the vectors, each picture weighted by its confidence and by how well it agrees with the
    others (Cauchy), with a normal prior on each unknown.

    Parameters
    ----------
    observations
        Refined fields.
    gyro_vectors
        ``gyro_vectors(k, correction)``: the gyro's vectors for the k-th picture after a correction, px; NaN
        where there are none then: the picture does not count.
    prior_std
        Standard deviations of the prior; a small number holds an unknown.
    """
    if len(observations) < MIN_CALIBRATION_PICTURES:
        return None
    target = np.array([one.vectors.ravel() for one in observations])
    length = np.array([np.linalg.norm(one.vectors, axis=-1).mean() for one in observations])
    width = np.array([one.width for one in observations])
    error = np.hypot(_REFINED_ERROR_PX * width / 480, _REFINED_ERROR_SHARE * length)
    confidence = np.array([one.confidence for one in observations])
    share = _REFINED_TERMS / target.shape[1]

    def vectors(theta: Float64[ndarray, " 6"]) -> Float64[ndarray, "m n"]:
        change = Correction.from_vector(theta)
        return np.array([np.ravel(gyro_vectors(k, change)) for k in range(len(target))], np.float64)

    theta = np.zeros(6)
    residual = before = target - vectors(theta)
    for _ in range(_MAX_ITERATIONS):
        slopes = [
            (vectors(theta + step) - vectors(theta - step)) / (2 * step.sum()) for step in np.diag(_STEPS)
        ]
        design = np.stack(slopes, axis=-1)
        complete = np.isfinite(design).all(axis=(1, 2)) & np.isfinite(residual).all(axis=1)
        design, known = np.nan_to_num(design), np.nan_to_num(residual)
        weight = complete * confidence * share / error**2 / (1 + (known**2).mean(axis=1) / error**2)
        normal = np.einsum("m,mni,mnj->ij", weight, design, design) + np.diag(prior_std**-2)
        moment = np.einsum("m,mni,mn->i", weight, design, known) - theta / prior_std**2
        change = np.linalg.solve(normal, moment)
        theta = theta + change
        residual = target - vectors(theta)
        if (np.abs(change) < 0.02 * _STEPS).all():
            break
    distance = _mean_distance_px(residual)
    agree = distance < 3 * error
    if agree.sum() < max(MIN_CALIBRATION_PICTURES, len(observations) / 2):
        return None
    return Calibration(
        Correction.from_vector(theta),
        np.sqrt(np.diag(np.linalg.inv(normal))),
        float(np.nanmedian(_mean_distance_px(before))),
        float(np.nanmedian(distance)),
        int(agree.sum()),
    )


def _mean_distance_px(residual: Float64[ndarray, "m n"]) -> Float64[ndarray, " m"]:
    """Return the mean length of the differences of each picture's vectors, px."""
    return np.asarray(np.linalg.norm(residual.reshape(len(residual), -1, 2), axis=-1).mean(axis=1))
