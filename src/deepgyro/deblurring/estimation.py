"""An exposure, or a clock's offset, that nobody told: the pictures say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blurfield import sparse_paths
from ..camera import Camera
from ..errors import DeepGyroError, NotCovered, RunsWithShutter, TurnsBehind
from ..frames import Frame, read_photo
from ..light import Pixels
from ..refine import field_costs, grid
from .recording import Recording, check_coverage

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
PHOTOS = 12
"""That an offset is looked for in."""


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


def with_offset(
    recording: Recording, photos: Sequence[Path], progress: Callable[[float], None] | None = None
) -> Recording:
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
    for k, photo in enumerate(some):
        frame = recording.times[photo]
        assert frame is not None
        moved = [replace(camera, time_offset=camera.time_offset + float(offset)) for offset in OFFSETS]
        costs += _costs(read_photo(photo, quiet=True).pixels, recording, [(one, frame) for one in moved])
        if progress:
            progress((k + 1) / len(some))
    best, sure = _most_likely(costs, OFFSETS, NEAR_OFFSET)
    if sure < SURE:
        raise DeepGyroError(
            f"--estimate offset: {len(some)} photos do not say it (confidence {sure:.2f}, {SURE} is needed): "
            "more photos with more blur say more; else see docs/camera.md for how to measure time_offset"
        )
    found = replace(recording, camera=replace(camera, time_offset=camera.time_offset + best))
    check_coverage(found)
    return found


def _costs(
    image: Pixels, recording: Recording, hypotheses: Sequence[tuple[Camera, Frame]]
) -> Float64[ndarray, " m"]:
    height, width = image.shape[:2]
    fields = [
        _vectors(replace(recording, camera=camera), frame, height, width) for camera, frame in hypotheses
    ]
    return field_costs(image, fields)


def _vectors(
    recording: Recording, frame: Frame, height: int, width: int
) -> Float32[ndarray, "rows columns 2"]:
    """Return the blur vectors where `field_costs` wants them, px; none where there can be no field."""
    rows, columns = grid(height, width)
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
