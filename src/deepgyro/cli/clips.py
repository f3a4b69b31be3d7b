"""Clips: video, sync."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from .app import Flag, Integer, Json, MethodName, Overwrite, app
from .output import ProgressBar, print_json, print_message, sigterm_as_interrupt


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
    weights: Path | None = None,
    threshold: float = 0.7,
    quality: Integer = 17,
    effort: Literal["low", "medium", "high"] = "medium",
    report: Path | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
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
        Camera file: see docs/camera.md. Only a clip that was stabilised in the camera needs none.
    exposure
        How long a line of a frame collects light (s); by default from the clip's metadata; if these
        have none, it is estimated from the blurred frames: one for all, or its course where it changes.
    readout_time
        From the first line's start to the line past the last (s); by default from the camera
        file, or the clip.
    time_offset
        The gyro's clock minus the frames' (s); by default from the camera file.
    gyro_columns
        Columns and units of a log without a header, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]".
    sync
        Whether the gyro's offset and axes are estimated from the clip. auto: if the camera file has none; if
        it has, a picture that contradicts them is still noticed. always: in any case, near those of the
        file. never: the picture is not compared; an offset that is not given is 0.
    refine
        Let a dozen blurred frames correct scale, offset, bias and readout time for the whole clip.
    method
        As in deblur, but for those to compare with.
    weights
        As in deblur.
    threshold
        Pixels with shorter paths (px) stay unchanged; the result fades in over 1 px more.
    quality
        Constant rate factor of the encoder: less is better and larger.
    effort
        How hard the encoder tries to make a small file: low is quickest.
    report
        CSV file with a line for each frame: blur (px), method, time.
    """
    from ..recording import ClipSource
    from ..restore import open_method
    from ..video import deblur_video

    opened = open_method(method, weights)
    source = ClipSource(clip, gyro, camera, exposure, readout_time, time_offset, gyro_columns)
    with sigterm_as_interrupt(), ProgressBar(1, "frame") as bar:
        done = deblur_video(
            source, out, method=opened, sync=sync, refine=refine, threshold=threshold, quality=quality,
            effort=effort, report=report, overwrite=overwrite, progress=bar.show_progress,
        )  # fmt: skip
    if json:
        print_json(asdict(done))
    else:
        offset = ""
        if done.confidence is not None and done.time_offset is not None:
            offset = f"  offset {done.time_offset * 1000:+.1f} ms (confidence {done.confidence:.2f})"
        note = f"  [{done.note}]" if done.note else ""
        shares = f"{done.deblurred} of {done.frames} frames deblurred"
        print(
            f"{done.out}  {shares}  largest blur {done.blur_max_px:.1f} px{offset}  {done.seconds:.1f} "
            f"s{note}"
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
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Find the offset between a clip and its gyro, and the gyro's axes (extra: video).

    Compares how the picture turns with the gyro's rates. Prints lines for the camera file. Ends with 1 if
    the offset is uncertain.

    Parameters
    ----------
    clip
        A video: whatever FFmpeg reads.
    camera
        Camera file: see docs/camera.md. If it has cam_from_imu, other axes are not tried.
    gyro
        Gyro log; by default the one in the clip (GoPro, Insta360, DJI, Sony, ...).
    exposure
        How long a line of a frame collects light (s); by default from the clip's metadata.
    readout_time
        From the first line's start to the line past the last (s); by default from the camera
        file, or the clip.
    gyro_columns
        Columns and units of a log without a header, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]".
    find_readout
        Estimate the readout time, too, whatever camera file and clip have.
    picture
        Picture of two curves: the angular rates of picture and gyro (PNG, JPEG, ...).
    """
    from ..recording import ClipSource, sync_clip

    source = ClipSource(clip, gyro, camera, exposure, readout_time, None, gyro_columns)
    with ProgressBar(1, "frame") as bar:
        result = sync_clip(
            source, readout=find_readout, picture=picture, overwrite=overwrite, progress=bar.show_progress
        )
    if json:
        print_json(asdict(result))
    else:
        first, second = (f"{1000 * half:+.1f}" if half is not None else "?" for half in result.halves)
        print(f"time_offset: {result.time_offset:.5f}")
        print(f"cam_from_imu: {result.cam_from_imu}")
        if result.readout_time is not None:
            print(f"readout_time: {result.readout_time:.4f}")
        print(
            f"# confidence {result.confidence:.2f}; halves {first} and {second} ms; the gyro explains "
            f"{100 * result.explained:.0f} % of the turning in {result.pairs} pairs of frames"
        )
        if result.note:
            print_message(result.note)
    return 0 if result.sure else 1
