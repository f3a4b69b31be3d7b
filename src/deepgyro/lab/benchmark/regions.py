"""Detected regions: where two pictures show the same one, and which descriptors find it.

The measures of Mikolajczyk et al., A comparison of affine region detectors, IJCV 2005.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from numpy import ndarray

MAX_DETECTIONS = 800
MAX_OVERLAP_ERROR = 0.4
NORMALISED_RADIUS_PX = 30.0
"""Radius that regions are brought to before they are compared, px."""
_OVERLAP_NODES = 256


@dataclass(frozen=True, eq=False)
class EllipticalRegions:
    """Elliptical regions of a picture: ``(x - centre)^T shape (x - centre) <= 1``."""

    centres: Float64[ndarray, "n 2"]
    """px"""
    shapes: Float64[ndarray, "n 2 2"]
    """px^-2"""
    descriptors: Float32[ndarray, "n d"]

    def __len__(self) -> int:
        return len(self.centres)

    def __getitem__(self, kept: Bool[ndarray, " n"]) -> EllipticalRegions:
        """Return some of the regions."""
        return EllipticalRegions(self.centres[kept], self.shapes[kept], self.descriptors[kept])


@dataclass(frozen=True)
class RegionAgreement:
    """How well the regions of two pictures agree."""

    repeatability: float
    """Corresponding regions over the smaller number of regions in what both pictures show."""
    correct_matches: int
    """Mutual nearest neighbours among descriptors whose regions correspond."""
    matching_score: float
    """The same over the smaller number of regions."""


def detect_sift_regions(image: UInt8[ndarray, "h w 3"], count: int = MAX_DETECTIONS) -> EllipticalRegions:
    """Return the strongest regions of OpenCV's SIFT (differences of Gaussians): circles of a keypoint's size.

    A region with several orientations counts once, with the descriptor of the first. The contrast threshold
    is a tenth of the usual one, so that a blurred picture has as many.
    """
    import cv2

    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sift = cv2.SIFT.create(contrastThreshold=0.004)
    found = {(*point.pt, point.size): point for point in reversed(sift.detect(gray))}
    strongest = sorted(found.values(), key=lambda point: (-point.response, point.pt))[:count]
    points, descriptors = sift.compute(gray, strongest) if strongest else ((), np.zeros((0, 128), np.float32))
    centres = np.array([point.pt for point in points], np.float64).reshape(-1, 2)
    radii = np.array([point.size / 2 for point in points], np.float64)
    return EllipticalRegions(centres, np.eye(2) / radii[:, None, None] ** 2, descriptors)


def map_regions(regions: EllipticalRegions, homography: Float64[ndarray, "3 3"]) -> EllipticalRegions:
    """Return the regions as another picture shows them, each by the affine part of the homography there."""
    moved = np.c_[regions.centres, np.ones(len(regions))] @ homography.T
    centres = moved[:, :2] / moved[:, 2:]
    # Derivative of (X / Z, Y / Z): rows of the homography, less the centre times its last row, over Z.
    affine = (homography[:2, :2] - centres[:, :, None] * homography[2, :2]) / moved[:, 2:, None]
    back = np.linalg.inv(affine)
    return replace(regions, centres=centres, shapes=np.swapaxes(back, 1, 2) @ regions.shapes @ back)


def overlap_errors(
    a: Float64[ndarray, "k 2 2"], b: Float64[ndarray, "k 2 2"], offsets: Float64[ndarray, "k 2"]
) -> Float64[ndarray, " k"]:
    """Return ``1 - intersection / union`` of pairs of ellipses, after their sizes are made alike.

    A pair's two shapes are scaled by the factor that gives the first one's area to a circle of
    `NORMALISED_RADIUS_PX`; the
    distance of their centres stays (else a large region would tolerate more than a small one).

    Parameters
    ----------
    a, b
        Shapes, px^-2.
    offsets
        Centre of b minus centre of a, px.
    """
    larger = NORMALISED_RADIUS_PX**2 * np.sqrt(np.linalg.det(a))[:, None, None]
    # The affine map that makes the first ellipse the unit circle keeps the ratio of areas.
    lower = np.linalg.cholesky(a / larger)
    inverse = np.linalg.inv(lower)
    shape = inverse @ (b / larger) @ np.swapaxes(inverse, 1, 2)
    x0, y0 = np.einsum("kij,ki->jk", lower, offsets)[:, :, None]
    p, q, r = shape[:, 0, 0, None], shape[:, 0, 1, None], shape[:, 1, 1, None]
    angle = (np.arange(_OVERLAP_NODES) + 0.5) * np.pi / _OVERLAP_NODES
    x, half = np.cos(angle), np.sin(angle)  # columns of the circle, y from -half to half
    dx = x - x0
    reach = np.sqrt(np.maximum(r - (p * r - q**2) * dx**2, 0)) / r
    middle = y0 - q * dx / r
    common = np.minimum(half, middle + reach) - np.maximum(-half, middle - reach)
    intersection = (np.maximum(common, 0) * half).sum(1) * np.pi / _OVERLAP_NODES
    union = np.pi + np.pi / np.sqrt(np.linalg.det(shape)) - intersection
    return np.asarray(1 - intersection / union)


def measure_agreement(
    first: EllipticalRegions,
    second: EllipticalRegions,
    second_from_first: Float64[ndarray, "3 3"],
    first_shape: tuple[int, ...],
    second_shape: tuple[int, ...],
) -> RegionAgreement:
    """Return how well the regions of two pictures agree, of shapes (height, width, ...), px.

    Only regions whose centres both pictures show are counted. Regions correspond if their overlap error is at
    most `MAX_OVERLAP_ERROR`; each has one partner, the pairs with the least error first.
    """
    first_from_second = np.linalg.inv(second_from_first)
    first = first[_inside_picture(map_regions(first, second_from_first).centres, second_shape)]
    back = map_regions(second, first_from_second)
    shown = _inside_picture(back.centres, first_shape)
    second, back = second[shown], back[shown]
    smaller = min(len(first), len(second))
    if not smaller:
        return RegionAgreement(0.0, 0, 0.0)
    pairs, errors = _overlapping_pairs(first, back)
    partners = _count_one_to_one(pairs[np.argsort(errors, kind="stable")])
    alike = set(map(tuple, pairs.tolist()))
    correct = sum((i, j) in alike for i, j in mutual_nearest_neighbours(first, second).tolist())
    return RegionAgreement(partners / smaller, correct, correct / smaller)


def mutual_nearest_neighbours(first: EllipticalRegions, second: EllipticalRegions) -> Int64[ndarray, "m 2"]:
    """Return the pairs of regions each of whose descriptors is the nearest to the other's."""
    import cv2

    if not (len(first) and len(second)):
        return np.zeros((0, 2), np.int64)
    found = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(first.descriptors, second.descriptors)
    return np.array([(match.queryIdx, match.trainIdx) for match in found], np.int64).reshape(-1, 2)


