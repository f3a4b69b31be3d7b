"""`bench report`: all benches on one page."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...errors import DeepGyroError
from ...frames import check_writable, write_whole
from ..report import BenchReport, Row, current_commit, report
from .contenders import PLANNED, provenance, with_missing
from .corrections import COUNT as PHOTO_COUNT
from .corrections import corrections, corrections_shown
from .errors import COUNT as WRONG_COUNT
from .errors import errors, errors_by_method
from .features import COUNT as PAIR_COUNT
from .features import features
from .natural import COUNT as NATURAL_COUNT
from .natural import natural_sections
from .page import Panel, Section, sections_html, sections_markdown, write_page
from .plots import errors_png
from .refine import COUNT as FIELD_COUNT
from .refine import refine, refine_shown
from .scores import need_extra
from .sharp import COUNT as SHARP_COUNT
from .sharp import sharp
from .speed import REPEATS, speed, speed_shown
from .sync import COUNT as CLIP_COUNT
from .sync import sync, sync_shown
from .synthesis import COUNT as SYNTHESIS_COUNT
from .synthesis import synthesis
from .table1 import LENGTHS, beside_paper, table1
from .videospeed import REPEATS as CLIP_REPEATS
from .videospeed import STREAMED, video_speed

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Settings:
    """What every bench of a report is told."""

    data: Path
    baselines: Path | None = None
    quick: bool = False
    networks: str = ""
    """Which weights are there, and for how long they were trained."""


@dataclass(frozen=True, eq=False)
class Chapter:
    """What a bench found: its rows, and the sections that show it."""

    rows: Sequence[Row]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Bench:
    """A bench as the report runs it."""

    name: str
    run: Callable[[Settings, Progress], Chapter]
    minutes: float = 1.0
    """About how long it takes, beside the others: for the time left."""


@dataclass(frozen=True)
class Part:
    """A bench's part of the report, as it is kept in a file until the others are there."""

    told: Mapping[str, str | bool | None]
    """The settings it was made with."""
    rows: Sequence[Row]
    html: str
    markdown: str


