"""An exposure, or a clock's offset, that nobody told: the pictures say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import Field, MotionField, sparse_paths
from ..camera import Camera
from ..errors import DeepGyroError, NotCovered, RunsWithShutter, TurnsBehind
from ..frames import Frame, read_photo
from ..light import Pixels
from ..refine import field_costs, grid
from .calibration import PLACES, Correction, ask_together, spread_for
from .photos import Recording, check_coverage

EXPOSURES = np.geomspace(1 / 4000, 0.5, 190)
"""s."""
OFFSETS = np.arange(-1.0, 1.0005, 0.004)
"""Beside the camera file's, s."""
NEAR_EXPOSURE = 0.12
"""Exposures that differ by less than this share are one: refinement does the rest."""
NEAR_OFFSET = 0.007
"""s, likewise."""
SURE = 0.5
"""Probability from which on an answer is taken."""
TRUST = 2.0
"""The costs of `field_costs` are cautious. Of 86 shots of training photos and logs 81 % of the exposures were
sure then, and 96 % of these within 12 %."""
TOGETHER = 3
"""So many photos are asked what they share; fewer say nothing."""
PHOTOS = 12
"""That are asked together."""
SIDE = 640
"""Their longer side then, px."""
LEAST_BLUR, MOST_BLUR = 8.0, 80.0
"""Median paths that a photo can tell of, px of one `SIDE` wide."""


def with_exposure(recording: Recording, photo: Path, image: Pixels) -> tuple[Recording, float | None]:
    """Return a recording with the photo's exposure (s) as the picture says it, and that; None if it does not.

    The gyro tells the blur of every exposure; the one that the picture was blurred along is taken.
    """
    frame = recording.times[photo]
    if frame is None:
        return recording, None
    tried = [replace(frame, exposure=float(exposure)) for exposure in EXPOSURES]
    costs = _costs(image, recording, [(recording.camera, one) for one in tried])
    logs = np.log(EXPOSURES)
    best, sure = _most_likely(costs, logs, NEAR_EXPOSURE)
    if sure < SURE:
        return recording, None
    exposure = float(np.exp(best))
    times = {**recording.times, photo: replace(frame, exposure=exposure)}
    return replace(recording, times=times), exposure


def with_offset(recording: Recording, photos: Sequence[Path]) -> Recording:
    """Return a recording with the clock's offset as all its photos together say it.

    Raises
    ------
    DeepGyroError
        If they do not say it, or the log covers none of them then.
    """
    camera = recording.camera
    known = [photo for photo in photos if recording.times.get(photo)]
    some = [known[k] for k in np.unique(np.linspace(0, len(known) - 1, PHOTOS).round().astype(int))]
    costs = np.zeros(len(OFFSETS))
    for photo in some:
        frame = recording.times[photo]
        image = _read(photo)
        if image is None or frame is None:
            continue
        moved = [replace(camera, time_offset=camera.time_offset + float(offset)) for offset in OFFSETS]
        with suppress(ValueError):  # of another shape than the camera: the job says it when it is its turn
            costs += _costs(image, recording, [(one, frame) for one in moved])
    best, sure = _most_likely(costs, OFFSETS, NEAR_OFFSET)
    if sure < SURE:
        raise DeepGyroError(
            f"--estimate offset: {len(some)} photos do not say it (confidence {sure:.2f}, {SURE} is needed): "
            "more photos with more blur say more; else see docs/camera.md for how to measure time_offset"
        )
    found = replace(recording, camera=replace(camera, time_offset=camera.time_offset + best))
    check_coverage(found)
    return found


