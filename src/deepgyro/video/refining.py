"""What a clip's blurred frames say of its gyro: scale, clock, bias, readout time, and an unknown exposure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ..blurfield import field_extent, motion_field, sparse_paths
from ..errors import DeepGyroError, NotCovered, RunsWithShutter, TurnsBehind
from ..frames import ClipReader, eight_bits
from ..refine import PLACES, SPREAD, SURE, Correction, Shared, Witness, fit_shared, refine_field
from .recording import ClipRecording

FRAMES = 12
"""That are asked, at most."""
LOOKED_AT = 60.0
"""No more of a clip is looked at, s."""
SHORTEST, LONGEST = 8.0, 60.0
"""Median paths that a frame can tell of, px of a picture `SIDE` px wide."""
SIDE = 640
"""Frames are made smaller until their longer side is this, px."""
ALONG = 0.97
"""Cosine between the gyro's vectors and those of a picture alone, from which on they are the same blur."""
_FREE = 0.5
"""Standard deviation of the logarithm of an exposure that one first guess gave."""


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame that is asked."""

    index: int
    t: float
    image: UInt8[ndarray, "h w 3"]


def refined(
    clip: Path,
    recording: ClipRecording,
    *,
    exposed: bool = True,
    middle: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ClipRecording, str]:
    """Return a recording as its own blurred frames correct it, and what they said in words.

    A sample of the frames is refined one by one; scale, offset, bias and readout time that suit all of them
    are fitted.

    Parameters
    ----------
    clip
        The clip.
    recording
        Its gyro and camera.
    exposed
        Whether the exposures are known. Otherwise one is found that suits all frames.
    middle
        Whether the offset leads to the middle of unknown exposures; else to their start.
    progress
        As in `deblur_video`.

    Raises
    ------
    DeepGyroError
        If the exposure is not known, and the frames don't tell.
    """
    spread = SPREAD.copy()
    if recording.camera.readout_time == 0:
        spread[5] = 1e-6  # a global shutter stays one
    if exposed:
        frames = _sample(clip, recording, progress, SHORTEST, LONGEST)
    else:
        guess = _longest_exposure(clip)
        frames = _sample(clip, _exposed(recording, guess, middle=middle), progress, SHORTEST, np.inf)
        recording = _exposed(recording, _guessed(clip, recording, frames, middle), middle=middle)
        spread[0] = _FREE
    found = _fitted(recording, frames, spread, exposed=exposed, middle=middle)
    if found is None:
        if not exposed:
            raise _untold(clip)
        return recording, "too few frames are blurred enough, or agree, to correct the gyro by"
    changed = _corrected(recording, found.correction, exposed=exposed, middle=middle)
    return changed, _said(found, recording, changed, exposed=exposed)


def _said(found: Shared, before: ClipRecording, after: ClipRecording, *, exposed: bool) -> str:
    change = found.correction
    first = (
        f"blur x {change.scale:.2f}"
        if exposed
        else f"exposure {1000 * after.exposure(0):.1f} ms +- {100 * found.spread[0]:.0f} %"
    )
    parts = [first, f"offset {1000 * change.time_offset:+.1f} ms"]
    if abs(change.readout_time) > 2e-4:
        parts.append(f"readout time {1000 * (after.camera.readout_time or 0):.1f} ms")
    bias = float(np.linalg.norm(change.bias))
    if bias > 2e-3:
        parts.append(f"bias {bias:.3f} rad/s")
    return f"{found.count} blurred frames say: {', '.join(parts)}"


def _fitted(
    recording: ClipRecording,
    frames: Sequence[_Frame],
    spread: Float64[ndarray, " 6"],
    *,
    exposed: bool,
    middle: bool,
) -> Shared | None:
    """Refine frames one by one, and fit what they share."""
    asked: list[_Frame] = []
    witnesses: list[Witness] = []
    for frame in frames:
        height, width = frame.image.shape[:2]
        field, _ = recording.field(frame.index, frame.t, height, width)
        if field is None:
            continue
        result = refine_field(frame.image, field)
        witness = Witness.of(result)
        if witness is not None:
            asked.append(frame)
            witnesses.append(witness)

    def told(k: int, change: Correction) -> Float64[ndarray, "rows columns 2"]:
        changed = _corrected(recording, change, exposed=exposed, middle=middle)
        return _vectors(changed, asked[k], changed.exposure(asked[k].index))

    try:
        return fit_shared(witnesses, told, spread=spread)
    except (NotCovered, RunsWithShutter, TurnsBehind):
        return None


def _corrected(recording: ClipRecording, change: Correction, *, exposed: bool, middle: bool) -> ClipRecording:
    """Return a recording after a correction, whose scale is that of the gyro or of unknown exposures."""
    exposures = recording.exposures
    if not exposed:
        exposures = exposures * change.scale
        longer = (change.scale - 1) * recording.exposure(0) if middle else 0.0
        change = replace(change, scale=1.0, time_offset=change.time_offset - 0.5 * longer)
    log, camera = change.applied(recording.log, recording.camera)
    return ClipRecording(log, camera, exposures)


def _exposed(recording: ClipRecording, exposure: float, *, middle: bool) -> ClipRecording:
    """Return a recording of unknown exposure with one."""
    camera = recording.camera
    if middle:
        camera = replace(camera, time_offset=camera.time_offset - 0.5 * exposure)
    return replace(recording, camera=camera, exposures=np.array([exposure]))


def _longest_exposure(clip: Path) -> float:
    with ClipReader(clip) as reader:
        return float(1 / reader.clip.rate)


def _guessed(clip: Path, recording: ClipRecording, frames: Sequence[_Frame], middle: bool) -> float:
    """Return the exposure at which the gyro's blur is as long as what frames show by themselves, s."""
    brief = 1e-3  # s: so short that paths are straight
    found: list[float] = []
    for frame in frames:
        result = refine_field(frame.image, None)
        if result.field is None or result.confidence < SURE:
            continue
        paths = sparse_paths(result.field, *PLACES)[: PLACES[0], : PLACES[1]]
        seen = (paths[:, :, -1] - paths[:, :, 0]).astype(float)
        told = _vectors(_exposed(recording, brief, middle=middle), frame, brief)
        along = float((seen * told).sum()) / float(np.sqrt((seen**2).sum() * (told**2).sum()) + 1e-12)
        if abs(along) > ALONG:  # blur has no sign
            found.append(brief * abs(along) * float(np.sqrt((seen**2).sum() / (told**2).sum())))
    if len(found) < 3:
        raise _untold(clip)
    return float(np.median(found))


