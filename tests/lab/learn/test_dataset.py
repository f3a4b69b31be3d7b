from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from deepgyro.errors import DeepGyroError
from deepgyro.lab.learn.dataset import FreshPairs, ShardPairs, batch_numbers, make_sample
from deepgyro.lab.synthesis import PHYSICAL_PRESET, make_pair_at

SIZE = {"height": 40, "width": 56}


def keys(samples):
    return Counter(item["sharp"].numpy().tobytes() for item in samples)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_sample_holds_the_pair_in_the_units_that_networks_see(pool):
    pair = make_pair_at(pool, PHYSICAL_PRESET, 0, 3, **SIZE)

    item = make_sample(pair)

    assert item["sharp"].shape == item["blurred"].shape == (3, 40, 56)
    assert item["exact"].shape == item["prior"].shape == (18, 40, 56)
    np.testing.assert_allclose(item["blurred"][1] * 255, pair.blurred[..., 1], atol=1e-4)
    np.testing.assert_array_equal(item["exact"][2 * 4 + 1], pair.exact[:, :][:, :, 4, 1])
    np.testing.assert_array_equal(item["prior"][2 * 8], pair.prior[:, :][:, :, 8, 0])
    assert item["gyro"] == (pair.metadata["gyro"] != "none")
    assert item["linear"] == (pair.metadata["encoding"] == "linear")


def test_a_patch_is_a_part_of_everything_alike(pool):
    pair = make_pair_at(pool, PHYSICAL_PRESET, 0, 5, **SIZE)
    whole = make_sample(pair)
    rows, columns = whole["sharp"].shape[1:]
    seed = next(k for k in range(99) if np.random.default_rng(k).random() >= 0.5)  # not turned by 180 degrees

    part = make_sample(pair, np.random.default_rng(seed), patch=(16, 24))

    rng = np.random.default_rng(seed)
    rng.random()
    top, left = int(rng.integers(rows - 15)), int(rng.integers(columns - 23))
    for name in ("sharp", "blurred", "exact", "prior"):
        assert torch.equal(part[name], whole[name][:, top : top + 16, left : left + 24])


@pytest.mark.parametrize("patch", [(0, 8), (41, 8), (8, 57)])
def test_a_patch_that_does_not_fit_is_refused(pool, patch):
    with pytest.raises(ValueError, match="56 x 40"):
        make_sample(make_pair_at(pool, PHYSICAL_PRESET, 0, 0, **SIZE), np.random.default_rng(0), patch=patch)


def test_prior_paths_run_right_and_down_however_the_camera_moved(pool):
    for number in range(20):
        item = make_sample(
            make_pair_at(pool, PHYSICAL_PRESET, 0, number, **SIZE),
            np.random.default_rng(number),
            patch=(32, 40),
        )

        u, v = (item["prior"][-2 + k] - item["prior"][k] for k in range(2))
        assert item["sharp"].shape == (3, 32, 40)
        assert item["prior"].shape == (18, 32, 40)
        assert float((u * v).mean()) >= -5  # px squared; the whole picture's mean is not negative
        assert float((u * u - v * v).mean()) >= -5


def test_a_patch_is_turned_by_180_degrees_or_not(pool):
    pair = make_pair_at(pool, PHYSICAL_PRESET, 0, 5, **SIZE)

    items = [make_sample(pair, np.random.default_rng(k), patch=(40, 40)) for k in range(200)]

    assert len(keys(items)) == 2 * (56 - 40 + 1)


def pairs_of(kind, pool, shards, **options):
    if kind == "shards":
        return ShardPairs(shards, seed=7, **options)
    return FreshPairs(pool, PHYSICAL_PRESET, seed=7, **SIZE, **options)


@pytest.mark.parametrize("kind", ["shards", "fresh"])
def test_a_number_always_stands_for_the_same_sample(pool, shards, kind):
    options = {"patch": (16, 16)}

    first = pairs_of(kind, pool, shards, **options)
    forth = [first[k] for k in range(20)]
    again = pairs_of(kind, pool, shards, **options)
    back = [again[k] for k in reversed(range(20))]

    assert all(map(same, forth, reversed(back)))
    assert len(keys(forth)) == 20


def test_pairs_made_on_the_fly_are_those_of_the_seed(pool):
    pairs = FreshPairs(pool, PHYSICAL_PRESET, seed=7, **SIZE)

    assert same(pairs[3], make_sample(make_pair_at(pool, PHYSICAL_PRESET, 7, 3, **SIZE)))


