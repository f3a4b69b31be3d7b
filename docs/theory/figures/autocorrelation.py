"""Draw the autocorrelation of a blurred photo's second derivative along its path.

Run it to write autocorrelation.svg beside this file; it needs matplotlib.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from deepgyro.blur import BlurOperator
from deepgyro.frames import read_photo
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range
from deepgyro.refine.statistic import DerivativePyramid

ANGLE = np.deg2rad(25)  # of the path, down from the right
LENGTHS_PX = (0.0, 16.0, 28.0)
NOISE = 0.005  # standard deviation, of white
REACH_PX = 40


def blurred_photo(length: float) -> np.ndarray:
    """Return the demo's photo, blurred in linear light along a straight path of a length, px, with noise."""
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        photo = read_photo(file.name).pixels
    chord = length * np.array([np.cos(ANGLE), np.sin(ANGLE)])
    field = np.empty((*photo.shape[:2], 2, 2), np.float32)
    field[:] = np.stack([-chord / 2, chord / 2])
    light = BlurOperator(field)(srgb_to_linear(to_unit_range(photo)))
    light = light + np.random.default_rng(0).normal(0, NOISE, light.shape).astype(np.float32)
    return from_unit_range(linear_to_srgb(np.clip(light, 0, 1)), np.dtype(np.uint8))


def autocorrelation(image: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return the correlation of the second derivative along the path with itself at (x, y) shifts, px."""
    xx, xy, yy = DerivativePyramid(image).planes(0)
    a, b = np.cos(ANGLE), np.sin(ANGLE)
    second = (a * a * xx + 2 * a * b * xy + b * b * yy).astype(np.float32)
    height, width = second.shape
    m = REACH_PX + 2
    here = second[m:-m, m:-m]
    values = np.empty(len(shifts))
    for k, (x, y) in enumerate(shifts):
        warp = np.array([[1, 0, x], [0, 1, y]], np.float64)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        values[k] = np.mean(here * cv2.warpAffine(second, warp, (width, height), flags=flags)[m:-m, m:-m])
    return values / np.mean(here * here)


def along_path(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts along the path, px, and the autocorrelation there."""
    lags = np.arange(0, REACH_PX + 0.5, 0.5)
    return lags, autocorrelation(image, lags[:, None] * [np.cos(ANGLE), np.sin(ANGLE)])


def main() -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "deepgyro"
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="constrained")
    for length, colour in zip(LENGTHS_PX, ("0.6", "C0", "C3"), strict=True):
        lags, values = along_path(blurred_photo(length))
        left.plot(lags, values, color=colour, label=f"L = {length:.0f} px" if length else "sharp")
        if length:
            left.axvline(length, color=colour, linestyle=":", linewidth=1)
    left.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    left.set(
        ylim=(-0.5, 0.5), xlim=(0, REACH_PX), xlabel="shift along the path, px", ylabel="autocorrelation C"
    )
    left.legend(frameon=False, fontsize=8)
    grid = np.arange(-REACH_PX, REACH_PX + 1, 2.0)
    shifts = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    values = autocorrelation(blurred_photo(LENGTHS_PX[-1]), shifts).reshape(len(grid), -1)
    reach = (-REACH_PX - 1, REACH_PX + 1)
    drawn = right.imshow(values, cmap="RdBu", vmin=-0.3, vmax=0.3, extent=(*reach, *reach[::-1]))
    end = LENGTHS_PX[-1] * np.array([np.cos(ANGLE), np.sin(ANGLE)])
    right.plot(*np.stack([-end, end]).T, "o", mfc="none", color="k", markersize=11)
    right.set(xlabel="shift x, px", ylabel="shift y, px")
    figure.colorbar(drawn, ax=right, label=f"C, L = {LENGTHS_PX[-1]:.0f} px")
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
