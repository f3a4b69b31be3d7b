"""Wrong fields: what a method is told that is not what the camera did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import ImpossibleMotion
from ..synthesis.gyro import BIAS, RawErrors, calibrated, sensed
from ..synthesis.motion import STEP, linear_path
from .shots import Shot

Told = Float32[ndarray, "h w n 2"] | None
"""The field that a method is given, px; None: no gyro."""

_FLAWLESS = RawErrors(
    offset=0.0, scale=1.0, bias=(0.0, 0.0, 0.0), noise_density=0.0, full_scale=None, tilt=(0.0, 0.0, 0.0),
    focal=1.0, readout=1.0, missing=False, bias_px=(0.0, 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """A way of being wrong, and how much."""

    error: str
    """What is wrong; where `level` has a unit, it stands last in the name."""
    levels: tuple[float, ...]
    told: Callable[[Shot, float], Told]


def mistakes() -> Iterator[Mistake]:
    """Yield every error that is measured. Level 0 of "bias" and level 1 of "scale" are the exact field.

    ``bias``: level times (5, 3) px are added to the blur vectors, as in figures 5 to 7 of the paper;
    ``scale``: factor on the field; ``mirrored``: u alone has the wrong sign; ``reversed``: from its end to
    its start, which is the same blur; ``turned_deg``: every path is turned by this angle. The others are
    errors of what the field is computed from: the gyro's clock (``time_offset_ms``), its bias, its axes on
    the camera, the readout time and the focal length (share by which they are off); another log's gyro; no
    gyro. An error that has a sign or a direction gets one for each picture.
    """
    yield Mistake("bias", (0.0, 1.0, 2.0, 3.0, 4.0), _biased)
    yield Mistake("scale", (0.0, 0.5, 0.75, 1.25, 1.5), lambda shot, level: np.float32(level) * _exact(shot))
    yield Mistake("mirrored", (1.0,), lambda shot, _: _exact(shot) * np.array([-1, 1], np.float32))
    yield Mistake("reversed", (1.0,), lambda shot, _: np.ascontiguousarray(_exact(shot)[..., ::-1, :]))
    yield Mistake("turned_deg", (5.0, 15.0), _turned)
    yield Mistake("time_offset_ms", (1.0, 2.0, 5.0, 10.0), _late)
    yield Mistake("gyro_bias_rad_s", (0.01, 0.05), _drifted)
    yield Mistake("axes_deg", (1.0, 2.0, 5.0), _tilted)
    yield Mistake("readout", (0.2,), lambda shot, level: _computed(shot, readout=1 + _sign(shot) * level))
    yield Mistake("focal", (0.05,), lambda shot, level: _computed(shot, focal=1 + _sign(shot) * level))
    yield Mistake("other_log", (1.0,), lambda shot, _: shot.other.field().on_grid(STEP)[:, :])
    yield Mistake("no_gyro", (1.0,), lambda shot, _: None)


def _exact(shot: Shot) -> Float32[ndarray, "h w n 2"]:
    return shot.field[:, :]


def _biased(shot: Shot, level: float) -> Told:
    field = _exact(shot)
    field += linear_path(level * np.array(BIAS), field.shape[2])
    return field


def _turned(shot: Shot, level: float) -> Float32[ndarray, "h w n 2"]:
    c, s = np.cos(np.radians(level)), np.sin(np.radians(level))
    return np.asarray(_exact(shot) @ np.array([[c, s], [-s, c]], np.float32), np.float32)


def _late(shot: Shot, level: float) -> Told:
    return _computed(shot, offset=_sign(shot) * level / 1000)


def _drifted(shot: Shot, level: float) -> Told:
    return _computed(shot, bias=_vector(shot, level))


def _tilted(shot: Shot, level: float) -> Told:
    return _computed(shot, tilt=_vector(shot, level))


def _computed(
    shot: Shot,
    *,
    offset: float = 0.0,
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0),
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0),
    focal: float = 1.0,
    readout: float = 1.0,
) -> Told:
    """Return the field of a gyro and a calibration that are wrong; none where they tell what cannot be."""
    errors = replace(_FLAWLESS, offset=offset, bias=bias, tilt=tilt, focal=focal, readout=readout)
    told = replace(
        shot.taken,
        log=sensed(np.random.default_rng(0), shot.taken.log, errors),
        camera=calibrated(shot.taken.camera, errors),
        t=shot.taken.t + errors.offset,
    )
    try:
        return told.field().on_grid(STEP)[:, :]
    except ImpossibleMotion:
        return None


def _sign(shot: Shot) -> float:
    return float(np.sign(shot.direction[0]))


def _vector(shot: Shot, length: float) -> tuple[float, float, float]:
    x, y, z = (length * shot.direction).tolist()
    return x, y, z
