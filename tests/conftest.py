import os
from fractions import Fraction
from pathlib import Path

import numpy as np
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
    "deepgyro.synthesis.panorama",
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
    "deepgyro.timesync",
    "deepgyro.video",
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


@pytest.fixture(scope="session")
def write_clip():
    """Return a function that writes a clip of coloured squares, or of the frames that it is given."""
    import av

    def write(
        path, *, frames=8, codec="libx264", pixel_format="yuv420p", width=64, height=48, rotation=None,
        sound=False, times=None, time_base=Fraction(1, 90000), colours=(1, 1, 1), options=None, pictures=None,
        metadata=None,
    ):  # fmt: skip
        with av.open(str(path), "w", options=options or {}) as container:
            container.metadata.update(metadata or {})
            settings = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            stream = container.add_stream(codec, rate=30, options=settings)
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            context = stream.codec_context
            context.time_base = time_base
            context.color_primaries, context.color_trc, context.colorspace = colours
            if rotation is not None:
                stream.set_display_rotation(rotation)
            voice = container.add_stream("aac", rate=16000) if sound else None
            rng = np.random.default_rng(0)
            shown = [k / 30 for k in range(frames)] if times is None else times
            for k, t in enumerate(shown):
                if pictures is not None:
                    pixels = pictures[k]
                else:
                    small = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
                    pixels = np.kron(small, np.ones((4, 4, 1), np.uint8))[:height, :width]
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
                picture = picture.reformat(format=pixel_format)
                picture.pts, picture.time_base = round(t / time_base), time_base
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
            if voice is not None:
                for k in range(int(shown[-1] * 16000 / 1024) + 1):
                    noise = (0.1 * rng.standard_normal((1, 1024))).astype(np.float32)
                    samples = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
                    samples.sample_rate, samples.pts = 16000, 1024 * k
                    container.mux(voice.encode(samples))
                container.mux(voice.encode(None))
        return Path(path)

    return write


@pytest.fixture(scope="session")
def clip_facts():
    """Return a function that says what a copy of a clip must keep: time stamps, size, colours, sound."""
    import av

    def facts(path):
        with av.open(str(path)) as container:
            pictures = list(container.decode(video=0))
            stream = container.streams.video[0]
            context = stream.codec_context
            found = {
                "codec": context.name,
                "size": (context.width, context.height),
                "format": context.pix_fmt,
                "colours": (
                    context.color_range,
                    context.color_primaries,
                    context.color_trc,
                    context.colorspace,
                ),
                "times": [picture.pts * picture.time_base for picture in pictures],
                "rotation": pictures[0].rotation,
            }
        with av.open(str(path)) as container:
            sound = container.streams.audio
            packets = container.demux(sound) if sound else ()
            found["sound"] = [(p.pts * p.time_base, bytes(p)) for p in packets if p.dts is not None]
        return found

    return facts


@pytest.fixture
def on_arrays(monkeypatch):
    """Return a function that loads a module of compiled loops as plain Python: vectors are arrays."""
    from importlib.util import module_from_spec, spec_from_file_location

    import numba

    def load(module):
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
        spec = spec_from_file_location(f"{module.__package__}.plain", module.__file__)
        plain = module_from_spec(spec)
        spec.loader.exec_module(plain)
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
        return plain

    return load
