"""`bench report`: all benches on one page."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..errors import DeepGyroError
from ..frames import check_writable, write_whole
from .contenders import with_missing
from .errors import COUNT as WRONG_COUNT
from .errors import errors, errors_shown
from .features import COUNT as PAIR_COUNT
from .features import features
from .natural import COUNT as NATURAL_COUNT
from .natural import natural_sections
from .page import Panel, Section, markdown_table, write_page
from .plots import errors_png
from .refine import COUNT as FIELD_COUNT
from .refine import refine, refine_shown
from .report import BenchReport, Row, report
from .scores import need_extra
from .sharp import COUNT as SHARP_COUNT
from .sharp import sharp
from .speed import REPEATS, speed, speed_shown
from .sync import COUNT as CLIP_COUNT
from .sync import sync, sync_shown
from .synthesis import COUNT as SYNTHESIS_COUNT
from .synthesis import synthesis
from .table1 import LENGTHS, beside_paper, table1

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Chapter:
    """What a bench found: its rows, and the sections that show it."""

    rows: Sequence[Row]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Bench:
    """A bench as the report runs it."""

    name: str
    run: Callable[[Path, bool, Progress], Chapter]
    """Takes the data folder, and whether to be quick."""


def make_results(
    data: Path,
    page: Path,
    *,
    markdown: Path | None = None,
    quick: bool = False,
    benches: Sequence[Bench] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Run all benches, and write one HTML page and the tables as Markdown.

    A bench that lacks its data is on the page with the line that says what is missing.

    Parameters
    ----------
    data
        What all benches need.
    page
        HTML with tables, plots, pictures, versions, machine and commit; it needs no other file.
    markdown
        The tables alone.
    quick
        Few pictures: to see that all is well.
    benches
        Which; by default `all_benches`.
    overwrite
        Replace files of these names.
    progress
        Called with the share that is done.

    Returns
    -------
    report
        Every row of every bench, with the bench's name in "bench".
    """
    need_extra("skimage", "matplotlib")
    for path in filter(None, (page, markdown)):
        check_writable(path, overwrite=overwrite)
    benches = list(all_benches()) if benches is None else benches
    rows: list[Row] = []
    sections: list[Section] = []
    for k, bench in enumerate(benches):

        def tick(share: float, done: int = k) -> None:
            if progress:
                progress((done + share) / len(benches))

        start = time.perf_counter()
        chapter = _chapter(bench, data, quick, tick)
        seconds = time.perf_counter() - start
        rows += [{"bench": bench.name, **row} for row in chapter.rows]
        sections.append(Section(f"bench {bench.name}", f"{seconds:.0f} s", level=2))
        sections += chapter.sections
        tick(1.0)
    made = report("report", rows)
    write_page(page, "deepgyro: results", sections, made, overwrite=overwrite)
    if markdown:
        text = _markdown(sections, made, quick=quick)
        write_whole(markdown, lambda file: file.write(text.encode()), overwrite=overwrite)
    return made


def results_shown(rows: Sequence[Row]) -> list[Row]:
    """Return how many rows each bench has: what they say is on the page."""
    return [{"bench": name, "rows": count} for name, count in Counter(row["bench"] for row in rows).items()]


def all_benches() -> Iterator[Bench]:
    """Yield every bench, in the order of the page."""
    yield Bench("table1", _table1)
    yield Bench("errors", _errors)
    yield Bench("refine", _refine)
    yield Bench("sharp", _sharp)
    yield Bench("features", _features)
    yield Bench("natural", _natural)
    yield Bench("sync", _sync)
    yield Bench("speed", _speed)
    yield Bench("synthesis", _synthesis)


def _chapter(bench: Bench, data: Path, quick: bool, tick: Progress) -> Chapter:
    try:
        return bench.run(data, quick, tick)
    except DeepGyroError as error:
        return Chapter((), [Section("Missing", str(error))])


def _table1(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = table1(data, lengths=LENGTHS[:1] if quick else LENGTHS, progress=tick)
    text = "PSNR in dB; the paper's figures beside ours; what is not there yet has no number."
    return Chapter(made.rows, [Section("Table 1 of the paper", text, beside_paper(made.rows))])


def _errors(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = errors(data, count=1 if quick else WRONG_COUNT, progress=tick)
    shown = with_missing(errors_shown(made.rows))
    plot = Panel("PSNR gained over the blurred input", _decoded(errors_png(made.rows)), wide=True)
    return Chapter(
        made.rows, [Section("Wrong fields", "PSNR in dB after deblurring with them.", shown, [plot])]
    )


def _refine(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = refine(data, count=2 if quick else FIELD_COUNT, progress=tick)
    text = "Errors of the blur field in px, as told and as the picture corrects it."
    return Chapter(made.rows, [Section("Fields that the picture corrects", text, refine_shown(made.rows))])


def _sharp(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = sharp(data, count=1 if quick else SHARP_COUNT, progress=tick)
    text = "PSNR in dB of sharp photos with mild noise, deblurred with a field that is zero, tiny, or a lie."
    return Chapter(made.rows, [Section("Sharp photos", text, with_missing(made.rows))])


def _features(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = features(data, count=1 if quick else PAIR_COUNT, progress=tick)
    text = "DoG and SIFT, 800 regions a picture; of real photos, matches that RANSAC verifies."
    return Chapter(made.rows, [Section("Features", text, with_missing(made.rows))])


def _natural(data: Path, quick: bool, tick: Progress) -> Chapter:
    made, sections = natural_sections(data, count=1 if quick else NATURAL_COUNT, progress=tick)
    text = "Nothing is chosen by these figures; the pictures are to be looked at."
    return Chapter(made.rows, [Section("Natural blur", text, with_missing(made.rows)), *sections])


def _sync(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = sync(data, count=2 if quick else CLIP_COUNT, progress=tick)
    text = (
        "Clips whose motion is known: the gyro's offset and axes, found in the picture; and another's gyro."
    )
    return Chapter(made.rows, [Section("Offsets of clips", text, sync_shown(made.rows))])


def _speed(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = speed(large=not quick, repeats=3 if quick else REPEATS, progress=tick)
    return Chapter(made.rows, [Section("Speed", "", speed_shown(made.rows))])


def _synthesis(data: Path, quick: bool, tick: Progress) -> Chapter:
    made = synthesis(count=60 if quick else SYNTHESIS_COUNT, progress=tick)
    return Chapter(made.rows, [Section("Synthesis of training pairs", "", made.rows)])


def _decoded(png: bytes) -> UInt8[ndarray, "h w 3"]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(pixels, np.uint8)


def _markdown(sections: Sequence[Section], made: BenchReport, *, quick: bool) -> str:
    """Return the tables as Markdown."""
    machine = ", ".join(f"{name} {value}" for name, value in made.machine.items())
    command = "deepgyro bench report --quick" if quick else "deepgyro bench report"
    lines = ["# Results", "", f"Made by `{command}` of {made.commit}; {machine}.", ""]
    for section in sections:
        if section.rows or not section.panels:  # not those of pictures alone
            lines += [f"{'#' * section.level} {section.title}", ""]
            lines += [section.text, ""] if section.text else []
            lines += [markdown_table(section.rows), ""] if section.rows else []
    return "\n".join(lines)
