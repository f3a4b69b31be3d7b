"""Figures: bench."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ..errors import require_extra
from .app import BaselinesFolder, Flag, Integer, MethodNames, OptionalInteger, app
from .output import ProgressBar, print_json

if TYPE_CHECKING:
    from ..lab.report import BenchReport, Row

bench = App(name="bench", help="Measure: each bench prints a table, or one JSON object with --json.")
app.command(bench)


@bench.command
def speed(
    *,
    repeats: Integer = 15,
    large: Annotated[bool, Parameter(negative="--small")] = True,
    baselines: BaselinesFolder = None,
    video: Flag = False,
    json: Flag = False,
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
    json
        Print one JSON object.
    """
    from ..lab.benchmark import bench_speed as run_speed
    from ..lab.benchmark import bench_video_speed, speed_display_rows

    with ProgressBar(1, "bench") as bar:
        if video:
            report = bench_video_speed(repeats=max(1, repeats // 5), large=large, progress=bar.show_share)
        else:
            report = run_speed(repeats=repeats, large=large, baselines=baselines, progress=bar.show_share)
        bar.finish_one()
    _print_bench(
        report, json, report.rows if video else speed_display_rows(report.rows), None if video else baselines
    )
    return 0


@bench.command
def training(
    config: Path,
    /,
    *,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    steps: Integer = 10,
    json: Flag = False,
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
        NAME=VALUE, instead of what config says. May be given several times.
    steps
        Counted steps.
    json
        Print one JSON object.
    """
    with require_extra("train"):
        from ..lab.learn.measure import bench_training
        from ..lab.learn.settings import read_config

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every process
    with ProgressBar(1, "bench") as bar:
        report = bench_training(read_config(config, changes), steps=steps, progress=bar.show_share)
        bar.finish_one()
    _print_bench(report, json)
    return 0


@bench.command
def synthesis(
    *,
    preset: Literal["physical", "paper"] = "physical",
    count: Integer = 1500,
    workers: OptionalInteger = None,
    json: Flag = False,
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
    json
        Print one JSON object.
    """
    from ..lab.benchmark import bench_synthesis as run_synthesis

    with ProgressBar(1, "bench") as bar:
        report = run_synthesis(preset=preset, count=count, workers=workers, progress=bar.show_share)
        bar.finish_one()
    _print_bench(report, json)
    return 0


@bench.command
def table1(
    *,
    data: Path = Path("../shared/data"),
    images: Path | None = None,
    method: MethodNames = (),
    baselines: BaselinesFolder = None,
    directions: Integer = 1,
    blurred_in: Literal["encoded", "linear"] | None = None,
    json: Flag = False,
) -> int:
    """Make the paper's Table 1 (uniform straight blur, noise of 30 dB), beside the published figures.

    Each length has PSNR (dB) and SSIM (of the picture as a volume of height x width x 3, uniform window of
    side 7); "biased" fields are off by (5, 3) px. Needs the extra: bench.

    Parameters
    ----------
    data
        Folder with eval/oxford_affine/NAME/img1.png for graf, ubc, bikes and leuven.
    images
        Folder of sharp photos that are taken instead.
    method
        Only these: blurred (the input), those of deepgyro deblur, baselines; several may follow.
    directions
        Take the mean over so many directions of the blur; 1: that of the paper, 45 degrees.
    blurred_in
        What is blurred: the encoded (sRGB) values, as in the paper, or the light they stand for, as in a
        camera; by default both, a table each.
    json
        Print one JSON object.
    """
    from ..lab.benchmark import BLURRED_IN, table1_display_rows
    from ..lab.benchmark import bench_table1 as run_table1

    with ProgressBar(1, "bench") as bar:
        report = run_table1(
            data,
            images=images,
            methods=method,
            baselines=baselines,
            directions=directions,
            blurred_in=(blurred_in,) if blurred_in else BLURRED_IN,
            progress=bar.show_share,
        )
        bar.finish_one()
    _print_bench(report, json, table1_display_rows(report.rows, method, published=not images), baselines)
    return 0


@bench.command
def errors(
    *,
    data: Path = Path("../shared/data"),
    method: MethodNames = (),
    baselines: BaselinesFolder = None,
    count: Integer = 4,
    seed: Integer = 1,
    plot: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Measure what wrong fields cost: PSNR (dB) after deblurring with them (extra: bench).

    Photos are blurred by motions of the logs, 8, 20 and 40 px in the mean, with rolling shutter, linear light
    and sensor noise. Fields are off by multiples of (5, 3) px, scaled, mirrored, turned, or computed from a
    gyro whose clock, bias or axes are wrong, a wrong readout time or focal length, or another recording.

    Parameters
    ----------
    data
        Folder with photos/val/NAME.jpg and the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz.
    method
        Only these: blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs it: the
        picture corrects the field), baselines; several may follow.
    count
        Photos.
    seed
        Of all that is drawn.
    plot
        PNG that is written: dB gained against how wrong the field is.
    overwrite
        Replace a file of that name.
    json
        Print one JSON object.
    """
    from ..lab.benchmark import add_missing_networks, errors_display_rows
    from ..lab.benchmark import bench_errors as run_errors

    with ProgressBar(1, "bench") as bar:
        report = run_errors(
            data,
            methods=method,
            baselines=baselines,
            count=count,
            seed=seed,
            plot=plot,
            overwrite=overwrite,
            progress=bar.show_share,
        )
        bar.finish_one()
    _print_bench(report, json, add_missing_networks(errors_display_rows(report.rows), method), baselines)
    return 0


@bench.command
def sharp(
    *,
    data: Path = Path("../shared/data"),
    method: MethodNames = (),
    baselines: BaselinesFolder = None,
    count: Integer = 6,
    seed: Integer = 1,
    json: Flag = False,
) -> int:
    """Measure what becomes of a sharp photo with mild noise: PSNR (dB) of the result (extra: bench).

    The field is zero; or true, of 0.5 px ("half"); or mismatched, of 10 to 40 px.

    Parameters
    ----------
    data
        Folder with photos/val/NAME.jpg and the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz.
    method
        Only these: blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs it: the
        picture corrects the field), baselines; several may follow.
    count
        Photos.
    seed
        Of all that is drawn.
    json
        Print one JSON object.
    """
    from ..lab.benchmark import add_missing_networks
    from ..lab.benchmark import bench_sharp as run_sharp

    with ProgressBar(1, "bench") as bar:
        report = run_sharp(
            data, methods=method, baselines=baselines, count=count, seed=seed, progress=bar.show_share
        )
        bar.finish_one()
    _print_bench(report, json, add_missing_networks(report.rows, method), baselines)
    return 0


@bench.command(name="sync")
def bench_sync(
    *, data: Path = Path("../shared/data"), count: Integer = 40, seed: Integer = 1, json: Flag = False
) -> int:
    """Find offset and axes of clips made of photos and logs, with their own gyro and with another's.

    Prints how many offsets are right to 1 ms, and how many are over 5 ms off though they are confident.

    Parameters
    ----------
    data
        Folder with photos/val/NAME.jpg and the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz.
    count
        Clips.
    seed
        Of all that is drawn.
    json
        Print one JSON object: a row for each clip.
    """
    from ..lab.benchmark import bench_sync as run_sync
    from ..lab.benchmark import sync_display_rows

    with ProgressBar(1, "bench") as bar:
        report = run_sync(data, count=count, seed=seed, progress=bar.show_share)
        bar.finish_one()
    _print_bench(report, json, sync_display_rows(report.rows))
    return 0


@bench.command
def refine(
    *,
    data: Path = Path("../shared/data"),
    case: Annotated[
        tuple[Literal["bias", "table1", "raw", "none", "sharp", "other"], ...],
        Parameter(consume_multiple=True, negative=()),
    ] = (),
    count: Integer = 40,
    seed: Integer = 1,
    gain: Flag = False,
    json: Flag = False,
) -> int:
    """Measure how well pictures correct their blur field, find it without gyro, and reject a mismatched one.

    Parameters
    ----------
    data
        Folder with photos/val/NAME.jpg, the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz, and for table1 eval/oxford_affine/graf/img1.png and so on.
    case
        Only these; several may follow. bias: Table 1's blur on validation photos, (5, 3) px off; table1: the
        table's own pictures; raw: a gyro's errors; none: no gyro; sharp: a sharp picture and a mismatched
        field; other:
        another log's gyro.
    count
        Pictures a case.
    seed
        Of all that is drawn.
    gain
        Deblur the pictures, too: with the exact field, the prior field, and as deblur does; dB (extra:
        bench).
    json
        Print one JSON object: a row a picture. Otherwise they are summed up.
    """
    from ..lab.benchmark import bench_refine as run_refine
    from ..lab.benchmark import refine_display_rows

    with ProgressBar(1, "bench") as bar:
        report = run_refine(data, only=case, count=count, seed=seed, gain=gain, progress=bar.show_share)
        bar.finish_one()
    _print_bench(report, json, refine_display_rows(report.rows))
    return 0


@bench.command
def corrections(
    *,
    data: Path = Path("../shared/data"),
    recording: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    width: Integer = 960,
    count: Integer = 20,
    json: Flag = False,
) -> int:
    """List how the photos of real recordings correct their gyro, with the exact path and with eq. 5.

    Parameters
    ----------
    data
        Folder with real/shield_burst, iphone_office, iphone_billiards, mars and shield_crops.
    recording
        Only these; several may follow. The crops are always there.
    width
        To which the photos are made smaller, px.
    count
        Photos of each recording, at most.
    json
        Print one JSON object: a row a photo. Otherwise they are summed up.
    """
    from ..lab.benchmark import bench_corrections as run_corrections
    from ..lab.benchmark import corrections_display_rows
    from ..lab.benchmark.recordings import RECORDING_FILES

    with ProgressBar(1, "bench") as bar:
        wanted = recording or tuple(RECORDING_FILES)
        report = run_corrections(data, recordings=wanted, width=width, count=count, progress=bar.show_share)
        bar.finish_one()
    _print_bench(report, json, corrections_display_rows(report.rows))
    return 0


@bench.command
def features(
    *,
    data: Path = Path("../shared/data"),
    method: MethodNames = (),
    baselines: BaselinesFolder = None,
    count: Integer = 5,
    seed: Integer = 1,
    json: Flag = False,
) -> int:
    """Measure what blur and deblurring do to features: section 5.3 of the paper.

    The strongest 800 regions of DoG with SIFT: repeatability at 40 % overlap error, correct nearest
    neighbours, and their share of the smaller number of regions. On planar scenes blurred by rolling-shutter
    motion, and (matches that RANSAC verifies) on consecutive real photos.

    Parameters
    ----------
    data
        Folder with eval/oxford_affine/NAME/img1.png, H1to2p, ... for graf, ubc, bikes and leuven; the logs
        gyro/tum_vi/room3.csv.gz and gyro/inertialscale/D13/gyroscope.txt.gz; and the recordings
        real/shield_burst, real/iphone_office and real/iphone_billiards.
    method
        Only these: unblurred, blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs
        it: the picture corrects the field), baselines; several may follow.
    count
        Pairs of pictures of each scene and recording, at most.
    seed
        Of the motions and the noise.
    json
        Print one JSON object.
    """
    from ..lab.benchmark import add_missing_networks
    from ..lab.benchmark import bench_features as run_features

    with ProgressBar(1, "bench") as bar:
        report = run_features(
            data, methods=method, baselines=baselines, count=count, seed=seed, progress=bar.show_share
        )
        bar.finish_one()
    _print_bench(report, json, add_missing_networks(report.rows, method), baselines)
    return 0


@bench.command
def natural(
    *,
    data: Path = Path("../shared/data"),
    method: MethodNames = (),
    baselines: BaselinesFolder = None,
    count: Integer = 2,
    seed: Integer = 1,
    page: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Deblur real photos, and one in which something moves by itself: figures 8 and 9 (extra: bench).

    reblur_error: the result blurred again along the field, minus the input, mean of 255; blur_effect: 0 is
    sharp, 1 blurred (scikit-image). Neither says which picture is better: look at them.

    Parameters
    ----------
    data
        Folder with the recordings real/shield_crops, shield_burst, iphone_office, iphone_billiards and mars;
        photos/val/NAME.jpg and the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz.
    method
        Only these: blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs it: the
        picture corrects the field), baselines; several may follow.
    count
        Photos of each recording, at most.
    seed
        Of the picture that is made.
    page
        HTML file that is written, with the pictures in it: input, field, each result.
    overwrite
        Replace a file of that name.
    json
        Print one JSON object.
    """
    from ..lab.benchmark import add_missing_networks
    from ..lab.benchmark import bench_natural as run_natural

    with ProgressBar(1, "bench") as bar:
        report = run_natural(
            data,
            methods=method,
            baselines=baselines,
            count=count,
            seed=seed,
            page=page,
            overwrite=overwrite,
            progress=bar.show_share,
        )
        bar.finish_one()
    _print_bench(report, json, add_missing_networks(report.rows, method), baselines)
    return 0


@bench.command
def report(
    *,
    data: Path = Path("../shared/data"),
    page: Path = Path("results.html"),
    markdown: Path | None = None,
    baselines: BaselinesFolder = None,
    only: MethodNames = (),
    quick: Flag = False,
    resume: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Run all benches, and write one HTML page: tables, plots, pictures, versions, machine (extra: bench).

    It takes an hour or more. What each bench finds is kept in a folder beside the page (results.parts).

    Parameters
    ----------
    data
        Folder with what all benches need; one that misses something is on the page with a line that says so.
    page
        HTML file that is written.
    markdown
        File for the tables alone, in Markdown.
    only
        Only these benches; several may follow.
    quick
        Few pictures: to see that all is well.
    resume
        Go on: what is kept there of the same settings and weights is not measured again.
    overwrite
        Replace files of these names.
    json
        Print one JSON object: the rows of all benches.
    """
    from ..lab.benchmark import count_rows_by_bench, write_full_report

    with ProgressBar(1, "report") as bar:
        report = write_full_report(
            data,
            page,
            markdown=markdown,
            baselines=baselines,
            quick=quick,
            only=only,
            resume=resume,
            overwrite=overwrite,
            progress=bar.show_share,
        )
        bar.finish_one()
    _print_bench(report, json, count_rows_by_bench(report.rows), baselines)
    return 0


def _print_bench(
    report: BenchReport, json: bool, shown: Sequence[Row] | None = None, baselines: Path | None = None
) -> None:
    from ..lab.benchmark import training_durations
    from ..lab.report import format_table

    if json:
        print_json(asdict(report))
    else:
        print(format_table(shown or report.rows))
        for name, budget in training_durations(report.rows, baselines).items():
            print(f"{name}: trained for {budget}")
        print(f"{report.machine['processor']}, {report.machine['cores']} cores, {report.commit}")
