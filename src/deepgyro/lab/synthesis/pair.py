"""A training pair: a sharp photo, the same as a shaking camera takes it, and the field, exact and noisy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...blurfield import GridField, path_lengths
from ...camera import Camera
from ...errors import ImpossibleMotion
from ...frames import decode_pixels
from ...telemetry import GyroLog
from .config import ImageDraws, MotionDraws, SynthesisConfig
from .gyro import draw_gyro_kind, make_prior_nodes
from .image import crop_with_margin, draw_window, encode_random_jpeg, render_encoded_blur, render_exposure
from .motion import NODE_STEP_PX, SimulatedExposure, draw_exposure, draw_translation, straight_paths
from .patches import PatchedField, draw_moving_patches


@dataclass(frozen=True, eq=False)
class Pair:
    """A sharp picture, its blurred twin, the exact blur field and the prior field of the network."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; where the pair went through a JPEG file, as decoded from it."""
    exact: PatchedField
    """The paths that made `blurred`, px."""
    prior: GridField
    """The paths that the network is given, px; zero where there is no gyro."""
    metadata: Mapping[str, object]
    """What was drawn: JSON-able."""
    jpeg: bytes | None = None
    """The file of `blurred`, if it is a JPEG."""


@dataclass(frozen=True, eq=False)
class LazyPair:
    """A pair of which all is drawn but its light, its noise and its file."""

    scene: UInt8[ndarray, "a b 3"]
    """Encoded (sRGB): the sharp picture, and what lies around it and may move into it."""
    top: int
    left: int
    """Where the picture begins in the scene."""
    exact: PatchedField
    prior: GridField
    """As a `Pair` has them."""
    encoded: bool
    """Whether encoded values are blurred, not light."""
    straight: bool
    """Whether the paths are straight and their speed constant."""
    metadata: Mapping[str, object]
    """What was drawn so far."""
    rng: np.random.Generator
    """What is left to draw comes from it."""


def make_pair(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    camera: Camera,
    rng: np.random.Generator,
    config: SynthesisConfig,
    *,
    other_log: GyroLog | None = None,
) -> Pair:
    """Make a training pair: section 4.2 of [1], with the physics that `config` asks for.

    [1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019.

    Parameters
    ----------
    photo
        Sharp, encoded (sRGB), at least as large as the camera's picture.
    log
        Gyro rates, rad/s; a stretch of it is drawn.
    camera
        The camera of the pair: its width and height are the pair's.
    rng
        Every draw comes from it: the same state gives the same pair.
    config
        What is drawn, and from where.
    other_log
        What a wrong gyro tells; by default another stretch of the same log.

    Raises
    ------
    ValueError
        If the photo is smaller than the camera's picture.
    DeepGyroError
        If the log is too short for an exposure.
    """
    return render_pair(draw_lazy_pair(photo, log, camera, rng, config, other_log=other_log), config.image)


