"""The offset and axes of a clip's gyro, estimated from how the picture turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..errors import DeepGyroError
from ..files import check_writable
from ..frames import ClipReader, Photo, format_from_suffix, write_photo
from ..telemetry import read_clip_metadata
from ..timesync import (
    ACCEPT_SYNC_CONFIDENCE,
    REJECT_EXPLAINED_SHARE,
    TRACKING_SIDE_PX,
    PointTracks,
    SyncResult,
    draw_rate_curves,
    estimate_readout_time,
    explained_rotation_share,
    remove_clock_drift,
    synchronise_gyro,
    track_points,
)
from .clips import ClipRecording, ClipSource, read_clip_recording

SyncMode = Literal["auto", "always", "never"]

MAX_TRACKED_S = 60.0
"""No more of a clip is looked at, s; of a longer one, stretches from its beginning to its end."""
TRACKED_SEGMENTS = 6
CHECK_TRACKED_S = 12.0
"""The same where the offset is known, and the picture only checks it, s."""


@dataclass(frozen=True)
class SyncReport:
    """What `sync_clip` estimated."""

    file: str
    time_offset: float
    """``t_gyro = t_frame + time_offset``, s."""
    cam_from_imu: list[list[float]]
    confidence: float
    """0 to 1."""
    sure: bool
    """Whether the confidence suffices to deblur by it."""
    halves: list[float | None]
    """The offset from either half of the clip, s."""
    explained: float
    """Share of the picture's turning that the gyro explains, 0 to 1."""
    residual_px: float | None
    """Median distance of points from where the gyro carries them, at the size at which they were tracked."""
    pairs: int
    """Pairs of frames that show how the camera turned."""
    drift_ppm: float
    """How much faster the gyro's clock runs, 10^-6; `time_offset` is that of the clip's time 0."""
    readout_time: float | None
    """Found in the clip, s; None: it was not looked for."""
    picture: str
    note: str


