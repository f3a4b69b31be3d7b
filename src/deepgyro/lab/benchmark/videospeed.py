"""`bench speed --video`: clips from decoding to encoding, the stream's latency, the command's memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray

from ...camera import Camera
from ...errors import DeepGyroError
from ...frames import ClipFrame, ClipReader, ClipWriter, EncodingEffort, import_av, read_photo, to_eight_bits
from ...recording import ClipSource
from ...restore import UnrolledNetwork, weights_path
from ...restore.weights import NetworkName
from ...runtime import PRECISIONS, Precision, has_bf16, open_session
from ...video import Deblurrer, deblur_video
from ...video.pipeline import prefetch, run_in_background
from ..report import BenchReport, Row, make_report
from .paper_network import PAPER_GMAC, PAPER_PARAMETER_COUNT, make_paper_network

CLIP_RUN_COUNT = 3
STREAM_FRAME_COUNT = 1000
"""Frames of the stream."""
TIMED_NETWORK: NetworkName = "deepgyro-fast"
SMALL_CLIP_SIZE_PX, HD_CLIP_SIZE_PX, UHD_CLIP_SIZE_PX = (
    (270, 480),
    (1080, 1920),
    (2160, 3840),
)  # height, width, px
CLIP_FRAME_COUNT, HD_CLIP_FRAME_COUNT, PAPER_NETWORK_FRAME_COUNT = 60, 12, 6
"""Of a clip; of one of 1080p that is blurred; how many of a clip go through the paper's network."""
FRAMES_PER_SECOND = 30
"""Frames a second."""
CLIP_EXPOSURE_S, CLIP_READOUT_S = 1 / 60, 0.016  # s
PAN_RATE_RAD_S = 1.8
"""Rate of the pan while frames are blurred, rad/s: paths of 3 % of the picture's width."""
CLIP_NOISE_STD_U8 = 2.0
"""Standard deviation, of 255."""
LEADING_SHARP_FRAMES = 48
"""Frames before the blurred ones where memory is measured: the encoder's queue is full by then."""
PAPER_NETWORK_EVERY_FRAMES = 20
"""One frame of the stream in so many goes through the paper's network, too."""
PAPER_CLIP_METHOD, COPY_METHOD = "the paper's", "decode and encode alone"
_IDLE_PROCESS_METHOD = "process, no frame"


@dataclass(frozen=True)
class _PanningClip:
    """A clip that was made, with its gyro and its camera, in files."""

    source: ClipSource
    blurred_frames: int
    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class _ClipJob:
    """Something that is done to all frames of a clip, and what it stands beside."""

    method: str
    work: Callable[[], object]
    peer: str = COPY_METHOD
    frames: int | None = None
    """How many, where they are not all."""
    runtime: str = "openvino"
    precision: str = ""
    gmac: float | None = None
    parameters: int | None = None


