"""`bench speed --video`: clips from decoding to encoding, the stream's latency, the command's memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray

from ...camera import Camera, write_camera
from ...errors import DeepGyroError
from ...frames import ClipFrame, ClipReader, ClipWriter, EncodingEffort, import_av
from ...recording import ClipSource
from ...restore import UnrolledNetwork
from ...restore.weights import NetworkName
from ...runtime import Precision
from ...video import Deblurrer, StreamFrame, deblur_video
from ...video.pipeline import prefetch, run_in_background
from ..report import BenchReport, Progress, Row, make_report
from .paper_network import PAPER_GMAC, PAPER_PARAMETER_COUNT, make_paper_network
from .shots import read_pixels
from .speed import PAPER_NETWORK_METHOD, TimedJob, available_precisions, network_cost, open_network, time_call

CLIP_RUN_COUNT = 3
STREAM_FRAME_COUNT = 1000
TIMED_NETWORK: NetworkName = "deepgyro-fast"
SMALL_CLIP_SIZE_PX, HD_CLIP_SIZE_PX, UHD_CLIP_SIZE_PX = (270, 480), (1080, 1920), (2160, 3840)  # px
CLIP_FRAME_COUNT, HD_CLIP_FRAME_COUNT, PAPER_NETWORK_FRAME_COUNT = 60, 12, 6
"""Of a clip; of one of 1080p that is blurred; how many of a clip go through the paper's network."""
FRAMES_PER_SECOND = 30
CLIP_EXPOSURE_S, CLIP_READOUT_S = 1 / 60, 0.016  # s
PAN_RATE_RAD_S = 1.8
"""Rate of the pan while frames are blurred, rad/s: paths of 3 % of the picture's width."""
CLIP_NOISE_STD_U8 = 2.0
"""Standard deviation, of 255."""
LEADING_SHARP_FRAMES = 48
"""Frames before the blurred ones where memory is measured: the encoder's queue is full by then."""
PAPER_NETWORK_EVERY_FRAMES = 20
"""One frame of the stream in so many goes through the paper's network, too."""
COPY_METHOD = "decode and encode alone"
_IDLE_PROCESS_METHOD = "process, no frame"
_PAPER_COST = PAPER_GMAC, PAPER_PARAMETER_COUNT


@dataclass(frozen=True)
class _PanningClip:
    """A rendered clip, with its gyro and its camera, in files."""

    source: ClipSource
    blurred_frames: int
    frames: int
    height: int
    width: int

    @property
    def output(self) -> Path:
        """The file that is written."""
        return self.source.clip.with_name("out.mp4")

    def make_job(
        self,
        method: str,
        work: Callable[[], object],
        runtime: str = "openvino",
        precision: str = "",
        gmac: float | None = None,
        parameters: int | None = None,
        *,
        peer: str = "",
        frames: int | None = None,
    ) -> TimedJob:
        """Return work on all frames of the clip, or on some."""
        return TimedJob(
            "video", method, self.height, self.width, work, runtime, precision, gmac, parameters, peer,
            frames or self.frames,
        )  # fmt: skip


def bench_video_speed(
    *,
    repeats: int = CLIP_RUN_COUNT,
    stream_frames: int = STREAM_FRAME_COUNT,
    large: bool = True,
    progress: Progress | None = None,
) -> BenchReport:
    """Time clips from decoding to encoding and the frames of a stream; measure the command's memory.

    The clips are rendered: a camera pans over the package's photo, with some noise, in H.264; the check of
    the offset in the picture, once at a clip's beginning, is left out. ms_median is a frame's share of what a
    whole clip takes, the median of the runs, in which the jobs take turns. Each row stands beside a peer:
    "decode and encode alone" does just that in the same threads, "the paper's" puts its network (random
    weights, the same runtime and precision) between the two; times_faster is the peer's time over the row's
    own. "stream": latency, from the call that makes a frame ready to its return. "process": the command from
    its start to its end in a process of its own, on a clip whose last frames are blurred; peak_mb is the most
    that this process ever held.

    Parameters
    ----------
    repeats
        Counted runs over each clip, after one that is not.
    stream_frames
        Frames of the stream.
    large
        Also 1080p and 4K.
    """
    import_av()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        precisions = available_precisions()
        steps: list[Callable[[], list[Row]]]
        steps = [partial(_time_small_clip, folder, precision, repeats) for precision in precisions]
        steps += [partial(_time_stream, precision, stream_frames) for precision in precisions]
        if large:
            steps += [
                partial(_time_hd_clip, folder, blurred, precisions[-1], repeats) for blurred in (True, False)
            ]
            steps += [partial(_time_command, folder, *size) for size in (HD_CLIP_SIZE_PX, UHD_CLIP_SIZE_PX)]
        rows: list[Row] = []
        for done, step in enumerate(steps):
            rows += step()
            if progress:
                progress((done + 1) / len(steps))
    return make_report("speed", rows)


