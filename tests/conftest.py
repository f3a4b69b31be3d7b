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
]
_hook = install_import_hook(CHECKED, "beartype.beartype")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here")
    return SHARED
