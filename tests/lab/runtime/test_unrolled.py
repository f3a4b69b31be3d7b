import importlib

import numpy as np
import pytest
import torch

from deepgyro.blurfield import paths_from_vectors
from deepgyro.light import linear_to_srgb, srgb_to_linear
from deepgyro.restore import restore_in_tiles
from deepgyro.restore.inputs import path_ends, path_maps, to_encoded, to_light
from deepgyro.runtime import open_session


@pytest.fixture(scope="module")
def session(onnx_file):
    return open_session(onnx_file, precision="fp32")


def scene(height, width, length=9.0):
    rng = np.random.default_rng(height * 1000 + width)
    image = rng.random((height, width, 3), np.float32)
    y, x = np.mgrid[:height, :width]
    vectors = np.stack([length + 3 * np.sin(y / 40), 4 * np.cos(x / 50)], -1).astype(np.float32)
    field = np.zeros((height, width, 3, 2), np.float32)
    field[:, :, (0, 2)] = paths_from_vectors(vectors)
    field[:, :, 1] = 0.7  # curved, and not centred
    return image, field


def restored(session, image, field, **options):
    out = np.full_like(image, np.nan)
    for window, sharp in restore_in_tiles(session, image, field, linear=True, **options):
        out[window] = sharp
    return out


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("size", [(64, 96), (48, 144)])
def test_it_computes_what_the_network_does_in_torch(small, session, size, linear):
    image, field = scene(*size)

    found = np.empty_like(image)
    for window, sharp in restore_in_tiles(session, image, field, linear=linear):
        found[window] = sharp

    channels = torch.from_numpy(field.reshape(*size, -1).transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        picture = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        expected = small(picture, channels, torch.ones(1), torch.tensor([float(linear)]))[-1]
    assert np.abs(found - image).max() > 0.2
    np.testing.assert_allclose(found, expected[0].numpy().transpose(1, 2, 0), atol=1 / 255)


@pytest.mark.parametrize("size", [(150, 202), (97, 331), (64, 64)])
@pytest.mark.parametrize("core", [48, 80])
def test_tiles_do_not_show(session, size, core):
    image, field = scene(*size)

    whole = restored(session, image, field)
    tiled = restored(session, image, field, core=core)

    np.testing.assert_allclose(tiled, whole, atol=1 / 255)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2), (5, 7)])
def test_any_size_will_do(session, size):
    image, field = scene(*size)

    found = restored(session, image, field)

    assert np.isfinite(found).all()


def test_a_large_picture_is_cut_by_itself(session, monkeypatch):
    module = importlib.import_module("deepgyro.restore.unrolled")
    monkeypatch.setattr(module, "MAX_UNTILED_PIXELS", 100 * 100)
    monkeypatch.setattr(module, "TILE_CORE_PX", 64)
    image, field = scene(110, 130)

    windows = [window for window, _ in restore_in_tiles(session, image, field, linear=True)]

    assert len(windows) == 6


def test_long_paths_cross_tiles(session):
    image, field = scene(150, 202, length=60.0)

    whole = restored(session, image, field)
    tiled = restored(session, image, field, core=48)

    np.testing.assert_allclose(tiled, whole, atol=1 / 255)


def test_odd_sizes_are_continued_by_their_border(small, session):
    image, field = scene(62, 90)

    found = restored(session, image, field)

    beside = ((0, 2), (0, 6), (0, 0))
    larger = restored(
        session, np.pad(image, beside, mode="edge"), np.pad(field, (*beside, (0, 0)), mode="edge")
    )
    np.testing.assert_allclose(found[:40, :60], larger[:40, :60], atol=2e-3)


def test_progress_rises_to_the_end(session):
    image, field = scene(100, 100)
    shares = []

    restored(session, image, field, core=48, progress=shares.append)

    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_tables_hold_the_curve_of_srgb():
    values = np.linspace(0, 1, 3 * 7 * 1001, dtype=np.float32).reshape(3, 7, 1001)

    np.testing.assert_allclose(to_light(values), srgb_to_linear(values), atol=1e-6)
    np.testing.assert_allclose(to_encoded(values), linear_to_srgb(values), atol=5e-5)
    assert to_light(values - 5).max() == 0
    assert to_light(values + 5).min() == 1


def maps_of(u, v):
    vectors = np.full((1, 1, 2), (u, v), np.float32)
    return path_maps(path_ends(paths_from_vectors(vectors)))[:, 0, 0]


@pytest.mark.parametrize(("u", "v"), [(3, 5), (-20, 7), (0, 0), (40, -1)])
def test_a_reversed_path_looks_the_same(u, v):
    np.testing.assert_allclose(maps_of(u, v), maps_of(-u, -v), atol=1e-6)


@pytest.mark.parametrize(
    ("u", "v", "maps"),
    [(320, 0, (10, 1, 0)), (0, 320, (10, -1, 0)), (320, 320, (14.1, 0, 1)), (0, 0, (0, 0, 0))],
)
def test_maps_tell_length_and_doubled_angle(u, v, maps):
    np.testing.assert_allclose(maps_of(u, v), maps, atol=0.05)