def _time_small_clip(folder: Path, precision: Precision, repeats: int) -> list[Row]:
    clip = _write_panning_clip(folder, *SMALL_CLIP_SIZE_PX, np.ones(CLIP_FRAME_COUNT, bool))
    network = open_network(TIMED_NETWORK, precision)
    paper, count = make_paper_network(272, 480, precision), PAPER_NETWORK_FRAME_COUNT
    run_paper = partial(_transcode_clip, clip, lambda frame: (paper(), frame)[1], first=count)
    work, cost = partial(_deblur_clip, clip, network), network_cost(network.session.contract, 270, 480)
    jobs = [
        clip.make_job(COPY_METHOD, partial(_transcode_clip, clip), "ffmpeg"),
        clip.make_job(
            PAPER_NETWORK_METHOD,
            run_paper,
            "openvino",
            precision,
            *_PAPER_COST,
            peer=COPY_METHOD,
            frames=count,
        ),
        clip.make_job(
            f"{TIMED_NETWORK}, every frame", work, "openvino", precision, *cost, peer=PAPER_NETWORK_METHOD
        ),
    ]
    return _time_jobs(jobs, repeats)


def _time_hd_clip(folder: Path, blurred: bool, precision: Precision, repeats: int) -> list[Row]:
    panning = np.ones(HD_CLIP_FRAME_COUNT if blurred else CLIP_FRAME_COUNT, bool)
    exposure = CLIP_EXPOSURE_S / (1 if blurred else 150)
    clip = _write_panning_clip(folder, *HD_CLIP_SIZE_PX, panning, exposure)
    network = open_network(TIMED_NETWORK, precision)
    method = f"{TIMED_NETWORK}, {'every' if blurred else 'no'} frame"
    jobs = []
    efforts: tuple[EncodingEffort, ...] = ("medium",) if blurred else ("medium", "low")
    for effort in efforts:
        suffix = ", effort low" if effort == "low" else ""
        copy = clip.make_job(COPY_METHOD + suffix, partial(_transcode_clip, clip, effort=effort), "ffmpeg")
        work = partial(_deblur_clip, clip, network, effort)
        jobs += [copy, clip.make_job(method + suffix, work, precision=precision, peer=copy.method)]
    return _time_jobs(jobs, repeats)


def _time_jobs(jobs: Sequence[TimedJob], repeats: int) -> list[Row]:
    """Return a row for each job; they take turns, the first of which is not counted."""
    turns = [[time_call(job.work)[0] / job.frames for job in jobs] for _ in range(repeats + 1)]
    medians = {job.method: float(np.median(own)) for job, *own in zip(jobs, *turns[1:], strict=True)}
    return [_row(job, medians[job.method], medians) for job in jobs]


def _transcode_clip(
    clip: _PanningClip,
    work: Callable[[ClipFrame], ClipFrame] = lambda frame: frame,
    *,
    effort: EncodingEffort = "medium",
    first: int | None = None,
) -> None:
    """Decode a clip, do some work on each of its (first) frames, and encode it, each in its own thread."""
    with ClipReader(clip.source.clip) as reader:
        writer = ClipWriter(clip.output, reader, effort=effort, overwrite=True)
        with closing(prefetch(reader.frames(), 3)) as frames, run_in_background(writer.write, 3) as hand_over:
            for frame in islice(frames, first):
                hand_over(work(frame))
        writer.finish()


