"""`bench table1`: the paper's Table 1, uniform straight blur with noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import paths_from_vectors
from ...deblurring import Encoding
from ...frames import read_photo
from ...light import linear_to_srgb, srgb_to_linear, to_unit_range
from ..report import BenchReport, Progress, Row, count_jobs, make_report
from .contenders import SAME_BUDGET_NETWORK, select_methods
from .datafolder import PLANAR_SCENES, list_photos, planar_picture_path
from .scores import psnr, require_bench_extra, ssim_volume

GivenField = Literal["exact", "biased", "none"]
"""The field that a method is given."""
BlurredIn = Literal["encoded", "linear"]
BLURRED_IN: tuple[BlurredIn, ...] = get_args(BlurredIn)
"""What was blurred: the encoded (sRGB) values, as in the paper; or the light, as in a camera."""

_GIVEN_FIELDS: tuple[GivenField, ...] = get_args(GivenField)

TABLE1_BLUR_LENGTHS_PX = (10, 20, 40, 60, 80)  # px
BLUR_DIRECTION_DEG = 45.0
"""Of the blur, or of the first of several, degrees from x to y."""
TABLE1_BIAS_PX = (5.0, 3.0)
"""Added to the blur vector of a biased field, px: that of figures 5 to 7, which Table 1 is taken to use."""
NOISE_TO_SIGNAL_RMS = 10**-1.5
"""Standard deviation of the noise as a share of the blurred picture's root mean square: 30 dB."""
TABLE1_SEED = 1

_ROW_KEYS = ("blurred_in", "method", "field", "refined")

_OUR_NETWORKS = ("deepgyro", "deepgyro-fast", SAME_BUDGET_NETWORK)


def _columns_of(
    *methods: str, fields: tuple[tuple[GivenField, bool], ...]
) -> tuple[tuple[str, GivenField, bool], ...]:
    return tuple((method, *field) for method in methods for field in fields)


_EXACT_AND_BIASED: tuple[tuple[GivenField, bool], ...] = (("exact", False), ("biased", False))
_ALL_FIELDS: tuple[tuple[GivenField, bool], ...] = (*_EXACT_AND_BIASED, ("biased", True), ("none", True))
TABLE1_COLUMNS: tuple[tuple[str, GivenField, bool], ...] = (
    ("blurred", "none", False),
    *_columns_of("fastgyro", "richardson-lucy", fields=_EXACT_AND_BIASED),
    *_columns_of("deepgyro", "deepgyro-fast", fields=_ALL_FIELDS),
    *_columns_of("deepgyro-paper", fields=_EXACT_AND_BIASED),
    ("deepblind-paper", "none", False),
    ("deblurgan", "none", False),
    *_columns_of(SAME_BUDGET_NETWORK, fields=_ALL_FIELDS),
)
"""A method, the field it is given, and whether the picture corrects that first, or finds one."""


@dataclass(frozen=True)
class PublishedColumn:
    """A column of the paper's table: its name, PSNR (dB) and SSIM at each of `TABLE1_BLUR_LENGTHS_PX`."""

    name: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]


# Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019, Table 1; by the method
# and field here that each is comparable with. It does not say which field FastGyro was given there;
# its figures are ours with the biased one.
PUBLISHED_COLUMNS: dict[tuple[str, str], PublishedColumn] = {
    ("blurred", "none"): PublishedColumn(
        "blurred", (23.41, 20.69, 18.64, 17.61, 16.97), (0.792, 0.705, 0.647, 0.617, 0.598)
    ),
    ("deblurgan", "none"): PublishedColumn(
        "DeblurGAN", (21.46, 20.23, 18.39, 17.27, 16.70), (0.694, 0.642, 0.593, 0.565, 0.557)
    ),
    ("fastgyro", "biased"): PublishedColumn(
        "FastGyro", (18.55, 19.54, 19.73, 19.18, 18.28), (0.567, 0.611, 0.642, 0.633, 0.605)
    ),
    **dict.fromkeys(
        ((name, "none") for name in ("deepblind-paper", *_OUR_NETWORKS)),
        PublishedColumn(
            "DeepBlind", (29.10, 27.14, 24.32, 21.92, 19.13), (0.920, 0.879, 0.815, 0.746, 0.652)
        ),
    ),
    **dict.fromkeys(
        ((name, "biased") for name in ("deepgyro-paper", *_OUR_NETWORKS)),
        PublishedColumn("DeepGyro", (28.91, 26.93, 24.58, 22.55, 20.20), (0.918, 0.880, 0.821, 0.757, 0.684)),
    ),
    **dict.fromkeys(
        ((name, "exact") for name in ("deepgyro-paper", *_OUR_NETWORKS)),
        PublishedColumn(
            "DeepGyro*", (29.34, 27.10, 24.74, 22.66, 19.97), (0.921, 0.880, 0.823, 0.759, 0.681)
        ),
    ),
}