def _inside_picture(points: Float64[ndarray, "n 2"], shape: tuple[int, ...]) -> Bool[ndarray, " n"]:
    height, width = shape[:2]
    return np.asarray(((points >= 0) & (points <= [width - 1, height - 1])).all(1))


def _overlapping_pairs(
    first: EllipticalRegions, second: EllipticalRegions
) -> tuple[Int64[ndarray, "k 2"], Float64[ndarray, " k"]]:
    """Return the pairs of regions that correspond, and their overlap errors."""
    distance = np.linalg.norm(first.centres[:, None] - second.centres, axis=-1)
    # Further apart, or of areas less alike, they never overlap so much.
    size = np.linalg.det(first.shapes)[:, None] ** 0.5, np.linalg.det(second.shapes) ** 0.5
    alike = np.minimum(*size) >= (1 - MAX_OVERLAP_ERROR) * np.maximum(*size)
    i, j = np.nonzero((distance < NORMALISED_RADIUS_PX) & alike)
    errors = overlap_errors(first.shapes[i], second.shapes[j], second.centres[j] - first.centres[i])
    kept = errors <= MAX_OVERLAP_ERROR
    return np.stack([i, j], axis=1)[kept], errors[kept]


def _count_one_to_one(pairs: Int64[ndarray, "k 2"]) -> int:
    """Return how many pairs are left when each region has one partner, earlier pairs first."""
    taken: tuple[set[int], set[int]] = (set(), set())
    count = 0
    for i, j in pairs.tolist():
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            count += 1
    return count