def test_each_epoch_has_every_kept_pair_once_in_an_order_of_its_own(pool, shards):
    kept = [
        pair
        for pair in (make_pair_at(pool, PHYSICAL_PRESET, 0, k, **SIZE) for k in range(18))
        if pair.metadata["gyro"] != "refined"
    ]

    pairs = ShardPairs(shards, seed=0, without=("refined",))
    first, second = ([pairs[epoch * len(pairs) + k] for k in range(len(pairs))] for epoch in range(2))

    assert 0 < len(kept) < 18
    assert keys(first) == keys(second) == keys(map(make_sample, kept))
    assert not all(map(same, first, second))


def test_pairs_of_one_encoding_can_be_had_alone(shards):
    both = [ShardPairs(shards, seed=0, encoding=encoding) for encoding in ("encoded", "linear")]

    assert sum(map(len, both)) == len(ShardPairs(shards, seed=0))
    for linear, pairs in enumerate(both):
        assert {float(pairs[k]["linear"]) for k in range(len(pairs))} == {linear}


def test_a_pair_may_keep_its_orientation(pool):
    for number in range(8):
        pair = make_pair_at(pool, PHYSICAL_PRESET, 0, number, **SIZE)

        item = make_sample(pair, np.random.default_rng(0), patch=(40, 56), turned=False)

        np.testing.assert_array_equal(255 * item["sharp"].permute(1, 2, 0), pair.sharp)
        np.testing.assert_array_equal(item["prior"][-1], pair.prior[:, :][:, :, -1, 1])


def test_another_pair_takes_the_place_of_a_skipped_one(pool):
    whole, some = (FreshPairs(pool, PHYSICAL_PRESET, seed=0, **SIZE, without=w) for w in ((), ("refined",)))
    kinds = [make_pair_at(pool, PHYSICAL_PRESET, 0, k, **SIZE).metadata["gyro"] for k in range(12)]

    for k, kind in enumerate(kinds):
        assert same(some[k], whole[k]) == (kind != "refined")


def test_ranks_together_have_the_numbers_of_one_with_the_doubled_batch():
    alone = list(islice(batch_numbers(10, 6), 4))

    ranks = [list(islice(batch_numbers(10, 3, rank=r, ranks=2), 4)) for r in range(2)]

    assert alone[0] == [10, 11, 12, 13, 14, 15]
    assert [a + b for a, b in zip(*ranks, strict=True)] == alone


def test_batches_come_out_of_a_loader_with_workers(pool):
    pairs = FreshPairs(pool, PHYSICAL_PRESET, seed=2, patch=(24, 24), **SIZE)
    loader = DataLoader(
        pairs, batch_sampler=batch_numbers(5, 3), num_workers=1, multiprocessing_context="spawn"
    )

    batch = next(iter(loader))

    assert batch["sharp"].shape == (3, 3, 24, 24)
    assert batch["prior"].shape == (3, 18, 24, 24)
    assert torch.equal(batch["blurred"][1], pairs[6]["blurred"])


def test_a_data_set_that_cannot_be_used_is_refused(tmp_path, shards, pool):
    with pytest.raises(DeepGyroError, match="deepgyro synth"):
        ShardPairs(tmp_path, seed=0)
    kinds = ("exact", "refined", "raw", "none", "wrong")
    with pytest.raises(DeepGyroError, match="every pair is skipped"):
        ShardPairs(shards, seed=0, without=kinds)
    only_exact = replace(
        PHYSICAL_PRESET, gyro=replace(PHYSICAL_PRESET.gyro, exact=1.0, refined=0.0, none=0.0, wrong=0.0)
    )
    with pytest.raises(DeepGyroError, match="every pair is skipped"):
        FreshPairs(pool, only_exact, seed=0, **SIZE, without=("exact",))[0]
    whole = (shards / "shard-000000.tar").read_bytes()
    (tmp_path / "shard-000000.tar").write_bytes(whole)
    pairs = ShardPairs(tmp_path, seed=0)
    (tmp_path / "shard-000000.tar").write_bytes(whole[:1000])
    with pytest.raises(DeepGyroError, match="damaged"):
        pairs[0]
    with pytest.raises(DeepGyroError, match="damaged"):
        ShardPairs(tmp_path, seed=0)
