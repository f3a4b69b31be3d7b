import os
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from jaxtyping import install_import_hook

# Annotated shapes and dtypes are checked while the tests run (shape_checks.py). Left out are compiled loops
# (Numba's are no plain functions), modules with a BinaryIO (beartype refuses a BytesIO), and `deblurring` and
# `method`, which check their arguments and are tested with wrong ones. The name of a package would stand for
# all of its modules.
SOURCE = Path(__file__).parents[1] / "src"
CHECKED = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if path.name not in ("__init__.py", "deblurring.py", "method.py")
    and "from jaxtyping" in (text := path.read_text())
    and "from numba" not in text
    and "compiling import" not in text
    and "BinaryIO" not in text
]
LAB_NEEDS = ("lightning_fabric", "matplotlib", "onnx", "onnxruntime", "ray", "skimage", "torch")
LAB_MISSES = [name for name in LAB_NEEDS if find_spec(name) is None]
collect_ignore = ["lab"] if LAB_MISSES else []


def pytest_report_header() -> str | None:
    """Say that the laboratory's tests are left out, and why."""
    missing = ", ".join(LAB_MISSES)
    return f"tests/lab is left out (pip install -e '.[dev]'): {missing} missing" if LAB_MISSES else None


_hook = install_import_hook(CHECKED, "shape_checks.check_first_calls")

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
def panned(tmp_path, write_clip):
    """Return a panning camera's clip of 12 frames, its log and its camera; frames 4 to 8 are blurred."""
    clip = write_clip(tmp_path / "in.mp4", frames=12, sound=True, width=64, height=48)
    t = np.arange(0.0, 0.6, 0.004)
    pan = np.interp(t, [0.08, 0.13, 0.24, 0.2667], [0.0, 4.0, 4.0, 0.0])  # rad/s
    rows = "".join(f"{s:.4f},0,{w:.5f},0\n" for s, w in zip(t, pan, strict=True))
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (tmp_path / "camera.yaml").write_text(
        "width: 64\nheight: 48\nK: [60, 60, 31.5, 23.5]\nreadout_time: 0\n"
        "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ntime_offset: 0\n"
    )
    return SimpleNamespace(
        folder=tmp_path,
        clip=clip,
        gyro=tmp_path / "imu.csv",
        camera=tmp_path / "camera.yaml",
        out=tmp_path / "out.mp4",
        exposure=0.02,  # s
    )


@pytest.fixture
def source(panned):
    """Return it as `deblur_video` takes it."""
    from deepgyro.recording import ClipSource

    return ClipSource(panned.clip, panned.gyro, panned.camera, panned.exposure)


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
