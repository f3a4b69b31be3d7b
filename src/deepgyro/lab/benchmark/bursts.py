"""Matches between consecutive real photos, before and after deblurring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..report import Row
from .contenders import BenchMethod
from .recordings import RealPhoto, read_real_photos, spread_evenly
from .regions import EllipticalRegions, detect_sift_regions, mutual_nearest_neighbours

BURST_WIDTHS_PX = {"shield_burst": 960, "iphone_office": 960, "iphone_billiards": 960}
"""The recordings, and the width at which their photos are deblurred, px."""
MAX_PAIR_INTERVAL_S = 0.05
"""Photos that follow each other within this time show much the same, s."""
RANSAC_THRESHOLD_PX = 3.0
"""Largest distance of a match from the model."""
RANSAC_CONFIDENCE = 0.999

PhotoPair = tuple[RealPhoto, RealPhoto]


def read_burst_pairs(data: Path, name: str, count: int) -> list[PhotoPair]:
    """Return pairs of consecutive photos of a recording, evenly spread over it."""
    photos = read_real_photos(data, name, BURST_WIDTHS_PX[name])
    pairs = [(a, b) for a, b in pairwise(photos) if _are_consecutive(a, b)]
    return spread_evenly(pairs, count)


def match_burst_pairs(
    name: str, pairs: Sequence[PhotoPair], methods: Mapping[str, BenchMethod], tick: Callable[[float], None]
) -> list[Row]:
    """Match the photos of each pair, blurred and deblurred: two rows for each method, their means.

    Correct are the mutual nearest neighbours that RANSAC explains within `RANSAC_THRESHOLD_PX` by one
    homography (first row: a scene far away) or one essential matrix (second row: any motion of the camera).
    Of matches that are all wrong it explains some 5 and 15. Without ground truth there is no repeatability.
    """
    photos = list({photo.path: photo for pair in pairs for photo in pair}.values())
    rows: list[Row] = []
    for k, (method, restore) in enumerate(methods.items()):
        regions: dict[Path, EllipticalRegions] = {}
        for i, photo in enumerate(photos):
            regions[photo.path] = detect_sift_regions(restore(photo.read_pixels(), photo.field))
            tick((k + (i + 1) / len(photos)) / len(methods))
        matched = [(regions[a.path], regions[b.path], a.camera) for a, b in pairs]
        of_homography = [count_verified_matches(a, b) for a, b, _ in matched]
        of_essential = [count_verified_matches(a, b, camera.K) for a, b, camera in matched if camera]
        rows.append(_row(f"{name}, homography", method, of_homography))
        rows.append(_row(f"{name}, essential", method, of_essential))
    return rows


def _row(scene: str, method: str, match_counts: Sequence[tuple[int, float]]) -> Row:
    correct, score = np.mean(match_counts, axis=0) if match_counts else (None, None)
    return {
        "scene": scene,
        "method": method,
        "repeatability": None,
        "correct_matches": None if correct is None else round(float(correct), 1),
        "matching_score": None if score is None else round(float(score), 4),
    }


def count_verified_matches(
    first: EllipticalRegions, second: EllipticalRegions, K: Float64[ndarray, "3 3"] | None = None
) -> tuple[int, float]:
    """Return how many matches one homography explains, and their share of the smaller number of regions.

    With intrinsics K (px) an essential matrix has to explain them instead.
    """
    import cv2

    pairs = mutual_nearest_neighbours(first, second)
    smaller = min(len(first), len(second))
    if len(pairs) < 8:  # too few for a model
        return 0, 0.0
    here, there = first.centres[pairs[:, 0]], second.centres[pairs[:, 1]]
    if K is None:
        _, kept = cv2.findHomography(
            here, there, cv2.RANSAC, RANSAC_THRESHOLD_PX, confidence=RANSAC_CONFIDENCE
        )
    else:
        _, kept = cv2.findEssentialMat(here, there, K, cv2.RANSAC, RANSAC_CONFIDENCE, RANSAC_THRESHOLD_PX)
    correct = 0 if kept is None else int(np.count_nonzero(kept))
    return correct, correct / smaller


def _are_consecutive(a: RealPhoto, b: RealPhoto) -> bool:
    return a.t is not None and b.t is not None and b.t - a.t < MAX_PAIR_INTERVAL_S
