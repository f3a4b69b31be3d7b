"""`bench table1`: the paper's Table 1, uniform straight blur with noise, on the paper's four pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..blur import Blur
from ..blurfield import paths_from_vectors
from ..frames import read_photo
from ..light import to_unit
from .contenders import chosen, restored
from .datafolder import PLANAR, planar_picture
from .report import BenchReport, Row, report
from .scores import need_extra, psnr, similarity

Given = Literal["exact", "biased", "none"]
"""The field that a method is given."""

LENGTHS = (10, 20, 40, 60, 80)  # px
BIAS = (5.0, 3.0)
"""Added to the blur vector of a biased field, px: that of figures 5 to 7, which Table 1 is taken to use."""
NOISE = 10**-1.5
"""Standard deviation of the noise as a share of the blurred picture's root mean square: 30 dB."""
SEED = 1

COLUMNS: tuple[tuple[str, Given, bool], ...] = (
    ("blurred", "none", False),
    ("fastgyro", "exact", False),
    ("fastgyro", "biased", False),
    ("richardson-lucy", "exact", False),
    ("richardson-lucy", "biased", False),
    ("deepgyro", "exact", False),
    ("deepgyro", "biased", False),
    ("deepgyro", "biased", True),
    ("deepgyro", "none", True),
)
"""What the table holds: a method of `deblur`, or "blurred" for its input, the field it is given, and whether
the picture corrects that first, or finds one."""


@dataclass(frozen=True)
class Published:
    """A column of the paper's Table 1: its name there, PSNR (dB) and SSIM for each of `LENGTHS`."""

    name: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]


# Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019, Table 1; by the method
# and field here that each is comparable with. It does not say which field FastGyro was given there;
# its figures are ours with the biased one.
PAPER: dict[tuple[str, str], Published] = {
    ("blurred", "none"): Published(
        "blurred", (23.41, 20.69, 18.64, 17.61, 16.97), (0.792, 0.705, 0.647, 0.617, 0.598)
    ),
    ("deblurgan", "none"): Published(
        "DeblurGAN", (21.46, 20.23, 18.39, 17.27, 16.70), (0.694, 0.642, 0.593, 0.565, 0.557)
    ),
    ("fastgyro", "biased"): Published(
        "FastGyro", (18.55, 19.54, 19.73, 19.18, 18.28), (0.567, 0.611, 0.642, 0.633, 0.605)
    ),
    ("deepgyro", "none"): Published(
        "DeepBlind", (29.10, 27.14, 24.32, 21.92, 19.13), (0.920, 0.879, 0.815, 0.746, 0.652)
    ),
    ("deepgyro", "biased"): Published(
        "DeepGyro", (28.91, 26.93, 24.58, 22.55, 20.20), (0.918, 0.880, 0.821, 0.757, 0.684)
    ),
    ("deepgyro", "exact"): Published(
        "DeepGyro*", (29.34, 27.10, 24.74, 22.66, 19.97), (0.921, 0.880, 0.823, 0.759, 0.681)
    ),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A picture, sharp and blurred, and the blur vector it was blurred by."""

    sharp: Float32[ndarray, "h w 3"]
    blurred: Float32[ndarray, "h w 3"]
    """With noise; clipped to 0 to 1, not rounded to 8 bits."""
    vector: Float32[ndarray, " 2"]
    """px, from the start to the end of the exposure."""

    def field(self, given: Given) -> Float32[ndarray, "h w 2"] | None:
        """Return the blur vectors that a method is given, px."""
        if given == "none":
            return None
        bias = BIAS if given == "biased" else (0.0, 0.0)
        return _everywhere(self.vector + np.array(bias, np.float32), self.sharp)


def table1(
    data: Path,
    *,
    methods: Sequence[str] = (),
    lengths: Sequence[int] = LENGTHS,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Blur four pictures by straight paths of five lengths, deblur them, and compare with the sharp ones.

    The first pictures of graf, ubc, bikes and leuven (Oxford affine data set) at full size; what a row has is
    the mean over the four. PSNR and SSIM are of all pixels, borders included; see `similarity` for SSIM.

    Parameters
    ----------
    data
        Folder with ``eval/oxford_affine/graf/img1.png`` and so on.
    methods
        Those of `COLUMNS` that are wanted; with none named, all.
    lengths
        Of the blur, px.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a picture is missing, or scikit-image is.
    ValueError
        If there is no such method.
    """
    wanted = chosen(methods, [method for method, *_ in COLUMNS])
    columns = [column for column in COLUMNS if column[0] in wanted]
    need_extra("skimage")
    pictures = [planar_picture(data, scene) for scene in PLANAR]
    scores: dict[tuple[str, Given, bool, int], list[tuple[float, float]]] = {}
    done, jobs = 0, len(pictures) * len(lengths) * len(columns)
    for blur_px, case in cases(pictures, lengths):
        for method, given, refine in columns:
            picture = restored(case.blurred, case.field(given), method, encoding="linear", refine=refine)
            score = psnr(case.sharp, picture), similarity(case.sharp, picture)
            scores.setdefault((method, given, refine, blur_px), []).append(score)
            done += 1
            if progress:
                progress(done / jobs)
    return report("table1", [_row(*column, L, scores[*column, L]) for column in columns for L in lengths])


def cases(pictures: Sequence[Path], lengths: Sequence[int] = LENGTHS) -> Iterator[tuple[int, Case]]:
    """Yield each picture at each length (px); the same noise every time."""
    for k, path in enumerate(pictures):
        sharp = to_unit(read_photo(path).pixels)
        for blur_px in lengths:
            yield blur_px, make_case(sharp, blur_px, np.random.default_rng([SEED, k, blur_px]))


def make_case(sharp: Float32[ndarray, "h w 3"], blur_px: int, rng: np.random.Generator) -> Case:
    """Blur a picture along ``blur_px (1, 1) / sqrt 2`` (y down), and add noise.

    The kernel is the exact integral along the segment, which is centred on its pixel; beyond the border, the
    border's pixels go on. As in the paper, the encoded values themselves are blurred.
    """
    vector = np.full(2, blur_px / np.sqrt(2), np.float32)
    blurred = Blur(paths_from_vectors(_everywhere(vector, sharp)))(sharp)
    sigma = NOISE * np.sqrt(np.mean(blurred.astype(np.float64) ** 2))
    noisy = blurred + sigma * rng.standard_normal(blurred.shape)
    return Case(sharp, noisy.clip(0, 1).astype(np.float32), vector)


def beside_paper(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: the paper's figures beside ours, and below them its other columns."""
    ours = {(method, given) for method, given, _ in COLUMNS}
    theirs = [_row(*column, False, L, []) for column in PAPER if column not in ours for L in LENGTHS]
    return [_beside(row) for row in [*rows, *theirs]]


def _row(method: str, given: str, refine: bool, blur_px: int, scores: Sequence[tuple[float, float]]) -> Row:
    """Return a row of the report; with no scores it says that there are none."""
    psnrs, ssims = zip(*scores, strict=True) if scores else ((), ())
    return {
        "method": method,
        "field": given,
        "refined": refine,
        "blurred_in": "encoded",
        "blur_px": blur_px,
        "psnr": round(float(np.mean(psnrs)), 3) if scores else None,
        "ssim": round(float(np.mean(ssims)), 4) if scores else None,
    }


def _beside(row: Row) -> Row:
    known = row["blur_px"] in LENGTHS
    column = PAPER.get((str(row["method"]), str(row["field"]))) if known else None
    at = LENGTHS.index(row["blur_px"]) if known else 0
    return {
        **row,
        "ssim": _three_places(row["ssim"]),
        "paper": column.name if column else None,
        "its psnr": column.psnr[at] if column else None,
        "its ssim": _three_places(column.ssim[at]) if column else None,
    }


def _three_places(value: object) -> str | None:
    return None if value is None else f"{value:.3f}"


def _everywhere(
    vector: Float32[ndarray, " 2"], picture: Float32[ndarray, "h w 3"]
) -> Float32[ndarray, "h w 2"]:
    return np.broadcast_to(vector, (*picture.shape[:2], 2))
