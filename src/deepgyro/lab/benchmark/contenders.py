"""The methods that a bench compares: those of `deblur`, beside the picture as it came."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float32
from numpy import ndarray

from ...blurfield import Field
from ...deblurring import Encoding, deblur_picture
from ...light import Pixels
from ...restore import (
    BASELINES_FOLDER,
    METHODS,
    NETWORKS,
    OwnMethodName,
    available_methods,
    load_shipped_network,
    shipped_networks,
)
from ...runtime.contract import Provenance
from ..report import Row
from .baselines import COMPARED_NETWORKS, load_baseline

BLURRED_INPUT = "blurred"
"""The input, for a method that does nothing."""
REFINED_METHOD = "deepgyro-refined"
"""Our network as the command deblur runs it: the picture corrects the field first, or finds one."""
BENCH_METHODS = (BLURRED_INPUT, REFINED_METHOD, *METHODS, *COMPARED_NETWORKS)
EXPECTED_NETWORKS = (*NETWORKS, *COMPARED_NETWORKS)
"""Networks; those that are not there are shown as missing."""


@runtime_checkable
class BenchMethod(Protocol):
    """What a method makes of a picture and its prior field; see `deblur`."""

    def __call__(
        self,
        image: Pixels,
        field: Field | Float32[ndarray, "h w 2"] | None,
        *,
        encoding: Encoding = "srgb",
        refine: bool = False,
    ) -> Pixels:
        """Return the picture that the method makes."""
        ...


def select_methods(
    methods: Sequence[str] = (), choices: Sequence[str] = BENCH_METHODS, *, baselines: Path | None = None
) -> dict[str, BenchMethod]:
    """Return the methods that are wanted, in the order of `choices`; with none named, all.

    Left out are networks whose weights are not there (`add_missing_networks` shows them). Names that a bench
    adds to
    `choices` stand for a picture of its own, as it is.

    Parameters
    ----------
    methods
        Those that are wanted.
    choices
        Those that a bench compares.
    baselines
        Folder with the baselines' weights; None: that of the checkout.

    Raises
    ------
    ValueError
        If there is no such method.
    DeepGyroError
        If a baseline's file is none.
    """
    known = list(dict.fromkeys(choices))
    if unknown := [method for method in methods if method not in known]:
        raise ValueError(f"method is {unknown[0]!r}; one of {', '.join(known)} is needed")
    there: dict[str, BenchMethod] = {BLURRED_INPUT: return_unchanged}
    there |= {method: partial(_deblur_with_method, method) for method in available_methods()}
    if "deepgyro" in there:
        there[REFINED_METHOD] = _deblur_refined
    there |= {own: return_unchanged for own in known if own not in BENCH_METHODS}
    wanted = [name for name in known if not methods or name in methods]
    files = baseline_files(baselines).items()
    there |= {name: load_baseline(path) for name, path in files if name in wanted}
    return {name: there[name] for name in wanted if name in there}


def baseline_files(baselines: Path | None = None) -> dict[str, Path]:
    """Return the baselines' files that are in a folder (None: that of the checkout)."""
    files = {name: (baselines or BASELINES_FOLDER) / f"{name}.onnx" for name in COMPARED_NETWORKS}
    return {name: path for name, path in files.items() if path.exists()}


def network_provenance(baselines: Path | None = None) -> dict[str, Provenance]:
    """Return what the weights that are there say of themselves, by their names."""
    found: dict[str, Provenance] = {name: load_shipped_network(name).contract for name in shipped_networks()}
    return found | {name: load_baseline(path).contract for name, path in baseline_files(baselines).items()}


def training_durations(rows: Sequence[Row], baselines: Path | None = None) -> dict[str, str]:
    """Return for how long the networks of some rows were trained, by their names."""
    methods = {row.get("method") for row in rows}
    return {name: known.trained for name, known in network_provenance(baselines).items() if name in methods}


def return_unchanged(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    encoding: Encoding = "srgb",
    refine: bool = False,
) -> Pixels:
    """Return the picture."""
    return image


def _deblur_with_method(
    method: OwnMethodName,
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    encoding: Encoding = "srgb",
    refine: bool = False,
) -> Pixels:
    return deblur_picture(image, field, method=method, encoding=encoding, refine=refine).image


def _deblur_refined(
    image: Pixels,
    field: Field | Float32[ndarray, "h w 2"] | None,
    *,
    encoding: Encoding = "srgb",
    refine: bool = True,
) -> Pixels:
    return _deblur_with_method("deepgyro", image, field, encoding=encoding, refine=True)


def add_missing_networks(rows: Sequence[Row], methods: Sequence[str] = ()) -> list[Row]:
    """Return rows for a person: below them, without a number, the networks that are not there yet."""
    empty = dict.fromkeys(rows[0]) if rows else {}
    absent = missing_networks(rows, methods)
    return [*rows, *({**empty, "method": f"{name} (missing)"} for name in absent)]


def missing_networks(rows: Sequence[Row], methods: Sequence[str] = ()) -> list[str]:
    """Return the networks that no row is of: of all, or of the ones that were asked for."""
    shown = {row["method"] for row in rows}
    return [name for name in EXPECTED_NETWORKS if name not in shown and (not methods or name in methods)]
