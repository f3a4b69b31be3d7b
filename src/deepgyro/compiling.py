"""Loops compiled by Numba, kept on disk until a source behind them changes.

Numba's own cache compares the file of a function alone: a weight that changes in a module it imports goes
unseen. Here the folder is named by a hash of all of them. Nothing that other users of Numba see is changed.
"""

from __future__ import annotations

import ast
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

logger = logging.getLogger(__name__)

FINITE_MATH = {"contract", "nsz", "nnan", "arcp"}
"""What LLVM may assume where no value is NaN and the order of additions stays."""
KEPT_FOLDERS = 4
"""Versions of a module whose compiled functions are kept: processes of some versions may run side by side."""


def kernel(
    function: Callable[..., Any] | None = None, *, fastmath: bool | set[str] = False, inline: str = "never"
) -> Any:
    """Compile a function of numbers and arrays when it is first called; use as decorator.

    It runs without the interpreter's lock and follows NumPy where a number is divided by zero.

    Parameters
    ----------
    fastmath
        LLVM's liberties with floating point: none, all, or those named.
    inline
        "always" copies the function into its callers.
    """
    if function is None:
        return partial(kernel, fastmath=fastmath, inline=inline)
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath, inline=inline)(function)
    if compiled is not function and _cache_folder(function.__module__):  # not under NUMBA_DISABLE_JIT
        compiled._cache = _Cache(function)
    return compiled


@cache
def _cache_folder(module: str) -> Path | None:
    """Return where a module's compiled functions are kept, or None if there is no such place."""
    key = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    try:
        for name, source in sorted(_sources(module).items()):
            key.update(f"\n{name} {len(source)}\n".encode() + source)
    except OSError as error:
        logger.warning("%s is compiled anew in each run: its source cannot be read: %s", module, error)
        return None
    for parent in _parents():
        folder = parent / f"{module}-{key.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            os.utime(folder)
        except OSError:
            continue
        _remove_old(parent, module)
        return folder
    logger.warning("%s is compiled anew in each run: set NUMBA_CACHE_DIR to a folder to write to", module)
    return None


def _sources(module: str) -> dict[str, bytes]:
    """Return the sources of a module and of those of this package that it imports, directly or not."""
    sources: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = getattr(sys.modules.get(name), "__file__", None)
        if name in sources or file is None or name.partition(".")[0] != module.partition(".")[0]:
            continue
        sources[name] = Path(file).read_bytes()
        package = name if Path(file).name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.parse(sources[name]).body:
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = resolve_name("." * node.level + (node.module or ""), package)
                waiting += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return sources


def _parents() -> Iterator[Path]:
    """Yield where compiled functions may be kept: where the user says, beside the package, or at home."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepgyro"


def _remove_old(parent: Path, module: str) -> None:
    """Remove all but the last used folders of a module; Numba compiles anew what it finds gone."""
    with suppress(OSError):  # another process removes them too
        for folder in sorted(parent.glob(f"{module}-*"), key=os.path.getmtime)[:-KEPT_FOLDERS]:
            shutil.rmtree(folder, ignore_errors=True)


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Tells Numba where a function's compiled code is."""

    def __init__(self, function: Callable[..., Any], file: str):
        self._py_file = file  # Numba's warnings name it
        self._line = function.__code__.co_firstlineno
        self._folder = _cache_folder(function.__module__)

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function, file)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return str(self._folder and self._folder.name)

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation
