"""Matches between consecutive real photos, before and after deblurring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..report import Row
from .contenders import Contender
from .recordings import RealPhoto, recorded_photos
from .regions import Regions, detect, nearest_neighbours

BURSTS = {"shield_burst": 960, "iphone_office": 960, "iphone_billiards": 960}
"""The recordings, and the width at which their photos are deblurred, px."""
SOON = 0.05
"""Photos that follow each other within this time show much the same, s."""
RANSAC_PX = 3.0
"""So far off may a match be from what the others agree on."""
CONFIDENCE = 0.999

Pair = tuple[RealPhoto, RealPhoto]


def burst_pairs(data: Path, name: str, count: int) -> list[Pair]:
    """Return pairs of consecutive photos of a recording, evenly spread over it."""
    photos = recorded_photos(data, name, BURSTS[name])
    pairs = [(a, b) for a, b in pairwise(photos) if _soon(a, b)]
    chosen = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int)
    return [pairs[k] for k in chosen]


def burst_rows(
    name: str, pairs: Sequence[Pair], methods: Mapping[str, Contender], tick: Callable[[float], None]
) -> list[Row]:
    """Match the photos of each pair, as they came and deblurred: two rows for each method, their means.

    Correct are the mutual nearest neighbours that RANSAC finds explained within `RANSAC_PX` by one homography
    (first row: a scene far away) or one essential matrix (second row: whatever the camera did). Of matches
    that are all wrong it explains some 5 and 15. What is really in both photos is not known, so there is no
    repeatability.
    """
    photos = list({photo.path: photo for pair in pairs for photo in pair}.values())
    rows: list[Row] = []
    for k, (method, restore) in enumerate(methods.items()):
        regions: dict[Path, Regions] = {}
        for i, photo in enumerate(photos):
            regions[photo.path] = detect(restore(photo.pixels(), photo.field))
            tick((k + (i + 1) / len(photos)) / len(methods))
        matched = [(regions[a.path], regions[b.path], a.camera) for a, b in pairs]
        flat = [verified(first, second) for first, second, _ in matched]
        deep = [verified(first, second, camera.K) for first, second, camera in matched if camera]
        rows += [_row(f"{name}, homography", method, flat), _row(f"{name}, essential", method, deep)]
    return rows


def _row(scene: str, method: str, found: Sequence[tuple[int, float]]) -> Row:
    correct, score = np.mean(found, axis=0) if found else (None, None)
    return {
        "scene": scene,
        "method": method,
        "repeatability": None,
        "correct_matches": None if correct is None else round(float(correct), 1),
        "matching_score": None if score is None else round(float(score), 4),
    }


def verified(first: Regions, second: Regions, K: Float64[ndarray, "3 3"] | None = None) -> tuple[int, float]:
    """Return how many matches one homography explains, and their share of the smaller number of regions.

    With intrinsics K (px) an essential matrix has to explain them instead.
    """
    import cv2

    pairs = nearest_neighbours(first, second)
    smaller = min(len(first), len(second))
    if len(pairs) < 8:  # too few to tell
        return 0, 0.0
    here, there = first.centres[pairs[:, 0]], second.centres[pairs[:, 1]]
    if K is None:
        _, kept = cv2.findHomography(here, there, cv2.RANSAC, RANSAC_PX, confidence=CONFIDENCE)
    else:
        _, kept = cv2.findEssentialMat(here, there, K, cv2.RANSAC, CONFIDENCE, RANSAC_PX)
    correct = 0 if kept is None else int(np.count_nonzero(kept))
    return correct, correct / smaller


def _soon(a: RealPhoto, b: RealPhoto) -> bool:
    return a.t is not None and b.t is not None and b.t - a.t < SOON
