"""Wrong fields: priors that differ from what the camera did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import ImpossibleMotion
from ..synthesis.gyro import PAPER_BIAS_PX, GyroErrors, degrade_gyro_log, miscalibrate_camera
from ..synthesis.motion import NODE_STEP_PX, straight_paths
from .shots import SimulatedPhoto

PriorField = Float32[ndarray, "h w n 2"] | None
"""The field that a method is given, px; None: no gyro."""

_NO_GYRO_ERRORS = GyroErrors(
    offset=0.0, scale=1.0, bias=(0.0, 0.0, 0.0), noise_density=0.0, full_scale=None, tilt=(0.0, 0.0, 0.0),
    focal=1.0, readout=1.0, missing=False, bias_px=(0.0, 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class FieldPerturbation:
    """A way of being wrong, and how much."""

    error: str
    """What is wrong; where `level` has a unit, it stands last in the name."""
    levels: tuple[float, ...]
    perturb: Callable[[SimulatedPhoto, float], PriorField]


def all_perturbations() -> Iterator[FieldPerturbation]:
    """Yield every error that is measured. Level 0 of "bias" and level 1 of "scale" are the exact field.

    ``bias``: level times (5, 3) px are added to the blur vectors, as in figures 5 to 7 of the paper;
    ``scale``: factor on the field; ``mirrored``: u alone has the wrong sign; ``reversed``: from its end to
    its start, which is the same blur; ``turned_deg``: every path is turned by this angle. The others are
    errors of what the field is computed from: the gyro's clock (``time_offset_ms``), its bias, its axes on
    the camera, the readout time and the focal length (share by which they are off); another log's gyro; no
    gyro. An error that has a sign or a direction gets one for each picture.
    """
    yield FieldPerturbation("bias", (0.0, 1.0, 2.0, 3.0, 4.0), _add_bias)
    yield FieldPerturbation(
        "scale", (0.0, 0.5, 0.75, 1.25, 1.5), lambda shot, level: np.float32(level) * _exact_field(shot)
    )
    yield FieldPerturbation(
        "mirrored", (1.0,), lambda shot, _: _exact_field(shot) * np.array([-1, 1], np.float32)
    )
    yield FieldPerturbation(
        "reversed", (1.0,), lambda shot, _: np.ascontiguousarray(_exact_field(shot)[..., ::-1, :])
    )
    yield FieldPerturbation("turned_deg", (5.0, 15.0), _rotate_paths)
    yield FieldPerturbation("time_offset_ms", (1.0, 2.0, 5.0, 10.0), _shift_gyro_clock)
    yield FieldPerturbation("gyro_bias_rad_s", (0.01, 0.05), _bias_gyro)
    yield FieldPerturbation("axes_deg", (1.0, 2.0, 5.0), _tilt_axes)
    yield FieldPerturbation(
        "readout", (0.2,), lambda shot, level: _field_with_errors(shot, readout=1 + _error_sign(shot) * level)
    )
    yield FieldPerturbation(
        "focal", (0.05,), lambda shot, level: _field_with_errors(shot, focal=1 + _error_sign(shot) * level)
    )
    yield FieldPerturbation(
        "other_log",
        (1.0,),
        lambda shot, _: shot.mismatched_exposure.field().sample_on_grid(NODE_STEP_PX)[:, :],
    )
    yield FieldPerturbation("no_gyro", (1.0,), lambda shot, _: None)


def _exact_field(shot: SimulatedPhoto) -> Float32[ndarray, "h w n 2"]:
    return shot.field[:, :]


def _add_bias(shot: SimulatedPhoto, level: float) -> PriorField:
    field = _exact_field(shot)
    field += straight_paths(level * np.array(PAPER_BIAS_PX), field.shape[2])
    return field


def _rotate_paths(shot: SimulatedPhoto, level: float) -> Float32[ndarray, "h w n 2"]:
    c, s = np.cos(np.radians(level)), np.sin(np.radians(level))
    return np.asarray(_exact_field(shot) @ np.array([[c, s], [-s, c]], np.float32), np.float32)


def _shift_gyro_clock(shot: SimulatedPhoto, level: float) -> PriorField:
    return _field_with_errors(shot, offset=_error_sign(shot) * level / 1000)


def _bias_gyro(shot: SimulatedPhoto, level: float) -> PriorField:
    return _field_with_errors(shot, bias=_error_vector(shot, level))


def _tilt_axes(shot: SimulatedPhoto, level: float) -> PriorField:
    return _field_with_errors(shot, tilt=_error_vector(shot, level))


def _field_with_errors(
    shot: SimulatedPhoto,
    *,
    offset: float = 0.0,
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0),
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0),
    focal: float = 1.0,
    readout: float = 1.0,
) -> PriorField:
    """Return the field of a gyro and a calibration that are wrong; none where they tell what cannot be."""
    errors = replace(_NO_GYRO_ERRORS, offset=offset, bias=bias, tilt=tilt, focal=focal, readout=readout)
    perturbed = replace(
        shot.exposure,
        log=degrade_gyro_log(np.random.default_rng(0), shot.exposure.log, errors),
        camera=miscalibrate_camera(shot.exposure.camera, errors),
        t=shot.exposure.t + errors.offset,
    )
    try:
        return perturbed.field().sample_on_grid(NODE_STEP_PX)[:, :]
    except ImpossibleMotion:
        return None


def _error_sign(shot: SimulatedPhoto) -> float:
    return float(np.sign(shot.error_direction[0]))


def _error_vector(shot: SimulatedPhoto, length: float) -> tuple[float, float, float]:
    x, y, z = (length * shot.error_direction).tolist()
    return x, y, z