def make_results(
    data: Path,
    page: Path,
    *,
    markdown: Path | None = None,
    baselines: Path | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
    resume: bool = False,
    benches: Sequence[Bench] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Run all benches, and write one HTML page and the tables as Markdown.

    A bench that lacks its data is on the page with the line that says what is missing. What each finds is
    kept beside the page, in a folder named after it (results.parts), for whom wants to go on.

    Parameters
    ----------
    data
        What all benches need.
    page
        HTML with tables, plots, pictures, versions, machine and commit; it needs no other file.
    markdown
        The tables alone.
    baselines
        Folder with the baselines' weights; None: that of the checkout.
    quick
        Few pictures: to see that all is well.
    only
        Names of the benches that are wanted; with none named, all.
    resume
        Take from that folder what was found with the same settings and weights, and run only the other
        benches.
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

    Raises
    ------
    DeepGyroError
        If a package is missing, or a file cannot be written.
    ValueError
        If there is no such bench.
    KeyboardInterrupt
        With a line that says how to go on.
    """
    need_extra("skimage", "matplotlib")
    for path in filter(None, (page, markdown)):
        check_writable(path, overwrite=overwrite)
    benches = list(all_benches()) if benches is None else benches
    names = [bench.name for bench in benches]
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"--only {unknown[0]}: there is no such bench; one of {', '.join(names)} is needed")
    benches = [bench for bench in benches if not only or bench.name in only]
    networks = networks_shown(baselines)  # before the hour that the rest takes
    weights = ", ".join(f"{row['network']}: {row['trained']}" for row in networks)
    settings = Settings(data, baselines, quick, weights)
    folder = page.with_suffix(".parts")
    parts: list[Part] = []
    done, total = 0.0, sum(bench.minutes for bench in benches)
    for bench in benches:

        def tick(share: float, done: float = done, bench: Bench = bench) -> None:
            if progress:
                progress((done + share * bench.minutes) / total)

        file = folder / f"{bench.name}.json"
        part = _read_part(file, settings) if resume else None
        try:
            parts.append(part or _run(bench, settings, file, tick))
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped: what was finished is kept; --resume goes on from it") from None
        tick(1.0)
        done += bench.minutes
    made = report("report", [row for part in parts for row in part.rows])
    first = [Section("Networks", _ABOUT, networks, level=2)]
    body = "\n".join([sections_html(first), *(part.html for part in parts)])
    write_page(page, "deepgyro: results", body, made, overwrite=overwrite)
    if markdown:
        command = " ".join(["deepgyro bench report", *["--quick"] * quick, *["--only"] * bool(only), *only])
        head = f"# Results\n\nMade by `{command}` of {made.commit}; {made.machine_line()}.\n"
        text = "\n".join([head, sections_markdown(first), *(part.markdown for part in parts)])
        write_whole(markdown, lambda file: file.write(text.encode()), overwrite=overwrite)
    return made


_ABOUT = (
    "What the rows of the tables were trained for: on one core or two, on pairs of deepgyro synth. "
    "deepgyro-90min is our network at the baselines' budget, so that designs can be compared."
)


def networks_shown(baselines: Path | None = None) -> list[Row]:
    """Return a row for each network with weights: how large it is, and for how long it was trained."""
    known = provenance(baselines)
    return [
        {
            "network": name,
            "trained": known[name].trained if name in known else "missing",
            "parameters, 10^6": known[name].parameters / 1e6 if name in known else None,
            "GMAC, 256 x 256 px": known[name].gmac if name in known else None,
        }
        for name in PLANNED
    ]


def results_shown(rows: Sequence[Row]) -> list[Row]:
    """Return how many rows each bench has: what they say is on the page."""
    return [{"bench": name, "rows": count} for name, count in Counter(row["bench"] for row in rows).items()]


def all_benches() -> Iterator[Bench]:
    """Yield every bench, in the order of the page."""
    yield Bench("table1", _table1, minutes=20.0)
    yield Bench("errors", _errors, minutes=8.0)
    yield Bench("refine", _refine, minutes=6.0)
    yield Bench("corrections", _corrections, minutes=3.0)
    yield Bench("sharp", _sharp, minutes=2.0)
    yield Bench("features", _features, minutes=20.0)
    yield Bench("natural", _natural, minutes=4.0)
    yield Bench("sync", _sync, minutes=5.0)
    yield Bench("speed", _speed, minutes=12.0)
    yield Bench("video", _video, minutes=10.0)
    yield Bench("synthesis", _synthesis, minutes=1.0)


def _run(bench: Bench, settings: Settings, file: Path, tick: Progress) -> Part:
    """Run a bench, and keep what it finds, if it finds anything."""
    start = time.perf_counter()
    try:
        chapter = bench.run(settings, tick)
    except DeepGyroError as error:
        chapter = Chapter((), [Section("Missing", str(error))])
    seconds = time.perf_counter() - start
    head = Section(f"bench {bench.name}", f"{seconds:.0f} s, of {current_commit()}.", level=2)
    sections = [head, *chapter.sections]
    rows = [{"bench": bench.name, **row} for row in chapter.rows]
    part = Part(_told(settings), rows, sections_html(sections), sections_markdown(sections))
    if rows:
        file.parent.mkdir(exist_ok=True)
        text = json.dumps(asdict(part))
        write_whole(file, lambda fp: fp.write(text.encode()), overwrite=True)
    return part


def _read_part(file: Path, settings: Settings) -> Part | None:
    """Return what was kept of a bench; None where there is nothing, or it was made with other settings."""
    try:
        part = Part(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DeepGyroError(f"{file}: no part of a report ({error}); remove it") from error
    return part if part.told == _told(settings) else None


def _told(settings: Settings) -> dict[str, str | bool | None]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()}


def _table1(told: Settings, tick: Progress) -> Chapter:
    lengths = LENGTHS[:1] if told.quick else LENGTHS
    made = table1(told.data, baselines=told.baselines, lengths=lengths, progress=tick)
    text = "PSNR (dB) and SSIM; below ours, the paper's figures; what is not there yet has none."
    return Chapter(made.rows, [Section("Table 1 of the paper", text, beside_paper(made.rows))])


def _errors(told: Settings, tick: Progress) -> Chapter:
    made = errors(told.data, baselines=told.baselines, count=1 if told.quick else WRONG_COUNT, progress=tick)
    plot = Panel("PSNR gained over the blurred input", _decoded(errors_png(made.rows)), wide=True)
    text = "PSNR in dB after deblurring with them; blur_px is the mean length of the blur."
    return Chapter(made.rows, [Section("Wrong fields", text, errors_by_method(made.rows), [plot])])


def _refine(told: Settings, tick: Progress) -> Chapter:
    made = refine(told.data, count=2 if told.quick else FIELD_COUNT, progress=tick)
    text = "Errors of the blur field in px, as told and as the picture corrects it."
    return Chapter(made.rows, [Section("Fields that the picture corrects", text, refine_shown(made.rows))])


def _corrections(told: Settings, tick: Progress) -> Chapter:
    made = corrections(told.data, count=2 if told.quick else PHOTO_COUNT, progress=tick)
    text = "Real recordings: how far the corrected blur vectors lie from the gyro's, and their scale."
    return Chapter(made.rows, [Section("What real photos correct", text, corrections_shown(made.rows))])


def _sharp(told: Settings, tick: Progress) -> Chapter:
    made = sharp(told.data, baselines=told.baselines, count=1 if told.quick else SHARP_COUNT, progress=tick)
    text = "PSNR in dB of sharp photos with mild noise, deblurred with a field that is zero, tiny, or a lie."
    return Chapter(made.rows, [Section("Sharp photos", text, with_missing(made.rows))])


def _features(told: Settings, tick: Progress) -> Chapter:
    made = features(told.data, baselines=told.baselines, count=1 if told.quick else PAIR_COUNT, progress=tick)
    text = "DoG and SIFT, 800 regions a picture; of real photos, matches that RANSAC verifies."
    return Chapter(made.rows, [Section("Features", text, with_missing(made.rows))])


def _natural(told: Settings, tick: Progress) -> Chapter:
    count = 1 if told.quick else NATURAL_COUNT
    made, sections = natural_sections(told.data, baselines=told.baselines, count=count, progress=tick)
    text = "Nothing is chosen by these figures; the pictures are to be looked at."
    return Chapter(made.rows, [Section("Natural blur", text, with_missing(made.rows)), *sections])


def _sync(told: Settings, tick: Progress) -> Chapter:
    made = sync(told.data, count=2 if told.quick else CLIP_COUNT, progress=tick)
    text = (
        "Clips whose motion is known: the gyro's offset and axes, found in the picture; and another's gyro."
    )
    return Chapter(made.rows, [Section("Offsets of clips", text, sync_shown(made.rows))])


def _speed(told: Settings, tick: Progress) -> Chapter:
    repeats = 3 if told.quick else REPEATS
    made = speed(large=not told.quick, repeats=repeats, baselines=told.baselines, progress=tick)
    text = "times_faster: than the paper's network (64 channels, random weights) in OpenVINO."
    return Chapter(made.rows, [Section("Speed", text, speed_shown(made.rows))])


def _video(told: Settings, tick: Progress) -> Chapter:
    repeats, streamed = (1, 30) if told.quick else (CLIP_REPEATS, STREAMED)
    made = video_speed(large=not told.quick, repeats=repeats, streamed=streamed, progress=tick)
    text = "Clips from decoding to encoding, frames of a stream, and what the command holds in memory."
    return Chapter(made.rows, [Section("Clips", text, made.rows)])


def _synthesis(told: Settings, tick: Progress) -> Chapter:
    made = synthesis(count=60 if told.quick else SYNTHESIS_COUNT, progress=tick)
    return Chapter(made.rows, [Section("Synthesis of training pairs", "", made.rows)])


def _decoded(png: bytes) -> UInt8[ndarray, "h w 3"]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(pixels, np.uint8)
