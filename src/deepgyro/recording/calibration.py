"""What the pictures of one recording share: one correction of gyro, clock and shutter for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from ..blurfield import Field, sample_paths
from ..camera import Camera
from ..light import Pixels
from ..refine.refinement import ACCEPT_CONFIDENCE, Refined, refine_field
from ..telemetry import GyroLog

SPREAD = np.array([0.1, 0.004, 0.02, 0.02, 0.02, 0.003])
"""What is usual before any picture is asked: logarithm of the scale, offset (s), bias about each axis
(rad/s), readout time (s)."""
_HELD = 1e-6
"""Stands for a spread of 0."""
PLACES = (5, 8)
"""Rows and columns at which fields are compared."""
LEAST = 3
"""So many pictures must say something."""
ERROR, SHARE = 0.8, 0.05
"""A refined field is off by about so much: px of a picture 480 px wide, and a share of its length."""
NUMBERS = 6
"""How many independent numbers a refined field tells: its terms are smooth."""
_STEPS = np.array([0.02, 0.001, 0.005, 0.005, 0.005, 0.001])
_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Witness:
    """A picture's refined field, as blur vectors at places that share it evenly."""

    vectors: Float64[ndarray, "rows columns 2"]
    """From the start to the end of the paths, px."""
    confidence: float
    """That they are right: 0 to 1."""
    width: int
    """Of the picture, px."""

    @classmethod
    def of(cls, fit: Refined) -> Witness | None:
        """Return what a picture says of its prior field; None if it does not confirm it."""
        if fit.field is None or fit.confidence < ACCEPT_CONFIDENCE or fit.replaced:
            return None
        paths = sample_paths(fit.field, *PLACES)[: PLACES[0], : PLACES[1]]
        return cls((paths[:, :, -1] - paths[:, :, 0]).astype(float), fit.confidence, fit.field.shape[1])


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
    def of(cls, theta: Float64[ndarray, " 6"]) -> Correction:
        """Return the correction that a fit's numbers stand for."""
        return cls(float(np.exp(theta[0])), float(theta[1]), theta[2:5].copy(), float(theta[5]))

    def apply(self, log: GyroLog, camera: Camera) -> tuple[GyroLog, Camera]:
        """Return a log and a camera after the correction; a longer readout begins earlier by half."""
        before = camera.readout_time or 0.0
        readout_time = max(before + self.readout_time, 0.0)
        offset = camera.time_offset + self.time_offset - 0.5 * (readout_time - before)
        changed = replace(camera, time_offset=offset, readout_time=readout_time)
        return replace(log, omega=self.scale * (log.omega + self.bias)), changed


@dataclass(frozen=True, eq=False)
class Shared:
    """What pictures say together."""

    correction: Correction
    spread: Float64[ndarray, " 6"]
    """Standard deviations, in the order of `SPREAD`."""
    before_px: float
    """How far the gyro's vectors were from those of the pictures, median over the pictures, px."""
    after_px: float
    count: int
    """Pictures that agree with it: nearer than three times their error."""


def spread_for(camera: Camera) -> Float64[ndarray, " 6"]:
    """Return `SPREAD`; a global shutter stays one."""
    spread = SPREAD.copy()
    if camera.readout_time == 0:
        spread[5] = _HELD
    return spread


def ask_together(
    pictures: Iterable[tuple[Pixels, Field]],
    gyro_vectors: Callable[[int, Correction], Float[ndarray, "rows columns 2"]],
    *,
    spread: Float64[ndarray, " 6"] = SPREAD,
) -> Shared | None:
    """Refine pictures one by one, and return the correction that suits them together; see `fit_shared`.

    Parameters
    ----------
    pictures
        With their prior fields.
    gyro_vectors
        ``gyro_vectors(k, correction)``: the gyro's vectors for the k-th of them after a correction, px.
    spread
        As in `fit_shared`.
    """
    witnesses = [Witness.of(refine_field(image, field)) for image, field in pictures]
    known = [k for k, witness in enumerate(witnesses) if witness is not None]
    return fit_shared(
        [witness for witness in witnesses if witness is not None],
        lambda k, change: gyro_vectors(known[k], change),
        spread=spread,
    )


def fit_shared(
    witnesses: Sequence[Witness],
    gyro_vectors: Callable[[int, Correction], Float[ndarray, "rows columns 2"]],
    *,
    spread: Float64[ndarray, " 6"] = SPREAD,
) -> Shared | None:
    """Return the correction that fits all refined fields best; None if too few agree on any.

    Least squares on the vectors, each picture weighted by its confidence and by how well it agrees with the
    others (Cauchy), with a normal prior on each unknown.

    Parameters
    ----------
    witnesses
        Refined fields; those that were not confirmed by their picture are best left out.
    gyro_vectors
        ``gyro_vectors(k, correction)``: the gyro's vectors for the k-th picture after a correction, px.
    spread
        Standard deviations of the prior, in the order of `SPREAD`; a small number holds an unknown.
    """
    if len(witnesses) < LEAST:
        return None
    seen = np.array([witness.vectors for witness in witnesses])
    error = np.array(
        [
            np.hypot(ERROR * w.width / 480, SHARE * np.linalg.norm(w.vectors, axis=-1).mean())
            for w in witnesses
        ]
    )
    confidence = np.array([witness.confidence for witness in witnesses])
    share = NUMBERS / seen[0].size

    def vectors(theta: Float64[ndarray, " 6"]) -> Float64[ndarray, "m n"]:
        change = Correction.of(theta)
        found = [np.asarray(gyro_vectors(k, change), np.float64) for k in range(len(witnesses))]
        return np.array(found).reshape(len(witnesses), -1)

    target = seen.reshape(len(witnesses), -1)
    theta = np.zeros(6)
    before = target - vectors(theta)
    left = before
    for _ in range(_ROUNDS):
        slopes = [
            (vectors(theta + step) - vectors(theta - step)) / (2 * step.sum()) for step in np.diag(_STEPS)
        ]
        design = np.stack(slopes, axis=-1)
        off = (left**2).mean(axis=1) / error**2
        weight = confidence * share / error**2 / (1 + off)
        normal = np.einsum("m,mni,mnj->ij", weight, design, design) + np.diag(spread**-2)
        moment = np.einsum("m,mni,mn->i", weight, design, left) - theta / spread**2
        change = np.linalg.solve(normal, moment)
        theta = theta + change
        left = target - vectors(theta)
        if (np.abs(change) < 0.02 * _STEPS).all():
            break
    distance = _distance(left)
    agree = distance < 3 * error
    if agree.sum() < max(LEAST, len(witnesses) / 2):
        return None
    return Shared(
        Correction.of(theta),
        np.sqrt(np.diag(np.linalg.inv(normal))),
        float(np.median(_distance(before))),
        float(np.median(distance)),
        int(agree.sum()),
    )


def _distance(left: Float64[ndarray, "m n"]) -> Float64[ndarray, " m"]:
    """Return the mean length of what is left of each picture's vectors, px."""
    return np.asarray(np.linalg.norm(left.reshape(len(left), -1, 2), axis=-1).mean(axis=1))
