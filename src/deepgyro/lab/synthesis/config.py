"""What pairs are drawn from: every number, and the two presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Range = tuple[float, float]
"""Lowest and highest value."""


@dataclass(frozen=True)
class CameraDraws:
    """Cameras: each pair has its own."""

    focal: Range = (0.6, 1.6)
    """Focal length over the picture's width; logarithmically uniform."""
    readout: Range = (0.0, 0.030)
    """Readout time, s; uniform."""
    directions: tuple[Literal["down", "up", "right", "left"], ...] = ("down", "up", "right", "left")
    """Which way the shutter reads; each as often."""
    cam_from_imu: tuple[tuple[float, float, float], ...] | None = None
    """How the gyro sits; None: any rotation, uniform."""


@dataclass(frozen=True)
class MotionDraws:
    """How the camera moves, and what moves before it."""

    exposure: Range = (0.005, 0.060)
    """s; logarithmically uniform, within what the blur asks for."""
    blur: float | None = 100.0
    """Mean blur b u^`blur_power` px with u uniform, the rates scaled to it; None: what the log gives."""
    blur_power: float = 2.0
    """1: all lengths as often; larger: more short ones."""
    rate: float = 1.0
    """Factor on the rates where `blur` is None."""
    longest: float | None = None
    """Rates are lowered where a path is longer, px."""
    fastest: float = 15.0
    """Exposures are long enough for the mean rate to stay under this, rad/s."""
    instants: int = 9
    """Instants that divide the exposure."""
    reference: Literal["row", "picture"] = "picture"
    """As in `blur_field`."""
    straight: float = 0.25
    """Share of pairs whose paths are straight and of constant speed."""
    still: float = 0.04
    """Share of pairs without any blur."""
    translation: float = 0.5
    """Share of pairs whose camera moves along a plane: no gyro sees that."""
    speed: float = 0.1
    """Standard deviation of its velocity along each axis, m/s."""
    depth: Range = (0.3, 10.0)
    """Distance of the plane, m; logarithmically uniform."""
    tilt: float = 30.0
    """Largest angle between the plane's normal and the optical axis, degrees."""
    lever: float = 0.05
    """The camera turns about a point this far from it along each axis (standard deviation), m."""
    patches: float = 0.15
    """Share of pairs with one to three regions that move by themselves."""
    patch_speed: float = 30.0
    """The longest path of such a region, px."""


@dataclass(frozen=True)
class GyroDraws:
    """The prior field of the network. Shares: what is left over has a raw, erroneous gyro."""

    exact: float = 0.15
    """The gyro is right (translation and moving regions it cannot know)."""
    refined: float = 0.55
    """The field is wrong only as one is that the picture corrected."""
    none: float = 0.08
    """No gyro: a zero field."""
    wrong: float = 0.07
    """Another log's gyro."""
    refined_scale: float = 0.03
    """Refined: standard deviation of the factor on the field."""
    refined_offset: float = 0.6
    """Refined: standard deviation of each component of the blur vector, px."""
    offset: float = 0.003
    """Raw: time offset, s, standard deviation."""
    offset_tail: tuple[float, float] = (0.1, 0.015)
    """Raw: share of pairs whose time offset is uniform up to so many s instead."""
    scale: float = 0.2
    """Raw: standard deviation of the factor on the rates."""
    bias: float = 0.01
    """Raw: rad/s an axis, standard deviation."""
    noise_density: Range = (1e-4, 2e-3)
    """Raw: rad/s per sqrt(Hz); logarithmically uniform."""
    full_scales: tuple[float, ...] = (500.0, 1000.0, 2000.0)
    """Raw: the 16-bit sensor's range, deg/s: how rates are rounded."""
    misalignment: float = 2.0
    """Raw: degrees about each axis, standard deviation."""
    readout: float = 0.2
    """Raw: standard deviation of the factor on the readout time."""
    focal: float = 0.05
    """Raw: standard deviation of the factor on the focal length."""
    missing: float = 0.1
    """Raw: share of pairs whose log lacks every other sample or so for a while."""
    biased: float = 0.25
    """Raw: share of pairs whose blur vectors are off by a multiple of (5, 3) px, as in the paper's tables."""


@dataclass(frozen=True)
class ImageDraws:
    """How light becomes numbers."""

    encoded: float = 0.15
    """Share of pairs of the paper's kind: encoded values blurred along straight paths, noise of 30 dB."""
    encoded_noise: float = 30.0
    """Their signal-to-noise ratio, dB."""
    scale: float = 0.5
    """Share of pairs whose photo is made smaller first."""
    surroundings: bool = True
    """What lies beside the picture in the photo moves into it; else the border is continued."""
    highlights: float = 0.7
    """Share of pairs whose clipped highlights are taken to have been brighter than white."""
    highlight_gain: Range = (0.5, 8.0)
    """By how much, over white; logarithmically uniform."""
    shot: Range = (0.004, 0.03)
    """Standard deviation of a white pixel's shot noise, of white; logarithmically uniform."""
    read: Range = (0.0005, 0.006)
    """Standard deviation of the read noise, of white; logarithmically uniform."""
    jpeg: float = 0.5
    """Share of pairs that go through a JPEG file; the paper's kind never does."""
    quality: tuple[int, int] = (75, 98)
    """Its quality."""


@dataclass(frozen=True)
class SynthesisConfig:
    """How pairs are drawn."""

    camera: CameraDraws = CameraDraws()
    motion: MotionDraws = MotionDraws()
    gyro: GyroDraws = GyroDraws()
    image: ImageDraws = ImageDraws()


PHYSICAL_PRESET = SynthesisConfig()
"""The default: physics, and a share of the paper's kind."""

# TUM VI's rig: the transpose of T_b_c1 in its calibration.yaml.
_TUM_VI_CAM_FROM_IMU = (
    (-0.9995250, 0.0296153, -0.0085223),
    (0.0075019, -0.0343974, -0.9993801),
    (-0.0298901, -0.9989693, 0.0341589),
)

PAPER_PRESET = SynthesisConfig(
    camera=CameraDraws((389.7 / 480,) * 2, (0.0, 0.030), ("down",), _TUM_VI_CAM_FROM_IMU),
    motion=MotionDraws(
        exposure=(0.030, 0.030),
        blur=None,
        rate=2.0,
        longest=100.0,
        instants=2,
        reference="row",
        straight=1.0,
        still=0.0,
        translation=0.0,
        patches=0.0,
    ),
    gyro=GyroDraws(
        exact=0.0,
        refined=0.0,
        none=0.0,
        wrong=0.0,
        offset=0.010,
        offset_tail=(0.0, 0.0),
        scale=0.2,
        bias=0.0,
        noise_density=(0.0, 0.0),
        full_scales=(),
        misalignment=0.0,
        readout=0.0,
        focal=0.0,
        missing=0.0,
        biased=0.0,
    ),
    image=ImageDraws(encoded=1.0, scale=0.0, surroundings=False, jpeg=0.0),
)
"""Section 4.2 of the paper (docs/data-card.md says how its misprints are read)."""

PRESETS = {"physical": PHYSICAL_PRESET, "paper": PAPER_PRESET}


def with_encoded_share(config: SynthesisConfig, share: float) -> SynthesisConfig:
    """Return a configuration with another share of pairs of the paper's kind, 0 to 1.

    Raises
    ------
    ValueError
        If it is no share.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the paper's kind is {share}; 0 to 1 is needed")
    return replace(config, image=replace(config.image, encoded=share))
