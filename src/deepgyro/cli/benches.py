"""Figures: bench."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ..errors import require_extra
from .app import Flag, Integer, Json, Names, OptionalInteger, Overwrite, app
from .output import ProgressBar, print_json

if TYPE_CHECKING:
    from ..lab.report import BenchReport

bench = App(name="bench", help="Measure: each bench prints a table, or one JSON object with --json.")
app.command(bench)

Seed = Annotated[Integer, Parameter(help="Of all that is drawn.")]
BaselinesFolder = Annotated[
    Path | None,
    Parameter(
        help="Folder with weights: deepgyro-paper.onnx, deepblind-paper.onnx, deblurgan.onnx and, of our "
        "network trained as long, deepgyro-90min.onnx; by default the checkout's checkpoints."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class _DataOptions:
    """Options of a bench that reads the data folder."""

    data: Path = Path("../shared/data")
    """Folder with the bench's data."""
    json: Json = False


@Parameter(name="*")
@dataclass(frozen=True)
class _MethodOptions(_DataOptions):
    """Options of a bench that compares methods."""

    method: Names = ()
    """Only these: blurred (the input), those of deepgyro deblur, deepgyro-refined (as deblur runs it: the
    picture corrects the field; not in table1), unblurred (in features), baselines; several may follow."""
    baselines: BaselinesFolder = None