def _untold(clip: Path) -> DeepGyroError:
    return DeepGyroError(
        f"{clip}: does not say how long its frames were exposed, and too few of them are blurred enough to "
        "tell: give --exposure (s)"
    )


def _vectors(recording: ClipRecording, frame: _Frame, exposure: float) -> Float64[ndarray, "rows columns 2"]:
    """Return the gyro's blur vectors of a frame at the places where fields are compared, px."""
    height, width = frame.image.shape[:2]
    field = motion_field(
        recording.log, recording.camera, t=frame.t, exposure=exposure, height=height, width=width, n=2,
        reference="picture",
    )  # fmt: skip
    paths = sparse_paths(field, *PLACES)
    return np.asarray(paths[:, :, 1] - paths[:, :, 0], np.float64)


def _sample(
    clip: Path,
    recording: ClipRecording,
    progress: Callable[[int, int], None] | None,
    shortest: float,
    longest: float,
) -> list[_Frame]:
    """Return frames whose blur tells most, spread over the clip, made smaller."""
    import cv2

    lengths: dict[int, float] = {}
    with ClipReader(clip) as reader:
        facts = reader.clip
        scale = min(1.0, SIDE / max(facts.height, facts.width))
        height, width = round(facts.height * scale), round(facts.width * scale)
        total = facts.count or round((facts.duration or 0.0) * facts.rate) or 1
        for frame in reader.frames():
            if frame.t - reader.first.t > LOOKED_AT:
                break
            if progress:
                progress(frame.index, max(total, frame.index))
            field, _ = recording.field(frame.index, frame.t, height, width)
            median = field_extent(field)[0] if field is not None else 0.0
            if shortest <= median <= longest:
                lengths[frame.index] = median
    chosen = set(_spread_out(lengths))
    frames: list[_Frame] = []
    with ClipReader(clip) as reader:
        for frame in reader.frames():
            if len(frames) == len(chosen):
                break
            if frame.index in chosen:
                whole = eight_bits(frame.rgb())
                small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
                frames.append(_Frame(frame.index, frame.t, np.asarray(small)))
    return frames


def _spread_out(lengths: dict[int, float]) -> list[int]:
    """Return the number of the frame with the longest blur in each of `FRAMES` stretches."""
    numbers = np.array(sorted(lengths))
    parts = [part for part in np.array_split(numbers, FRAMES) if len(part)]
    return [max(part.tolist(), key=lambda number: lengths[number]) for part in parts]
