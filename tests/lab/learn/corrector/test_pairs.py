import json

import numpy as np
import pytest
import torch

from deepgyro.errors import DeepGyroError
from deepgyro.lab.learn.corrector.network import MAP_INPUTS
from deepgyro.lab.learn.corrector.pairs import (
    KIND_MISMATCHED,
    KIND_SHARP,
    KIND_SMOOTH_ERROR,
    CellPairs,
    mirror_samples,
    pack_row,
)
from deepgyro.lab.synthesis.shards import read_files_at
from deepgyro.refine.cells import CELL_COLUMNS, CELL_ROWS, MAP_SIDE_PX, measure_cells
from deepgyro.refine.statistic import DerivativePyramid


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_target_moves_prior_ends_to_the_true_ones(pairs):
    series = CellPairs(pairs, seed=0)
    rows = [(pair, series.read_row(pair, draw)) for draw in range(4) for pair in range(len(series))]
    rows = [(pair, row) for pair, row in rows if row is not None and row["kind"] == KIND_SMOOTH_ERROR]

    assert len(rows) > 5
    for pair, row in rows:
        true = series.exact_vectors(pair)[0]
        along = row["vectors"] / np.linalg.norm(row["vectors"], axis=1, keepdims=True)
        across = np.stack([-along[:, 1], along[:, 0]], -1)
        ends = row["vectors"] + row["target"][:, :1] * along + row["target"][:, 1:] * across
        found = row["pixel"] * ends.reshape(CELL_ROWS, CELL_COLUMNS, 2)
        expected = true[2::5, 2::5]  # the cells' centres
        assert np.abs(found - expected).max() < 0.03 * np.abs(true).max() + 0.1  # px