@dataclass(frozen=True, eq=False)
class Table1Case:
    """A picture, sharp and blurred, and the blur vector it was blurred by."""

    sharp: Float32[ndarray, "h w 3"]
    blurred: Float32[ndarray, "h w 3"]
    """With noise; clipped to 0 to 1, not rounded to 8 bits."""
    vector: Float32[ndarray, " 2"]
    """px, from the start to the end of the exposure."""
    blurred_in: BlurredIn = "encoded"

    @property
    def encoding(self) -> Encoding:
        """The option `encoding` for a method: the values of "encoded" were blurred themselves."""
        return "linear" if self.blurred_in == "encoded" else "srgb"

    def field(self, given: GivenField) -> Float32[ndarray, "h w 2"] | None:
        """Return the blur vectors that a method is given, px."""
        if given == "none":
            return None
        bias = TABLE1_BIAS_PX if given == "biased" else (0.0, 0.0)
        return _uniform_vectors(self.vector + np.array(bias, np.float32), self.sharp)


def bench_table1(
    data: Path,
    *,
    images: Path | None = None,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    lengths: Sequence[int] = TABLE1_BLUR_LENGTHS_PX,
    directions: int = 1,
    blurred_in: Sequence[BlurredIn] = BLURRED_IN,
    progress: Progress | None = None,
) -> BenchReport:
    """Blur pictures by straight paths of five lengths, deblur them, and compare with the sharp ones.

    The first pictures of graf, ubc, bikes and leuven (Oxford affine data set) at full size; what a row has is
    the mean over them. PSNR and SSIM are of all pixels, borders included, and of encoded values; see
    `ssim_volume` for SSIM. Methods get what was blurred as an option (`encoding` of `deblur`).

    Parameters
    ----------
    images
        Folder of sharp photos that are taken instead.
    methods
        Those of `TABLE1_COLUMNS` that are wanted; with none named, all.
    lengths
        Of the blur, px.
    directions
        How many directions of the blur the mean is taken over, evenly spread over half a turn (the other half
        gives the same blurs) from `BLUR_DIRECTION_DEG` on, that of the paper.
    blurred_in
        What is blurred: a table for each.
    """
    compared = select_methods(methods, [method for method, *_ in TABLE1_COLUMNS], baselines=baselines)
    columns = [column for column in TABLE1_COLUMNS if column[0] in compared]
    require_bench_extra("skimage")
    if directions < 1:
        raise ValueError(f"directions is {directions}: at least one is needed")
    pictures = (
        list_photos(images) if images else [planar_picture_path(data, scene) for scene in PLANAR_SCENES]
    )
    scores: defaultdict[tuple[object, ...], list[tuple[float, float]]] = defaultdict(list)
    jobs = len(pictures) * len(lengths) * directions * len(blurred_in) * len(columns)
    finish_one = count_jobs(jobs, progress)
    for blur_px, case in make_cases(pictures, lengths, directions, blurred_in):
        for method, given, refine in columns:
            picture = compared[method](case.blurred, case.field(given), encoding=case.encoding, refine=refine)
            score = psnr(case.sharp, picture), ssim_volume(case.sharp, picture)
            scores[case.blurred_in, method, given, refine, blur_px].append(score)
            finish_one()
    keys = [(space, *column, L) for space in blurred_in for column in columns for L in lengths]
    rows = [_row(*key, scores[key]) for key in keys]
    return make_report("table1", rows, table1_display_rows(rows, methods, published=not images))


def make_cases(
    pictures: Sequence[Path],
    lengths: Sequence[int] = TABLE1_BLUR_LENGTHS_PX,
    directions: int = 1,
    blurred_in: Sequence[BlurredIn] = BLURRED_IN[:1],
) -> Iterator[tuple[int, Table1Case]]:
    """Yield each picture at each length (px), with the same noise every time."""
    for k, path in enumerate(pictures):
        sharp = to_unit_range(read_photo(path, quiet=True).pixels)
        for blur_px, turn, space in product(lengths, range(directions), blurred_in):
            rng = np.random.default_rng([TABLE1_SEED, k, blur_px, turn])
            direction = BLUR_DIRECTION_DEG + 180.0 * turn / directions
            yield blur_px, make_case(sharp, blur_px, rng, direction=direction, blurred_in=space)


