"""One training pair: a sharp and a blurred picture, the exact and the prior field."""

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
    """A sharp and a blurred picture, the exact blur field and the prior field of the network."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; as decoded from `jpeg`, if there is one."""
    exact: PatchedField
    """The paths that blurred it, px."""
    prior: GridField
    """The paths given to the network, px; zero where there is no gyro."""
    metadata: Mapping[str, object]
    """All random draws, JSON-able."""
    jpeg: bytes | None = None
    """The file of `blurred`, if it is a JPEG."""


@dataclass(frozen=True, eq=False)
class LazyPair:
    """A pair that is not rendered yet: highlights, noise and JPEG are still to be drawn, from `rng`."""

    scene: UInt8[ndarray, "a b 3"]
    """Encoded (sRGB): the sharp picture, and what may move into it from around it."""
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
    """The draws so far."""
    rng: np.random.Generator


def draw_lazy_pair(
    photo: UInt8[ndarray, "a b 3"],
    log: GyroLog,
    camera: Camera,
    rng: np.random.Generator,
    config: SynthesisConfig,
    *,
    other_log: GyroLog,
) -> LazyPair:
    """Draw a training pair: section 4.2 of [1], with the physics that `config` asks for.

    The photo is sharp, encoded (sRGB), and at least as large as the camera's picture, which has the pair's
    height and width; a mismatched gyro measured a stretch of `other_log`.

    [1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019.

    Raises
    ------
    ValueError
        If the photo is smaller than the camera's picture.
    DeepGyroError
        If the log is too short for an exposure.
    """
    height, width = camera.height, camera.width
    window = draw_window(rng, photo, height, width, config.image)
    exposure = draw_exposure(rng, log, camera, config.motion)
    encoded = rng.random() < config.image.encoded
    straight = bool(encoded or rng.random() < config.motion.straight)
    still = rng.random() < config.motion.still
    if still:
        exposure = exposure.without_motion()
    rotation_nodes, nodes, translation = _draw_motion_nodes(rng, exposure, config.motion, still=still)
    kind = draw_gyro_kind(rng, config.gyro)
    prior_nodes, errors = make_prior_nodes(
        rng, kind, nodes, rotation_nodes, exposure, config.gyro, motion=config.motion, other_log=other_log
    )
    if straight:
        nodes, prior_nodes = _straighten_paths(nodes), _straighten_paths(prior_nodes)
    moving = not still and rng.random() < config.motion.patches
    exact = PatchedField(
        GridField(nodes, height, width, NODE_STEP_PX),
        draw_moving_patches(rng, height, width, config.motion) if moving else (),
    )
    margin = exact.max_reach_px if config.image.surroundings else 0
    scene, top, left = crop_with_margin(window.photo, window.top, window.left, height, width, margin)
    metadata = {
        "blur_px": float(path_lengths(nodes).mean()),
        "camera": {
            "focal": float(camera.K[0, 0]),
            "readout_time": camera.readout_time,
            "readout_direction": camera.readout_direction,
            "cam_from_imu": None if camera.cam_from_imu is None else camera.cam_from_imu.tolist(),
        },
        "encoding": "encoded" if encoded else "linear",
        "error_px": _mean_vector_distance(nodes, prior_nodes),
        "exposure": exposure.exposure,
        "gyro": kind,
        "gyro_errors": errors,
        "patches": exact.metadata,
        "straight": straight,
        "t": exposure.log_time,
        "window": window.metadata,
        **translation,
    }
    prior = GridField(prior_nodes, height, width, NODE_STEP_PX)
    return LazyPair(scene, top, left, exact, prior, encoded, straight, metadata, rng)


def render_pair(scene: LazyPair, draws: ImageDraws) -> Pair:
    """Render the pictures that a camera takes of a scene, at rest and moving."""
    render = render_encoded_blur if scene.encoded else render_exposure
    field = scene.exact.start_and_end if scene.straight else scene.exact
    rendered = render(scene.rng, scene.scene, scene.top, scene.left, field, draws)
    blurred = rendered.blurred
    jpeg, options = None, None
    if draw_uses_jpeg(scene, draws):
        jpeg, options = encode_random_jpeg(scene.rng, blurred, draws)
        blurred = decode_pixels(jpeg, "the pair's JPEG")
    metadata = {**scene.metadata, "image": rendered.metadata, "jpeg": options}
    return Pair(rendered.sharp, blurred, scene.exact, scene.prior, metadata, jpeg)


def draw_uses_jpeg(scene: LazyPair, draws: ImageDraws) -> bool:
    """Draw whether the blurred picture becomes a JPEG file; one blurred in encoded values never does."""
    return bool(scene.rng.random() < draws.jpeg and not scene.encoded)


def _draw_motion_nodes(
    rng: np.random.Generator, exposure: SimulatedExposure, draws: MotionDraws, *, still: bool
) -> tuple[Float32[ndarray, "rows columns n 2"], Float32[ndarray, "rows columns n 2"], dict[str, object]]:
    """Return the nodes of the camera's rotation, of its whole motion, and what was drawn for the latter."""
    rotation_nodes = exposure.field().sample_on_grid(NODE_STEP_PX).nodes
    if still:
        rotation_nodes = np.zeros_like(rotation_nodes)
    if still or rng.random() >= draws.translation:
        return rotation_nodes, rotation_nodes, {}
    velocity, plane = draw_translation(rng, exposure, draws)
    try:
        nodes = exposure.field(velocity=velocity, plane=plane).sample_on_grid(NODE_STEP_PX).nodes
    except ImpossibleMotion:  # rotation and translation together: one in thousands of pairs
        return rotation_nodes, rotation_nodes, {}
    return rotation_nodes, nodes, {"velocity": velocity.tolist(), "plane": plane.tolist()}


def _straighten_paths(nodes: Float32[ndarray, "rows columns n 2"]) -> Float32[ndarray, "rows columns n 2"]:
    """Return the straight paths of constant speed with the same blur vectors, px."""
    return straight_paths(nodes[..., -1, :] - nodes[..., 0, :], nodes.shape[2])


def _mean_vector_distance(
    a: Float32[ndarray, "rows columns n 2"], b: Float32[ndarray, "rows columns n 2"]
) -> float:
    """Return the mean distance of two fields' blur vectors, px; a field reversed as a whole is the same."""
    u, v = (nodes[..., -1, :] - nodes[..., 0, :] for nodes in (a, b))
    return float(min(np.linalg.norm(u - sign * v, axis=-1).mean() for sign in (1, -1)))
