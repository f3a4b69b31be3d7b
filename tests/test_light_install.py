"""What is imported when: help comes at once, and the default install never needs torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepgyro

PACKAGE = Path(deepgyro.__file__).parent
HEAVY = {"av", "numpy", "numba", "cv2", "PIL", "torch", "telemetry_parser", "pi_heif", "yaml", "tqdm"}


def imported_by(*arguments: str) -> set[str]:
    """Return the top-level modules that a run of Python imports, and check that it succeeds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


def test_importing_the_package_imports_nothing_heavy():
    modules = imported_by("-c", "import deepgyro; deepgyro.__version__")

    assert "deepgyro" in modules
    assert not modules & (HEAVY | {"cyclopts"})


def test_help_imports_nothing_heavy():
    modules = imported_by("-m", "deepgyro", "--help")

    assert "cyclopts" in modules
    assert not modules & HEAVY


def test_help_of_a_command_imports_nothing_heavy():
    modules = imported_by("-m", "deepgyro", "deblur", "--help")

    assert not modules & HEAVY


def test_no_module_but_those_of_learn_knows_torch():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.split(".")[0])
        if names & {"torch", "torchvision", "lightning", "lightning_fabric", "tensorboard", "safetensors"}:
            found[str(path.relative_to(PACKAGE))] = names

    assert len(list(PACKAGE.rglob("*.py"))) > 30
    assert not [name for name in found if not name.startswith("lab/learn")]


def test_the_whole_default_install_is_imported_without_torch():
    code = (
        "import importlib, pkgutil, deepgyro\n"
        "for module in pkgutil.walk_packages(deepgyro.__path__, 'deepgyro.'):\n"
        "    if module.name.split('.')[1] not in ('__main__', 'lab'):\n"
        "        importlib.import_module(module.name)\n"
        "for name in deepgyro.__all__:\n"
        "    getattr(deepgyro, name)\n"
    )

    modules = imported_by("-c", code)

    assert {"deepgyro", "numpy"} <= modules
    assert "torch" not in modules


@pytest.mark.parametrize("before", ["deepgyro.deblurring", "deepgyro.demo"])
def test_a_public_name_is_no_module_whatever_was_imported_before(before):
    code = (
        f"import {before}, inspect\n"
        "print([name for name in deepgyro.__all__ if inspect.ismodule(getattr(deepgyro, name))])\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_dir_lists_all_public_names_before_first_use():
    code = "import deepgyro; print(sorted(set(deepgyro.__all__) - set(dir(deepgyro))), len(deepgyro.__all__))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    missing, _, count = done.stdout.rpartition(" ")
    assert missing == "[]"
    assert int(count) > 12
