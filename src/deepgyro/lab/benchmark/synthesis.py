"""`bench synthesis`: how many training pairs a second, and where the time goes."""

from __future__ import annotations

import cProfile
import pstats
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...frames import Photo, write_photo
from ...threads import core_count, limit_to_one_core
from ..report import BenchReport, Progress, Row, make_report
from ..synthesis import (
    PRESETS,
    SourcePool,
    make_dataset,
    make_pair_at,
    open_pool,
    pack_pair,
    simulate_camera_shake,
)
from ..synthesis.samples import read_metadata
from ..synthesis.shards import read_samples, write_shard

SYNTHESIS_HEIGHT_PX, SYNTHESIS_WIDTH_PX = 270, 480
SYNTHESIS_PAIR_COUNT = 1500
WARMUP_SHARE = 0.25
"""The rate is measured after it: before, the workers start, and compile or load their loops."""
PROFILED_PAIR_COUNT = 60
"""Pairs whose time is split up."""

# Whose time, with all that they call, counts as what. The rest is "other": cropping, scaling, bookkeeping.
PROFILED_FUNCTIONS = {
    "field": ("sample_on_grid", "draw_exposure"),
    "blur": ("of_part",),
    "noise": ("encode_srgb_with_noise",),
    "encoding": ("encode_random_jpeg", "decode_pixels", "pack_pair"),
    "io": ("read_bytes", "write_shard"),
}


def bench_synthesis(
    *,
    preset: Literal["physical", "paper"] = "physical",
    count: int = SYNTHESIS_PAIR_COUNT,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure how fast `make_dataset` makes `count` pairs of 270x480 of synthetic photos and a synthetic log.

    `workers`: processes; None: as many as there are cores.
    """
    if count < 20:
        raise ValueError(f"count is {count}: 20 pairs or more are needed for a rate")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; at least 1 is needed")
    workers = workers or core_count()
    with TemporaryDirectory(prefix="deepgyro-bench-") as name:
        folder = Path(name)
        pool = _make_source_pool(folder)
        ticks: list[tuple[float, int]] = []

        def tick(done: int) -> None:
            ticks.append((time.perf_counter(), done))
            if progress:
                progress(0.95 * done / count)

        make_dataset(
            pool,
            PRESETS[preset],
            out=folder / "pairs",
            count=count,
            height=SYNTHESIS_HEIGHT_PX,
            width=SYNTHESIS_WIDTH_PX,
            shard_size=max(1, min(250, count // (4 * workers))),
            workers=workers,
            progress=tick,
        )
        blur = [read_metadata(files)["blur_px"] for files in read_samples(folder / "pairs")]
        share = _profile_shares(pool, preset, folder)
    steady = [tick for tick in ticks if tick[1] >= WARMUP_SHARE * count]
    (start, first), (end, last) = steady[0], steady[-1]
    row: Row = {
        "preset": preset,
        "height": SYNTHESIS_HEIGHT_PX,
        "width": SYNTHESIS_WIDTH_PX,
        "blur_px": round(float(np.mean(blur)), 2),
        "workers": workers,
        "pairs_per_second": round((last - first) / (end - start), 2),
        "share": share,
    }
    return make_report("synthesis", [row])


def _profile_shares(pool: SourcePool, preset: str, folder: Path) -> dict[str, float]:
    """Return the shares of one worker's time; the profiler's own cost is in it."""
    config = PRESETS[preset]

    def samples(first: int, count: int) -> None:
        pairs = (
            make_pair_at(pool, config, 1, k, height=SYNTHESIS_HEIGHT_PX, width=SYNTHESIS_WIDTH_PX)
            for k in range(first, first + count)
        )
        packed = [(k, pack_pair(pair)) for k, pair in enumerate(pairs)]
        write_shard(folder / "profiled.tar", packed)

    with limit_to_one_core():
        samples(PROFILED_PAIR_COUNT, 3)  # what is done once
        profile = cProfile.Profile()
        profile.runcall(samples, 0, PROFILED_PAIR_COUNT)
    # {(file, line, function): (calls, calls, own time, time with all it calls, callers)}
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = sum(entry[2] for entry in stats.values())
    share = {
        what: sum(entry[3] for (_, _, function), entry in stats.items() if function in names) / whole
        for what, names in PROFILED_FUNCTIONS.items()
    }
    return {what: round(part, 3) for what, part in share.items()} | {
        "other": round(1 - sum(share.values()), 3)
    }


def _make_source_pool(folder: Path) -> SourcePool:
    """Write synthetic photos and a synthetic log, and open them."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for k in range(12):
        path = folder / "photos" / f"{k}.jpg"
        write_photo(path, Photo(_draw_test_photo(rng, 640, 960), "JPEG", path), record={"bench": "synthesis"})
    log = simulate_camera_shake(rng, duration=60.0, strength=1.0)
    rows = np.column_stack([log.t, log.omega])
    header = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
    np.savetxt(folder / "log.csv", rows, delimiter=",", header=header, comments="")
    return open_pool(
        [folder / "photos"], [folder / "log.csv"], height=SYNTHESIS_HEIGHT_PX, width=SYNTHESIS_WIDTH_PX
    )


def _draw_test_photo(rng: np.random.Generator, height: int, width: int) -> UInt8[ndarray, "h w 3"]:
    """Return a picture with shapes, shading and texture, about as hard to encode as a photo.

    (Photos of 960 x 640 at quality 95 have 160 kB on average, the sharp pictures of their pairs 230 kB;
    these 210 and 190.)
    """
    import cv2

    picture = np.full((height, width, 3), rng.integers(40, 200), np.uint8)
    for _ in range(150):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(4, 90)), int(rng.integers(4, 60))
        colour = (rng.integers(20, 230) + rng.normal(0, 15, 3)).clip(0, 255).tolist()
        cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    texture = cv2.GaussianBlur(rng.normal(0, 30, (height, width)).astype(np.float32), (0, 0), 1.5)
    return (picture + texture[..., None]).clip(0, 255).astype(np.uint8)
