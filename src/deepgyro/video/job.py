"""A clip in a file: which frames need it, what is done to each, where the result goes."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ..blurfield import Field, measure_field
from ..deblurring import deblur_picture
from ..errors import DeepGyroError
from ..files import check_writable, copy_file, move_into_place
from ..frames import (
    DEFAULT_QUALITY_CRF,
    HLG_TRANSFER,
    PQ_TRANSFER,
    ClipFrame,
    ClipReader,
    ClipWriter,
    EncodingEffort,
    apply_srgb_changes,
    hdr_to_srgb,
)
from ..recording.clips import (
    ClipRecording,
    ClipSource,
    calibrate_clip,
    check_clip_coverage,
    read_clip_recording,
)
from ..recording.syncing import SyncMode, synchronise_recording
from ..restore import Method, MethodName, open_method
from ..telemetry import read_clip_metadata
from .pipeline import prefetch, run_in_background

if TYPE_CHECKING:
    from av import Packet

SKIP_BELOW_PX = 0.7
"""Frames whose longest path is shorter stay unchanged, px. On validation photos with little noise the
network's gain turns positive at 0.6 px in the mean (docs/experiments)."""
_QUEUE_FRAMES = 3
"""Frames that wait before and behind the network, at most."""

SHARP_FRAME = "no blur over the threshold"
"""Why a sharp frame is unchanged."""


@dataclass(frozen=True)
class FrameReport:
    """What was done to one frame."""

    frame: int
    t: float
    """s"""
    blur_median_px: float
    blur_max_px: float
    method: str
    skipped: str | None
    """Why the frame is unchanged; None where it was deblurred."""
    seconds: float
    note: str


@dataclass(frozen=True)
class ClipReport:
    """What was done to a clip."""

    file: str
    out: str
    frames: int
    deblurred: int
    blur_max_px: float
    """Of all frames."""
    time_offset: float | None
    """Between gyro and clip, s; None: the gyro was not used."""
    confidence: float | None
    """Of an offset that was estimated from the clip, 0 to 1; None: it was given."""
    seconds: float
    note: str
    """What a reader should know; else empty."""


