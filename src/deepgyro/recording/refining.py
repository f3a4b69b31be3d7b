"""What a clip's blurred frames say of its gyro: scale, clock, bias, readout time, and an unknown exposure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from ..blurfield import Field, field_extent, motion_field, sparse_paths
from ..errors import DeepGyroError, NotCovered, RunsWithShutter, TurnsBehind
from ..frames import ClipReader, eight_bits
from ..light import Pixels
from ..refine import SURE, distance, mean_length, refine_field
from .calibration import LEAST, PLACES, Correction, Shared, ask_together, spread_for
from .clips import ClipRecording

FRAMES = 12
"""That are asked, at most."""
LOOKED_AT = 60.0
"""No more of a clip is looked at, s."""
SHORTEST, LONGEST = 8.0, 60.0
"""Median paths that a frame can tell of, px of a picture `SIDE` px wide."""
BEST = 40.0
"""Those that tell most, px."""
SIDE = 640
"""Frames are made smaller until their longer side is this, px."""
ALIKE = 0.2
"""The gyro's vectors are those of a picture alone if they differ by less, as a share of their length."""
_FREE = 0.5
"""Standard deviation of the logarithm of exposures that first guesses gave."""
_STEADY = 0.12
"""First guesses are of one exposure if their logarithms' median distance from the median is less."""


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
        Whether the exposures are known. Otherwise they are found: one for all frames, or their course where
        the frames differ.
    progress
        As in `deblur_video`.

    Raises
    ------
    DeepGyroError
        If the exposure is not known, and the frames don't tell.
    """
    spread = spread_for(recording.camera)
    if exposed:
        frames = _sample(clip, recording, progress, SHORTEST, LONGEST)
    else:
        longest = _longest_exposure(clip)
        recording = replace(recording, exposures=np.array([longest]))
        frames = _sample(clip, recording, progress, SHORTEST, np.inf)
        recording = replace(recording, exposures=_guessed(clip, recording, frames, longest))
        spread[0] = _FREE
    found = _fitted(recording, frames, spread, exposed=exposed)
    if found is None:
        if not exposed:
            raise _untold(clip)
        return recording, "too few frames are blurred enough, or agree, to correct the gyro by"
    changed = _corrected(recording, found.correction, exposed=exposed)
    return changed, _said(found, changed, exposed=exposed)


def _said(found: Shared, after: ClipRecording, *, exposed: bool) -> str:
    change = found.correction
    least, most = 1000 * after.exposures.min(), 1000 * after.exposures.max()
    if exposed:
        first = f"blur x {change.scale:.2f}"
    elif least < most:
        first = f"exposures {least:.1f} to {most:.1f} ms"
    else:
        first = f"exposure {most:.1f} ms +- {100 * found.spread[0]:.0f} %"
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
) -> Shared | None:
    """Refine frames one by one, and fit what they share."""
    asked: list[_Frame] = []

    def pictures() -> Iterator[tuple[Pixels, Field]]:
        for frame in frames:
            height, width = frame.image.shape[:2]
            field, _ = recording.field(frame.index, frame.t, height, width)
            if field is not None:
                asked.append(frame)
                yield frame.image, field

    def told(k: int, change: Correction) -> Float64[ndarray, "rows columns 2"]:
        return _vectors(_corrected(recording, change, exposed=exposed), asked[k])

    try:
        return ask_together(pictures(), told, spread=spread)
    except (NotCovered, RunsWithShutter, TurnsBehind):
        return None


def _corrected(recording: ClipRecording, change: Correction, *, exposed: bool) -> ClipRecording:
    """Return a recording after a correction, whose scale is that of the gyro or of unknown exposures."""
    exposures = recording.exposures
    if not exposed:
        exposures, change = exposures * change.scale, replace(change, scale=1.0)
    log, camera = change.applied(recording.log, recording.camera)
    return replace(recording, log=log, camera=camera, exposures=exposures)


def _longest_exposure(clip: Path) -> float:
    with ClipReader(clip) as reader:
        return float(1 / reader.clip.rate)


def _guessed(
    clip: Path, recording: ClipRecording, frames: Sequence[_Frame], longest: float
) -> Float64[ndarray, " m"]:
    """Return the exposures, up to the longest, at which the gyro's blur is most like what frames show."""
    found: list[tuple[int, float]] = []
    for frame in frames:
        result = refine_field(frame.image, None)
        if result.field is None or result.confidence < SURE:
            continue
        paths = sparse_paths(result.field, *PLACES)[: PLACES[0], : PLACES[1]]
        exposure = _likeliest(recording, frame, paths[:, :, -1] - paths[:, :, 0], longest)
        if exposure is not None:
            found.append((frame.index, exposure))
    if len(found) < LEAST:
        raise _untold(clip)
    return _course(*zip(*found, strict=True))


def _likeliest(
    recording: ClipRecording, frame: _Frame, seen: Float32[ndarray, "rows columns 2"], longest: float
) -> float | None:
    """Return the exposure at which the gyro's vectors are most like those seen; None if they never are."""
    exposures = longest * np.geomspace(1 / 64, 1, 49)
    apart = np.full(len(exposures), np.inf)
    for k, exposure in enumerate(exposures):
        with suppress(NotCovered, RunsWithShutter, TurnsBehind):
            apart[k] = distance(seen, _vectors(replace(recording, exposures=np.array([exposure])), frame))
    best = int(apart.argmin())
    return float(exposures[best]) if apart[best] < ALIKE * mean_length(seen) else None


def _course(frames: Sequence[int], exposures: Sequence[float]) -> Float64[ndarray, " m"]:
    """Return the exposures of all frames from guesses of some: one, or their course where they differ."""
    logs = np.log(exposures)
    usual = np.median(logs)
    if np.median(np.abs(logs - usual)) < _STEADY:
        return np.exp([usual])
    # The median of three neighbours, since a single guess may be far off.
    middle = np.clip(np.arange(len(logs)), 1, len(logs) - 2)
    smooth = np.median([logs[middle + k] for k in (-1, 0, 1)], axis=0)
    return np.asarray(np.exp(np.interp(np.arange(max(frames) + 1), frames, smooth)))


def _untold(clip: Path) -> DeepGyroError:
    return DeepGyroError(
        f"{clip}: does not say how long its frames were exposed, and too few of them are blurred enough to "
        "tell: give --exposure (s)"
    )


def _vectors(recording: ClipRecording, frame: _Frame) -> Float64[ndarray, "rows columns 2"]:
    """Return the gyro's blur vectors of a frame at the places where fields are compared, px."""
    height, width = frame.image.shape[:2]
    field = motion_field(
        recording.log, recording.camera, t=recording.start(frame.index, frame.t),
        exposure=recording.exposure(frame.index), height=height, width=width, n=2, reference="picture",
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
    """Return the number of the frame whose blur tells most in each of `FRAMES` stretches."""
    numbers = np.array(sorted(lengths))
    parts = [part for part in np.array_split(numbers, FRAMES) if len(part)]
    return [min(part.tolist(), key=lambda number: abs(np.log(lengths[number] / BEST))) for part in parts]
