import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Every annotated shape and dtype is checked while the tests run. Numba's kernels are not plain functions
# and are left out by name.
CHECKED = [
    "deepgyro.rotations",
    "deepgyro.camera",
    "deepgyro.telemetry",
    "deepgyro.frames",
    "deepgyro.blurfield.field",
    "deepgyro.blurfield.picture",
    "deepgyro.blur.operator",
    "deepgyro.synthesis",
    "deepgyro.deconvolution",
    "deepgyro.light",
    "deepgyro.benchmark",
    "deepgyro.demo",
]
_hook = install_import_hook(CHECKED, "beartype.beartype")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED} must be here in CI")
        pytest.skip(f"{SHARED} is not here")
    return SHARED
