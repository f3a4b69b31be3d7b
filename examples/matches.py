"""Count the SIFT features that neighbouring frames share, before and after deblurring.

    python examples/matches.py before_folder after_folder

The folders hold pictures of the same names, whose order is that of the frames (examples/euroc.py and
examples/rosbag.py write such). Counted are matches that pass the ratio test and agree on one homography.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np


def main() -> None:
    """Print a line for each pair of frames, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    given = parser.parse_args()

    names = sorted({p.name for p in given.before.iterdir()} & {p.name for p in given.after.iterdir()})
    if len(names) < 2:
        raise SystemExit(f"{given.before} and {given.after} share {len(names)} names; 2 are needed")
    found = [[features(folder / name) for name in names] for folder in (given.before, given.after)]
    totals = np.zeros(2, int)
    for k, (first, second) in enumerate(pairwise(names)):
        counts = [matched(pictures[k], pictures[k + 1]) for pictures in found]
        totals += counts
        print(f"{first} {second}  before {counts[0]}  after {counts[1]}")
    times = totals[1] / max(totals[0], 1)
    print(f"{len(names) - 1} pairs  before {totals[0]}  after {totals[1]}  ({times:.2f} x)")


def features(path: Path) -> tuple:
    """Return the strongest 800 SIFT features of a picture."""
    return cv2.SIFT_create(800).detectAndCompute(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), None)


def matched(first: tuple, second: tuple) -> int:
    """Return how many features match: ratio test, then one homography by RANSAC."""
    (points, here), (others, there) = first, second
    if here is None or there is None or min(len(here), len(there)) < 4:
        return 0
    pairs = [a for a, b in cv2.BFMatcher().knnMatch(here, there, k=2) if a.distance < 0.8 * b.distance]
    if len(pairs) < 4:
        return 0
    source, target = (
        np.float32([keypoints[number].pt for keypoints, number in chosen])
        for chosen in (
            [(points, match.queryIdx) for match in pairs],
            [(others, match.trainIdx) for match in pairs],
        )
    )
    _, inside = cv2.findHomography(source, target, cv2.RANSAC, 3.0)
    return 0 if inside is None else int(inside.sum())


if __name__ == "__main__":
    main()
