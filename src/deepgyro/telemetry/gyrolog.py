"""A gyro log in memory: angular rates at rising times, what they cover, where the sensor is saturated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from ..errors import DeepGyroError

GAP_MIN_INTERVALS = 5.0
"""A gap is a pause longer than this many median intervals ..."""
GAP_MIN_S = 0.05
"""... and longer than this, s: across less, a gyro at 100 Hz or more is interpolated well."""
MAX_RATE_RAD_S = 100.0
"""No camera turns faster, rad/s: gyros end at 2000 to 4000 deg/s, 35 to 70 rad/s."""
SATURATION_MIN_RAD_S = 4.0
"""The smallest full scale of a gyro is 250 deg/s = 4.36 rad/s; below this nothing saturates, rad/s."""
SATURATION_MIN_SAMPLES = 3
"""So many samples in a row at exactly the same extreme value are saturated."""


@dataclass(frozen=True, eq=False)
class GyroLog:
    """Angular rates of one recording.

    Raises
    ------
    ValueError
        If the arrays are no log: fewer than 2 samples, another dtype than float64, time that does not rise,
        a value that is not finite, or a rate above `MAX_RATE_RAD_S`.
    """

    t: Float64[ndarray, " n"]
    """Sample times on the gyro's clock, strictly rising, s; float64 resolves 0.24 microseconds at 1.5e9 s (a
    clock that counts from 1970)."""
    omega: Float64[ndarray, "n 3"]
    """Angular rates, right-handed, in the log's own axes, rad/s."""
    source: str = "<memory>"
    """The file, for messages."""

    def __post_init__(self) -> None:
        if self.t.ndim != 1 or self.omega.shape != (len(self.t), 3):
            raise ValueError(f"t {self.t.shape} and omega {self.omega.shape} must be (n,) and (n, 3)")
        if self.t.dtype != np.float64 or self.omega.dtype != np.float64:
            raise ValueError(f"t is {self.t.dtype} and omega {self.omega.dtype}; both must be float64")
        if len(self.t) < 2:
            raise ValueError(f"{len(self.t)} gyro samples; at least 2 are needed")
        if fault := find_invalid_sample(self.t, self.omega):
            raise ValueError(f"sample {fault[0]}: {fault[1]}")

    @cached_property
    def _median_interval(self) -> float:
        return float(np.median(np.diff(self.t)))

    @property
    def rate(self) -> float:
        """Samples a second, from the median interval, Hz."""
        return 1.0 / self._median_interval

    @property
    def duration(self) -> float:
        """Time from the first sample to the last, s."""
        return float(self.t[-1] - self.t[0])

    @property
    def gap_limit(self) -> float:
        """The longest pause between two samples that is still interpolated across, s."""
        return max(GAP_MIN_INTERVALS * self._median_interval, GAP_MIN_S)

    def gaps(self, *, longer_than: float | None = None) -> Float64[ndarray, "m 2"]:
        """Return the start and the end of each pause longer than `longer_than` (default: `gap_limit`), s."""
        limit = self.gap_limit if longer_than is None else longer_than
        i = np.flatnonzero(np.diff(self.t) > limit)
        return np.stack([self.t[i], self.t[i + 1]], axis=1)

    def covers(self, start: float, end: float) -> bool:
        """Return whether the motion from `start` to `end` (s, included) lies in the log and in no gap.

        Raises
        ------
        ValueError
            If `end` lies before `start` or either is not finite.
        """
        if not (np.isfinite(start) and np.isfinite(end) and start <= end):
            raise ValueError(
                f"the interval from {start} s to {end} s must be finite and must not run backwards"
            )
        if start < self.t[0] or end > self.t[-1]:
            return False
        gap_start, gap_end = self.gaps().T
        return not bool(np.any((gap_start < end) & (start < gap_end)))

    @cached_property
    def saturation_mask(self) -> Bool[ndarray, "n 3"]:
        """Samples and axes at which the sensor is at the end of its range: the true rate is higher."""
        return np.stack([_find_saturation(self.omega[:, axis]) for axis in range(3)], axis=1)


def make_checked_log(
    t: Float64[ndarray, " n"],
    omega: Float64[ndarray, "n 3"],
    source: str,
    place: Callable[[int], str] = lambda i: f"sample {i}",
) -> GyroLog:
    """Return the log of a file; `place` names a sample's place in it, such as ``line 12``.

    Raises
    ------
    DeepGyroError
        If there are fewer than 2 samples or one of them cannot be a gyro's.
    """
    if len(t) < 2:
        raise DeepGyroError(
            f"{source}: {len(t)} gyro sample{'s' * (len(t) != 1)}, at least 2 are needed; give the whole log"
        )
    if fault := find_invalid_sample(t, omega):
        raise DeepGyroError(f"{source}, {place(fault[0])}: {fault[1]}")
    return GyroLog(t, omega, source)


def find_invalid_sample(t: Float64[ndarray, " n"], omega: Float64[ndarray, "n 3"]) -> tuple[int, str] | None:
    """Return the index of the first invalid sample and the reason; None if all are valid."""
    finite = np.isfinite(t) & np.isfinite(omega).all(axis=1)
    fast = (np.abs(omega) > MAX_RATE_RAD_S).any(axis=1)
    bad = ~finite | fast
    bad[1:] |= ~(np.diff(t) > 0)
    if not bad.any():
        return None
    i = int(np.argmax(bad))
    if not finite[i]:
        return i, "a value is not finite; cut the log there or repair the line"
    if fast[i]:
        rate = np.abs(omega[i]).max()
        return i, (
            f"a rate of {rate:.4g} rad/s, but no gyro measures more than {MAX_RATE_RAD_S:g} rad/s; "
            "most often deg/s taken as rad/s: correct the unit"
        )
    if t[i] == t[i - 1]:
        return i, f"time stands still at {t[i]:.9f} s; it must rise: remove repeated samples"
    span = f"{t[i - 1]:.9f} s to {t[i]:.9f} s"
    return i, f"time runs backwards from {span}; it must rise: split or sort the log"


def _find_saturation(rate: Float64[ndarray, " n"]) -> Bool[ndarray, " n"]:
    """Return where an axis stays at its highest or its lowest value for `SATURATION_MIN_SAMPLES`."""
    saturated = np.zeros(len(rate), dtype=bool)
    largest = np.abs(rate).max()
    for extreme in (rate.min(), rate.max()):
        # 16-bit sensors end at -32768 and +32767: the two ends may differ by a count.
        if abs(extreme) <= SATURATION_MIN_RAD_S or abs(extreme) < 0.999 * largest:
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], rate == extreme, [False]])))
        for first, past in edges.reshape(-1, 2):
            if past - first >= SATURATION_MIN_SAMPLES:
                saturated[first:past] = True
    return saturated
