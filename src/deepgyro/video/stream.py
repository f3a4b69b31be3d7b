"""Deblur a live stream of frames and gyro samples: for robots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..blurfield import exposure_interval, measure_field
from ..camera import Camera
from ..deblurring import deblur_picture
from ..errors import PixelBehindCamera
from ..light import Pixels
from ..recording import Exposure, Recording
from ..restore import Method, MethodName, open_method
from ..telemetry import GyroLog
from ..telemetry.gyrolog import find_invalid_sample
from .job import SHARP_FRAME, SKIP_BELOW_PX

KEEP_SAMPLES_S = 2.0
"""Samples older than the frames that wait, by more than this, are forgotten, s."""


@dataclass(frozen=True, eq=False)
class StreamFrame:
    """A frame that comes back from a `Deblurrer`."""

    t: float
    """As it was given, s."""
    image: Pixels
    """Sharper; the very array that was given, where there is nothing to do."""
    method: str
    skipped: str | None
    """Why the frame is unchanged; None where it was deblurred."""
    blur_max_px: float
    note: str


class Deblurrer:
    """Deblurs the frames of a stream as soon as the gyro's samples cover them.

    Frames come back in their order, from the call that makes them ready: in a robot the samples of an
    exposure arrive a few milliseconds after the frame. Memory stays flat.

    Parameters
    ----------
    camera
        With readout time, mounting and clock: `read_camera`, or `Camera`.
    method
        ``"deepgyro"``, ``"deepgyro-fast"``, ``"richardson-lucy"`` or ``"fastgyro"``: see `deblur`; or what
        `open_method` returned.
    threshold
        Pixels with shorter paths stay unchanged, px; the result fades in over 1 px more.
    refine
        Whether each frame corrects its own field (`refine_field`): some ms more for a frame. One that shows
        another blur than the gyro field comes back unchanged.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        method: MethodName | Method = "deepgyro",
        threshold: float = SKIP_BELOW_PX,
        refine: bool = False,
    ) -> None:
        for name in ("readout_time", "cam_from_imu"):
            if getattr(camera, name) is None:
                raise ValueError(f"the camera ({camera.source}) has no {name}: give it one")
        self.camera, self.threshold, self.refine = camera, threshold, refine
        self.method = open_method(method) if isinstance(method, str) else method
        self._t: Float64[ndarray, " n"] = np.empty(0)
        self._omega: Float64[ndarray, "n 3"] = np.empty((0, 3))
        self._waiting: deque[tuple[Pixels, float, float]] = deque()

    def add_gyro(self, t: Float64[ndarray, " n"], omega: Float64[ndarray, "n 3"]) -> Iterator[StreamFrame]:
        """Take samples; return the frames that they make ready, each deblurred when it is asked for.

        Parameters
        ----------
        t
            On the gyro's clock, rising, after all that came before, s.
        omega
            rad/s, in the gyro's own axes.

        Raises
        ------
        ValueError
            If the times do not rise, or do not go on from those before, or a number is not finite.
        """
        if len(t) and len(self._t) and t[0] <= self._t[-1]:
            raise ValueError(f"samples from {t[0]:.6f} s come after one of {self._t[-1]:.6f} s")
        if fault := find_invalid_sample(t, omega):
            raise ValueError(f"sample {fault[0]}: {fault[1]}")
        self._t, self._omega = np.concatenate([self._t, t]), np.concatenate([self._omega, omega])
        if not self._waiting:
            self._drop_samples(self._t[-1] - KEEP_SAMPLES_S if len(self._t) else 0.0)
        return self._covered_frames()

    def add_frame(self, image: Pixels, *, t: float, exposure: float) -> Iterator[StreamFrame]:
        """Take a frame; return the frames that are ready, each deblurred when it is asked for.

        Parameters
        ----------
        image
            (h, w, 3), as in `deblur`; it must not be changed until it comes back.
        t
            Start of the exposure of the line that is read first, on the frames' clock, s.
        exposure
            How long a line collects light, s.
        """
        self._waiting.append((image, t, exposure))
        return self._covered_frames()

    def flush(self) -> Iterator[StreamFrame]:
        """Return the frames that still wait, unchanged where the gyro never covered them."""
        while self._waiting:
            yield self._deblur_frame(*self._waiting.popleft())

    def _covered_frames(self) -> Iterator[StreamFrame]:
        while self._waiting and len(self._t) > 1:
            _, t, exposure = self._waiting[0]
            first, last = exposure_interval(self.camera, t, exposure)
            if last > self._t[-1]:
                return
            self._drop_samples(first - KEEP_SAMPLES_S)
            yield self._deblur_frame(*self._waiting.popleft())

    def _drop_samples(self, before: float) -> None:
        """Forget samples of earlier times."""
        old = int(np.searchsorted(self._t, before))
        self._t, self._omega = self._t[old:], self._omega[old:]

    def _deblur_frame(self, image: Pixels, t: float, exposure: float) -> StreamFrame:
        height, width = image.shape[:2]
        unchanged = partial(StreamFrame, t, image, self.method.name)
        if len(self._t) < 2:
            return unchanged("the gyro log does not cover its exposure", 0.0, "")
        recording = Recording(GyroLog(self._t, self._omega, "<stream>"), self.camera)
        try:
            field, reason = recording.field(Exposure(t, exposure), height, width)
            longest = measure_field(field)[1] if field else 0.0
        except PixelBehindCamera:
            field, reason = None, "pixels turn behind the camera: are the rates in rad/s?"
        if field is None:
            return unchanged(reason, 0.0, "")
        if longest <= self.threshold:
            return unchanged(SHARP_FRAME, longest, "")
        result = deblur_picture(
            image, field.tabulate(), method=self.method, refine=self.refine, fade_start=self.threshold
        )
        sharp = image if result.skipped is not None else result.image
        return StreamFrame(t, sharp, result.method, result.skipped, longest, result.note)
