"""An unknown exposure or clock offset, estimated from the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import Field, MotionField, sample_paths
from ..camera import Camera
from ..errors import DeepGyroError, ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera
from ..frames import FrameExposure, read_photo
from ..light import Pixels
from ..refine import field_costs, region_grid
from .calibration import PLACES, Correction, ask_together, spread_for
from .photos import PhotoRecording, check_photo_coverage

CANDIDATE_EXPOSURES_S = np.geomspace(1 / 4000, 0.5, 190)
"""s."""
CANDIDATE_OFFSETS_S = np.arange(-1.0, 1.0005, 0.004)
"""Beside the camera file's, s."""
SAME_EXPOSURE_SHARE = 0.12
"""Exposures that differ by less than this share are one: refinement does the rest."""
SAME_OFFSET_S = 0.007
"""s, likewise."""
ACCEPT_ESTIMATE_PROBABILITY = 0.5
"""Probability from which on an answer is taken."""
LIKELIHOOD_SHARPENING = 2.0
"""The costs of `field_costs` are cautious. Of 86 shots of training photos and logs 81 % of the exposures were
sure then, and 96 % of these within 12 %."""
MIN_CALIBRATION_PHOTOS = 3
"""So many photos are asked what they share; fewer say nothing."""
MAX_CALIBRATION_PHOTOS = 12
"""That are asked together."""
CALIBRATION_PHOTO_SIDE_PX = 640
"""Their longer side then, px."""
CALIBRATION_PHOTO_MIN_BLUR_PX, CALIBRATION_PHOTO_MAX_BLUR_PX = 8.0, 80.0
"""Median paths that a photo can tell of, px of one `CALIBRATION_PHOTO_SIDE_PX` wide."""


def estimate_exposure(
    recording: PhotoRecording, photo: Path, image: Pixels
) -> tuple[PhotoRecording, float | None]:
    """Return a recording with the photo's exposure (s) as the picture says it, and that; None if it does not.

    The gyro tells the blur of every exposure; the one that the picture was blurred along is taken.
    """
    frame = recording.times[photo]
    if frame is None:
        return recording, None
    tried = [replace(frame, exposure=float(exposure)) for exposure in CANDIDATE_EXPOSURES_S]
    costs = _hypothesis_costs(image, recording, [(recording.camera, one) for one in tried])
    logs = np.log(CANDIDATE_EXPOSURES_S)
    best, sure = _most_likely_value(costs, logs, SAME_EXPOSURE_SHARE)
    if sure < ACCEPT_ESTIMATE_PROBABILITY:
        return recording, None
    exposure = float(np.exp(best))
    times = {**recording.times, photo: replace(frame, exposure=exposure)}
    return replace(recording, times=times), exposure


def estimate_time_offset(recording: PhotoRecording, photos: Sequence[Path]) -> PhotoRecording:
    """Return a recording with the clock's offset as all its photos together say it.

    Raises
    ------
    DeepGyroError
        If they do not say it, or the log covers none of them then.
    """
    camera = recording.camera
    known = [photo for photo in photos if recording.times.get(photo)]
    some = [
        known[k]
        for k in np.unique(np.linspace(0, len(known) - 1, MAX_CALIBRATION_PHOTOS).round().astype(int))
    ]
    costs = np.zeros(len(CANDIDATE_OFFSETS_S))
    for photo in some:
        frame = recording.times[photo]
        image = _try_read_photo(photo)
        if image is None or frame is None:
            continue
        moved = [
            replace(camera, time_offset=camera.time_offset + float(offset)) for offset in CANDIDATE_OFFSETS_S
        ]
        with suppress(ValueError):  # of another shape than the camera: the job says it when it is its turn
            costs += _hypothesis_costs(image, recording, [(one, frame) for one in moved])
    best, sure = _most_likely_value(costs, CANDIDATE_OFFSETS_S, SAME_OFFSET_S)
    if sure < ACCEPT_ESTIMATE_PROBABILITY:
        raise DeepGyroError(
            f"--estimate offset: {len(some)} photos do not say it (confidence {sure:.2f}, "
            f"{ACCEPT_ESTIMATE_PROBABILITY} is needed): "
            "more photos with more blur say more; else see docs/camera.md for how to measure time_offset"
        )
    found = replace(recording, camera=replace(camera, time_offset=camera.time_offset + best))
    check_photo_coverage(found)
    return found


