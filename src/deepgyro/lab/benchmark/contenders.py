"""The methods that a bench compares: the blurred input, those of `deblur`, and baselines of ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float32
from numpy import ndarray

from ...blurfield import Field, paths_from_vectors
from ...deblurring import Encoding, deblur_picture
from ...light import Pixels, from_unit_range, to_unit_range
from ...refine import refine_field
from ...restore import (
    BASELINES,
    BASELINES_FOLDER,
    METHODS,
    NETWORKS,
    Method,
    MethodName,
    OnePieceNetwork,
    UnrolledNetwork,
    available_methods,
    load_shipped_network,
    shipped_networks,
)
from ...runtime import open_session
from ...runtime.contract import Provenance
from ..report import Row

SAME_BUDGET_NETWORK = "deepgyro-90min"
"""Our network, trained for as long as the baselines, so that the designs are compared."""
COMPARED_NETWORKS = (*BASELINES, SAME_BUDGET_NETWORK)
"""NAME.onnx in a folder."""
BLURRED_INPUT = "blurred"
"""The input, unchanged."""
REFINED_METHOD = "deepgyro-refined"
"""Our network as the command deblur runs it: the picture corrects the field first, or replaces it."""
BENCH_METHODS = (BLURRED_INPUT, REFINED_METHOD, *METHODS, *COMPARED_NETWORKS)
EXPECTED_NETWORKS = (*NETWORKS, *COMPARED_NETWORKS)
"""Networks; those without weights are shown as missing."""

PriorField = Field | Float32[ndarray, "h w 2"] | None


@runtime_checkable
class BenchMethod(Protocol):
    """A method, with the arguments of `deblur`."""

    def __call__(
        self, image: Pixels, field: PriorField, /, *, encoding: Encoding = ..., refine: bool = ...
    ) -> Pixels:
        """Return the restored picture."""
        ...


def select_methods(
    methods: Sequence[str] = (), choices: Sequence[str] = BENCH_METHODS, *, baselines: Path | None = None
) -> dict[str, BenchMethod]:
    """Return the methods that are asked for, in the order of `choices`; with none named, all.

    Networks without weights are left out (`add_missing_networks` shows them). Names that a bench adds to
    `choices` stand for a picture of its own, unchanged.

    Raises
    ------
    ValueError
        If there is no such method.
    DeepGyroError
        If a baseline's file cannot be used.
    """
    known = list(dict.fromkeys(choices))
    if unknown := [method for method in methods if method not in known]:
        raise ValueError(f"method is {unknown[0]!r}; one of {', '.join(known)} is needed")
    available: dict[str, BenchMethod] = {BLURRED_INPUT: return_unchanged}
    available |= {method: partial(_deblur, method) for method in available_methods()}
    if "deepgyro" in available:
        available[REFINED_METHOD] = partial(_deblur, "deepgyro", refine=True)
    available |= {own: return_unchanged for own in known if own not in BENCH_METHODS}
    wanted = [name for name in known if not methods or name in methods]
    for name, path in baseline_files(baselines).items():
        if name in wanted:
            network = load_baseline(path)
            if isinstance(network, UnrolledNetwork):
                available[name] = partial(_deblur, network)
            else:
                available[name] = partial(_restore_untiled, network)
    return {name: available[name] for name in wanted if name in available}


def baseline_files(baselines: Path | None = None) -> dict[str, Path]:
    """Return the baselines' files that are in a folder (None: that of the checkout)."""
    files = {name: (baselines or BASELINES_FOLDER) / f"{name}.onnx" for name in COMPARED_NETWORKS}
    return {name: path for name, path in files.items() if path.exists()}


@cache
def load_baseline(path: Path) -> OnePieceNetwork | UnrolledNetwork:
    """Return the network of a file, NAME.onnx; opened once.

    Raises
    ------
    DeepGyroError
        If the file is not of such a network.
    """
    if path.stem == SAME_BUDGET_NETWORK:
        return UnrolledNetwork("deepgyro", open_session(path))
    return OnePieceNetwork(path)


def baseline_contract(path: Path) -> Provenance:
    """Return the metadata of a baseline's file."""
    network = load_baseline(path)
    return network.session.contract if isinstance(network, UnrolledNetwork) else network.contract


def network_provenance(baselines: Path | None = None) -> dict[str, Provenance]:
    """Return the metadata of the networks whose weights are there, by their names."""
    shipped: dict[str, Provenance] = {
        name: load_shipped_network(name).contract for name in shipped_networks()
    }
    return shipped | {name: baseline_contract(path) for name, path in baseline_files(baselines).items()}


def training_durations(rows: Sequence[Row], baselines: Path | None = None) -> dict[str, str]:
    """Return for how long the networks of some rows were trained, by their names."""
    methods = {row.get("method") for row in rows}
    return {name: known.trained for name, known in network_provenance(baselines).items() if name in methods}


def return_unchanged(
    image: Pixels, field: PriorField, /, *, encoding: Encoding = "srgb", refine: bool = False
) -> Pixels:
    """Return the picture."""
    return image


def _deblur(
    method: MethodName | Method,
    image: Pixels,
    field: PriorField,
    /,
    *,
    encoding: Encoding = "srgb",
    refine: bool = False,
) -> Pixels:
    return deblur_picture(image, field, method=method, encoding=encoding, refine=refine).image


def _restore_untiled(
    network: OnePieceNetwork,
    image: Pixels,
    field: PriorField,
    /,
    *,
    encoding: Encoding = "srgb",
    refine: bool = False,
) -> Pixels:
    """Return the network's own result, everywhere, whatever the field."""
    paths = paths_from_vectors(field) if isinstance(field, ndarray) and field.ndim == 3 else field
    if refine and paths is not None and not network.contract.is_blind:
        paths = refine_field(image, paths).field
        if paths is None:  # the picture contradicts it
            return image
    return from_unit_range(network(to_unit_range(image), paths), image.dtype)


def add_missing_networks(rows: Sequence[Row], methods: Sequence[str] = ()) -> list[Row]:
    """Return rows for a person: below them, without a number, the networks whose weights are missing."""
    empty = dict.fromkeys(rows[0]) if rows else {}
    absent = missing_networks(rows, methods)
    return [*rows, *({**empty, "method": f"{name} (missing)"} for name in absent)]


def missing_networks(rows: Sequence[Row], methods: Sequence[str] = ()) -> list[str]:
    """Return the networks that no row is of: of all, or of the ones that were asked for."""
    shown = {row["method"] for row in rows}
    return [name for name in EXPECTED_NETWORKS if name not in shown and (not methods or name in methods)]