def deblur_video(
    source: ClipSource,
    out: Path,
    *,
    method: MethodName | Method = "deepgyro",
    sync: SyncMode = "auto",
    refine: bool = False,
    threshold: float = SKIP_BELOW_PX,
    quality: int = DEFAULT_QUALITY_CRF,
    effort: EncodingEffort = "medium",
    report: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ClipReport:
    """Deblur the frames of a clip that need it; the others, and the sound, stay unchanged.

    A pixel whose path is shorter than `threshold` stays unchanged, and the result fades in over 1 px more:
    nothing flickers where blur comes and goes.

    Parameters
    ----------
    source
        The clip, and what is known of it.
    out
        The file that is written: whole under this name, or the part that is done under another.
    method
        ``"deepgyro"``, ``"deepgyro-fast"``, ``"richardson-lucy"`` or ``"fastgyro"``: see `deblur`; or what
        `open_method` returned.
    sync
        Whether offset and axes are estimated from the picture. "auto": if the camera file has none; if it
        has, a picture that contradicts them is still noticed. "never": the picture is not compared.
    refine
        Whether a sample of the blurred frames corrects scale, offset, bias and readout time for all of them
        (some seconds). An exposure that neither metadata nor `source` have is estimated that way in any case.
    threshold
        Frames whose longest path is shorter stay unchanged, px.
    quality, effort
        As in `ClipWriter`.
    report
        CSV file with a line for each frame: `FrameReport`.
    overwrite
        Replace files that exist.
    progress
        Called with how many frames are done, and how many there are (an estimate).

    Raises
    ------
    DeepGyroError
        If the clip, its gyro or its camera cannot be used, or the output cannot be written.
    ValueError
        If an option cannot be.
    """
    if not threshold > 0:
        raise ValueError(f"--threshold is {threshold:g} px: a length over 0 is needed")
    for path in (out, report):
        if path is not None:
            check_writable(path, overwrite=overwrite)
    if out.exists() and source.clip.exists() and out.samefile(source.clip):
        raise ValueError(f"--out would replace the clip {source.clip}: give another name")
    started = time.perf_counter()
    metadata = read_clip_metadata(source.clip)
    with ClipReader(source.clip, copied=True) as reader:
        clip = reader.clip
        recording: ClipRecording | None = None
        skip_reason, sync_result, calibration_note = "", None, ""
        exposed = source.exposure is not None or metadata.exposures is not None
        if metadata.stabilisation:
            skip_reason = (
                f"stabilised in the camera ({metadata.stabilisation}): the gyro does not show its blur"
            )
        else:
            recording = read_clip_recording(source, metadata, clip)
            recording, sync_result, skip_reason = synchronise_recording(
                recording, source.clip, sync, progress
            )
            check_clip_coverage(recording, reader.first.t, reader.first.t + (clip.duration or 0.0))
            if not skip_reason and (refine or not exposed):
                recording, calibration_note = calibrate_clip(
                    source.clip, recording, exposure_known=exposed, progress=progress
                )
        opened = open_method(method) if isinstance(method, str) else method
        job = _ClipJob(None if skip_reason else recording, skip_reason, opened, threshold)
        total = clip.expected_frames
        rows = _FrameReportWriter(report, overwrite)
        try:
            if skip_reason and out.suffix.lower() == source.clip.suffix.lower():
                copy_file(source.clip, out, overwrite=overwrite)
                for frame in reader.frames():
                    rows.add(job.report_skipped(frame, skip_reason))
                note = ""
            else:
                writer = ClipWriter(out, reader, quality=quality, effort=effort, overwrite=overwrite)
                note = _write_deblurred_clip(job, reader, writer, rows, progress, total)
            rows.finish()
        except BaseException:
            rows.give_up()
            raise
        left = f"unchanged: {skip_reason}" if skip_reason else rows.summarise_skipped()
        notes = [calibration_note, left, note, reader.ended_early]
    return ClipReport(
        file=str(source.clip),
        out=str(out),
        frames=rows.count,
        deblurred=rows.deblurred,
        blur_max_px=rows.blur_max_px,
        time_offset=None if recording is None or skip_reason else round(recording.time_offset, 6),
        confidence=None if sync_result is None else round(sync_result.confidence, 3),
        seconds=round(time.perf_counter() - started, 2),
        note="; ".join(filter(None, notes)),
    )


def _write_deblurred_clip(
    job: _ClipJob,
    reader: ClipReader,
    writer: ClipWriter,
    rows: _FrameReportWriter,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> str:
    """Write the clip; decoding and fields are ahead of the network, encoding is behind it."""

    def write(part: ClipFrame | Packet[Any]) -> None:
        writer.write(part) if isinstance(part, ClipFrame) else writer.copy(part)

    planned = prefetch(map(job.plan_frame, reader.parts()), _QUEUE_FRAMES)
    with _keep_partial_clip(writer), closing(planned), run_in_background(write, _QUEUE_FRAMES) as submit:
        for part in planned:
            if not isinstance(part, _PlannedFrame):
                submit(part)
                continue
            frame, row = job.deblur_frame(part)
            submit(frame)
            rows.add(row)
            if progress:
                progress(rows.count, max(total, rows.count))
    writer.finish()
    return writer.note


@contextmanager
def _keep_partial_clip(writer: ClipWriter) -> Iterator[None]:
    """Keep what can be played of a clip that is not finished, and say where."""
    try:
        yield
    except BaseException as error:
        part = writer.give_up()
        if part is None:
            raise
        kept = f"the first {writer.count} frames are in {part}"
        if isinstance(error, DeepGyroError):
            raise DeepGyroError(f"{error}; {kept}") from error
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"stopped: {kept}") from error
        raise


@dataclass(frozen=True, eq=False)
class _PlannedFrame:
    """A frame, and what is to be done to it."""

    frame: ClipFrame
    field: Field | None
    """px; None: nothing."""
    median_px: float
    max_px: float
    skipped: str
    """Why it stays unchanged, where it has no field."""


@dataclass(frozen=True, eq=False)
class _ClipJob:
    """What the frames of a clip share."""

    recording: ClipRecording | None
    skip_reason: str
    method: Method
    threshold: float

    def plan_frame(self, part: ClipFrame | Packet[Any]) -> _PlannedFrame | Packet[Any]:
        """Compute a frame's field, and decide whether it needs deblurring."""
        if not isinstance(part, ClipFrame):
            return part
        if self.recording is None:
            return _PlannedFrame(part, None, 0.0, 0.0, self.skip_reason)
        picture = part.picture
        exposure = self.recording.frame(part.index, part.t)
        try:
            field, reason = self.recording.field(exposure, picture.height, picture.width)
            if field is None:
                return _PlannedFrame(part, None, 0.0, 0.0, reason)
            median, longest, _ = measure_field(field)
        except ValueError as error:
            raise DeepGyroError(f"frame {part.index} at {part.t:.3f} s: {error}") from error
        # What is computed here, the network need not wait for.
        needed = field.tabulate() if longest > self.threshold else None
        return _PlannedFrame(part, needed, median, longest, SHARP_FRAME)

    def deblur_frame(self, planned: _PlannedFrame) -> tuple[ClipFrame, FrameReport]:
        """Deblur a frame that needs it."""
        frame = planned.frame
        if planned.field is None:
            return frame, self.report_skipped(frame, planned.skipped, planned.median_px, planned.max_px)
        started = time.perf_counter()
        codes = frame.rgb()
        transfer = int(frame.picture.color_trc)
        hdr = transfer in (PQ_TRANSFER, HLG_TRANSFER) and codes.dtype == np.uint16
        before = hdr_to_srgb(codes, transfer) if hdr else codes
        result = deblur_picture(
            before, planned.field, method=self.method, refine=False, fade_start=self.threshold
        )
        row = self.report_skipped(frame, result.skipped, planned.median_px, planned.max_px)
        row = replace(row, seconds=round(time.perf_counter() - started, 3), note=result.note)
        if result.skipped is not None:
            return frame, row
        after = apply_srgb_changes(codes, before, result.image, transfer) if hdr else result.image
        return frame.with_difference(codes, after), row

    def report_skipped(
        self, frame: ClipFrame, skipped: str | None, median_px: float = 0.0, max_px: float = 0.0
    ) -> FrameReport:
        """Return the report of a frame that stays unchanged."""
        return FrameReport(
            frame.index, round(frame.t, 6), round(median_px, 2), round(max_px, 2), self.method.name,
            skipped, 0.0, "",
        )  # fmt: skip


class _FrameReportWriter:
    """Writes a line for each frame, and sums them up."""

    def __init__(self, path: Path | None, overwrite: bool) -> None:
        self.path, self.overwrite = path, overwrite
        self.count = self.deblurred = 0
        self.notes: Counter[str] = Counter()
        self.blur_max_px = 0.0
        self.part: Path | None = None
        self.file: TextIO | None = None
        if path is not None:
            self.part = path.with_name(f"{path.stem}.unfinished{path.suffix}")
            self.file = self.part.open("w", newline="", encoding="utf-8")
            self.table = csv.DictWriter(self.file, [field.name for field in fields(FrameReport)])
            self.table.writeheader()

    def add(self, row: FrameReport) -> None:
        self.count += 1
        self.deblurred += row.skipped is None
        self.blur_max_px = max(self.blur_max_px, row.blur_max_px)
        if row.skipped not in (None, SHARP_FRAME):
            self.notes[str(row.skipped)] += 1
        if self.file is not None:
            self.table.writerow(asdict(row))

    def summarise_skipped(self) -> str:
        """Return how many frames stayed unchanged though they may be blurred, and why."""
        return "; ".join(f"frames left unchanged: {count} ({note})" for note, count in self.notes.items())

    def finish(self) -> None:
        if self.file is not None and self.path is not None and self.part is not None:
            self.file.close()
            move_into_place(self.part, self.path, overwrite=self.overwrite)

    def give_up(self) -> None:
        if self.file is not None:
            self.file.close()