def calibrate_from_photos(recording: PhotoRecording, photos: Sequence[Path]) -> tuple[PhotoRecording, str]:
    """Return a recording as its photos together correct it, and what they said in words.

    A dozen of those with much blur are refined one by one; the scale, offset, bias and readout time that suit
    all of them are fitted. What no three of them agree on stays.
    """
    asked: list[tuple[FrameExposure, int, int]] = []

    def pictures() -> Iterator[tuple[Pixels, Field]]:
        for photo in _select_blurred_photos(recording, photos):
            pixels, frame = _try_read_photo(photo), recording.times[photo]
            if pixels is None or frame is None:
                continue
            image = _shrink_photo(pixels)
            height, width = image.shape[:2]
            field = None
            with suppress(DeepGyroError):  # which the job says when it is the photo's turn
                field, _ = recording.field(photo, height, width)
            if field is not None:
                asked.append((frame, height, width))
                yield image, field.tabulate() if isinstance(field, MotionField) else field

    def gyro_vectors(k: int, change: Correction) -> Float32[ndarray, "rows columns 2"]:
        log, camera = change.apply(recording.log, recording.camera)
        frame, height, width = asked[k]
        return _gyro_vectors(replace(recording, log=log, camera=camera), frame, height, width, PLACES)

    found = ask_together(pictures(), gyro_vectors, spread=spread_for(recording.camera))
    if found is None:
        return recording, ""
    change = found.correction
    log, camera = change.apply(recording.log, recording.camera)
    said = f"{found.count} photos say: blur x {change.scale:.2f}, offset {1000 * change.time_offset:+.1f} ms"
    return replace(recording, log=log, camera=camera), said


def _select_blurred_photos(recording: PhotoRecording, photos: Sequence[Path]) -> list[Path]:
    """Return the photo with the longest blur in each of `MAX_CALIBRATION_PHOTOS` parts of those that have
    enough."""
    width, height = recording.camera.width, recording.camera.height
    scale = CALIBRATION_PHOTO_SIDE_PX / max(width, height)
    lengths: dict[Path, float] = {}
    for photo in photos:
        frame = recording.times.get(photo)
        if frame is not None:
            vectors = _gyro_vectors(recording, frame, round(height * scale), round(width * scale), PLACES)
            lengths[photo] = float(np.median(np.linalg.norm(vectors, axis=-1)))
    enough = [
        photo
        for photo, length in lengths.items()
        if CALIBRATION_PHOTO_MIN_BLUR_PX <= length <= CALIBRATION_PHOTO_MAX_BLUR_PX
    ]
    parts = [
        enough[k * len(enough) // MAX_CALIBRATION_PHOTOS : (k + 1) * len(enough) // MAX_CALIBRATION_PHOTOS]
        for k in range(MAX_CALIBRATION_PHOTOS)
    ]
    return [max(part, key=lambda photo: lengths[photo]) for part in parts if part]


def _try_read_photo(photo: Path) -> Pixels | None:
    """Return a photo; None for one that cannot be used, which the job says when it is its turn."""
    try:
        return read_photo(photo, quiet=True).pixels
    except (DeepGyroError, OSError):
        return None


def _shrink_photo(pixels: Pixels) -> Pixels:
    """Return a photo whose longer side is at most `CALIBRATION_PHOTO_SIDE_PX`."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, CALIBRATION_PHOTO_SIDE_PX / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _hypothesis_costs(
    image: Pixels, recording: PhotoRecording, hypotheses: Sequence[tuple[Camera, FrameExposure]]
) -> Float64[ndarray, " m"]:
    height, width = image.shape[:2]
    places = region_grid(height, width)
    fields = [
        _gyro_vectors(replace(recording, camera=camera), frame, height, width, places)
        for camera, frame in hypotheses
    ]
    return field_costs(image, fields)


def _gyro_vectors(
    recording: PhotoRecording, frame: FrameExposure, height: int, width: int, places: tuple[int, int]
) -> Float32[ndarray, "rows columns 2"]:
    """Return blur vectors at rows and columns of places, px; none where there can be no field."""
    rows, columns = places
    try:
        field = recording.frame_field(frame, height, width, n=2, reference="picture")
    except (ExposureNotCovered, MotionOutrunsShutter, PixelBehindCamera):
        return np.zeros((rows, columns, 2), np.float32)
    paths = sample_paths(field, rows, columns)
    return np.asarray(paths[:, :, 1] - paths[:, :, 0])


def _most_likely_value(
    costs: Float64[ndarray, " m"], values: Float64[ndarray, " m"], tolerance: float
) -> tuple[float, float]:
    """Return the mean of the values near the likeliest one, and the probability that it is one of these."""
    likelihood = np.exp(LIKELIHOOD_SHARPENING * (costs.min() - costs))
    likelihood /= likelihood.sum()
    about = np.abs(values - values[costs.argmin()]) < tolerance
    sure = float(likelihood[about].sum())
    return float(likelihood[about] @ values[about] / sure), sure
