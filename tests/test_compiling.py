import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import deepgyro
from deepgyro import compiling

PACKAGE = Path(deepgyro.__file__).parent
CHAIN = {  # a kernel, the formula it calls, and a weight that the formula imports
    "loops.py": """
from .compiling import kernel
from .formulas import weighted
@kernel
def loop(x): return weighted(x)
""",
    "formulas.py": """
from .compiling import kernel
from .weights import WEIGHT
@kernel
def weighted(x): return WEIGHT * x
""",
    "weights.py": "WEIGHT = 2.0\n",
    "__init__.py": "",
}
RUN = "from chain.loops import loop; print(loop(1.0), sum(loop.stats.cache_hits.values()))"


def run(folder: Path, program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_warm_cache_does_not_hide_a_changed_weight_two_imports_away(tmp_path):
    package = tmp_path / "chain"
    package.mkdir()
    shutil.copy(PACKAGE / "compiling.py", package)
    for name, text in CHAIN.items():
        (package / name).write_text(text)

    cold, warm = run(tmp_path, RUN), run(tmp_path, RUN)
    replace(package / "weights.py", "2.0", "3.0")
    changed = run(tmp_path, RUN)

    assert cold == ["2.0", "0"]
    assert warm == ["2.0", "1"]
    assert changed == ["3.0", "0"]


def test_a_warm_cache_does_not_hide_a_change_of_the_vectors_arithmetic(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "deepgyro", ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    program = """
import numpy as np
from deepgyro.blur.probe import fill
out = np.zeros(16, np.float32)
fill(out)
print(out[5], sum(fill.stats.cache_hits.values()))
"""
    (tmp_path / "deepgyro" / "blur" / "probe.py").write_text("""
from ..compiling import kernel
from .simd import ramp, store
@kernel
def fill(out): store(out, 0, 2 * ramp())
""")

    cold, warm = run(tmp_path, program), run(tmp_path, program)
    replace(tmp_path / "deepgyro" / "blur" / "simd.py", '("mul", "fmul")', '("mul", "fadd")')
    changed = run(tmp_path, program)

    assert cold == ["10.0", "0"]
    assert warm == ["10.0", "1"]
    assert changed == ["7.0", "0"]


def test_every_compiled_function_goes_through_the_cache_that_looks_at_all_sources():
    others = [path for path in PACKAGE.rglob("*.py") if path.name != "compiling.py"]

    assert not [path for path in others if "njit" in path.read_text() or "cache=True" in path.read_text()]


@pytest.fixture
def parents(monkeypatch):
    """Return the list of folders where compiled functions may be kept."""
    folders: list[Path] = []
    monkeypatch.setattr(compiling, "_parents", lambda: iter(folders))
    compiling._cache_folder.cache_clear()
    yield folders
    compiling._cache_folder.cache_clear()


def test_without_a_folder_to_write_to_it_compiles_all_the_same_and_says_so_once(parents, tmp_path, caplog):
    (tmp_path / "file").touch()
    parents.append(tmp_path / "file")

    with caplog.at_level(logging.WARNING):
        double = compiling.kernel(lambda x: 2 * x)
        compiling.kernel(lambda x: 3 * x)

    assert double(4) == 8
    assert len(caplog.records) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_it_takes_the_next_folder_where_the_first_cannot_be_written_to(parents, tmp_path):
    (tmp_path / "file").touch()
    parents += [tmp_path / "file", tmp_path / "home"]

    assert compiling._cache_folder(__name__).parent == tmp_path / "home"


def test_only_the_last_used_versions_of_a_module_are_kept(parents, tmp_path):
    parents.append(tmp_path)
    for k in range(6):
        for name in (f"{__name__}-{k}", f"other-{k}"):
            (tmp_path / name).mkdir()
            os.utime(tmp_path / name, (k, k))

    own = compiling._cache_folder(__name__)

    kept = {path.name for path in tmp_path.glob(f"{__name__}-*")}
    assert kept == {own.name, *(f"{__name__}-{k}" for k in (3, 4, 5))}
    assert len(list(tmp_path.glob("other-*"))) == 6


def test_other_users_of_numba_see_no_change():
    assert compiling._Locator not in numba.core.caching.CompileResultCacheImpl._locator_classes
    assert numba.core.dispatcher.FunctionCache is numba.core.caching.FunctionCache
    assert os.environ.get("NUMBA_CACHE_DIR", "") == numba.config.CACHE_DIR
