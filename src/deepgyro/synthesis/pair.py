"""A training pair: a sharp photo, the same as a shaking camera takes it, and the field, exact and noisy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..blurfield import Field, GridField, motion_field
from ..camera import Camera
from ..light import from_unit, linear_to_srgb, srgb_to_linear, to_unit
from ..telemetry import GyroLog
from .config import SynthesisConfig
from .hand import blur_photo


@dataclass(frozen=True, eq=False)
class Pair:
    """A sharp picture, its blurred twin, and the blur field as it is and as the gyro tells it."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; where the pair went through a JPEG, as decoded from it."""
    exact: Field
    """The paths that made `blurred`, px."""
    noisy: GridField
    """The paths that the network is given, px; zero where there is no gyro."""
    facts: Mapping[str, object]
    """What was drawn: JSON-able."""
    jpeg: bytes | None = None
    """The file of `blurred`, if it is a JPEG."""


def make_pair(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    camera: Camera,
    rng: np.random.Generator,
    config: SynthesisConfig,
) -> Pair:
    """Draw a pair (being written)."""
    top = int(rng.integers(photo.shape[0] - camera.height + 1))
    left = int(rng.integers(photo.shape[1] - camera.width + 1))
    sharp = np.ascontiguousarray(photo[top : top + camera.height, left : left + camera.width])
    t = float(rng.uniform(log.t[0], log.t[-1] - 0.2))
    field = motion_field(log, camera, t=t, exposure=0.02, reference="picture").on_grid(16)
    light = blur_photo(srgb_to_linear(to_unit(sharp)), field, rng)
    blurred = from_unit(linear_to_srgb(light), np.dtype(np.uint8))
    return Pair(sharp, blurred, field, field, {"preset": config.preset, "t": t})
