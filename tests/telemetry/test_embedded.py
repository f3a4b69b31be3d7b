import sys
from types import SimpleNamespace

import numpy as np
import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry import read_gyro
from deepgyro.telemetry.embedded import read_exposures


def camera(monkeypatch, samples, error=None):
    """Let telemetry-parser find these samples in every file."""

    class Parser:
        camera, model = "GoPro", None

        def __init__(self, path):
            if error is not None:
                raise error

        def normalized_imu(self):
            return samples

    monkeypatch.setitem(sys.modules, "telemetry_parser", SimpleNamespace(Parser=Parser))


def sample(time, gyro):
    return {"timestamp_ms": time, "gyro": gyro, "accl": None, "magn": None}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42")
    return path


def test_milliseconds_and_degrees_become_si(monkeypatch, video):
    camera(monkeypatch, [sample(0, None), sample(5, (180, 0, 0)), sample(10, (0, 90, 0)), sample(15, None)])

    log = read_gyro(video)

    np.testing.assert_allclose(log.t, [0.005, 0.01], atol=1e-15)  # s
    np.testing.assert_allclose(log.omega, [[np.pi, 0, 0], [0, np.pi / 2, 0]], atol=1e-15)  # rad/s


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], "GoPro recorded no gyro samples"),
        ([sample(0, None)], "GoPro recorded no gyro samples"),
        ([sample(0, (1, 2, 3)), sample(5, None), sample(10, (1, 2, 3))], "1 of the 3 samples"),
        ([sample(0, (1, 2, 3)), sample(0, (1, 2, 3))], "sample 1: time stands still"),
        ([sample(0, (1, 2, 3)), sample(5, (1, 2, 9e9))], "sample 1: a rate of"),
    ],
)
def test_samples_that_cannot_be_trusted_are_refused(monkeypatch, video, samples, words):
    camera(monkeypatch, samples)

    with pytest.raises(DeepGyroError, match=words):
        read_gyro(video)


def test_a_panic_of_the_library_is_a_broken_file(monkeypatch, video):
    panic = type("PanicException", (BaseException,), {})
    camera(monkeypatch, [], error=panic("range end\nout of range"))

    with pytest.raises(DeepGyroError, match="the file is broken: range end out of range"):
        read_gyro(video)


def test_an_interrupt_passes_through(monkeypatch, video):
    camera(monkeypatch, [], error=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        read_gyro(video)


@pytest.mark.parametrize(
    ("values", "before", "expected"),
    [
        ([0.01, 0.02], [], [0.01, 0.02]),
        ([0.01, 0.0, 0.02, "?"], [], [0.01, 0.01, 0.02, 0.02]),
        ([0.0, 0.02], [0.04], [0.04, 0.02]),
        ([None, 0.02], [], [0.02, 0.02]),
        ([0.0, 0.0], [], []),
    ],
)
def test_each_frame_keeps_its_own_exposure(values, before, expected):
    assert read_exposures({"Unit": "s", "Data": values}, default=before) == expected


def test_exposures_of_an_unknown_unit_are_none():
    assert read_exposures({"Unit": "deg", "Data": [1.0]}) == []
