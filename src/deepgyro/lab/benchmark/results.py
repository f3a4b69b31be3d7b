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
from ...files import check_writable, write_atomically
from ..report import BenchReport, Row, current_commit, make_report
from .contenders import EXPECTED_NETWORKS, add_missing_networks, network_provenance
from .corrections import CORRECTIONS_PHOTO_COUNT as PHOTO_COUNT
from .corrections import bench_corrections, corrections_display_rows
from .errors import ERRORS_PHOTO_COUNT as WRONG_COUNT
from .errors import bench_errors, errors_by_method
from .features import FEATURES_PAIR_COUNT as PAIR_COUNT
from .features import bench_features
from .natural import NATURAL_PHOTO_COUNT as NATURAL_COUNT
from .natural import run_natural_sections
from .page import CaptionedPicture, PageSection, sections_html, sections_markdown, write_page
from .plots import draw_errors_png
from .refine import REFINE_PICTURE_COUNT as FIELD_COUNT
from .refine import bench_refine, refine_display_rows
from .scores import require_bench_extra
from .sharp import SHARP_PHOTO_COUNT as SHARP_COUNT
from .sharp import bench_sharp
from .speed import SPEED_REPEATS, bench_speed, speed_display_rows
from .sync import SYNC_CLIP_COUNT as CLIP_COUNT
from .sync import bench_sync, sync_display_rows
from .synthesis import SYNTHESIS_PAIR_COUNT as SYNTHESIS_COUNT
from .synthesis import bench_synthesis
from .table1 import TABLE1_BLUR_LENGTHS_PX, bench_table1, table1_display_rows
from .videospeed import CLIP_RUN_COUNT as CLIP_REPEATS
from .videospeed import STREAM_FRAME_COUNT, bench_video_speed

Progress = Callable[[float], None]


@dataclass(frozen=True)
class ReportSettings:
    """The settings of all benches of a report."""

    data: Path
    baselines: Path | None = None
    quick: bool = False
    networks: str = ""
    """Which weights are there, and for how long they were trained."""


@dataclass(frozen=True, eq=False)
class BenchChapter:
    """What a bench found: its rows, and the sections that show it."""

    rows: Sequence[Row]
    sections: Sequence[PageSection]


@dataclass(frozen=True)
class Bench:
    """A bench as the report runs it."""

    name: str
    run: Callable[[ReportSettings, Progress], BenchChapter]
    minutes: float = 1.0
    """About how long it takes, beside the others: for the time left."""


@dataclass(frozen=True)
class StoredChapter:
    """A bench's part of the report, as it is kept in a file until the others are there."""

    settings: Mapping[str, str | bool | None]
    """The settings it was made with."""
    rows: Sequence[Row]
    html: str
    markdown: str


def write_full_report(
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
    require_bench_extra("skimage", "matplotlib")
    for path in filter(None, (page, markdown)):
        check_writable(path, overwrite=overwrite)
    benches = list(all_benches()) if benches is None else benches
    names = [bench.name for bench in benches]
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"--only {unknown[0]}: there is no such bench; one of {', '.join(names)} is needed")
    benches = [bench for bench in benches if not only or bench.name in only]
    networks = network_rows(baselines)  # before the hour that the rest takes
    weights = ", ".join(f"{row['network']}: {row['trained']}" for row in networks)
    settings = ReportSettings(data, baselines, quick, weights)
    folder = page.with_suffix(".parts")
    parts: list[StoredChapter] = []
    done, total = 0.0, sum(bench.minutes for bench in benches)
    for bench in benches:

        def tick(share: float, done: float = done, bench: Bench = bench) -> None:
            if progress:
                progress((done + share * bench.minutes) / total)

        file = folder / f"{bench.name}.json"
        part = _read_stored_chapter(file, settings) if resume else None
        try:
            parts.append(part or _run_bench(bench, settings, file, tick))
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped: what was finished is kept; --resume goes on from it") from None
        tick(1.0)
        done += bench.minutes
    made = make_report("report", [row for part in parts for row in part.rows])
    first = [PageSection("Networks", _NETWORKS_TEXT, networks, level=2)]
    body = "\n".join([sections_html(first), *(part.html for part in parts)])
    write_page(page, "deepgyro: results", body, made, overwrite=overwrite)
    if markdown:
        command = " ".join(["deepgyro bench report", *["--quick"] * quick, *["--only"] * bool(only), *only])
        head = f"# Results\n\nMade by `{command}` of {made.commit}; {made.machine_line()}.\n"
        text = "\n".join([head, sections_markdown(first), *(part.markdown for part in parts)])
        write_atomically(markdown, lambda file: file.write(text.encode()), overwrite=overwrite)
    return made