_DATA, _METHODS = _DataOptions(), _MethodOptions()


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
    from ..lab.benchmark import bench_speed, bench_video_speed

    if video:
        return _run(partial(bench_video_speed, repeats=max(1, repeats // 5), large=large), json)
    return _run(partial(bench_speed, repeats=repeats, large=large, baselines=baselines), json, baselines)


@bench.command
def training(
    config: Path,
    /,
    *,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    steps: Integer = 10,
    json: Json = False,
) -> int:
    """Measure how fast a training runs, against the rate of its convolutions alone (extra: train).

    share: of the rate that the same convolutions reach alone, forward and backward, the rate of a step
    without the blur operator and the differences, data included. operators: how many times as long a step
    takes with them.

    Parameters
    ----------
    config
        What is trained and how: see deepgyro train. Nothing is written.
    changes
        NAME=VALUE, instead of what config says. May be given several times.
    steps
        Counted steps.
    """
    with require_extra("train"):
        from ..lab.learn.measure import bench_training
        from ..lab.learn.settings import read_config

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it logs every process
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
    images: Path | None = None,
    directions: Integer = 1,
    blurred_in: Literal["encoded", "linear"] | None = None,
    shared: _MethodOptions = _METHODS,
) -> int:
    """Make the paper's Table 1 (uniform straight blur, noise of 30 dB), beside the published figures.

    Each length has PSNR (dB) and SSIM (of the picture as a volume of height x width x 3, uniform window of
    side 7); "biased" fields are off by (5, 3) px. Needs the extra: bench; data:
    eval/oxford_affine/NAME/img1.png for graf, ubc, bikes and leuven.

    Parameters
    ----------
    images
        Folder of sharp photos that are taken instead.
    directions
        Take the mean over so many directions of the blur; 1: that of the paper, 45 degrees.
    blurred_in
        What is blurred: the encoded (sRGB) values, as in the paper, or linear light, as in a camera; by
        default both, a table each.
    """
    from ..lab.benchmark import BLURRED_IN, bench_table1

    spaces = (blurred_in,) if blurred_in else BLURRED_IN
    run = partial(bench_table1, shared.data, images=images, directions=directions, blurred_in=spaces)
    return _run_methods(run, shared)


@bench.command
def errors(
    *,
    count: Integer = 4,
    seed: Seed = 1,
    plot: Path | None = None,
    overwrite: Overwrite = False,
    shared: _MethodOptions = _METHODS,
) -> int:
    """Measure what wrong fields cost: PSNR (dB) after deblurring with them (extra: bench).

    Photos are blurred by motions of the logs, 8, 20 and 40 px in the mean, with rolling shutter, linear light
    and sensor noise. Fields are off by multiples of (5, 3) px, scaled, mirrored, turned, or computed from a
    gyro whose clock, bias or axes are wrong, a wrong readout time or focal length, or another recording.
    Data: photos/val/NAME.jpg and the logs gyro/tum_vi/room3.csv.gz and
    gyro/inertialscale/D13/gyroscope.txt.gz.

    Parameters
    ----------
    count
        Photos.
    plot
        PNG that is written: dB gained against how wrong the field is.
    """
    from ..lab.benchmark import bench_errors

    run = partial(bench_errors, shared.data, count=count, seed=seed, plot=plot, overwrite=overwrite)
    return _run_methods(run, shared)


@bench.command
def sharp(*, count: Integer = 6, seed: Seed = 1, shared: _MethodOptions = _METHODS) -> int:
    """Measure what becomes of a sharp photo with mild noise: PSNR (dB) of the result (extra: bench).

    The field is zero; or true, of 0.5 px ("half"); or mismatched, of 10 to 40 px. Data: as for errors.

    Parameters
    ----------
    count
        Photos.
    """
    from ..lab.benchmark import bench_sharp

    return _run_methods(partial(bench_sharp, shared.data, count=count, seed=seed), shared)


@bench.command
def sync(*, count: Integer = 40, seed: Seed = 1, shared: _DataOptions = _DATA) -> int:
    """Find offset and axes of clips made of photos and logs, with their own gyro and with another's.

    Prints how many offsets are right to 1 ms, and how many are over 5 ms off though they are confident. Data:
    as for errors.

    Parameters
    ----------
    count
        Clips.
    """
    from ..lab.benchmark import bench_sync

    return _run(partial(bench_sync, shared.data, count=count, seed=seed), shared.json)


@bench.command
def refine(
    *,
    case: Annotated[
        tuple[Literal["bias", "table1", "raw", "none", "sharp", "other"], ...],
        Parameter(consume_multiple=True, negative=()),
    ] = (),
    count: Integer = 40,
    seed: Seed = 1,
    gain: Flag = False,
    shared: _DataOptions = _DATA,
) -> int:
    """Measure how well pictures correct their blur field, find it without gyro, and reject a mismatched one.

    Data: as for errors, and for table1 eval/oxford_affine/graf/img1.png and so on. The JSON object has a row
    a picture.

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
    from ..lab.benchmark import bench_refine

    run = partial(bench_refine, shared.data, only=case, count=count, seed=seed, gain=gain)
    return _run(run, shared.json)


@bench.command
def corrections(
    *,
    recording: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    width: Integer = 960,
    count: Integer = 20,
    shared: _DataOptions = _DATA,
) -> int:
    """List how the photos of real recordings correct their gyro, with the exact path and with eq. 5.

    Data: real/shield_burst, iphone_office, iphone_billiards, mars and shield_crops. The JSON object has a row
    a photo.

    Parameters
    ----------
    recording
        Only these; several may follow. The crops are always there.
    width
        To which the photos are made smaller, px.
    count
        Photos of each recording, at most.
    """
    from ..lab.benchmark import bench_corrections

    run = partial(bench_corrections, shared.data, recordings=recording, width=width, count=count)
    return _run(run, shared.json)


@bench.command
def features(*, count: Integer = 5, seed: Seed = 1, shared: _MethodOptions = _METHODS) -> int:
    """Measure what blur and deblurring do to features: section 5.3 of the paper.

    The strongest 800 regions of DoG with SIFT: repeatability at 40 % overlap error, correct nearest
    neighbours, and their share of the smaller number of regions. On planar scenes blurred by rolling-shutter
    motion, and (matches that RANSAC verifies) on consecutive real photos. Data: eval/oxford_affine/NAME with
    img1.png, H1to2p, ... for graf, ubc, bikes and leuven; the logs as for errors; and the recordings
    real/shield_burst, real/iphone_office and real/iphone_billiards.

    Parameters
    ----------
    count
        Pairs of pictures of each scene and recording, at most.
    """
    from ..lab.benchmark import bench_features

    return _run_methods(partial(bench_features, shared.data, count=count, seed=seed), shared)


@bench.command
def natural(
    *,
    count: Integer = 2,
    seed: Seed = 1,
    page: Path | None = None,
    overwrite: Overwrite = False,
    shared: _MethodOptions = _METHODS,
) -> int:
    """Deblur real photos, and one in which something moves by itself: figures 8 and 9 (extra: bench).

    reblur_error: the result blurred again along the field, minus the input, mean of 255; blur_effect: 0 is
    sharp, 1 blurred (scikit-image). Neither says which picture is better: look at them. Data: the recordings
    real/shield_crops, shield_burst, iphone_office, iphone_billiards and mars; and as for errors.

    Parameters
    ----------
    count
        Photos of each recording, at most.
    page
        HTML file that is written, with the pictures in it: input, field, each result.
    """
    from ..lab.benchmark import bench_natural

    run = partial(bench_natural, shared.data, count=count, seed=seed, page=page, overwrite=overwrite)
    return _run_methods(run, shared)


@bench.command
def report(
    *,
    page: Path = Path("results.html"),
    markdown: Path | None = None,
    baselines: BaselinesFolder = None,
    only: Names = (),
    quick: Flag = False,
    resume: Flag = False,
    overwrite: Overwrite = False,
    shared: _DataOptions = _DATA,
) -> int:
    """Run all benches, and write one HTML page: tables, plots, pictures, versions, machine (extra: bench).

    It takes an hour or more. The results of each bench are stored in a folder beside the page
    (results.parts). A bench that lacks data is on the page with a line that says so. The JSON object has the
    rows of all benches.

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
        Go on: stored results of the same settings and weights are not measured again.
    """
    from ..lab.benchmark import write_full_report

    run = partial(write_full_report, shared.data, page, markdown=markdown, baselines=baselines, only=only)
    return _run(
        partial(run, quick=quick, resume=resume, overwrite=overwrite), shared.json, baselines, "report"
    )


def _run_methods(run: Callable[..., BenchReport], shared: _MethodOptions) -> int:
    return _run(
        partial(run, methods=shared.method, baselines=shared.baselines), shared.json, shared.baselines
    )


def _run(
    run: Callable[..., BenchReport], json: bool, baselines: Path | None = None, unit: str = "bench"
) -> int:
    """Run a bench under a progress bar, and print its table or its JSON object."""
    from ..lab.benchmark import training_durations
    from ..lab.report import format_table

    with ProgressBar(1, unit) as bar:
        report = run(progress=bar.show_share)
        bar.finish_one()
    if json:
        print_json(report.json_value())
    else:
        print(format_table(report.table))
        for name, duration in training_durations(report.rows, baselines).items():
            print(f"{name}: trained for {duration}")
        print(f"{report.machine['processor']}, {report.machine['cores']} cores, {report.commit}")
    return 0
