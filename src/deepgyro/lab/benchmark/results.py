"""`bench report`: all benches on one page."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...errors import DeepGyroError
from ...files import check_writable, write_atomically
from ..report import BenchReport, Progress, Row, current_commit, make_report
from .contenders import EXPECTED_NETWORKS, network_provenance
from .corrections import CORRECTIONS_PHOTO_COUNT, bench_corrections
from .errors import ERRORS_PHOTO_COUNT, bench_errors, errors_by_method
from .features import FEATURES_PAIR_COUNT, bench_features
from .natural import NATURAL_PHOTO_COUNT, bench_natural
from .page import CaptionedPicture, PageSection, sections_html, sections_markdown, write_page
from .plots import draw_errors_png
from .refine import REFINE_PICTURE_COUNT, bench_refine
from .scores import require_bench_extra
from .sharp import SHARP_PHOTO_COUNT, bench_sharp
from .speed import SPEED_REPEATS, bench_speed
from .sync import SYNC_CLIP_COUNT, bench_sync
from .synthesis import SYNTHESIS_PAIR_COUNT, bench_synthesis
from .table1 import TABLE1_BLUR_LENGTHS_PX, bench_table1
from .videospeed import CLIP_RUN_COUNT, STREAM_FRAME_COUNT, bench_video_speed


@dataclass(frozen=True)
class ReportSettings:
    """The settings of all benches of a report."""

    data: Path
    baselines: Path | None = None
    quick: bool = False
    networks: str = ""
    """The weights, and for how long they were trained."""


@dataclass(frozen=True, eq=False)
class BenchChapter:
    """The rows of a bench, and the sections that show them."""

    rows: Sequence[Row]
    sections: Sequence[PageSection]


@dataclass(frozen=True)
class Bench:
    """A bench as the report runs it."""

    name: str
    run: Callable[[ReportSettings, Progress], BenchChapter]
    minutes: float = 1.0
    """About how long it takes, for the time left."""


@dataclass(frozen=True)
class StoredChapter:
    """A bench's part of the report, as it is stored in a file until the others are done."""

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

    A bench that lacks its data is on the page with the line that says what is missing. The results of each
    are stored beside the page, in a folder named after it (results.parts), for `resume`.

    Parameters
    ----------
    page
        HTML with tables, plots, pictures, versions, machine and commit; it needs no other file.
    markdown
        The tables alone.
    quick
        Few pictures: for a test.
    only
        Names of the benches that are wanted; with none named, all.
    resume
        Take from that folder the results of the same settings and weights, and run only the other benches.
    benches
        By default `all_benches`.

    Returns
    -------
    report
        Every row of every bench, with the bench's name in "bench"; its table counts them.

    Raises
    ------
    KeyboardInterrupt
        With a line that says how to go on.
    """
    require_bench_extra("skimage", "matplotlib")
    for path in filter(None, (page, markdown)):
        check_writable(path, overwrite=overwrite)
    benches = list(all_benches() if benches is None else benches)
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
    rows = [row for part in parts for row in part.rows]
    counts = Counter(row["bench"] for row in rows)
    made = make_report("report", rows, [{"bench": name, "rows": count} for name, count in counts.items()])
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


def all_benches() -> list[Bench]:
    """Return every bench, in the order of the page."""
    return [
        Bench("table1", _run_table1, minutes=20.0),
        Bench("errors", _run_errors, minutes=8.0),
        Bench("refine", _run_refine, minutes=6.0),
        Bench("corrections", _run_corrections, minutes=3.0),
        Bench("sharp", _run_sharp, minutes=2.0),
        Bench("features", _run_features, minutes=20.0),
        Bench("natural", _run_natural, minutes=4.0),
        Bench("sync", _run_sync, minutes=5.0),
        Bench("speed", _run_speed, minutes=12.0),
        Bench("video", _run_video, minutes=10.0),
        Bench("synthesis", _run_synthesis, minutes=1.0),
    ]


def _run_bench(bench: Bench, settings: ReportSettings, file: Path, tick: Progress) -> StoredChapter:
    """Run a bench, and store its results, if it has any."""
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
    """Return the stored results of a bench; None without any, or if they were made with other settings."""
    try:
        part = StoredChapter(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DeepGyroError(f"{file}: no part of a report ({error}); remove it") from error
    return part if part.settings == _settings_json(settings) else None


def _settings_json(settings: ReportSettings) -> dict[str, str | bool | None]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()}


def _make_chapter(made: BenchReport, title: str, text: str = "") -> BenchChapter:
    return BenchChapter(made.rows, [PageSection(title, text, made.table)])


def _run_table1(s: ReportSettings, tick: Progress) -> BenchChapter:
    lengths = TABLE1_BLUR_LENGTHS_PX[:1] if s.quick else TABLE1_BLUR_LENGTHS_PX
    made = bench_table1(s.data, baselines=s.baselines, lengths=lengths, progress=tick)
    text = "PSNR (dB) and SSIM; below ours, the paper's figures; what is not there yet has none."
    return _make_chapter(made, "Table 1 of the paper", text)


def _run_errors(s: ReportSettings, tick: Progress) -> BenchChapter:
    count = 1 if s.quick else ERRORS_PHOTO_COUNT
    made = bench_errors(s.data, baselines=s.baselines, count=count, progress=tick)
    pixels = _decode_png(draw_errors_png(made.rows))
    plot = CaptionedPicture("PSNR gained over the blurred input", pixels, wide=True)
    text = "PSNR in dB after deblurring with them; blur_px is the mean length of the blur."
    return BenchChapter(made.rows, [PageSection("Wrong fields", text, errors_by_method(made.rows), [plot])])


def _run_refine(s: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_refine(s.data, count=2 if s.quick else REFINE_PICTURE_COUNT, progress=tick)
    text = "Errors of the blur field in px, of the prior and as the picture corrects it."
    return _make_chapter(made, "Fields that the picture corrects", text)


def _run_corrections(s: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_corrections(s.data, count=2 if s.quick else CORRECTIONS_PHOTO_COUNT, progress=tick)
    text = "Real recordings: how far the corrected blur vectors lie from the gyro's, and their scale."
    return _make_chapter(made, "Corrections of real photos", text)


def _run_sharp(s: ReportSettings, tick: Progress) -> BenchChapter:
    count = 1 if s.quick else SHARP_PHOTO_COUNT
    made = bench_sharp(s.data, baselines=s.baselines, count=count, progress=tick)
    text = "PSNR in dB of sharp photos with mild noise, and a field that is zero, tiny, or mismatched."
    return _make_chapter(made, "Sharp photos", text)


def _run_features(s: ReportSettings, tick: Progress) -> BenchChapter:
    count = 1 if s.quick else FEATURES_PAIR_COUNT
    made = bench_features(s.data, baselines=s.baselines, count=count, progress=tick)
    text = "DoG and SIFT, 800 regions a picture; of real photos, matches that RANSAC verifies."
    return _make_chapter(made, "Features", text)


def _run_natural(s: ReportSettings, tick: Progress) -> BenchChapter:
    count, pictures = 1 if s.quick else NATURAL_PHOTO_COUNT, list[PageSection]()
    made = bench_natural(s.data, baselines=s.baselines, count=count, show=pictures.append, progress=tick)
    text = "Nothing is chosen by these figures; the pictures are to be looked at."
    return BenchChapter(made.rows, [PageSection("Natural blur", text, made.table), *pictures])


def _run_sync(s: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_sync(s.data, count=2 if s.quick else SYNC_CLIP_COUNT, progress=tick)
    text = "Clips whose motion is known: offset and axes of their own gyro, and of another one."
    return _make_chapter(made, "Offsets of clips", text)


def _run_speed(s: ReportSettings, tick: Progress) -> BenchChapter:
    repeats = 3 if s.quick else SPEED_REPEATS
    made = bench_speed(large=not s.quick, repeats=repeats, baselines=s.baselines, progress=tick)
    text = "times_faster: than the paper's network (64 channels, random weights) in OpenVINO."
    return _make_chapter(made, "Speed", text)


def _run_video(s: ReportSettings, tick: Progress) -> BenchChapter:
    repeats, frames = (1, 30) if s.quick else (CLIP_RUN_COUNT, STREAM_FRAME_COUNT)
    made = bench_video_speed(large=not s.quick, repeats=repeats, stream_frames=frames, progress=tick)
    text = "Clips from decoding to encoding, frames of a stream, and the memory of the command."
    return _make_chapter(made, "Clips", text)


def _run_synthesis(s: ReportSettings, tick: Progress) -> BenchChapter:
    made = bench_synthesis(count=60 if s.quick else SYNTHESIS_PAIR_COUNT, progress=tick)
    return _make_chapter(made, "Synthesis of training pairs")


def _decode_png(png: bytes) -> UInt8[ndarray, "h w 3"]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(pixels, np.uint8)
