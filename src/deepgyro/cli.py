"""The command line: each command parses, calls one function, prints."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter, Token

from . import __version__
from .errors import DeepGyroError

if TYPE_CHECKING:
    from .benchmark import BenchReport, Row
    from .deblurring import PhotoReport
    from .learn.checkpoint import Progress
    from .telemetry.fetching import FetchedLog

app = App(
    name="deepgyro",
    version=__version__,
    help="Take the motion blur out of photos with the help of the camera's gyroscope.",
    help_format="plaintext",
)

Flag = Annotated[bool, Parameter(negative=())]


def _whole(_: object, tokens: Sequence[Token]) -> int:
    """Convert an option's word; the library's own way rounds 3.5 to 4."""
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        raise ValueError(f"{token.value!r} is no whole number") from None


MethodName = Literal["deepgyro", "deepgyro-fast", "richardson-lucy", "fastgyro"]
Whole = Annotated[int, Parameter(converter=_whole)]
Methods = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
_BASELINES = (
    "Folder with weights: deepgyro-paper.onnx, deepblind-paper.onnx, deblurgan.onnx and, of our network "
    "trained as long, deepgyro-90min.onnx; by default the checkout's checkpoints."
)
Baselines = Annotated[Path | None, Parameter(help=_BASELINES)]
MaybeWhole = Annotated[int | None, Parameter(converter=_whole)]


@app.command
def deblur(
    *photos: Path,
    out: Path,
    gyro: Path | None = None,
    camera: Path | None = None,
    frames: Path | None = None,
    time: float | None = None,
    exposure: float | None = None,
    gyro_columns: str | None = None,
    field: str | None = None,
    estimate: Literal["exposure", "offset"] | None = None,
    method: MethodName = "deepgyro",
    refine: Annotated[bool, Parameter(negative="--no-refine")] = True,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Deblur photos.

    Parameters
    ----------
    photos
        Photos (JPEG, PNG, TIFF, WebP, HEIC; 8 or 16 bits), or folders of them.
    out
        Folder for the results, or a picture's name for one photo.
    gyro
        Gyro log: see docs/telemetry.md for the formats.
    camera
        Camera file: see docs/camera.md.
    frames
        Table of the photos' exposures: file,t,exposure (s).
    time
        Start of the photo's exposure on the frames' clock (s), instead of a table.
    exposure
        How long a line of it collects light (s).
    gyro_columns
        Columns and units of a log that does not say them, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]".
    field
        Blur field instead of a log: FIELD.npz, or the original program's FIELD_X.png,FIELD_Y.png.
    estimate
        What is not known, and the photos are to say: each one's exposure, or the clock's offset (within a
        second of the camera file's; several photos with some blur are needed).
    method
        deepgyro: our network. deepgyro-fast: a smaller one. richardson-lucy: no weights. fastgyro: the
        paper's baseline, in style.
    refine
        Let each photo correct what its gyro tells.
    overwrite
        Replace files that exist.
    json
        Print one JSON object.
    """
    from .deblurring import Failure, Source, deblur_photos

    found = _photos(photos)
    source = Source(gyro, camera, frames, time, exposure, gyro_columns, _field_paths(field), estimate)
    reports: list[PhotoReport] = []
    failures: list[Failure] = []
    with _Bar(len(found), "photo") as bar:
        for result in deblur_photos(
            found, out, source, method=method, refine=refine, overwrite=overwrite, progress=bar.share
        ):
            bar.one_done()
            if isinstance(result, Failure):
                failures.append(result)
                bar.say(f"error: {result.error}")
                continue
            reports.append(result)
            if not json:
                bar.print(_line(result))
    if json:
        _print_json({"photos": [asdict(r) for r in reports], "failed": [asdict(f) for f in failures]})
    elif failures and len(found) > 1:
        _say(f"{len(failures)} of {len(found)} photos failed: {', '.join(f.file for f in failures)}")
    return 1 if failures else 0


