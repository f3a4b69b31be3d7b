"""Stages of a network on a processor: OpenVINO, or ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..errors import DeepGyroError, require_extra
from ..threads import core_count
from .contract import METADATA_KEY, Contract

logger = logging.getLogger(__name__)

Engine = Literal["openvino", "onnxruntime"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_ONNX_FIRST_BYTE = b"\x08"
"""How an ONNX file begins: with its version."""
BF16_TOLERANCE = 1 / 255
"""How far bf16 may be off fp32 in the root mean square, for noise as input: harder than any picture."""


@runtime_checkable
class Session(Protocol):
    """The stages of one network, ready to run."""

    contract: Contract
    precision: Precision

    def run(self, stage: int, inputs: Mapping[str, Float32[ndarray, "1 c h w"]]) -> dict[str, ndarray]:
        """Return the outputs of a stage (from 1 on) by name; see `Contract`."""
        ...

    def release(self, stage: int) -> None:
        """Give back what memory a stage keeps between its runs, where that can be done."""
        ...


def open_session(
    path: Path, *, engine: Engine = "openvino", precision: Precision | None = None, threads: int | None = None
) -> Session:
    """Open weights in an ONNX file.

    Parameters
    ----------
    path
        The file.
    engine
        ``"openvino"`` is the faster on CPUs; ``"onnxruntime"`` (extra of that name) uses a GPU where it was
        built for one.
    precision
        None: bf16 where the processor multiplies it and a check against fp32 holds, else fp32. ONNX Runtime
        runs in fp32.
    threads
        None: one for each core.

    Raises
    ------
    DeepGyroError
        If it is no such file, or the engine is not installed.
    """
    threads = core_count() if threads is None else threads
    if engine == "onnxruntime":
        if precision == "bf16":
            raise ValueError("precision is bf16: ONNX Runtime runs these weights in fp32; OpenVINO has bf16")
        return OnnxSession(path, threads)
    if precision == "bf16" and not has_bf16():
        raise ValueError("precision is bf16: this processor has no instructions for it; fp32 is needed")
    if precision is None and not has_bf16():
        precision = "fp32"
    if precision is None:
        fast = OpenVinoSession(path, "bf16", threads)
        exact = OpenVinoSession(path, "fp32", threads)
        return fast if _precisions_agree(fast, exact) else exact
    return OpenVinoSession(path, precision, threads)


@cache
def _openvino_core() -> Any:
    """Return OpenVINO's core, one for the whole process.

    Each core installs a signal stack and restores the earlier one when it is deleted: two that are deleted in
    the order of their creation leave a freed stack installed, and the next signal ends the process.
    """
    import openvino

    return openvino.Core()


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bf16."""
    return "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def read_model(path: Path) -> tuple[Any, str | None]:
    """Return the model of an ONNX file, and its metadata's entry `METADATA_KEY` if it has one.

    Raises
    ------
    DeepGyroError
        If it is no such file.
    """
    _check_exists(path)
    with open(path, "rb") as file:
        if file.read(1) != _ONNX_FIRST_BYTE:  # else OpenVINO tries all the formats it knows, and loudly
            raise DeepGyroError(f"{path}: no ONNX file")
    try:
        model = _openvino_core().read_model(path)
    except RuntimeError as error:
        raise DeepGyroError(f"{path}: no ONNX file ({_last_error_line(error)})") from error
    entry = ["framework", METADATA_KEY]
    return model, model.get_rt_info(entry).astype(str) if model.has_rt_info(entry) else None


def compile_model(model: Any, precision: Precision, threads: int) -> Any:
    """Return an OpenVINO model compiled for this machine's CPU: one picture as soon as can be."""
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return _openvino_core().compile_model(model, "CPU", settings)


