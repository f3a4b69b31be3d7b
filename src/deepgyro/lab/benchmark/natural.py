"""`bench natural`: real blur, and a region that moves by itself (figures 8 and 9 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...blurfield import Field, field_extent
from ...blurfield.picture import draw_field
from ...frames import check_writable, eight_bits, read_photo
from ..report import BenchReport, Row, report
from ..synthesis.patches import Patch
from .contenders import contenders
from .datafolder import held_logs, held_photos
from .page import Panel, Section, sections_html, write_page
from .recordings import crops, recorded_photos
from .scores import blur_effect, need_extra, psnr, reblur_error
from .shots import Place, shake

RECORDINGS = {"shield_burst": 960, "iphone_office": 960, "iphone_billiards": 960, "mars": 540}
"""The recordings, and the width at which their photos are deblurred, px."""
COUNT = 2
HEIGHT, WIDTH = 320, 480
BLUR = 16.0
"""Mean length of the camera's paths in the picture that is made, px."""
SEED = 1


@dataclass(frozen=True, eq=False)
class Subject:
    """A blurred picture and the field that methods are told."""

    name: str
    blurred: UInt8[ndarray, "h w 3"]
    field: Field
    """px"""
    sharp: UInt8[ndarray, "h w 3"] | None = None
    """Where it is known."""
    moving: tuple[Patch, ...] = ()
    """Regions that move by themselves."""


def natural(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = COUNT,
    recordings: Sequence[str] = tuple(RECORDINGS),
    seed: int = SEED,
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
        Those of `RECORDINGS`.
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
    made, sections = natural_sections(
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


def natural_sections(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = COUNT,
    recordings: Sequence[str] = tuple(RECORDINGS),
    seed: int = SEED,
    progress: Callable[[float], None] | None = None,
) -> tuple[BenchReport, list[Section]]:
    """Do what `natural` does, and return the parts of its page."""
    compared = contenders(methods, baselines=baselines)
    need_extra("skimage")
    if count < 1:
        raise ValueError(f"--count is {count}: at least one photo is needed")
    subjects = list(_subjects(data, recordings, count, seed))
    rows: list[Row] = []
    sections: list[Section] = []
    for k, subject in enumerate(subjects):
        results = {}
        for i, (name, restore) in enumerate(compared.items()):
            results[name] = restore(subject.blurred, subject.field)
            if progress:
                progress((k + (i + 1) / len(compared)) / len(subjects))
        own = [_row(subject, name, result) for name, result in results.items()]
        rows += own
        sections.append(_section(subject, results, own))
    return report("natural", rows), sections


def _subjects(data: Path, recordings: Sequence[str], count: int, seed: int) -> Iterator[Subject]:
    for crop in crops(data):
        yield Subject(f"shield_crops/{crop.path.stem}", crop.pixels(), crop.field)
    for name in recordings:
        photos = recorded_photos(data, name, RECORDINGS[name])
        spread = np.linspace(0, len(photos) - 1, min(count, len(photos)) + 2)[1:-1].round().astype(int)
        for photo in (photos[k] for k in spread):
            yield Subject(f"{name}/{photo.path.stem}", photo.pixels(), photo.field)
    yield moving_region(data, seed)


def moving_region(data: Path, seed: int) -> Subject:
    """Return a picture in which a region moves by itself, with the field of the camera alone."""
    rng = np.random.default_rng(seed)
    photos = held_photos(data)
    photo = eight_bits(read_photo(photos[int(rng.integers(len(photos)))], quiet=True).pixels)
    height, width = min(HEIGHT, photo.shape[0]), min(WIDTH, photo.shape[1])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    moving = Patch(
        x=0.42 * width, y=0.5 * height, a=0.23 * width, b=0.25 * height, angle=0.0, u=-20.0, v=20.0
    )
    shot = shake(Place(photo, top, left, height, width), held_logs(data), BLUR, rng, patches=(moving,))
    return Subject("synthetic/moving_region", shot.blurred, shot.field.grid[:, :], shot.sharp, (moving,))


def _row(subject: Subject, method: str, result: UInt8[ndarray, "h w 3"]) -> Row:
    sharp = subject.sharp
    return {
        "picture": subject.name,
        "method": method,
        "blur_px": round(field_extent(subject.field)[0], 1),
        "reblur_error": round(reblur_error(result, subject.blurred, subject.field), 3),
        "blur_effect": round(blur_effect(result), 4),
        "psnr": None if sharp is None else round(psnr(sharp, result), 3),
    }


def _section(
    subject: Subject, results: Mapping[str, UInt8[ndarray, "h w 3"]], rows: Sequence[Row]
) -> Section:
    import cv2

    drawn = draw_field(subject.field, subject.blurred)
    for patch in subject.moving:
        axes = 2 * patch.a, 2 * patch.b
        cv2.ellipse(
            drawn, ((patch.x, patch.y), axes, np.degrees(patch.angle)), (255, 255, 255), 2, cv2.LINE_AA
        )
    outlined = " (outlined: moves by itself, as they are not told)" if subject.moving else ""
    field = Panel(f"the field that the methods are told{outlined}", drawn)
    panels = [Panel(_caption(row), results[str(row["method"])]) for row in rows]
    known = [] if subject.sharp is None else [Panel("the truth", subject.sharp)]
    blur_px = field_extent(subject.field)[0]
    return Section(subject.name, f"Blur {blur_px:.1f} px in the median.", (), [field, *panels, *known])


def _caption(row: Row) -> str:
    also = "" if row["psnr"] is None else f", {row['psnr']:.2f} dB"
    error, effect = row["reblur_error"], row["blur_effect"]
    return f"{row['method']}: reblur error {error:.2f} of 255, blur effect {effect:.3f}{also}"
