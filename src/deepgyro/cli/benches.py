"""Figures: bench."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ..errors import require_extra
from .app import Flag, Integer, Json, Names, OptionalInteger, Overwrite, app
from .output import ProgressBar, print_json

if TYPE_CHECKING:
    from ..lab.report import BenchReport, Row

bench = App(name="bench", help="Measure: each bench prints a table, or one JSON object with --json.")
app.command(bench)

DataFolder = Annotated[
    Path,
    Parameter(help="Folder with photos, logs, recordings and evaluation pictures; what misses is named."),
]
Methods = Annotated[
    Names,
    Parameter(
        help="Only these: blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs "
        "it: the picture corrects the field), baselines; several may follow."
    ),
]
Seed = Annotated[Integer, Parameter(help="Of all that is drawn.")]
BaselinesFolder = Annotated[
    Path | None,
    Parameter(
        help="Folder with weights: deepgyro-paper.onnx, deepblind-paper.onnx, deblurgan.onnx and, of our "
        "network trained as long, deepgyro-90min.onnx; by default the checkout's checkpoints."
    ),
]
SHARED_DATA = Path("../shared/data")


@bench.command
def speed(
    *,
    repeats: Integer = 15,
    large: Annotated[bool, Parameter(negative="--small")] = True,
    baselines: BaselinesFolder = None,
    video: Flag = False,
    json: Json = False,
) -> int:
    """Time fields, the blur operator, networks and whole pictures, or clips (--video), beside peers.

    "network": all that runs once the field is known; times_faster: than the paper's network in OpenVINO, at
    the same precision and size, in the same run. "deblur": from an 8-bit picture and its field to an 8-bit
    picture, without refinement.

    Parameters
    ----------
    repeats
        Counted runs of each; a fifth of them of what takes seconds.
    large
        Also pictures of 720p, 1080p and 12 Mpx (a quarter of an hour more); clips of 1080p and 4K.
    video
        Instead: clips from decoding to encoding, the stream's latency, and the command's memory (extra:
        video).
    """
    from ..lab.benchmark import bench_speed, bench_video_speed, speed_display_rows

    if video:
        return _run(partial(bench_video_speed, repeats=max(1, repeats // 5), large=large), json)
    run = partial(bench_speed, repeats=repeats, large=large, baselines=baselines)
    return _run(run, json, speed_display_rows, baselines)


@bench.command
def training(
    config: Path,
    /,
    *,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    steps: Integer = 10,
    json: Json = False,
) -> int:
    """Measure how fast a training runs, against what its convolutions reach alone (extra: train).

    share: of the rate that the same convolutions reach alone, forward and backward, what a step reaches
    without the blur operator and the differences, data included. operators: how many times as long a step
    takes with them.

    Parameters
    ----------
    config
        What is trained and how: see deepgyro train. Nothing is kept.
    changes
        NAME=VALUE, instead of the value in config. May be given several times.
    steps
        Counted steps.
    """
    with require_extra("train"):
        from ..lab.learn.measure import bench_training
        from ..lab.learn.settings import read_config

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it reports every process
    return _run(partial(bench_training, read_config(config, changes), steps=steps), json)


@bench.command
def synthesis(
    *,
    preset: Literal["physical", "paper"] = "physical",
    count: Integer = 1500,
    workers: OptionalInteger = None,
    json: Json = False,
) -> int:
    """Measure how many training pairs of 270x480 are made a second, and where the time goes.

    Parameters
    ----------
    preset
        How pairs are drawn.
    count
        Pairs that are made.
    workers
        Processes; by default as many as there are cores.
    """
    from ..lab.benchmark import bench_synthesis

    return _run(partial(bench_synthesis, preset=preset, count=count, workers=workers), json)


@bench.command
def table1(
    *,
    data: DataFolder = SHARED_DATA,
    images: Path | None = None,
    method: Methods = (),
    baselines: BaselinesFolder = None,
    directions: Integer = 1,
    blurred_in: Literal["encoded", "linear"] | None = None,
    json: Json = False,
) -> int:
    """Make the paper's Table 1 (uniform straight blur, noise of 30 dB), beside the published figures.

    Each length has PSNR (dB) and SSIM (of the picture as a volume of height x width x 3, uniform window of
    side 7); "biased" fields are off by (5, 3) px. Needs the extra: bench.

    Parameters
    ----------
    images
        Folder of sharp photos that are taken instead of eval/oxford_affine.
    directions
        Take the mean over so many directions of the blur; 1: that of the paper, 45 degrees.
    blurred_in
        What is blurred: the encoded (sRGB) values, as in the paper, or the light they stand for, as in a
        camera; by default both, a table each.
    """
    from ..lab.benchmark import BLURRED_IN, bench_table1, table1_display_rows

    run = partial(
        bench_table1, data, images=images, methods=method, baselines=baselines, directions=directions,
        blurred_in=(blurred_in,) if blurred_in else BLURRED_IN,
    )  # fmt: skip
    return _run(run, json, partial(table1_display_rows, methods=method, published=not images), baselines)


@bench.command
def errors(
    *,
    data: DataFolder = SHARED_DATA,
    method: Methods = (),
    baselines: BaselinesFolder = None,
    count: Integer = 4,
    seed: Seed = 1,
    plot: Path | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Measure what wrong fields cost: PSNR (dB) after deblurring with them (extra: bench).

    Photos are blurred by motions of the logs, 8, 20 and 40 px in the mean, with rolling shutter, linear light
    and sensor noise. Fields are off by multiples of (5, 3) px, scaled, mirrored, turned, or computed from a
    gyro whose clock, bias or axes are wrong, a wrong readout time or focal length, or another recording.

    Parameters
    ----------
    count
        Photos.
    plot
        PNG that is written: dB gained against how wrong the field is.
    """
    from ..lab.benchmark import add_missing_networks, bench_errors, errors_display_rows

    run = partial(
        bench_errors, data, methods=method, baselines=baselines, count=count, seed=seed, plot=plot,
        overwrite=overwrite,
    )  # fmt: skip
    return _run(run, json, lambda rows: add_missing_networks(errors_display_rows(rows), method), baselines)