class OpenVinoSession:
    """A network in OpenVINO."""

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        self.precision: Precision = precision
        self._threads = threads
        model, text = read_model(path)
        self.contract = Contract.from_json(text, source=str(path))
        self._model = model
        self._compiled: dict[int, Any] = {}
        self._compiling = Lock()
        self._own = local()  # each thread's requests: their outputs are overwritten by the next run

    def run(self, stage: int, inputs: Mapping[str, Float32[ndarray, "1 c h w"]]) -> dict[str, ndarray]:
        """Return the outputs of a stage (from 1 on) by name; this thread's next run of it overwrites them."""
        if not hasattr(self._own, "requests"):
            self._own.requests = {}
        requests: dict[int, Any] = self._own.requests
        if stage not in requests:
            with self._compiling:
                if stage not in self._compiled:
                    self._compiled[stage] = self._compile(stage)
            requests[stage] = self._compiled[stage].create_infer_request()
        results = requests[stage].infer(dict(inputs), share_inputs=True, share_outputs=True)
        return {output.get_any_name(): value for output, value in results.items()}

    def release(self, stage: int) -> None:
        """Give back what memory a stage keeps between its runs, unless another thread is running it."""
        with suppress(RuntimeError):  # it is busy
            self._compiled[stage].release_memory()

    def _compile(self, stage: int) -> Any:
        import openvino

        results = [
            r for r in self._model.get_results() if _stage_number(r.input_value(0).get_any_name()) == stage
        ]
        inputs = [p for p in self._model.get_parameters() if _stage_number(p.friendly_name) == stage]
        part = openvino.Model(results, inputs, f"stage{stage}").clone()
        return compile_model(part, self.precision, self._threads)


class OnnxSession:
    """A network in ONNX Runtime."""

    precision: Precision = "fp32"

    def __init__(self, path: Path, threads: int) -> None:
        with require_extra("onnxruntime"):
            import onnxruntime
        _check_exists(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # its errors have no common class
            raise DeepGyroError(f"{path}: no ONNX file ({_last_error_line(error)})") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.contract = Contract.from_json(metadata.get(METADATA_KEY), source=str(path))
        # The stages share nothing; those that are not asked for get the smallest of inputs.
        least = 4 * self.contract.multiple
        self._idle = {
            entry.name: np.zeros((1, entry.shape[1], *_input_sides(entry.name, least)), np.float32)
            for entry in self._session.get_inputs()
        }

    def run(self, stage: int, inputs: Mapping[str, Float32[ndarray, "1 c h w"]]) -> dict[str, ndarray]:
        """Return the outputs of a stage (from 1 on) by name."""
        names = [o.name for o in self._session.get_outputs() if _stage_number(o.name) == stage]
        results = self._session.run(names, self._idle | dict(inputs))
        return dict(zip(names, results, strict=True))

    def release(self, stage: int) -> None:
        """Do nothing: the stages share their memory."""


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise DeepGyroError(f"{path}: no such file")


def _last_error_line(error: Exception) -> str:
    return [line.strip() for line in str(error).splitlines() if line.strip()][-1]


def _stage_number(name: str) -> int:
    """Return the stage that an input or output belongs to: its name ends in it."""
    return int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))


def _input_sides(name: str, side: int) -> tuple[int, int]:
    """Return height and width of an input for a picture of `side` px: what is remembered has half of it."""
    return (side // 2, side // 2) if name.startswith("before") else (side, side)


def _precisions_agree(fast: OpenVinoSession, exact: OpenVinoSession) -> bool:
    """Return whether both precisions give the same picture, for inputs like those of a picture."""
    rng = np.random.default_rng(0)
    shapes = {p.friendly_name: p.get_partial_shape() for p in exact._model.get_parameters()}
    side = 8 * exact.contract.multiple
    for stage in range(1, exact.contract.stages + 1):
        inputs = {
            name: rng.uniform(0, 0.5, (1, shape[1].get_length(), *_input_sides(name, side))).astype(
                np.float32
            )
            for name, shape in shapes.items()
            if _stage_number(name) == stage
        }
        changes = [session.run(stage, inputs)[f"change{stage}"] for session in (fast, exact)]
        off = float(np.sqrt(np.mean((changes[0] - changes[1]) ** 2)))
        if not off <= BF16_TOLERANCE:
            logger.warning(
                "bf16 is off by %.4f on this processor (at most %.4f is allowed): fp32", off, BF16_TOLERANCE
            )
            return False
    return True
