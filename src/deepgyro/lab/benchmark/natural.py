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
from ...frames import read_photo, to_eight_bits
from ..report import BenchReport, Row, make_report
from ..synthesis.patches import MovingPatch
from .contenders import select_methods
from .datafolder import read_validation_logs, validation_photos
from .page import CaptionedPicture, PageSection, sections_html, write_page
from .recordings import read_paper_crops, read_real_photos
from .scores import blur_effect, psnr, reblur_error, require_bench_extra
from .shots import PhotoCrop, simulate_shake

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
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Deblur real photos with the fields of their gyros, and show them.

    The crops of figure 8 with the authors' fields; photos of the recordings, evenly spread over each; and a
    validation photo that is blurred by a motion of a validation log while a region of it moves by itself,
    as no gyro knows (figure 9). What is true is not known of real photos: a row has `reblur_error`, which can
    be small for a picture full of artefacts, and `blur_effect`, which noise and artefacts make small too.
    Nothing may be chosen by these figures.

    Parameters
    ----------
    data
        Folder with ``real``, and the validation photos and logs.
    methods
        Those that are wanted; with none named, all.
    baselines
        Folder with the baselines' weights; None: that of the checkout.
    count
        Photos of each recording, at most.
    recordings
        Those of `NATURAL_WIDTHS_PX`.
    seed
        Of the picture that is made.
    page
        HTML that is written: input, field and every result.
    overwrite
        Replace a file of that name.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a photo, log or recording is missing, or a package is, or the page cannot be written.
    ValueError
        If there is no such method, or no photo is asked for.
    """
    if page:
        check_writable(page, overwrite=overwrite)
    made, sections = run_natural_sections(
        data,
        methods=methods,
        baselines=baselines,
        count=count,
        recordings=recordings,
        seed=seed,
        progress=progress,
    )
    if page:
        write_page(page, "Natural blur", sections_html(sections), made, overwrite=overwrite)
    return made


def run_natural_sections(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = NATURAL_PHOTO_COUNT,
    recordings: Sequence[str] = tuple(NATURAL_WIDTHS_PX),
    seed: int = NATURAL_SEED,
    progress: Callable[[float], None] | None = None,
) -> tuple[BenchReport, list[PageSection]]:
    """Do what `bench_natural` does, and return the parts of its page."""
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage")
    if count < 1:
        raise ValueError(f"--count is {count}: at least one photo is needed")
    subjects = list(_natural_cases(data, recordings, count, seed))
    rows: list[Row] = []
    sections: list[PageSection] = []
    for k, subject in enumerate(subjects):
        results = {}
        for i, (name, restore) in enumerate(compared.items()):
            results[name] = restore(subject.blurred, subject.field)
            if progress:
                progress((k + (i + 1) / len(compared)) / len(subjects))
        own = [_row(subject, name, result) for name, result in results.items()]
        rows += own
        sections.append(_case_section(subject, results, own))
    return make_report("natural", rows), sections


def _natural_cases(data: Path, recordings: Sequence[str], count: int, seed: int) -> Iterator[NaturalCase]:
    for crop in read_paper_crops(data):
        yield NaturalCase(f"shield_crops/{crop.path.stem}", crop.read_pixels(), crop.field)
    for name in recordings:
        photos = read_real_photos(data, name, NATURAL_WIDTHS_PX[name])
        spread = np.linspace(0, len(photos) - 1, min(count, len(photos)) + 2)[1:-1].round().astype(int)
        for photo in (photos[k] for k in spread):
            yield NaturalCase(f"{name}/{photo.path.stem}", photo.pixels(), photo.field)
    yield make_moving_region_case(data, seed)


def make_moving_region_case(data: Path, seed: int) -> NaturalCase:
    """Return a picture in which a region moves by itself, with the field of the camera alone."""
    rng = np.random.default_rng(seed)
    photos = validation_photos(data)
    photo = to_eight_bits(read_photo(photos[int(rng.integers(len(photos)))], quiet=True).pixels)
    height, width = min(MOVING_REGION_HEIGHT_PX, photo.shape[0]), min(MOVING_REGION_WIDTH_PX, photo.shape[1])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    moving = MovingPatch(
        x=0.42 * width, y=0.5 * height, a=0.23 * width, b=0.25 * height, angle=0.0, u=-20.0, v=20.0
    )
    shot = simulate_shake(
        PhotoCrop(photo, top, left, height, width),
        read_validation_logs(data),
        MOVING_REGION_BLUR_PX,
        rng,
        patches=(moving,),
    )
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
        axes = 2 * patch.a, 2 * patch.b
        cv2.ellipse(
            drawn, ((patch.x, patch.y), axes, np.degrees(patch.angle)), (255, 255, 255), 2, cv2.LINE_AA
        )
    outlined = " (outlined: moves by itself, which the field does not have)" if case.moving_patches else ""
    field = CaptionedPicture(f"the prior field{outlined}", drawn)
    panels = [CaptionedPicture(_result_caption(row), results[str(row["method"])]) for row in rows]
    known = [] if case.sharp is None else [CaptionedPicture("the truth", case.sharp)]
    blur_px = measure_field(case.field)[0]
    return PageSection(case.name, f"Blur {blur_px:.1f} px in the median.", (), [field, *panels, *known])


def _result_caption(row: Row) -> str:
    also = "" if row["psnr"] is None else f", {row['psnr']:.2f} dB"
    error, effect = row["reblur_error"], row["blur_effect"]
    return f"{row['method']}: reblur error {error:.2f} of 255, blur effect {effect:.3f}{also}"
