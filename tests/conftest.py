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
    "deepgyro.blurfield.canonical",
    "deepgyro.blurfield.field",
    "deepgyro.blurfield.grid",
    "deepgyro.blurfield.trajectory",
    "deepgyro.blurfield.picture",
    "deepgyro.blur.differences",
    "deepgyro.blur.operator",
    "deepgyro.synthesis.cluster",
    "deepgyro.synthesis.config",
    "deepgyro.synthesis.dataset",
    "deepgyro.synthesis.gyro",
    "deepgyro.synthesis.hand",
    "deepgyro.synthesis.image",
    "deepgyro.synthesis.job",
    "deepgyro.synthesis.motion",
    "deepgyro.synthesis.pair",
    "deepgyro.synthesis.patches",
    "deepgyro.synthesis.pool",
    "deepgyro.synthesis.preview",
    "deepgyro.synthesis.samples",
    "deepgyro.synthesis.shards",
    "deepgyro.synthesis.sources",
    "deepgyro.synthesis.tally",
    "deepgyro.synthesis.workers",
    "deepgyro.deconvolution",
    "deepgyro.refine.fit",
    "deepgyro.refine.model",
    "deepgyro.refine.refinement",
    "deepgyro.refine.statistic",
    "deepgyro.runtime.contract",
    "deepgyro.runtime.inputs",
    "deepgyro.runtime.restore",
    "deepgyro.runtime.session",
    "deepgyro.runtime.weights",
    "deepgyro.light",
    "deepgyro.benchmark",
    "deepgyro.demo",
    "deepgyro.learn",
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