def _deblur_clip(clip: _PanningClip, method: UnrolledNetwork, effort: EncodingEffort = "medium") -> None:
    done = deblur_video(clip.source, clip.output, method=method, effort=effort, sync="never", overwrite=True)
    if (done.frames, done.deblurred) != (clip.frames, clip.blurred_frames):
        raise DeepGyroError(
            f"{clip.source.clip}: {done.deblurred} of {done.frames} frames were deblurred instead of "
            f"{clip.blurred_frames} of {clip.frames}: the times would not count"
        )


def _time_stream(precision: Precision, count: int) -> list[Row]:
    """Return the latencies of a stream whose frames are all blurred, and the paper's network's."""
    height, width = SMALL_CLIP_SIZE_PX
    network = open_network(TIMED_NETWORK, precision)
    paper = make_paper_network(272, 480, precision)
    stream = Deblurrer(_make_camera(height, width), method=network)
    pictures = list(_render_pan_frames(height, width, np.ones(30, bool), CLIP_EXPOSURE_S))
    own: list[float] = []
    papers: list[float] = []
    fed = 0
    t, omega = _panning_gyro(np.ones(count + 2, bool))

    def feed(first: int, until: int) -> list[StreamFrame]:
        return list(stream.add_gyro(t[first:until], omega[first:until]))

    for k in range(count + 1):
        frame_start = k / FRAMES_PER_SECOND
        assert not list(
            stream.add_frame(pictures[k % len(pictures)], t=frame_start, exposure=CLIP_EXPOSURE_S)
        )
        until = int(np.searchsorted(t, frame_start + CLIP_READOUT_S + CLIP_EXPOSURE_S, side="right")) + 1
        took, (frame,) = time_call(partial(feed, fed, until))
        assert frame.method == TIMED_NETWORK
        own.append(took)
        fed = until
        if k % PAPER_NETWORK_EVERY_FRAMES == 1:
            papers.append(time_call(paper)[0])
    paper_job = TimedJob(
        "video", f"{PAPER_NETWORK_METHOD}, stream", height, width, paper, "openvino", precision
    )
    gmac, parameters = network_cost(network.session.contract, 270, 480)
    own_job = replace(
        paper_job, method=f"{TIMED_NETWORK}, stream", gmac=gmac, parameters=parameters, peer=paper_job.method
    )
    paper_job = replace(paper_job, gmac=PAPER_GMAC, parameters=PAPER_PARAMETER_COUNT)
    medians = {paper_job.method: float(np.median(papers))}
    return [
        _row(job, float(np.median(each)), medians, ms_p99=float(np.percentile(each, 99)))
        for job, each in ((paper_job, papers), (own_job, own[1:]))  # the first compiles
    ]


def _time_command(folder: Path, height: int, width: int) -> list[Row]:
    """Return what the command takes on a clip, with its blurred frames unchanged and deblurred."""
    blurred = np.arange(LEADING_SHARP_FRAMES + 4) >= LEADING_SHARP_FRAMES
    clip = _write_panning_clip(folder, height, width, blurred)
    medians: dict[str, float] = {}
    rows = []
    for method, runtime, peer, options in (
        (_IDLE_PROCESS_METHOD, "ffmpeg", "", ("--threshold", "1000")),
        (f"{TIMED_NETWORK}, process", "openvino", _IDLE_PROCESS_METHOD, ()),
    ):
        work = partial(_run_command, clip, *options)
        took, peak = time_call(work)
        medians[method] = took / clip.frames
        job = clip.make_job(method, work, runtime, peer=peer)
        rows.append(_row(job, medians[method], medians, peak_mb=peak))
    return rows


def _run_command(clip: _PanningClip, *options: str) -> float | None:
    """Run the command; return the most memory that it held, MB."""
    source = clip.source
    files_given = ("--gyro", source.gyro, "--camera", source.camera, "--exposure", source.exposure)
    command = ["video", *map(str, (source.clip, *files_given, "--out", clip.output)), "--overwrite"]
    command += ["--method", TIMED_NETWORK, "--sync", "never", *options]
    done = subprocess.run([sys.executable, "-c", _MEASURE_SCRIPT, *command], capture_output=True, text=True)
    if done.returncode:
        raise DeepGyroError(f"deepgyro {' '.join(command)}: ended with {done.stderr.strip()}")
    peak = done.stdout.splitlines()[-1]
    return None if peak == "None" else float(peak)


