"""Moving regions of a picture: part of the exact field of a pair, and unknown to any gyro."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...blurfield import GridField
from .config import MotionDraws
from .motion import straight_paths

PATCH_RIM_SHARE = 0.3
"""Outer part of a moving region in which its own motion fades to none: no seam is visible."""


@dataclass(frozen=True)
class MovingPatch:
    """An ellipse of the picture with a motion of its own."""

    x: float
    y: float
    """Its centre, px."""
    a: float
    b: float
    """Its half axes, px."""
    angle: float
    """From x to the first half axis, rad."""
    u: float
    v: float
    """What is added to the blur vector of the camera's motion, px."""


@dataclass(frozen=True, eq=False)
class PatchedField:
    """A field with moving regions; it slices like an array (height, width, n, 2)."""

    grid: GridField
    """Of the camera's motion alone."""
    patches: tuple[MovingPatch, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(height, width, n, 2)."""
        return self.grid.shape

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns, px."""
        field = self.grid[window]
        y, x = np.ogrid[
            tuple(slice(*part.indices(size)) for part, size in zip(window, self.shape, strict=False))
        ]
        for patch in self.patches:
            c, s = np.cos(patch.angle), np.sin(patch.angle)
            dx, dy = x - patch.x, y - patch.y
            radius = np.hypot((c * dx + s * dy) / patch.a, (c * dy - s * dx) / patch.b)
            share = ((1 - radius) / PATCH_RIM_SHARE).clip(0, 1).astype(np.float32)
            inside, path = share > 0, straight_paths(np.array([patch.u, patch.v]), self.shape[2])
            field[inside] += share[inside, None, None] * path
        return field

    @property
    def start_and_end(self) -> PatchedField:
        """The first and the last instant alone, for straight paths of constant speed."""
        return replace(self, grid=replace(self.grid, nodes=self.grid.nodes[:, :, [0, -1]]))

    @property
    def max_reach_px(self) -> int:
        """The greatest distance of a path from its pixel, px."""
        beyond = sum(np.hypot(patch.u, patch.v) / 2 for patch in self.patches)  # they may overlap
        return int(np.ceil(np.abs(self.grid.nodes).max() + beyond)) + 2

    @property
    def metadata(self) -> list[dict[str, float]]:
        """The regions, JSON-able."""
        return [asdict(patch) for patch in self.patches]


def draw_moving_patches(
    rng: np.random.Generator, height: int, width: int, draws: MotionDraws
) -> tuple[MovingPatch, ...]:
    """Draw one to three moving regions."""
    patches = []
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.uniform(0.03, 0.2, 2) * width
        angle, direction = rng.uniform(0, 2 * np.pi, 2)
        length = rng.uniform(0, draws.patch_speed)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        numbers = (x, y, a, b, angle, length * np.cos(direction), length * np.sin(direction))
        patches.append(MovingPatch(*map(float, numbers)))
    return tuple(patches)
