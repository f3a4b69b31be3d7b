"""`bench natural`: real blur, and a region that moves by itself (figures 8 and 9 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...blurfield import Field, measure_field
from ...blurfield.picture import draw_field
from ...files import check_writable
from ..report import BenchReport, Progress, Row, count_jobs, make_report
from ..synthesis.patches import MovingPatch
from .contenders import add_missing_networks, select_methods
from .datafolder import read_validation_logs, validation_photos
from .page import CaptionedPicture, PageSection, sections_html, write_page
from .recordings import read_paper_crops, read_real_photos
from .scores import blur_effect, psnr, reblur_error, require_bench_extra
from .shots import PhotoCrop, read_pixels, simulate_shake

NATURAL_WIDTHS_PX = {"shield_burst": 960, "iphone_office": 960, "iphone_billiards": 960, "mars": 540}
"""The recordings, and the width at which their photos are deblurred, px."""
NATURAL_PHOTO_COUNT = 2
MOVING_REGION_HEIGHT_PX, MOVING_REGION_WIDTH_PX = 320, 480
MOVING_REGION_BLUR_PX = 16.0
"""Mean length of the camera's paths in the picture that is made, px."""
NATURAL_SEED = 1


@dataclass(frozen=True, eq=False)
class NaturalCase:
    """A blurred picture and its prior field."""

    name: str
    blurred: UInt8[ndarray, "h w 3"]
    field: Field
    """px"""
    sharp: UInt8[ndarray, "h w 3"] | None = None
    """Where it is known."""
    moving_patches: tuple[MovingPatch, ...] = ()
    """Regions that move by themselves."""


def bench_natural(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = NATURAL_PHOTO_COUNT,
    recordings: Sequence[str] = tuple(NATURAL_WIDTHS_PX),
    seed: int = NATURAL_SEED,
    page: Path | None = None,
    overwrite: bool = False,
    show: Callable[[PageSection], None] | None = None,
    progress: Progress | None = None,
) -> BenchReport:
    """Deblur real photos with the fields of their gyros, and show them.

    The crops of figure 8 with the authors' fields; at most `count` photos of each of the recordings (of
    `NATURAL_WIDTHS_PX`), evenly spread; and a validation photo that is blurred by a motion of a validation
    log while a region of it moves by itself, which no gyro measures (figure 9). There is no ground truth for
    real photos: a row has `reblur_error`, which can be small for a picture full of artefacts, and
    `blur_effect`, which noise and artefacts make small too. Nothing may be chosen by these figures.

    Parameters
    ----------
    page
        HTML that is written: input, field and every result.
    show
        Called with each picture's part of that page.
    """
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage")
    if page:
        check_writable(page, overwrite=overwrite)
    if count < 1:
        raise ValueError(f"--count is {count}: at least one photo is needed")
    cases = list(_natural_cases(data, recordings, count, seed))
    finish_one = count_jobs(len(cases) * len(compared), progress)
    rows: list[Row] = []
    sections: list[PageSection] = []
    for case in cases:
        results = {}
        for name, restore in compared.items():
            results[name] = restore(case.blurred, case.field)
            finish_one()
        own = [_row(case, name, result) for name, result in results.items()]
        rows += own
        sections.append(_case_section(case, results, own))
        if show:
            show(sections[-1])
    made = make_report("natural", rows, add_missing_networks(rows, methods))
    if page:
        write_page(page, "Natural blur", sections_html(sections), made, overwrite=overwrite)
    return made


def _natural_cases(data: Path, recordings: Sequence[str], count: int, seed: int) -> Iterator[NaturalCase]:
    for crop in read_paper_crops(data):
        yield NaturalCase(f"shield_crops/{crop.path.stem}", crop.read_pixels(), crop.field)
    for name in recordings:
        photos = read_real_photos(data, name, NATURAL_WIDTHS_PX[name])
        spread = np.linspace(0, len(photos) - 1, min(count, len(photos)) + 2)[1:-1].round().astype(int)
        for photo in (photos[k] for k in spread):
            yield NaturalCase(f"{name}/{photo.path.stem}", photo.read_pixels(), photo.field)
    yield make_moving_region_case(data, seed)


def make_moving_region_case(data: Path, seed: int) -> NaturalCase:
    """Return a picture in which a region moves by itself, with the field of the camera alone."""
    rng = np.random.default_rng(seed)
    photos = validation_photos(data)
    photo = read_pixels(photos[int(rng.integers(len(photos)))])
    height, width = min(MOVING_REGION_HEIGHT_PX, photo.shape[0]), min(MOVING_REGION_WIDTH_PX, photo.shape[1])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    moving = MovingPatch(
        x=0.42 * width, y=0.5 * height, a=0.23 * width, b=0.25 * height, angle=0.0, u=-20.0, v=20.0
    )
    crop, logs = PhotoCrop(photo, top, left, height, width), read_validation_logs(data)
    shot = simulate_shake(crop, logs, MOVING_REGION_BLUR_PX, rng, patches=(moving,))
    return NaturalCase("synthetic/moving_region", shot.blurred, shot.field.grid[:, :], shot.sharp, (moving,))


def _row(case: NaturalCase, method: str, result: UInt8[ndarray, "h w 3"]) -> Row:
    sharp = case.sharp
    return {
        "picture": case.name,
        "method": method,
        "blur_px": round(measure_field(case.field)[0], 1),
        "reblur_error": round(reblur_error(result, case.blurred, case.field), 3),
        "blur_effect": round(blur_effect(result), 4),
        "psnr": None if sharp is None else round(psnr(sharp, result), 3),
    }


def _case_section(
    case: NaturalCase, results: Mapping[str, UInt8[ndarray, "h w 3"]], rows: Sequence[Row]
) -> PageSection:
    import cv2

    drawn = draw_field(case.field, case.blurred)
    for patch in case.moving_patches:
        box = (patch.x, patch.y), (2 * patch.a, 2 * patch.b), np.degrees(patch.angle)
        cv2.ellipse(drawn, box, (255, 255, 255), 2, cv2.LINE_AA)
    outlined = " (outlined: moves by itself, not in the field)" if case.moving_patches else ""
    field = CaptionedPicture(f"the prior field{outlined}", drawn)
    panels = [CaptionedPicture(_result_caption(row), results[str(row["method"])]) for row in rows]
    truth = [] if case.sharp is None else [CaptionedPicture("ground truth", case.sharp)]
    blur_px = measure_field(case.field)[0]
    return PageSection(case.name, f"Blur {blur_px:.1f} px in the median.", (), [field, *panels, *truth])


def _result_caption(row: Row) -> str:
    also = "" if row["psnr"] is None else f", {row['psnr']:.2f} dB"
    error, effect = row["reblur_error"], row["blur_effect"]
    return f"{row['method']}: reblur error {error:.2f} of 255, blur effect {effect:.3f}{also}"