def sync_clip(
    source: ClipSource,
    *,
    readout: bool = False,
    picture: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SyncReport:
    """Find the offset between a clip and its gyro, and the gyro's axes where the camera file has none.

    Parameters
    ----------
    source
        The clip, and what is known of it; the offset is looked for about its `time_offset` first.
    readout
        Whether the readout time is estimated, too, whatever camera file and metadata have.
    picture
        Picture that is written: the angular rates of picture and gyro.

    Raises
    ------
    DeepGyroError
        If the clip was stabilised in the camera, turns too little, or something cannot be used.
    """
    if picture is not None:
        check_writable(picture, overwrite=overwrite)
        format_from_suffix(picture)
    metadata = read_clip_metadata(source.clip)
    if metadata.stabilisation:
        raise DeepGyroError(
            f"{source.clip}: stabilised in the camera ({metadata.stabilisation}): its picture does not turn "
            "as the camera did"
        )
    with ClipReader(source.clip) as reader:
        recording = read_clip_recording(source, metadata, reader.clip, readout_time=0.0 if readout else None)
    tracks = track_clip(source.clip, progress)
    sync = _synchronise_tracks(tracks, recording)
    readout_time: float | None = None
    if readout:
        readout_time = estimate_readout_time(
            tracks, recording.log, recording.camera, sync, exposures=recording.exposures
        )
        camera = replace(recording.camera, readout_time=readout_time)
        sync = _synchronise_tracks(tracks, replace(recording, camera=camera))
    notes = []
    if recording.exposures[0] == 0:
        notes.append("no exposure is known: the offset leads to the middle of the exposures")
    if sync.drift:
        notes.append(
            f"the gyro's clock runs {1e6 * sync.drift:+.0f} ppm fast: no single time_offset fits the whole "
            "clip, but video follows the clock where it estimates the offset itself"
        )
    if contradiction := sync_contradiction(sync):
        notes.append(contradiction)
    elif sync.confidence < ACCEPT_SYNC_CONFIDENCE:
        notes.append("low confidence: give time_offset, or a part of the clip in which the camera turns more")
    if picture is not None:
        drawn = Photo(draw_rate_curves(sync), "PNG", picture)
        write_photo(picture, drawn, record={"sync": str(source.clip)}, overwrite=overwrite)
    return SyncReport(
        file=str(source.clip),
        time_offset=round(sync.time_offset * (1 + sync.drift), 6),
        cam_from_imu=sync.cam_from_imu.tolist(),
        confidence=round(sync.confidence, 3),
        sure=sync.confidence >= ACCEPT_SYNC_CONFIDENCE,
        halves=[round(half, 6) if half == half else None for half in sync.half_offsets],
        explained=round(sync.explained_share, 3),
        residual_px=round(sync.residual_px, 3) if sync.residual_px == sync.residual_px else None,
        pairs=len(sync.rotations.t),
        drift_ppm=round(1e6 * sync.drift, 1),
        readout_time=None if readout_time is None else round(readout_time, 4),
        picture=str(picture or ""),
        note="; ".join(notes),
    )


def synchronise_recording(
    recording: ClipRecording, clip: Path, mode: SyncMode, progress: Callable[[int, int], None] | None
) -> tuple[ClipRecording, SyncResult | None, str]:
    """Return a recording with offset and axes, their estimate if there is one, and why not to use it."""
    camera = recording.camera
    unknown = ["cam_from_imu"] if camera.cam_from_imu is None else []
    unknown += [] if camera.time_offset_known else ["time_offset"]
    if mode == "never" or (mode == "auto" and not unknown):
        if "cam_from_imu" in unknown:
            raise DeepGyroError(f"{camera.source}: has no cam_from_imu: add it, or give --sync auto")
        return recording, None, "" if mode == "never" else check_known_offset(clip, recording, progress)
    sync = _synchronise_tracks(track_clip(clip, progress), recording)
    if reason := sync_contradiction(sync):
        return recording, sync, reason
    if sync.confidence < ACCEPT_SYNC_CONFIDENCE:
        raise DeepGyroError(
            f"{clip}: the offset between gyro and frames is uncertain (confidence {sync.confidence:.2f}, "
            f"{ACCEPT_SYNC_CONFIDENCE} is needed): "
            f"give {' and '.join(unknown) or 'another log'} in the camera file"
        )
    return apply_sync(recording, sync), sync, ""


def _synchronise_tracks(tracks: PointTracks, recording: ClipRecording) -> SyncResult:
    try:
        return synchronise_gyro(tracks, recording.log, recording.camera, exposures=recording.exposures)
    except ValueError as error:
        raise DeepGyroError(f"{recording.camera.source}: {error}") from error


def track_clip(
    clip: Path, progress: Callable[[int, int], None] | None = None, *, max_seconds: float = MAX_TRACKED_S
) -> PointTracks:
    """Track points through a clip; if it is longer than `max_seconds` s, through stretches of it."""
    with ClipReader(clip) as reader:
        clip_file = reader.clip
        scale = min(1.0, TRACKING_SIDE_PX / max(clip_file.height, clip_file.width))
        height, width = max(1, round(clip_file.height * scale)), max(1, round(clip_file.width * scale))
        total = clip_file.expected_frames
        apart = max(((clip_file.duration or 0.0) - max_seconds) / (TRACKED_SEGMENTS - 1), 0.0)
        numbers: list[int] = []

        def small() -> Iterator[tuple[float, UInt8[ndarray, "h w"]]]:
            for frame in reader.frames():
                if progress:
                    progress(frame.index, max(total, frame.index))
                if _is_in_segment(frame.t - reader.first.t, max_seconds / TRACKED_SEGMENTS, apart):
                    numbers.append(frame.index)
                    yield frame.t, frame.gray(height, width)

        tracks = track_points(small())
    return replace(tracks, index=np.array(numbers, np.int64)[tracks.index])


def _is_in_segment(t: float, length: float, gap: float) -> bool:
    """Return whether a frame is in one of the stretches (s), which lie `gap` (s)."""
    number = int(t // (length + gap))
    return number < TRACKED_SEGMENTS and t - number * (length + gap) <= length


def sync_contradiction(sync: SyncResult) -> str:
    """Return why clip and log do not belong together: the picture does not turn as the gyro; else ""."""
    if sync.explained_share >= REJECT_EXPLAINED_SHARE or sync.confidence >= ACCEPT_SYNC_CONFIDENCE:
        return ""
    return (
        f"the gyro explains {max(100 * sync.explained_share, 0):.0f} % of the picture's turning: "
        "stabilised in the camera, or the gyro of another clip"
    )


def check_known_offset(
    clip: Path, recording: ClipRecording, progress: Callable[[int, int], None] | None = None
) -> str:
    """Return why a clip, a log and a known offset do not belong together; else ""."""
    tracks = track_clip(clip, progress, max_seconds=CHECK_TRACKED_S)
    explained = explained_rotation_share(
        tracks, recording.log, recording.camera, exposures=recording.exposures
    )
    if explained is None or explained >= REJECT_EXPLAINED_SHARE:
        return ""
    return (
        f"at an offset of {1000 * recording.camera.time_offset:+.0f} ms the gyro explains "
        f"{max(100 * explained, 0):.0f} % of the picture's turning: stabilised in the camera, the gyro of "
        "another clip, or a wrong time_offset or cam_from_imu"
    )


def apply_sync(recording: ClipRecording, sync: SyncResult) -> ClipRecording:
    """Return a recording with estimated offset and axes.

    Where no exposure is known, the offset leads to the middle of the exposures.
    """
    camera = replace(
        recording.camera, time_offset=sync.time_offset, time_offset_known=True, cam_from_imu=sync.cam_from_imu
    )
    log, unknown = remove_clock_drift(recording.log, sync.drift), recording.exposures[0] == 0
    return replace(recording, camera=camera, log=log, exposure_centred=bool(unknown))