_NETWORKS_TEXT = (
    "What the rows of the tables were trained for: on one core or two, on pairs of deepgyro synth. "
    "deepgyro-90min is our network at the baselines' budget, so that designs can be compared."
)


def network_rows(baselines: Path | None = None) -> list[Row]:
    """Return a row for each network with weights: how large it is, and for how long it was trained."""
    known = network_provenance(baselines)
    return [
        {
            "network": name,
            "trained": known[name].trained if name in known else "missing",
            "parameters, 10^6": known[name].parameters / 1e6 if name in known else None,
            "GMAC, 256 x 256 px": known[name].gmac if name in known else None,
        }
        for name in EXPECTED_NETWORKS
    ]


def count_rows_by_bench(rows: Sequence[Row]) -> list[Row]:
    """Return how many rows each bench has: what they say is on the page."""
    return [{"bench": name, "rows": count} for name, count in Counter(row["bench"] for row in rows).items()]


def all_benches() -> Iterator[Bench]:
    """Yield every bench, in the order of the page."""
    yield Bench("table1", _table1_chapter, minutes=20.0)
    yield Bench("errors", _errors_chapter, minutes=8.0)
    yield Bench("refine", _refine_chapter, minutes=6.0)
    yield Bench("corrections", _corrections_chapter, minutes=3.0)
    yield Bench("sharp", _sharp_chapter, minutes=2.0)
    yield Bench("features", _features_chapter, minutes=20.0)
    yield Bench("natural", _natural_chapter, minutes=4.0)
    yield Bench("sync", _sync_chapter, minutes=5.0)
    yield Bench("speed", _speed_chapter, minutes=12.0)
    yield Bench("video", _video_chapter, minutes=10.0)
    yield Bench("synthesis", _synthesis_chapter, minutes=1.0)


def _run_bench(bench: Bench, settings: ReportSettings, file: Path, tick: Progress) -> StoredChapter:
    """Run a bench, and keep what it finds, if it finds anything."""
    start = time.perf_counter()
    try:
        chapter = bench.run(settings, tick)
    except DeepGyroError as error:
        chapter = BenchChapter((), [PageSection("Missing", str(error))])
    seconds = time.perf_counter() - start
    head = PageSection(f"bench {bench.name}", f"{seconds:.0f} s, of {current_commit()}.", level=2)
    sections = [head, *chapter.sections]
    rows = [{"bench": bench.name, **row} for row in chapter.rows]
    part = StoredChapter(_settings_json(settings), rows, sections_html(sections), sections_markdown(sections))
    if rows:
        file.parent.mkdir(exist_ok=True)
        text = json.dumps(asdict(part))
        write_atomically(file, lambda fp: fp.write(text.encode()), overwrite=True)
    return part


def _read_stored_chapter(file: Path, settings: ReportSettings) -> StoredChapter | None:
    """Return what was kept of a bench; None where there is nothing, or it was made with other settings."""
    try:
        part = StoredChapter(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DeepGyroError(f"{file}: no part of a report ({error}); remove it") from error
    return part if part.settings == _settings_json(settings) else None


def _settings_json(settings: ReportSettings) -> dict[str, str | bool | None]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()}