def draw_lazy_pair(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    camera: Camera,
    rng: np.random.Generator,
    config: SynthesisConfig,
    *,
    other_log: GyroLog | None = None,
) -> LazyPair:
    """Do what `make_pair` does, up to the recording."""
    height, width = camera.height, camera.width
    window = draw_window(rng, photo, height, width, config.image)
    taken = draw_exposure(rng, log, camera, config.motion)
    encoded = rng.random() < config.image.encoded
    straight = bool(encoded or rng.random() < config.motion.straight)
    still = rng.random() < config.motion.still
    if still:
        taken = taken.without_motion()
    turned, seen, facts = _draw_field_nodes(rng, taken, config.motion, still=still)
    kind = draw_gyro_kind(rng, config.gyro)
    prior_nodes, errors = make_prior_nodes(
        rng, kind, seen, turned, taken, config.gyro, motion=config.motion, other_log=other_log or log
    )
    if straight:
        seen, prior_nodes = _straighten_paths(seen), _straighten_paths(prior_nodes)
    moving = not still and rng.random() < config.motion.patches
    exact = PatchedField(
        GridField(seen, height, width, NODE_STEP_PX),
        draw_moving_patches(rng, height, width, config.motion) if moving else (),
    )
    reach = exact.max_reach_px if config.image.surroundings else 0
    scene, y, x = crop_with_margin(window.photo, window.top, window.left, height, width, reach)
    facts = {
        "blur_px": float(path_lengths(seen).mean()),
        "camera": {
            "focal": float(camera.K[0, 0]),
            "readout_time": camera.readout_time,
            "readout_direction": camera.readout_direction,
            "cam_from_imu": None if camera.cam_from_imu is None else camera.cam_from_imu.tolist(),
        },
        "encoding": "encoded" if encoded else "linear",
        "error_px": _mean_vector_distance(seen, prior_nodes),
        "exposure": taken.exposure,
        "gyro": kind,
        "gyro_errors": errors,
        "patches": exact.metadata,
        "straight": straight,
        "t": taken.log_time,
        "window": window.metadata,
        **facts,
    }
    noisy = GridField(prior_nodes, height, width, NODE_STEP_PX)
    return LazyPair(scene, y, x, exact, noisy, encoded, straight, facts, rng)


def render_pair(scene: LazyPair, draws: ImageDraws) -> Pair:
    """Return what a camera records of a scene, standing still and moving."""
    record = render_encoded_blur if scene.encoded else render_exposure
    field = scene.exact.start_and_end if scene.straight else scene.exact
    taken = record(scene.rng, scene.scene, scene.top, scene.left, field, draws)
    blurred = taken.blurred
    jpeg, saved = None, None
    if draw_uses_jpeg(scene, draws):
        jpeg, saved = encode_random_jpeg(scene.rng, blurred, draws)
        blurred = decode_pixels(jpeg, "the pair's JPEG")
    facts = {**scene.metadata, "image": taken.metadata, "jpeg": saved}
    return Pair(taken.sharp, blurred, scene.exact, scene.prior, facts, jpeg)


def draw_uses_jpeg(scene: LazyPair, draws: ImageDraws) -> bool:
    """Draw whether a pair does; the paper's kind never does."""
    return bool(scene.rng.random() < draws.jpeg and not scene.encoded)


def _draw_field_nodes(
    rng: np.random.Generator, exposure: SimulatedExposure, draws: MotionDraws, *, still: bool
) -> tuple[Float32[ndarray, "rows columns n 2"], Float32[ndarray, "rows columns n 2"], dict[str, object]]:
    """Return the nodes of the camera's turning, of all that it did, and what was drawn for the latter."""
    turned = exposure.field().sample_on_grid(NODE_STEP_PX).nodes
    if still:
        turned = np.zeros_like(turned)
    if still or rng.random() >= draws.translation:
        return turned, turned, {}
    velocity, plane = draw_translation(rng, exposure, draws)
    try:
        seen = exposure.field(velocity=velocity, plane=plane).sample_on_grid(NODE_STEP_PX).nodes
    except ImpossibleMotion:  # the two motions together: one in thousands of pairs
        return turned, turned, {}
    return turned, seen, {"velocity": velocity.tolist(), "plane": plane.tolist()}


def _straighten_paths(nodes: Float32[ndarray, "rows columns n 2"]) -> Float32[ndarray, "rows columns n 2"]:
    """Return the straight paths of constant speed with the same blur vectors, px."""
    return straight_paths(nodes[..., -1, :] - nodes[..., 0, :], nodes.shape[2])


def _mean_vector_distance(
    a: Float32[ndarray, "rows columns n 2"], b: Float32[ndarray, "rows columns n 2"]
) -> float:
    """Return the mean distance of two fields' blur vectors, px; a field reversed as a whole is the same."""
    u, v = (nodes[..., -1, :] - nodes[..., 0, :] for nodes in (a, b))
    return float(min(np.linalg.norm(u - sign * v, axis=-1).mean() for sign in (1, -1)))
