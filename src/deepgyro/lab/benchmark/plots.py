"""The figure of `bench errors`: PSNR gained against how wrong the field is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..report import Row, as_number
from .contenders import BENCH_METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOUR_CYCLE = (
    "0.45", "black", "tab:red", "tab:orange", "tab:blue", "tab:green", "tab:purple", "tab:pink", "tab:brown",
    "tab:cyan",
)  # fmt: skip
METHOD_COLOURS = dict(zip(BENCH_METHODS, _COLOUR_CYCLE, strict=True))
# Axis of each error that has several levels; the others stand side by side in the last panel.
PANEL_TITLES = {
    "bias": "added to the blur vectors, times (5, 3) px",
    "scale": "factor on the field",
    "turned_deg": "paths turned by, degrees",
    "time_offset_ms": "gyro's clock off by, ms",
    "gyro_bias_rad_s": "gyro's bias, rad/s",
    "axes_deg": "gyro's axes off by, degrees",
}


def draw_errors_png(rows: Sequence[Row]) -> bytes:
    """Draw the PSNR gained over the input (dB) against each error of `bench errors`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lengths = list(dict.fromkeys(row["blur_px"] for row in rows))
    columns = len(PANEL_TITLES) + 1
    figure = Figure(figsize=(3.1 * columns, 3.3 * len(lengths) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(len(lengths), columns, squeeze=False, sharey="row")
    for line, blur_px in zip(axes, lengths, strict=True):
        of_length = [row for row in rows if row["blur_px"] == blur_px]
        for panel, (error, label) in zip(line, PANEL_TITLES.items(), strict=False):
            _plot_error_levels(panel, of_length, error)
            panel.set_xlabel(label)
        _plot_single_level_errors(line[-1], of_length)
        line[0].set_ylabel(f"blur {blur_px:g} px: gain, dB")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _plot_error_levels(panel: Axes, rows: Sequence[Row], error: str) -> None:
    """Draw a line for each method; it begins at the exact field."""
    right = 1.0 if error == "scale" else 0.0
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        points = {as_number(row["level"]): _psnr_gain_db(row) for row in own if row["error"] == error}
        exact = [row for row in own if (row["error"], row["level"]) == ("bias", 0)]
        points.update((right, _psnr_gain_db(row)) for row in exact)
        panel.plot(
            *zip(*sorted(points.items()), strict=True),
            "o-",
            ms=4,
            label=method,
            color=METHOD_COLOURS.get(method),
        )
    _style_axes(panel)


def _plot_single_level_errors(panel: Axes, rows: Sequence[Row]) -> None:
    """Draw the errors that have one level beside each other."""
    alone = [row for row in rows if row["error"] not in PANEL_TITLES]
    names = list(dict.fromkeys(str(row["error"]) for row in alone))
    for method in dict.fromkeys(str(row["method"]) for row in alone):
        gains = [_psnr_gain_db(row) for row in alone if row["method"] == method]
        panel.plot(range(len(names)), gains, "o", ms=5, label=method, color=METHOD_COLOURS.get(method))
    panel.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=40, ha="right")
    _style_axes(panel)


def _style_axes(panel: Axes) -> None:
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)


def _psnr_gain_db(row: Row) -> float:
    return as_number(row["psnr"]) - as_number(row["psnr_in"])