def bench_video_speed(
    *,
    repeats: int = CLIP_RUN_COUNT,
    stream_frames: int = STREAM_FRAME_COUNT,
    large: bool = True,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Time clips from decoding to encoding and the frames of a stream; measure the command's memory.

    The clips are made: a camera pans over the package's photo, with some noise, in H.264; that the picture
    confirms the offset, once at a clip's beginning, is left out. ms_median is a
    frame's share of what a whole clip takes, the median of the runs, in which the jobs take turns. Each row
    stands beside a peer: "decode and encode alone" does just that in the same threads, "the paper's" puts its
    network (random weights, the same runtime and precision) between the two; times_faster is the peer's time
    over the row's own. "stream": latency, from the call that makes a frame ready to its return. "process":
    the command from its start to its end in a process of its own, on a clip whose last frames are blurred;
    peak_mb is all that this process ever held.

    Parameters
    ----------
    repeats
        Counted runs over each clip, after one that is not.
    stream_frames
        Frames of the stream.
    large
        Also 1080p and 4K.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If the extra is missing, or the network's weights are.
    """
    import_av()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        precisions = PRECISIONS if has_bf16() else PRECISIONS[:1]
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
    network = _open_timed_network(precision)
    paper = make_paper_network(272, 480, precision)
    jobs = [
        _ClipJob(COPY_METHOD, partial(_transcode_clip, clip, lambda frame: frame), "", runtime="ffmpeg"),
        _ClipJob(
            PAPER_CLIP_METHOD,
            partial(
                _transcode_clip, clip, lambda frame: (paper(), frame)[1], first=PAPER_NETWORK_FRAME_COUNT
            ),
            frames=PAPER_NETWORK_FRAME_COUNT,
            precision=precision,
            gmac=PAPER_GMAC,
            parameters=PAPER_PARAMETER_COUNT,
        ),
        _ClipJob(
            f"{TIMED_NETWORK}, every frame",
            partial(_deblur_clip, clip, network),
            PAPER_CLIP_METHOD,
            precision=precision,
            gmac=round(network.session.contract.gmac * 272 * 480 / 256**2, 2),
            parameters=network.session.contract.parameters,
        ),
    ]
    return _time_jobs(clip, jobs, repeats)


def _time_hd_clip(folder: Path, blurred: bool, precision: Precision, repeats: int) -> list[Row]:
    clip = _write_panning_clip(
        folder,
        *HD_CLIP_SIZE_PX,
        np.ones(HD_CLIP_FRAME_COUNT if blurred else CLIP_FRAME_COUNT, bool),
        CLIP_EXPOSURE_S / (1 if blurred else 150),
    )
    network = _open_timed_network(precision)
    method = f"{TIMED_NETWORK}, {'every' if blurred else 'no'} frame"
    jobs = []
    efforts: tuple[EncodingEffort, ...] = ("medium",) if blurred else ("medium", "low")
    for effort in efforts:
        said = ", effort low" if effort == "low" else ""
        jobs += [
            _ClipJob(
                COPY_METHOD + said,
                partial(_transcode_clip, clip, lambda frame: frame, effort),
                "",
                runtime="ffmpeg",
            ),
            _ClipJob(
                method + said,
                partial(_deblur_clip, clip, network, effort),
                COPY_METHOD + said,
                precision=precision,
            ),
        ]
    return _time_jobs(clip, jobs, repeats)


def _time_jobs(clip: _PanningClip, jobs: Sequence[_ClipJob], repeats: int) -> list[Row]:
    """Return a row for each job; they take turns."""
    times: dict[str, list[float]] = {job.method: [] for job in jobs}
    for turn in range(repeats + 1):
        for job in jobs:
            start = time.perf_counter()
            job.work()
            if turn:
                took = time.perf_counter() - start
                times[job.method].append(1e3 * took / (job.frames or clip.frames))
    median = {method: float(np.median(own)) for method, own in times.items()}
    return [
        _row(
            job.method,
            clip.height,
            clip.width,
            median[job.method],
            runtime=job.runtime,
            precision=job.precision,
            gmac=job.gmac,
            parameters=job.parameters,
            peer=job.peer,
            peers=median.get(job.peer),
        )
        for job in jobs
    ]


def _transcode_clip(
    clip: _PanningClip,
    work: Callable[[ClipFrame], ClipFrame],
    effort: EncodingEffort = "medium",
    *,
    first: int | None = None,
) -> None:
    """Decode a clip, do some work on each of its (first) frames, encode it: each beside the other."""
    with ClipReader(clip.source.clip) as reader:
        writer = ClipWriter(_output_path(clip), reader, effort=effort, overwrite=True)
        with closing(prefetch(reader.frames(), 3)) as frames, run_in_background(writer.write, 3) as hand_over:
            for frame in islice(frames, first):
                hand_over(work(frame))
        writer.finish()


def _open_timed_network(precision: Precision) -> UnrolledNetwork:
    return UnrolledNetwork(TIMED_NETWORK, open_session(weights_path(TIMED_NETWORK), precision=precision))


def _deblur_clip(clip: _PanningClip, method: UnrolledNetwork, effort: EncodingEffort = "medium") -> None:
    done = deblur_video(
        clip.source,
        _output_path(clip),
        method=method,
        effort=effort,
        sync="never",
        overwrite=True,
    )
    _check_frame_counts(clip, done.frames, done.deblurred)


def _check_frame_counts(clip: _PanningClip, frames: int, deblurred: int) -> None:
    if (frames, deblurred) != (clip.frames, clip.blurred_frames):
        raise DeepGyroError(
            f"{clip.source.clip}: {deblurred} of {frames} frames were deblurred instead of "
            f"{clip.blurred_frames} of "
            f"{clip.frames}: the times would not count"
        )


def _time_stream(precision: Precision, count: int) -> list[Row]:
    """Return the latencies of a stream whose frames are all blurred, and the paper's network's."""
    height, width = SMALL_CLIP_SIZE_PX
    network = _open_timed_network(precision)
    paper = make_paper_network(272, 480, precision)
    stream = Deblurrer(_make_camera(height, width), method=network)
    pictures = list(_render_pan_frames(height, width, np.ones(30, bool), CLIP_EXPOSURE_S))
    own: list[float] = []
    papers: list[float] = []
    fed = 0
    t, omega = _panning_gyro(np.ones(count + 2, bool))
    for k in range(count + 1):
        begins = k / FRAMES_PER_SECOND
        assert not list(stream.add_frame(pictures[k % len(pictures)], t=begins, exposure=CLIP_EXPOSURE_S))
        until = int(np.searchsorted(t, begins + CLIP_READOUT_S + CLIP_EXPOSURE_S, side="right")) + 1
        start = time.perf_counter()
        (frame,) = stream.add_gyro(t[fed:until], omega[fed:until])
        took = 1e3 * (time.perf_counter() - start)
        assert frame.method == TIMED_NETWORK
        fed = until
        if k % PAPER_NETWORK_EVERY_FRAMES == 1:
            start = time.perf_counter()
            paper()
            papers.append(1e3 * (time.perf_counter() - start))
        if k:  # the first compiles
            own.append(took)
    name = f"{PAPER_CLIP_METHOD}, stream"
    median = float(np.median(papers))
    cost = round(network.session.contract.gmac * 272 * 480 / 256**2, 2)
    return [
        _row(
            name,
            *SMALL_CLIP_SIZE_PX,
            median,
            np.percentile(papers, 99),
            precision=precision,
            gmac=PAPER_GMAC,
            parameters=PAPER_PARAMETER_COUNT,
        ),
        _row(
            f"{TIMED_NETWORK}, stream",
            *SMALL_CLIP_SIZE_PX,
            float(np.median(own)),
            np.percentile(own, 99),
            precision=precision,
            gmac=cost,
            parameters=network.session.contract.parameters,
            peer=name,
            peers=median,
        ),
    ]


def _time_command(folder: Path, height: int, width: int) -> list[Row]:
    """Return what the command takes on a clip, with its blurred frames passed through and deblurred."""
    blurred = np.arange(LEADING_SHARP_FRAMES + 4) >= LEADING_SHARP_FRAMES
    clip = _write_panning_clip(folder, height, width, blurred)
    ms, peak = _run_command(clip, "--threshold", "1000")
    more, peak_more = _run_command(clip)
    return [
        _row(_IDLE_PROCESS_METHOD, height, width, ms, runtime="ffmpeg", peak_mb=peak),
        _row(
            f"{TIMED_NETWORK}, process",
            height,
            width,
            more,
            peak_mb=peak_more,
            peer=_IDLE_PROCESS_METHOD,
            peers=ms,
        ),
    ]


def _run_command(clip: _PanningClip, *options: str) -> tuple[float, float | None]:
    """Run the command; return a frame's share of its time, ms, and the most memory it held, MB."""
    source = clip.source
    command = [
        "video",
        str(source.clip),
        "--gyro",
        str(source.gyro),
        "--camera",
        str(source.camera),
        "--exposure",
        str(source.exposure),
        "--method",
        TIMED_NETWORK,
        "--out",
        str(_output_path(clip)),
        "--overwrite",
        "--sync",
        "never",
        *options,
    ]
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _MEASURE_SCRIPT, *command], capture_output=True, text=True)
    took = 1e3 * (time.perf_counter() - start) / clip.frames
    if done.returncode:
        raise DeepGyroError(f"deepgyro {' '.join(command)}: ended with {done.stderr.strip()}")
    peak = done.stdout.splitlines()[-1]
    return took, None if peak == "None" else float(peak)


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
    (at / "camera.yaml").write_text(
        f"width: {width}\nheight: {height}\nK: {[width, width, (width - 1) / 2, (height - 1) / 2]}\n"
        f"readout_time: {CLIP_READOUT_S}\ncam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ntime_offset: 0\n"
    )
    source = ClipSource(at / "in.mp4", at / "imu.csv", at / "camera.yaml", exposure)
    blurred = int(panning.sum()) if PAN_RATE_RAD_S * exposure * width > 1 else 0
    return _PanningClip(source, blurred, len(panning), height, width)


def _output_path(clip: _PanningClip) -> Path:
    return clip.source.clip.with_name("out.mp4")


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
        photo = to_eight_bits(read_photo(file.name).pixels)
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
    method: str,
    height: int,
    width: int,
    ms: float,
    p99: float | None = None,
    *,
    runtime: str = "openvino",
    precision: str = "",
    peak_mb: float | None = None,
    gmac: float | None = None,
    parameters: int | None = None,
    peer: str = "",
    peers: float | None = None,
) -> Row:
    """Return a row of what is timed (ms a frame); `peers`: the time of what it stands beside."""
    return {
        "what": "video",
        "method": method,
        "runtime": runtime,
        "precision": precision,
        "height": height,
        "width": width,
        "ms_median": round(ms, 3),
        "ms_p99": None if p99 is None else round(float(p99), 3),
        "peak_mb": peak_mb,
        "gmac": gmac,
        "parameters": parameters,
        "per_second": round(1e3 / ms, 2),
        "peer": peer,
        "times_faster": None if peers is None else round(peers / ms, 3),
    }