@bench.command
def sharp(
    *,
    data: DataFolder = SHARED_DATA,
    method: Methods = (),
    baselines: BaselinesFolder = None,
    count: Integer = 6,
    seed: Seed = 1,
    json: Json = False,
) -> int:
    """Measure what becomes of a sharp photo with mild noise: PSNR (dB) of the result (extra: bench).

    The field is zero; or true, of 0.5 px ("half"); or mismatched, of 10 to 40 px.

    Parameters
    ----------
    count
        Photos.
    """
    from ..lab.benchmark import add_missing_networks, bench_sharp

    run = partial(bench_sharp, data, methods=method, baselines=baselines, count=count, seed=seed)
    return _run(run, json, lambda rows: add_missing_networks(rows, method), baselines)


@bench.command
def sync(*, data: DataFolder = SHARED_DATA, count: Integer = 40, seed: Seed = 1, json: Json = False) -> int:
    """Estimate offset and axes of clips made of photos and logs, with their own gyro and with another's.

    Prints how many offsets are right to 1 ms, and how many are over 5 ms off though they are confident.

    Parameters
    ----------
    count
        Clips.
    """
    from ..lab.benchmark import bench_sync, sync_display_rows

    return _run(partial(bench_sync, data, count=count, seed=seed), json, sync_display_rows)


@bench.command
def refine(
    *,
    data: DataFolder = SHARED_DATA,
    case: Annotated[
        tuple[Literal["bias", "table1", "raw", "none", "sharp", "other"], ...],
        Parameter(consume_multiple=True, negative=()),
    ] = (),
    count: Integer = 40,
    seed: Seed = 1,
    gain: Flag = False,
    json: Json = False,
) -> int:
    """Measure how well pictures correct their blur field, find it without gyro, and reject a mismatched one.

    Parameters
    ----------
    case
        Only these; several may follow. bias: Table 1's blur on validation photos, (5, 3) px off; table1: the
        table's own pictures; raw: a gyro's errors; none: no gyro; sharp: a sharp picture and a mismatched
        field; other: another log's gyro.
    count
        Pictures a case.
    gain
        Deblur the pictures, too: with the exact field, the prior field, and as deblur does; dB (extra:
        bench).
    """
    from ..lab.benchmark import bench_refine, refine_display_rows

    run = partial(bench_refine, data, only=case, count=count, seed=seed, gain=gain)
    return _run(run, json, refine_display_rows)