def test_cells_of_regions_that_move_by_themselves_have_ends_of_their_own(pairs):
    series = CellPairs(pairs, seed=0)
    camera, _, height, width = series.exact_vectors(0)
    patch = {"x": 60.0, "y": 70.0, "a": 40.0, "b": 30.0, "angle": 0.0, "u": 9.0, "v": -4.0}
    shard, places = series.places[0]
    files = read_files_at(shard, {name: places[name] for name in ("field.npy", "json")})
    files["json"] = json.dumps({**json.loads(files["json"]), "patches": [patch]}).encode()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("deepgyro.lab.learn.corrector.pairs.read_files_at", lambda *_: files)
        again, own, _, _ = series.exact_vectors(0)

    np.testing.assert_array_equal(again, camera)
    moved = own - camera
    middle = moved[70 * moved.shape[0] // height, 60 * moved.shape[1] // width]
    np.testing.assert_allclose(middle, [9, -4], atol=1e-3)
    assert (moved[:, moved.shape[1] // 2 :] == 0).all()


def test_maps_of_an_exact_prior_have_their_minimum_where_the_path_ends(pairs):
    series = CellPairs(pairs, seed=0)
    depths = []
    for pair in range(len(series)):
        true = series.exact_vectors(pair)[0]
        image = series.read_picture(pair, np.random.default_rng(0), sharp=False)
        maps = measure_cells(DerivativePyramid(image), true).maps[:, 0]
        if 8 < np.linalg.norm(true, axis=-1).mean() < 60:
            mean = maps[np.abs(maps).max((1, 2)) > 0].mean(0)
            depths.append(mean[5, 5] - mean.mean())

    assert depths
    assert np.mean(depths) < -0.1


def test_every_kind_occurs(batch):
    kinds = set(batch["kind"].tolist())

    assert kinds <= {KIND_SMOOTH_ERROR, KIND_MISMATCHED, KIND_SHARP}
    assert {KIND_SMOOTH_ERROR, KIND_MISMATCHED} <= kinds


def test_a_sample_depends_on_its_number_alone(pairs):
    series = CellPairs(pairs, seed=3)

    later = [series[k] for k in (9, 1)]
    first, again = CellPairs(pairs, seed=3)[1], CellPairs(pairs, seed=4)[1]

    assert same(first, later[1])
    assert not same(first, again)


def test_cached_rows_are_those_that_would_be_made(pairs, tmp_path, monkeypatch):
    fresh = CellPairs(pairs, seed=0)
    cached = CellPairs(pairs, seed=0, cache=tmp_path)
    expected = [fresh[k] for k in range(10)]

    written = [cached[k] for k in range(10)]
    again = CellPairs(pairs, seed=0, cache=tmp_path)
    measured = []
    monkeypatch.setattr(
        "deepgyro.lab.learn.corrector.pairs.measure_cells", lambda *given: measured.append(given)
    )
    read = [again[k] for k in range(10)]

    assert all(map(same, written, expected))
    assert all(map(same, read, expected))
    assert not measured
    assert CellPairs(pairs, seed=1, cache=tmp_path).cache.path != cached.cache.path


def test_a_row_that_was_not_written_to_its_end_is_made_anew(pairs, tmp_path):
    series = CellPairs(pairs, seed=0, cache=tmp_path)
    pair = next(k for k in range(len(series)) if series.read_row(k, 1) is not None)
    expected = series.read_row(pair, 1).tobytes()
    with open(series.cache.path, "r+b") as file:
        file.seek((len(series) + pair) * series.cache.size + 1000)
        file.write(bytes(5000))

    found = series.cache.read(len(series) + pair)

    assert found is None
    assert series.read_row(pair, 1).tobytes() == expected
    assert series.cache.read(len(series) + pair).tobytes() == expected


def test_pairs_without_blur_are_refused_in_one_line(pairs, monkeypatch):
    monkeypatch.setattr("deepgyro.lab.learn.corrector.pairs.MAX_PATH_PX", 0.0)

    with pytest.raises(DeepGyroError, match="no pair has a blur of"):
        CellPairs(pairs, seed=0)[0]


def test_a_transposed_picture_has_the_same_features(pairs):
    series = CellPairs(pairs, seed=0)
    true = series.exact_vectors(0)[0]
    image = series.read_picture(0, np.random.default_rng(0), sharp=False)
    missing = np.random.default_rng(0).normal(0, 1, true.shape).astype(np.float32)

    def transposed(array):
        return np.ascontiguousarray(array.swapaxes(0, 1))

    sides = [transposed(vectors[..., ::-1]) for vectors in (true, missing)]
    upright = pack_row(
        measure_cells(DerivativePyramid(image), true), missing, missing, KIND_SMOOTH_ERROR, 20.0
    )
    portrait = pack_row(
        measure_cells(DerivativePyramid(transposed(image)), sides[0]),
        sides[1],
        sides[1],
        KIND_SMOOTH_ERROR,
        20.0,
    )

    for name in ("vectors", "target", "own", "features"):
        np.testing.assert_allclose(portrait[name], upright[name], atol=0.02, rtol=0.01)


def test_a_mirrored_picture_looks_like_its_mirrored_cells(pairs):
    series = CellPairs(pairs, seed=0)
    true = series.exact_vectors(0)[0]
    image = series.read_picture(0, np.random.default_rng(0), sharp=False)
    whole = image[:, :239]  # places lie in every other column from the second on: symmetric then
    priors = [true, np.ascontiguousarray(true[:, ::-1] * np.float32([-1, 1]))]
    pictures = [whole, np.ascontiguousarray(whole[:, ::-1])]

    one, other = (measure_cells(DerivativePyramid(p), t) for p, t in zip(pictures, priors, strict=True))

    features = [
        torch.from_numpy(
            np.concatenate([c.maps.reshape(144, -1), c.features], 1).T.reshape(-1, CELL_ROWS, CELL_COLUMNS)
        )
        for c in (one, other)
    ]
    vectors = [torch.from_numpy(c.vectors.astype(np.float32)) for c in (one, other)]
    found = mirror_samples(
        {"features": features[0], **dict.fromkeys(("vectors", "target", "own"), vectors[0])}, -1
    )
    counts = np.minimum(
        one.counts.reshape(CELL_ROWS, CELL_COLUMNS)[:, ::-1], other.counts.reshape(CELL_ROWS, CELL_COLUMNS)
    )
    inside = torch.from_numpy(counts == counts.max())
    assert inside.sum() > 20
    for k, most in ((0, 0.2), (1, 0.4)):  # cells of so small a picture are 4 px wide at a quarter of its size
        part = slice(k * MAP_SIDE_PX**2, (k + 1) * MAP_SIDE_PX**2)
        off, size = (
            (x[part, inside]).square().mean().sqrt() for x in (found["features"] - features[1], features[1])
        )
        assert off < most * size
    torch.testing.assert_close(found["vectors"], vectors[1], atol=0.5, rtol=0.05)
    torch.testing.assert_close(
        found["features"][MAP_INPUTS : MAP_INPUTS + 3],
        features[1][MAP_INPUTS : MAP_INPUTS + 3],
        atol=0.05,
        rtol=0.05,
    )