def make_case(
    sharp: Float32[ndarray, "h w 3"],
    blur_px: int,
    rng: np.random.Generator,
    *,
    direction: float = BLUR_DIRECTION_DEG,
    blurred_in: BlurredIn = "encoded",
) -> Table1Case:
    """Blur a picture along a straight path (its direction in degrees from x to y), and add noise.

    The kernel is the exact integral along the segment, which is centred on its pixel; beyond the border, the
    border's pixels go on. Noise is added to the encoded values, wherever the blur was made.
    """
    angle = np.radians(direction)
    vector = (blur_px * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)
    A = BlurOperator(paths_from_vectors(_uniform_vectors(vector, sharp)))
    blurred = A(sharp) if blurred_in == "encoded" else linear_to_srgb(A(srgb_to_linear(sharp)))
    sigma = NOISE_TO_SIGNAL_RMS * np.sqrt(np.mean(blurred.astype(np.float64) ** 2))
    noisy = blurred + sigma * rng.standard_normal(blurred.shape)
    return Table1Case(sharp, noisy.clip(0, 1).astype(np.float32), vector, blurred_in)


def table1_display_rows(
    rows: Sequence[Row], methods: Sequence[str] = (), *, published: bool = True
) -> list[Row]:
    """Return rows for a person: PSNR and SSIM of each length side by side.

    Methods with the same field come together; below those that the paper's figures are comparable with come
    these, if they are `published` of these pictures. Networks without weights have rows without numbers: all,
    or of `methods`.
    """
    available = {row["method"] for row in rows}
    lengths = list(dict.fromkeys(row["blur_px"] for row in rows))
    by_key = {tuple(row[key] for key in (*_ROW_KEYS, "blur_px")): row for row in rows}
    wanted = [c for c in TABLE1_COLUMNS if c[0] in available or not methods or c[0] in methods]
    names = [*(paper.name for paper in PUBLISHED_COLUMNS.values()), ""]
    wanted.sort(key=lambda c: (c[0] != "blurred", _GIVEN_FIELDS.index(c[1]), names.index(_published_name(c))))
    shown: list[Row] = []

    def add_row(blurred_in: object, method: str, field: str | None, cells: Sequence[str | None]) -> None:
        figures = {f"{L} px": cell for L, cell in zip(lengths, cells, strict=True)}
        shown.append({"blurred in": str(blurred_in), "method": method, "field": field, **figures})

    for blurred_in in dict.fromkeys(row["blurred_in"] for row in rows):
        for _, group in groupby(wanted, lambda column: (column[1], _published_name(column))):
            for method, given, refine in (columns := list(group)):
                own = [by_key.get((blurred_in, method, given, refine, L)) for L in lengths]
                cells = [_format_scores(row["psnr"], row["ssim"]) if row else None for row in own]
                name = method if method in available else f"{method} (missing)"
                add_row(blurred_in, name, _describe_field(given, refine), cells)
            paper = PUBLISHED_COLUMNS.get(columns[0][:2])
            if paper and published and blurred_in == "encoded":
                figures = map(_format_scores, paper.psnr, paper.ssim)
                by_length: dict[object, str] = dict(zip(TABLE1_BLUR_LENGTHS_PX, figures, strict=True))
                add_row(blurred_in, f"  the paper's {paper.name}", None, list(map(by_length.get, lengths)))
    return shown


def _published_name(column: tuple[str, GivenField, bool]) -> str:
    """Return the name of the paper's column that one of ours is comparable with, if there is one."""
    paper = PUBLISHED_COLUMNS.get(column[:2])
    return paper.name if paper else ""


def _describe_field(given: GivenField, refine: bool) -> str:
    """Return the field that a method worked with, in words."""
    return given if not refine else "none: found" if given == "none" else f"{given}, refined"


def _row(
    blurred_in: str,
    method: str,
    given: str,
    refine: bool,
    blur_px: int,
    scores: Sequence[tuple[float, float]],
) -> Row:
    mean_psnr, mean_ssim = np.mean(scores, axis=0)
    return {
        "method": method,
        "field": given,
        "refined": refine,
        "blurred_in": blurred_in,
        "blur_px": blur_px,
        "psnr": round(float(mean_psnr), 3),
        "ssim": round(float(mean_ssim), 4),
    }


def _format_scores(psnr: object, ssim: object) -> str:
    return f"{psnr:.2f} {ssim:.3f}"


def _uniform_vectors(
    vector: Float32[ndarray, " 2"], picture: Float32[ndarray, "h w 3"]
) -> Float32[ndarray, "h w 2"]:
    return np.broadcast_to(vector, (*picture.shape[:2], 2))