@bench.command
def corrections(
    *,
    data: DataFolder = SHARED_DATA,
    recording: Names = (),
    width: Integer = 960,
    count: Integer = 20,
    json: Json = False,
) -> int:
    """List how the photos of real recordings correct their gyro, with the exact path and with eq. 5.

    Parameters
    ----------
    recording
        Only these; several may follow. The crops are always there.
    width
        To which the photos are made smaller, px.
    count
        Photos of each recording, at most.
    """
    from ..lab.benchmark import bench_corrections, corrections_display_rows
    from ..lab.benchmark.recordings import RECORDING_FILES

    wanted = recording or tuple(RECORDING_FILES)
    run = partial(bench_corrections, data, recordings=wanted, width=width, count=count)
    return _run(run, json, corrections_display_rows)


@bench.command
def features(
    *,
    data: DataFolder = SHARED_DATA,
    method: Methods = (),
    baselines: BaselinesFolder = None,
    count: Integer = 5,
    seed: Seed = 1,
    json: Json = False,
) -> int:
    """Measure what blur and deblurring do to features: section 5.3 of the paper.

    The strongest 800 regions of DoG with SIFT: repeatability at 40 % overlap error, correct nearest
    neighbours, and their share of the smaller number of regions. On planar scenes blurred by rolling-shutter
    motion ("unblurred": before it), and (matches that RANSAC verifies) on consecutive real photos.

    Parameters
    ----------
    count
        Pairs of pictures of each scene and recording, at most.
    """
    from ..lab.benchmark import add_missing_networks, bench_features

    run = partial(bench_features, data, methods=method, baselines=baselines, count=count, seed=seed)
    return _run(run, json, lambda rows: add_missing_networks(rows, method), baselines)


@bench.command
def natural(
    *,
    data: DataFolder = SHARED_DATA,
    method: Methods = (),
    baselines: BaselinesFolder = None,
    count: Integer = 2,
    seed: Seed = 1,
    page: Path | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Deblur real photos, and one in which something moves by itself: figures 8 and 9 (extra: bench).

    reblur_error: the result blurred again along the field, minus the input, mean of 255; blur_effect: 0 is
    sharp, 1 blurred (scikit-image). Neither says which picture is better: look at them.

    Parameters
    ----------
    count
        Photos of each recording, at most.
    page
        HTML file that is written, with the pictures in it: input, field, each result.
    """
    from ..lab.benchmark import add_missing_networks, bench_natural

    run = partial(
        bench_natural, data, methods=method, baselines=baselines, count=count, seed=seed, page=page,
        overwrite=overwrite,
    )  # fmt: skip
    return _run(run, json, lambda rows: add_missing_networks(rows, method), baselines)


@bench.command
def report(
    *,
    data: DataFolder = SHARED_DATA,
    page: Path = Path("results.html"),
    markdown: Path | None = None,
    baselines: BaselinesFolder = None,
    only: Names = (),
    quick: Flag = False,
    resume: Flag = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Run all benches, and write one HTML page: tables, plots, pictures, versions, machine (extra: bench).

    It takes an hour or more. The rows of each bench are kept in a folder beside the page (results.parts).

    Parameters
    ----------
    page
        HTML file that is written.
    markdown
        File for the tables alone, in Markdown.
    only
        Only these benches; several may follow.
    quick
        Few pictures: to see that all is well.
    resume
        Keep the rows that are there of the same settings and weights.
    """
    from ..lab.benchmark import count_rows_by_bench, write_full_report

    run = partial(
        write_full_report, data, page, markdown=markdown, baselines=baselines, quick=quick, only=only,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
    return _run(run, json, count_rows_by_bench, baselines)


def _run(
    run: Callable[..., BenchReport],
    json: bool,
    display: Callable[[Sequence[Row]], Sequence[Row]] | None = None,
    baselines: Path | None = None,
) -> int:
    """Run a bench beside a progress bar; print its report, as JSON or as a table of the rows to display."""
    from ..lab.benchmark import training_durations
    from ..lab.report import format_table

    with ProgressBar(1, "bench") as bar:
        report = run(progress=bar.show_share)
        bar.finish_one()
    if json:
        print_json(asdict(report))
        return 0
    print(format_table(display(report.rows) if display else report.rows))
    for name, budget in training_durations(report.rows, baselines).items():
        print(f"{name}: trained for {budget}")
    print(f"{report.machine['processor']}, {report.machine['cores']} cores, {report.commit}")
    return 0