@app.command
def video(
    clip: Path,
    /,
    *,
    out: Path,
    gyro: Path | None = None,
    camera: Path | None = None,
    exposure: float | None = None,
    readout_time: float | None = None,
    time_offset: float | None = None,
    gyro_columns: str | None = None,
    sync: Literal["auto", "always", "never"] = "auto",
    refine: Flag = False,
    method: MethodName = "deepgyro",
    threshold: float = 0.7,
    quality: Whole = 17,
    effort: Literal["low", "medium", "high"] = "medium",
    report: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Deblur the frames of a clip that need it; keep the others, sound and time stamps (extra: video).

    Parameters
    ----------
    clip
        A video: whatever FFmpeg reads.
    out
        The file that is written (.mp4, .mov, .mkv, ...), with the clip's codec where it can be encoded. A
        clip that is not finished is left as NAME.unfinished.mp4.
    gyro
        Gyro log; by default the one in the clip (GoPro, Insta360, DJI, Sony, ...).
    camera
        Camera file: see docs/camera.md.
    exposure
        How long a line of a frame collects light (s); by default as the clip says; if it does not, the
        blurred frames are asked for one that suits all of them.
    readout_time
        From the first line's start to the line past the last (s); by default as camera file or clip say.
    time_offset
        The gyro's clock minus the frames' (s); by default as the camera file says.
    gyro_columns
        Columns and units of a log that does not say them.
    sync
        Whether the gyro's offset and axes are found in the clip: auto: if the camera file does not say them;
        if it does, a picture that contradicts them is still noticed. never: the picture is not asked.
    refine
        Let a dozen blurred frames correct scale, offset, bias and readout time for the whole clip.
    method
        As in deblur.
    threshold
        Paths shorter than this (px) are left as they are; the result fades in over 1 px more.
    quality
        Constant rate factor of the encoder: less is better and larger.
    effort
        How hard the encoder tries to make a small file: low is quickest.
    report
        CSV file with a line for each frame: blur (px), method, time.
    overwrite
        Replace files that exist.
    json
        Print one JSON object.
    """
    from .video import ClipSource, deblur_video

    source = ClipSource(clip, gyro, camera, exposure, readout_time, time_offset, gyro_columns)
    with _stopped_by_signal(), _Bar(1, "frame") as bar:
        done = deblur_video(
            source, out, method=method, sync=sync, refine=refine, threshold=threshold, quality=quality,
            effort=effort, report=report, overwrite=overwrite, progress=bar.counted,
        )  # fmt: skip
    if json:
        _print_json(asdict(done))
    else:
        found = ""
        if done.confidence is not None and done.time_offset is not None:
            found = f"  offset {done.time_offset * 1000:+.1f} ms (confidence {done.confidence:.2f})"
        note = f"  [{done.note}]" if done.note else ""
        shares = f"{done.deblurred} of {done.frames} frames deblurred"
        print(
            f"{done.out}  {shares}  largest blur {done.blur_max_px:.1f} px{found}  {done.seconds:.1f} s{note}"
        )
    return 0


@app.command
def sync(
    clip: Path,
    /,
    *,
    camera: Path,
    gyro: Path | None = None,
    exposure: float | None = None,
    readout_time: float | None = None,
    gyro_columns: str | None = None,
    find_readout: Flag = False,
    picture: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Find the offset between a clip and its gyro, and the gyro's axes (extra: video).

    Compares how the picture turns with what the gyro says. Prints lines for the camera file. Ends with 1 if
    the offset is not sure.

    Parameters
    ----------
    clip
        A video: whatever FFmpeg reads.
    camera
        Camera file: see docs/camera.md. If it has cam_from_imu, other axes are not tried.
    gyro
        Gyro log; by default the one in the clip (GoPro, Insta360, DJI, Sony, ...).
    exposure
        How long a line of a frame collects light (s); by default as the clip says.
    readout_time
        From the first line's start to the line past the last (s); by default as camera file or clip say.
    gyro_columns
        Columns and units of a log that does not say them.
    find_readout
        Find the readout time, too, whatever camera file and clip say of it.
    picture
        Picture of the two curves: how the picture turns, and what the gyro says (PNG, JPEG, ...).
    overwrite
        Replace files that exist.
    json
        Print one JSON object.
    """
    from .video import ClipSource, sync_clip

    source = ClipSource(clip, gyro, camera, exposure, readout_time, None, gyro_columns)
    with _Bar(1, "frame") as bar:
        found = sync_clip(
            source, readout=find_readout, picture=picture, overwrite=overwrite, progress=bar.counted
        )
    if json:
        _print_json(asdict(found))
    else:
        first, second = (f"{1000 * half:+.1f}" if half is not None else "?" for half in found.halves)
        print(f"time_offset: {found.time_offset:.5f}")
        print(f"cam_from_imu: {found.cam_from_imu}")
        if found.readout_time is not None:
            print(f"readout_time: {found.readout_time:.4f}")
        print(
            f"# confidence {found.confidence:.2f}; halves {first} and {second} ms; the gyro explains "
            f"{100 * found.explained:.0f} % of the turning in {found.pairs} pairs of frames"
        )
        if found.note:
            _say(found.note)
    return 0 if found.sure else 1


@app.command
def field(
    photo: Path | None = None,
    /,
    *,
    gyro: Path,
    camera: Path,
    time: float | None = None,
    exposure: float | None = None,
    frames: Path | None = None,
    gyro_columns: str | None = None,
    out: str | None = None,
    picture: Path | None = None,
    instants: Whole = 9,
    reference: Literal["row", "picture", "start"] = "picture",
    refine: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Compute the blur field of one exposure, write it, draw it.

    Parameters
    ----------
    photo
        The photo; its size is the field's, and it lies under the drawing. Without it: the camera's size.
    gyro
        Gyro log.
    camera
        Camera file.
    time
        Start of the exposure of the line that is read first, on the frames' clock (s).
    exposure
        How long a line collects light (s).
    frames
        Table of exposures, instead of time and exposure; the photo is looked up in it.
    gyro_columns
        Columns and units of a log that does not say them.
    out
        FIELD.npz; or FIELD_X.png,FIELD_Y.png as the original program writes them (8 bits, folded).
    picture
        Picture of the field: paths over the faded photo, coloured by direction (PNG, JPEG, ...).
    instants
        Instants that divide the exposure; 2 is the paper's straight blur.
    reference
        "row": eq. 5 of the paper; "picture": the path in the sharp rolling-shutter picture; "start": the
        original program's. A pair of pictures always has two instants and "start".
    refine
        Let the photo correct the field; the drawing has what the gyro told in black over it.
    overwrite
        Replace files that exist.
    json
        Print one JSON object.
    """
    from .deblurring import Source, make_field

    source = Source(gyro, camera, frames, time, exposure, gyro_columns)
    report = make_field(
        source,
        photo,
        out=_field_paths(out),
        picture=picture,
        n=instants,
        reference=reference,
        refine=refine,
        overwrite=overwrite,
    )
    if json:
        _print_json(asdict(report))
    else:
        made = f" -> {', '.join(report.files)}" if report.files else ""
        size = f"{report.width} x {report.height}"
        said = f"  {report.note}" if report.note else ""
        print(f"{size}  blur {report.blur_median_px:.1f} px (largest {report.blur_max_px:.1f}){said}{made}")
    return 0


@app.command
def demo(
    *, out: Path = Path("deepgyro-demo"), seed: Whole = 0, overwrite: Flag = False, json: Flag = False
) -> int:
    """Blur a photo that comes with the program as a shaking hand does, deblur it, and write pictures.

    Parameters
    ----------
    out
        Folder for the pictures.
    seed
        Of the shake and the noise.
    overwrite
        Replace files that exist.
    json
        Print one JSON object.
    """
    from .demo import demo as run_demo

    with _Bar(1, "photo") as bar:
        report = run_demo(out, seed=seed, overwrite=overwrite, progress=bar.share)
        bar.one_done()
    if json:
        _print_json(asdict(report))
    else:
        print(f"blur {report.blur_median_px} px (largest {report.blur_max_px})")
        print(f"PSNR {report.psnr_blurred:.2f} dB blurred, {report.psnr_deblurred:.2f} dB deblurred")
        print("\n".join(report.files))
    return 0


@app.command
def synth(
    *photos: Path,
    gyro: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())],
    out: Path,
    count: Whole,
    preset: Literal["physical", "paper"] = "physical",
    paper_share: float | None = None,
    seed: Whole = 0,
    height: Whole = 270,
    width: Whole = 480,
    shard_size: Whole = 250,
    workers: MaybeWhole = None,
    ray: str | None = None,
    gyro_columns: str | None = None,
    preview: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Make training pairs of sharp photos and gyro logs: a data set of shards that a trainer streams.

    The same photos, logs, seed and sizes give the same bytes. A run that was cut off goes on where it was
    when the same command is given again.

    Parameters
    ----------
    photos
        Sharp photos, or folders that are searched for them. Those that cannot be used are named and left out.
    gyro
        Gyro logs, or folders of them; several may follow.
    out
        Folder for the data set: shard-000000.tar, ... (WebDataset), dataset.json, manifest.json.
    count
        How many pairs.
    preset
        "physical": real hands, sensors and lenses; "paper": section 4.2 of the paper.
    paper_share
        Share of the pairs (0 to 1) that are blurred as the paper's are: encoded values, straight paths, noise
        of 30 dB; by default the preset's (0.15 for physical).
    seed
        Of all that is drawn.
    height
        Of the pairs (px); smaller photos are left out, none is enlarged.
    width
        Of the pairs (px).
    shard_size
        Pairs in a shard.
    workers
        Processes, one core each; by default as many as there are cores.
    ray
        Address of a Ray cluster that does the work instead (HOST:PORT, auto, or local for one on this
        machine). All its machines must see photos and out under these paths.
    gyro_columns
        Columns and units of those logs that do not name them, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]";
        the others go by what they say themselves.
    preview
        Picture of the first pairs (sharp, blurred, exact and told field); its histograms are written beside
        it. A former preview is replaced.
    overwrite
        First remove the data set that lies in out, whatever it is (leave it out to go on with one).
    json
        Print one JSON object.
    """
    from .synthesis import PRESETS, make_dataset, open_pool, with_paper_share
    from .synthesis.preview import preview_dataset, preview_files

    pictures = [str(file) for file in preview_files(preview)] if preview else []
    draws = PRESETS[preset] if paper_share is None else with_paper_share(PRESETS[preset], paper_share)
    left_out: list[str] = []

    def leave_out(line: str) -> None:
        left_out.append(line)
        bar.say(line)

    with _Bar(1, "check") as bar:
        size = {"height": height, "width": width}
        pool = open_pool(
            photos, gyro, **size, gyro_columns=gyro_columns, on_bad=leave_out, progress=bar.share
        )
        bar.one_done()
    with _Bar(count, "pair") as bar:
        report = make_dataset(
            pool, draws, out=out, count=count, seed=seed, **size, shard_size=shard_size,
            workers=workers, ray=ray, overwrite=overwrite, progress=bar.reached,
        )  # fmt: skip
    if preview:
        preview_dataset(out, preview)
    if json:
        _print_json(asdict(report) | {"left_out": left_out, "preview": pictures})
    else:
        made = f"{report.pairs} pairs, shards: {report.shards}, {report.bytes / 1e6:.1f} MB"
        speed = f"{report.pairs_per_second:.1f} pairs a second" if report.made else "was there already"
        print("\n".join([f"{report.out}  {made}  {speed}", *pictures]))
    return 0


@app.command
def train(
    config: Path,
    /,
    *,
    out: Path,
    resume: Flag = False,
    minutes: float | None = None,
    sitting: float | None = None,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Flag = False,
) -> int:
    """Train a network (extra: train), or go on with one.

    Ctrl-C ends a sitting with a checkpoint.

    Parameters
    ----------
    config
        What and how: see configs/deepgyro.yaml.
    out
        Folder for checkpoint.safetensors (and a slim copy), log.jsonl, TensorBoard's curves, samples.png.
    resume
        Go on from the checkpoint that is there.
    minutes
        How long the whole training is, over all sittings, instead of what config says.
    sitting
        Stop after so many minutes and keep the checkpoint; the whole training stays as long as it is.
    changes
        NAME=VALUE, instead of what config says; network.NAME for the network's. May be given several times.
    json
        Print one JSON object.
    """
    try:
        from .learn.settings import read_config
        from .learn.train import train as run_training
    except ImportError as error:
        raise DeepGyroError(f"{error.name} is missing: pip install 'deepgyro[train]'") from error

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every process
    settings = read_config(config, [*changes, *([] if minutes is None else [f"minutes={minutes}"])])
    start: list[float] = []
    with _Bar(0, "minute") as bar:

        def show(progress: Progress, left: float, row: Mapping[str, object] | None) -> None:
            if not start:
                start.append(progress.minutes)
            if row and "gain" in row:
                bar.note(f"gain {row['gain']:.2f} dB")
            bar.left(progress.minutes - start[0], left)
            if row and not json:
                bar.print("  ".join(f"{name} {_short(value)}" for name, value in row.items()))

        done = run_training(settings, out, resume=resume, sitting=sitting, report=show)
    if done is None:  # a process that helped another one, which prints
        return 0
    if json:
        _print_json(asdict(done))
    else:
        whole = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
        print(f"{out}  {done.step} steps, {done.minutes:.1f} minutes of {whole}")
    return 0


@app.command
def export(
    checkpoint: Path,
    /,
    *,
    out: Path,
    validation: Path | None = None,
    licence: str = "not stated",
    data: str = "On what is not stated.",
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Write a training's weights as one ONNX file that says how it is used, and its card (extra: train).

    Parameters
    ----------
    checkpoint
        Of deepgyro train: checkpoint.safetensors.
    out
        The ONNX file, named after the network; its card lies beside it as .md.
    validation
        Pairs of other photos and logs than were trained on: for the scores.
    licence
        Of the weights.
    data
        A sentence for the card: on what they were trained.
    overwrite
        Replace files of these names.
    json
        Print one JSON object: the file's metadata.
    """
    try:
        from .learn.export import export as run_export
    except ImportError as error:
        raise DeepGyroError(f"{error.name} is missing: pip install 'deepgyro[train]'") from error

    contract = run_export(
        checkpoint, out, validation=validation, licence=licence, data=data, overwrite=overwrite
    )
    if json:
        _print_json(asdict(contract))
    else:
        print(f"{out}  {contract.parameters / 1e6:.2f} M parameters, {contract.trained}")
    return 0


fetch = App(name="fetch", help="Fetch public gyro logs from their official servers.")
app.command(fetch)


@fetch.command
def tum_vi(
    *logs: str, out: Path, mirror: str | None = None, overwrite: Flag = False, json: Flag = False
) -> int:
    """Fetch the gyro logs of the TUM VI benchmark (CC BY 4.0).

    Each lies in an archive of 1 to 2 GB, which is read up to the log and not kept. A log takes 1 MB.

    Parameters
    ----------
    logs
        room1 to room5; all, if none is named.
    out
        Folder for the logs: room1.csv.gz, ...
    mirror
        Address of a folder with the same archives, instead of the official one.
    overwrite
        Replace files of these names that are not these logs.
    json
        Print one JSON object.
    """
    from .telemetry.fetching import TUM_VI, fetch_tum_vi

    done: list[FetchedLog] = []
    with _Bar(len(logs) or len(TUM_VI), "log") as bar:
        for log in fetch_tum_vi(
            logs,
            out,
            mirror=mirror,
            overwrite=overwrite,
            progress=lambda count, size: bar.share(count / size if size else 0.0),
        ):
            bar.one_done()
            done.append(log)
            if not json:
                note = f"  [{log.note}]" if log.note else ""
                bar.print(f"{log.file}  {log.licence}{note}")
    if json:
        _print_json({"logs": [asdict(log) for log in done]})
    return 0


bench = App(name="bench", help="Measure: each bench prints a table, or one JSON object with --json.")
app.command(bench)


@bench.command
def speed(
    *,
    repeats: Whole = 15,
    large: Annotated[bool, Parameter(negative="--small")] = True,
    baselines: Baselines = None,
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
    from .benchmark import speed as run_speed
    from .benchmark import speed_shown, video_speed

    with _Bar(1, "bench") as bar:
        if video:
            report = video_speed(repeats=max(1, repeats // 5), large=large, progress=bar.share)
        else:
            report = run_speed(repeats=repeats, large=large, baselines=baselines, progress=bar.share)
        bar.one_done()
    _print_bench(
        report, json, report.rows if video else speed_shown(report.rows), None if video else baselines
    )
    return 0


@bench.command
def training(
    config: Path,
    /,
    *,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    steps: Whole = 10,
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
    try:
        from .learn.measure import measure
        from .learn.settings import read_config
    except ImportError as error:
        raise DeepGyroError(f"{error.name} is missing: pip install 'deepgyro[train]'") from error

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every process
    with _Bar(1, "bench") as bar:
        report = measure(read_config(config, changes), steps=steps, progress=bar.share)
        bar.one_done()
    _print_bench(report, json)
    return 0


@bench.command
def synthesis(
    *,
    preset: Literal["physical", "paper"] = "physical",
    count: Whole = 1500,
    workers: MaybeWhole = None,
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
    from .benchmark import synthesis as run_synthesis

    with _Bar(1, "bench") as bar:
        report = run_synthesis(preset=preset, count=count, workers=workers, progress=bar.share)
        bar.one_done()
    _print_bench(report, json)
    return 0


@bench.command
def table1(
    *,
    data: Path = Path("../shared/data"),
    images: Path | None = None,
    method: Methods = (),
    baselines: Baselines = None,
    directions: Whole = 1,
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
    from .benchmark import BLURRED_IN, beside_paper
    from .benchmark import table1 as run_table1

    with _Bar(1, "bench") as bar:
        report = run_table1(
            data,
            images=images,
            methods=method,
            baselines=baselines,
            directions=directions,
            blurred_in=(blurred_in,) if blurred_in else BLURRED_IN,
            progress=bar.share,
        )
        bar.one_done()
    _print_bench(report, json, beside_paper(report.rows, method, published=not images), baselines)
    return 0


@bench.command
def errors(
    *,
    data: Path = Path("../shared/data"),
    method: Methods = (),
    baselines: Baselines = None,
    count: Whole = 4,
    seed: Whole = 1,
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
    from .benchmark import errors as run_errors
    from .benchmark import errors_shown, with_missing

    with _Bar(1, "bench") as bar:
        report = run_errors(
            data,
            methods=method,
            baselines=baselines,
            count=count,
            seed=seed,
            plot=plot,
            overwrite=overwrite,
            progress=bar.share,
        )
        bar.one_done()
    _print_bench(report, json, with_missing(errors_shown(report.rows), method), baselines)
    return 0


@bench.command
def sharp(
    *,
    data: Path = Path("../shared/data"),
    method: Methods = (),
    baselines: Baselines = None,
    count: Whole = 6,
    seed: Whole = 1,
    json: Flag = False,
) -> int:
    """Measure what becomes of a sharp photo with mild noise: PSNR (dB) of the result (extra: bench).

    The field is zero; or true, of 0.5 px ("half"); or a lie of 10 to 40 px.

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
    from .benchmark import sharp as run_sharp
    from .benchmark import with_missing

    with _Bar(1, "bench") as bar:
        report = run_sharp(
            data, methods=method, baselines=baselines, count=count, seed=seed, progress=bar.share
        )
        bar.one_done()
    _print_bench(report, json, with_missing(report.rows, method), baselines)
    return 0


@bench.command(name="sync")
def bench_sync(
    *, data: Path = Path("../shared/data"), count: Whole = 40, seed: Whole = 1, json: Flag = False
) -> int:
    """Find offset and axes of clips made of photos and logs, with their own gyro and with another's.

    Prints how many offsets are right to 1 ms, and how many are over 5 ms off though they are called sure.

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
    from .benchmark import sync as run_sync
    from .benchmark import sync_shown

    with _Bar(1, "bench") as bar:
        report = run_sync(data, count=count, seed=seed, progress=bar.share)
        bar.one_done()
    _print_bench(report, json, sync_shown(report.rows))
    return 0


@bench.command
def refine(
    *,
    data: Path = Path("../shared/data"),
    case: Annotated[
        tuple[Literal["bias", "table1", "raw", "none", "sharp", "other"], ...],
        Parameter(consume_multiple=True, negative=()),
    ] = (),
    count: Whole = 40,
    seed: Whole = 1,
    gain: Flag = False,
    json: Flag = False,
) -> int:
    """Measure how well pictures correct their blur field, find it without gyro, and refuse one that lies.

    Parameters
    ----------
    data
        Folder with photos/val/NAME.jpg, the logs gyro/tum_vi/room3.csv.gz and
        gyro/inertialscale/D13/gyroscope.txt.gz, and for table1 eval/oxford_affine/graf/img1.png and so on.
    case
        Only these; several may follow. bias: Table 1's blur on validation photos, (5, 3) px off; table1: the
        table's own pictures; raw: a gyro's errors; none: no gyro; sharp: a sharp picture and a lie; other:
        another log's gyro.
    count
        Pictures a case.
    seed
        Of all that is drawn.
    gain
        Deblur the pictures, too: with the exact field, as told, and as deblur does; dB (extra: bench).
    json
        Print one JSON object: a row a picture. Otherwise they are summed up.
    """
    from .benchmark import refine as run_refine
    from .benchmark import refine_shown

    with _Bar(1, "bench") as bar:
        report = run_refine(data, only=case, count=count, seed=seed, gain=gain, progress=bar.share)
        bar.one_done()
    _print_bench(report, json, refine_shown(report.rows))
    return 0


@bench.command
def corrections(
    *,
    data: Path = Path("../shared/data"),
    recording: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    width: Whole = 960,
    count: Whole = 20,
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
    from .benchmark import corrections as run_corrections
    from .benchmark import corrections_shown
    from .benchmark.recordings import RECORDINGS

    with _Bar(1, "bench") as bar:
        wanted = recording or tuple(RECORDINGS)
        report = run_corrections(data, recordings=wanted, width=width, count=count, progress=bar.share)
        bar.one_done()
    _print_bench(report, json, corrections_shown(report.rows))
    return 0


@bench.command
def features(
    *,
    data: Path = Path("../shared/data"),
    method: Methods = (),
    baselines: Baselines = None,
    count: Whole = 5,
    seed: Whole = 1,
    json: Flag = False,
) -> int:
    """Measure what blur and deblurring do to features: section 5.3 of the paper (extra: bench).

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
    from .benchmark import features as run_features
    from .benchmark import with_missing

    with _Bar(1, "bench") as bar:
        report = run_features(
            data, methods=method, baselines=baselines, count=count, seed=seed, progress=bar.share
        )
        bar.one_done()
    _print_bench(report, json, with_missing(report.rows, method), baselines)
    return 0


@bench.command
def natural(
    *,
    data: Path = Path("../shared/data"),
    method: Methods = (),
    baselines: Baselines = None,
    count: Whole = 2,
    seed: Whole = 1,
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
    from .benchmark import natural as run_natural
    from .benchmark import with_missing

    with _Bar(1, "bench") as bar:
        report = run_natural(
            data,
            methods=method,
            baselines=baselines,
            count=count,
            seed=seed,
            page=page,
            overwrite=overwrite,
            progress=bar.share,
        )
        bar.one_done()
    _print_bench(report, json, with_missing(report.rows, method), baselines)
    return 0


@bench.command
def report(
    *,
    data: Path = Path("../shared/data"),
    page: Path = Path("results.html"),
    markdown: Path | None = None,
    baselines: Baselines = None,
    only: Methods = (),
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
    from .benchmark import make_results, results_shown

    with _Bar(1, "report") as bar:
        report = make_results(
            data,
            page,
            markdown=markdown,
            baselines=baselines,
            quick=quick,
            only=only,
            resume=resume,
            overwrite=overwrite,
            progress=bar.share,
        )
        bar.one_done()
    _print_bench(report, json, results_shown(report.rows), baselines)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 1 unusable input, 2 wrong usage."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs) or 0
    except CycloptsError as error:
        _say(f"{' '.join(str(error).split())} (deepgyro --help)")
        return 2
    except ValueError as error:
        _say(f"error: {error}")
        return 2
    except DeepGyroError as error:
        _say(f"error: {error}")
        return 1
    except OSError as error:
        _say(f"error: {error.filename or 'the system'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt as stopped:
        said = "stopped: what was finished is kept; the same command goes on from there"
        _say(str(stopped) or said)
        return 130


def run() -> None:
    """Run the command line and leave Python."""
    sys.exit(main())


def _photos(paths: tuple[Path, ...]) -> list[Path]:
    from .deblurring import find_photos

    if not paths:
        raise ValueError("name at least one photo")
    return find_photos(paths)


def _field_paths(text: str | None) -> tuple[Path, ...]:
    """Split FIELD.npz or X.png,Y.png."""
    paths = tuple(Path(part) for part in text.split(",")) if text else ()
    if len(paths) > 2 or (len(paths) == 2 and not all(p.suffix.lower() == ".png" for p in paths)):
        raise ValueError(f"the field is {text!r}; FIELD.npz or FIELD_X.png,FIELD_Y.png is needed")
    return paths


def _line(report: PhotoReport) -> str:
    blur = f"blur {report.blur_median_px:.1f} px (largest {report.blur_max_px:.1f})"
    note = f"  [{report.note}]" if report.note else ""
    return f"{Path(report.file).name}  {report.method}  {blur}  {report.seconds:.1f} s{note}"


def _print_bench(
    report: BenchReport, json: bool, shown: Sequence[Row] | None = None, baselines: Path | None = None
) -> None:
    from .benchmark import table, trained

    if json:
        _print_json(asdict(report))
    else:
        print(table(shown or report.rows))
        for name, budget in trained(report.rows, baselines).items():
            print(f"{name}: trained for {budget}")
        print(f"{report.machine['processor']}, {report.machine['cores']} cores, {report.commit}")


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


@contextmanager
def _stopped_by_signal() -> Iterator[None]:
    """Let a polite kill end the work inside as Ctrl-C does."""
    import signal

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Bar:
    """A progress bar with the time left, on stderr; none where that is no terminal."""

    def __init__(self, count: int, unit: str) -> None:
        from tqdm import tqdm

        shape = "{percentage:3.0f}% |{bar}| {n:.1f}/{total} {unit}s, {remaining} left{postfix}"
        self.bar = tqdm(total=count, unit=unit, bar_format=shape, disable=None, leave=False)
        self.done = 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def share(self, share: float) -> None:
        """Show that a share of the one in hand is done."""
        self.bar.n = self.done + share
        self.bar.refresh()

    def one_done(self) -> None:
        """Show that one more is done."""
        self.done += 1
        self.bar.n = self.done
        self.bar.refresh()

    def reached(self, done: int) -> None:
        """Show that so many are done."""
        self.done = done
        self.bar.update(done - self.bar.n)

    def counted(self, done: int, total: int) -> None:
        """Show that so many of so many are done."""
        self.bar.total = total
        self.reached(done)

    def left(self, done: float, left: float) -> None:
        """Show how much is done, and what is left by now."""
        self.bar.total = round(done + left, 1)
        self.bar.n = done
        self.bar.refresh()

    def note(self, text: str) -> None:
        """Show a few words behind the time left."""
        self.bar.set_postfix_str(text, refresh=False)

    def print(self, text: str) -> None:
        """Print a line of results above the bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Print a line for a person above the bar."""
        self.bar.write(text, file=sys.stderr)