def with_shared(recording: Recording, photos: Sequence[Path]) -> tuple[Recording, str]:
    """Return a recording as its photos together correct it, and what they said in words.

    A dozen of those with much blur are refined one by one; the scale, offset, bias and readout time that suit
    all of them are fitted. What no three of them agree on stays.
    """
    asked: list[tuple[Frame, int, int]] = []

    def pictures() -> Iterator[tuple[Pixels, Field]]:
        for photo in _most_blurred(recording, photos):
            pixels, frame = _read(photo), recording.times[photo]
            if pixels is None or frame is None:
                continue
            image = _smaller(pixels)
            height, width = image.shape[:2]
            field = None
            with suppress(DeepGyroError):  # which the job says when it is the photo's turn
                field, _ = recording.field(photo, height, width)
            if field is not None:
                asked.append((frame, height, width))
                yield image, field.tabulated() if isinstance(field, MotionField) else field

    def told(k: int, change: Correction) -> Float32[ndarray, "rows columns 2"]:
        log, camera = change.applied(recording.log, recording.camera)
        frame, height, width = asked[k]
        return _vectors(replace(recording, log=log, camera=camera), frame, height, width, PLACES)

    found = ask_together(pictures(), told, spread=spread_for(recording.camera))
    if found is None:
        return recording, ""
    change = found.correction
    log, camera = change.applied(recording.log, recording.camera)
    said = f"{found.count} photos say: blur x {change.scale:.2f}, offset {1000 * change.time_offset:+.1f} ms"
    return replace(recording, log=log, camera=camera), said


def _most_blurred(recording: Recording, photos: Sequence[Path]) -> list[Path]:
    """Return the photo with the longest blur in each of `PHOTOS` parts of those that have enough."""
    width, height = recording.camera.width, recording.camera.height
    scale = SIDE / max(width, height)
    lengths: dict[Path, float] = {}
    for photo in photos:
        frame = recording.times.get(photo)
        if frame is not None:
            vectors = _vectors(recording, frame, round(height * scale), round(width * scale), PLACES)
            lengths[photo] = float(np.median(np.linalg.norm(vectors, axis=-1)))
    enough = [photo for photo, length in lengths.items() if LEAST_BLUR <= length <= MOST_BLUR]
    parts = [enough[k * len(enough) // PHOTOS : (k + 1) * len(enough) // PHOTOS] for k in range(PHOTOS)]
    return [max(part, key=lambda photo: lengths[photo]) for part in parts if part]


def _read(photo: Path) -> Pixels | None:
    """Return a photo; None for one that cannot be used, which the job says when it is its turn."""
    try:
        return read_photo(photo, quiet=True).pixels
    except (DeepGyroError, OSError):
        return None


def _smaller(pixels: Pixels) -> Pixels:
    """Return a photo whose longer side is at most `SIDE`."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _costs(
    image: Pixels, recording: Recording, hypotheses: Sequence[tuple[Camera, Frame]]
) -> Float64[ndarray, " m"]:
    height, width = image.shape[:2]
    places = grid(height, width)
    fields = [
        _vectors(replace(recording, camera=camera), frame, height, width, places)
        for camera, frame in hypotheses
    ]
    return field_costs(image, fields)


def _vectors(
    recording: Recording, frame: Frame, height: int, width: int, places: tuple[int, int]
) -> Float32[ndarray, "rows columns 2"]:
    """Return blur vectors at rows and columns of places, px; none where there can be no field."""
    rows, columns = places
    try:
        field = recording.motion(frame, height, width, n=2, reference="picture")
    except (NotCovered, RunsWithShutter, TurnsBehind):
        return np.zeros((rows, columns, 2), np.float32)
    paths = sparse_paths(field, rows, columns)
    return np.asarray(paths[:, :, 1] - paths[:, :, 0])


def _most_likely(
    costs: Float64[ndarray, " m"], values: Float64[ndarray, " m"], near: float
) -> tuple[float, float]:
    """Return the mean of the values near the likeliest one, and the probability that it is one of these."""
    likelihood = np.exp(TRUST * (costs.min() - costs))
    likelihood /= likelihood.sum()
    about = np.abs(values - values[costs.argmin()]) < near
    sure = float(likelihood[about].sum())
    return float(likelihood[about] @ values[about] / sure), sure