def _table1_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    lengths = TABLE1_BLUR_LENGTHS_PX[:1] if settings.quick else TABLE1_BLUR_LENGTHS_PX
    made = bench_table1(settings.data, baselines=settings.baselines, lengths=lengths, progress=tick)
    text = "PSNR (dB) and SSIM; below ours, the paper's figures; what is not there yet has none."
    return BenchChapter(
        made.rows, [PageSection("Table 1 of the paper", text, table1_display_rows(made.rows))]
    )


def _errors_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_errors(
        settings.data, baselines=settings.baselines, count=1 if settings.quick else WRONG_COUNT, progress=tick
    )
    plot = CaptionedPicture(
        "PSNR gained over the blurred input", _decode_png(draw_errors_png(made.rows)), wide=True
    )
    text = "PSNR in dB after deblurring with them; blur_px is the mean length of the blur."
    return BenchChapter(made.rows, [PageSection("Wrong fields", text, errors_by_method(made.rows), [plot])])


def _refine_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_refine(settings.data, count=2 if settings.quick else FIELD_COUNT, progress=tick)
    text = "Errors of the blur field in px, of the prior and as the picture corrects it."
    return BenchChapter(
        made.rows, [PageSection("Fields that the picture corrects", text, refine_display_rows(made.rows))]
    )


def _corrections_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_corrections(settings.data, count=2 if settings.quick else PHOTO_COUNT, progress=tick)
    text = "Real recordings: how far the corrected blur vectors lie from the gyro's, and their scale."
    return BenchChapter(
        made.rows, [PageSection("What real photos correct", text, corrections_display_rows(made.rows))]
    )


def _sharp_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_sharp(
        settings.data, baselines=settings.baselines, count=1 if settings.quick else SHARP_COUNT, progress=tick
    )
    text = "PSNR in dB of sharp photos with mild noise, and a field that is zero, tiny, or mismatched."
    return BenchChapter(made.rows, [PageSection("Sharp photos", text, add_missing_networks(made.rows))])


def _features_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_features(
        settings.data, baselines=settings.baselines, count=1 if settings.quick else PAIR_COUNT, progress=tick
    )
    text = "DoG and SIFT, 800 regions a picture; of real photos, matches that RANSAC verifies."
    return BenchChapter(made.rows, [PageSection("Features", text, add_missing_networks(made.rows))])


def _natural_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    count = 1 if settings.quick else NATURAL_COUNT
    made, sections = run_natural_sections(
        settings.data, baselines=settings.baselines, count=count, progress=tick
    )
    text = "Nothing is chosen by these figures; the pictures are to be looked at."
    return BenchChapter(
        made.rows, [PageSection("Natural blur", text, add_missing_networks(made.rows)), *sections]
    )


def _sync_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_sync(settings.data, count=2 if settings.quick else CLIP_COUNT, progress=tick)
    text = (
        "Clips whose motion is known: the gyro's offset and axes, found in the picture; and another's gyro."
    )
    return BenchChapter(made.rows, [PageSection("Offsets of clips", text, sync_display_rows(made.rows))])


def _speed_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    repeats = 3 if settings.quick else SPEED_REPEATS
    made = bench_speed(large=not settings.quick, repeats=repeats, baselines=settings.baselines, progress=tick)
    text = "times_faster: than the paper's network (64 channels, random weights) in OpenVINO."
    return BenchChapter(made.rows, [PageSection("Speed", text, speed_display_rows(made.rows))])


def _video_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    repeats, streamed = (1, 30) if settings.quick else (CLIP_REPEATS, STREAM_FRAME_COUNT)
    made = bench_video_speed(large=not settings.quick, repeats=repeats, stream_frames=streamed, progress=tick)
    text = "Clips from decoding to encoding, frames of a stream, and what the command holds in memory."
    return BenchChapter(made.rows, [PageSection("Clips", text, made.rows)])


def _synthesis_chapter(settings: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_synthesis(count=60 if settings.quick else SYNTHESIS_COUNT, progress=tick)
    return BenchChapter(made.rows, [PageSection("Synthesis of training pairs", "", made.rows)])


def _decode_png(png: bytes) -> UInt8[ndarray, "h w 3"]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(pixels, np.uint8)
