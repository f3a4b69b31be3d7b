"""The distributions that pairs are drawn from, and two presets of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Range = tuple[float, float]
"""Lowest and highest value."""


@dataclass(frozen=True)
class CameraDraws:
    """Cameras: each pair has its own."""

    focal: Range = (0.6, 1.6)  # focal length over the picture's width; logarithmically uniform
    readout: Range = (0.0, 0.030)  # readout time, s; uniform
    directions: tuple[Literal["down", "up", "right", "left"], ...] = ("down", "up", "right", "left")
    cam_from_imu: tuple[tuple[float, float, float], ...] | None = None  # None: any rotation, uniform


@dataclass(frozen=True)
class MotionDraws:
    """Motion of the camera and of the scene."""

    exposure: Range = (0.005, 0.060)  # s; logarithmically uniform, as far as it is long enough for the blur
    blur: float | None = 100.0
    """Mean blur ``blur * u**blur_power`` px with u uniform, the rates scaled to it; None: the log's own."""
    blur_power: float = 2.0  # 1: all lengths equally often; more: more short ones
    rate: float = 1.0  # factor on the rates where `blur` is None
    longest: float | None = None  # px; rates are lowered where a path is longer
    fastest: float = 15.0  # rad/s; exposures are long enough for the mean rate to stay below
    instants: int = 9  # they divide the exposure
    reference: Literal["row", "picture"] = "picture"  # as in `blur_field`
    straight: float = 0.25  # share of pairs with straight paths of constant speed
    still: float = 0.04  # share of pairs without any blur
    translation: float = 0.5  # share of pairs whose camera translates before a plane: no gyro measures that
    speed: float = 0.1  # m/s; standard deviation of its velocity along each axis
    depth: Range = (0.3, 10.0)  # distance of the plane, m; logarithmically uniform
    tilt: float = 30.0  # largest angle between the plane's normal and the optical axis, degrees
    lever: float = 0.05  # m; standard deviation of the centre of rotation along each axis, from the camera
    patches: float = 0.15  # share of pairs with one to three moving regions
    patch_speed: float = 30.0  # longest path of such a region, px


@dataclass(frozen=True)
class GyroDraws:
    """The prior field. Shares of its kinds: what is left over comes from a raw, erroneous gyro."""

    exact: float = 0.15  # of the camera's rotation (translation and moving regions are unknown to a gyro)
    refined: float = 0.55  # with the errors that are left after refinement
    none: float = 0.08  # no gyro: a zero field
    wrong: float = 0.07  # mismatched: another log's gyro

    # Refined, standard deviations:
    refined_scale: float = 0.03  # of the factor on the field
    refined_offset: float = 0.6  # of each component of the blur vector, px

    # Raw, standard deviations unless it says otherwise:
    offset: float = 0.003  # of the clock, s
    offset_tail: tuple[float, float] = (0.1, 0.015)  # share of pairs with an offset uniform up to so many s
    scale: float = 0.2  # of the factor on the rates
    bias: float = 0.01  # of each axis, rad/s
    noise_density: Range = (1e-4, 2e-3)  # rad/s per sqrt(Hz); logarithmically uniform
    full_scales: tuple[float, ...] = (500.0, 1000.0, 2000.0)  # range of the sensor's 16 bits, deg/s
    misalignment: float = 2.0  # about each axis, degrees
    readout: float = 0.2  # of the factor on the readout time
    focal: float = 0.05  # of the factor on the focal length
    missing: float = 0.1  # share of pairs whose log lacks half of every other sample
    biased: float = 0.25  # share of pairs with multiples of (5, 3) px on the blur vectors, as in the paper


@dataclass(frozen=True)
class ImageDraws:
    """Image formation."""

    encoded: float = 0.15  # share of pairs blurred as in the paper: encoded values, straight paths, noise
    encoded_noise: float = 30.0  # signal-to-noise ratio of these, dB
    scale: float = 0.5  # share of pairs whose photo is made smaller first
    surroundings: bool = True  # what is around the picture in the photo moves into it; else border pixels
    highlights: float = 0.7  # share of pairs whose clipped highlights were brighter than white
    highlight_gain: Range = (0.5, 8.0)  # by how much, of white; logarithmically uniform
    shot: Range = (0.004, 0.03)  # standard deviation of shot noise at white; logarithmically uniform
    read: Range = (0.0005, 0.006)  # standard deviation of read noise, of white; logarithmically uniform
    jpeg: float = 0.5  # share of pairs that become a JPEG file; those of `encoded` never do
    quality: tuple[int, int] = (75, 98)  # of these files


@dataclass(frozen=True)
class SynthesisConfig:
    """All distributions."""

    camera: CameraDraws = CameraDraws()
    motion: MotionDraws = MotionDraws()
    gyro: GyroDraws = GyroDraws()
    image: ImageDraws = ImageDraws()


PHYSICAL_PRESET = SynthesisConfig()
"""The default: physics, and a share of pairs blurred as in the paper."""

# TUM VI's rig: the transpose of T_b_c1 in its calibration.yaml.
_TUM_VI_CAM_FROM_IMU = (
    (-0.9995250, 0.0296153, -0.0085223),
    (0.0075019, -0.0343974, -0.9993801),
    (-0.0298901, -0.9989693, 0.0341589),
)

PAPER_PRESET = SynthesisConfig(
    camera=CameraDraws((389.7 / 480,) * 2, (0.0, 0.030), ("down",), _TUM_VI_CAM_FROM_IMU),
    motion=MotionDraws(
        exposure=(0.030, 0.030), blur=None, rate=2.0, longest=100.0, instants=2, reference="row",
        straight=1.0, still=0.0, translation=0.0, patches=0.0,
    ),
    gyro=GyroDraws(
        exact=0.0, refined=0.0, none=0.0, wrong=0.0, offset=0.010, offset_tail=(0.0, 0.0), scale=0.2,
        bias=0.0, noise_density=(0.0, 0.0), full_scales=(), misalignment=0.0, readout=0.0, focal=0.0,
        missing=0.0, biased=0.0,
    ),
    image=ImageDraws(encoded=1.0, scale=0.0, surroundings=False, jpeg=0.0),
)  # fmt: skip
"""Section 4.2 of the paper (docs/data-card.md says how its misprints are read)."""

PRESETS = {"physical": PHYSICAL_PRESET, "paper": PAPER_PRESET}


def with_encoded_share(config: SynthesisConfig, share: float) -> SynthesisConfig:
    """Return a configuration with another share (0 to 1) of pairs blurred in encoded values.

    Raises
    ------
    ValueError
        If it is no share.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of pairs blurred in encoded values is {share}; 0 to 1 is needed")
    return replace(config, image=replace(config.image, encoded=share))