_MEASURE_SCRIPT = """
import sys
from deepgyro.lab.benchmark.memory import memory_peak
from deepgyro.cli import main
code = main(sys.argv[1:])
print(memory_peak())
sys.exit(code)
"""


def _write_panning_clip(
    folder: Path,
    height: int,
    width: int,
    panning: Bool[ndarray, " frames"],
    exposure: float = CLIP_EXPOSURE_S,
) -> _PanningClip:
    """Write a clip whose camera pans while some of the frames are exposed, its gyro and its camera."""
    at = Path(tempfile.mkdtemp(dir=folder))
    with import_av().open(str(at / "in.mp4"), "w") as container:
        stream = container.add_stream(
            "libx264", rate=FRAMES_PER_SECOND, options={"crf": "17", "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in _render_pan_frames(height, width, panning, exposure):
            container.mux(stream.encode(import_av().VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    t, omega = _panning_gyro(panning)
    rows = "".join(f"{when:.6f},0,{rate},0\n" for when, rate in zip(t, omega[:, 1], strict=True))
    (at / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    write_camera(at / "camera.yaml", _make_camera(height, width))
    source = ClipSource(at / "in.mp4", at / "imu.csv", at / "camera.yaml", exposure)
    blurred = int(panning.sum()) if PAN_RATE_RAD_S * exposure * width > 1 else 0
    return _PanningClip(source, blurred, len(panning), height, width)


def _make_camera(height: int, width: int) -> Camera:
    K = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]], float)
    return Camera(width, height, K, readout_time=CLIP_READOUT_S, cam_from_imu=np.eye(3))


def _panning_gyro(
    panning: Bool[ndarray, " frames"],
) -> tuple[Float64[ndarray, " n"], Float64[ndarray, "n 3"]]:
    """Return the gyro of a camera that pans to the right while some of the frames are exposed."""
    t = np.arange(-24, 8 * (len(panning) + 4)) / (8 * FRAMES_PER_SECOND)
    # The step lies behind the last line of the frame before.
    frame = np.floor((t - 0.006) * FRAMES_PER_SECOND).astype(int).clip(0, len(panning) - 1)
    omega = np.zeros((len(t), 3))
    omega[:, 1] = np.where(panning[frame], PAN_RATE_RAD_S, 0.0)
    return t, omega


def _render_pan_frames(
    height: int, width: int, panning: Bool[ndarray, " frames"], exposure: float
) -> Iterator[UInt8[ndarray, "h w 3"]]:
    """Yield what that camera sees of the package's photo, mirrored again and again to its sides."""
    import cv2

    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        photo = read_pixels(Path(file.name))
    across = round(photo.shape[1] * height / photo.shape[0])
    photo = cv2.resize(photo, (across, height), interpolation=cv2.INTER_AREA)
    around = np.concatenate([photo, photo[:, ::-1]], axis=1)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, CLIP_NOISE_STD_U8, (height + 16, width + 16, 3)).round().astype(np.int16)
    length = max(1, round(PAN_RATE_RAD_S * exposure * width))
    x = 0.0
    for turns in panning:
        columns = (round(x) + np.arange(-length, width + length)) % around.shape[1]
        seen = around[:, columns]
        seen = cv2.blur(seen, (length, 1)) if turns else seen
        top, left = rng.integers(0, 16, 2)
        noisy = seen[:, length:-length] + noise[top : top + height, left : left + width]
        yield noisy.clip(0, 255).astype(np.uint8)
        x += PAN_RATE_RAD_S / FRAMES_PER_SECOND * width * bool(turns)


def _row(
    job: TimedJob,
    ms: float,
    medians: Mapping[str, float],
    *,
    ms_p99: float | None = None,
    peak_mb: float | None = None,
) -> Row:
    """Return a row of a job that takes so long, ms a frame, beside the median of its peer."""
    peer = medians.get(job.peer)
    return job.make_row(ms, ms_p99, peak_mb) | {
        "per_second": round(1e3 / ms, 2),
        "peer": job.peer,
        "times_faster": None if peer is None else round(peer / ms, 3),
    }
