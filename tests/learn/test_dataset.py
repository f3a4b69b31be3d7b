from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from deepgyro.errors import DeepGyroError
from deepgyro.learn.dataset import PairStream, ShardStream, collate, sample
from deepgyro.synthesis import PHYSICAL, hand_shake, make_dataset, open_pool, pair_at

SIZE = {"height": 40, "width": 56}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    log = hand_shake(np.random.default_rng(0), duration=3.0)
    header = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"
    np.savetxt(folder / "log.csv", np.c_[log.t, log.omega], delimiter=",", header=header, comments="")
    return open_pool([folder / "photo.png"], [folder / "log.csv"], **SIZE)


@pytest.fixture(scope="module")
def shards(pool, tmp_path_factory):
    out = tmp_path_factory.mktemp("shards")
    make_dataset(pool, PHYSICAL, out=out, count=18, shard_size=5, workers=1, **SIZE)
    return out


def keys(samples):
    return Counter(item["sharp"].numpy().tobytes() for item in samples)


def test_a_sample_holds_the_pair_in_the_units_that_networks_see(pool):
    pair = pair_at(pool, PHYSICAL, 0, 3, **SIZE)

    item = sample(pair)

    assert item["sharp"].shape == item["blurred"].shape == (3, 40, 56)
    assert item["exact"].shape == item["noisy"].shape == (18, 40, 56)
    np.testing.assert_allclose(item["blurred"][1] * 255, pair.blurred[..., 1], atol=1e-4)
    np.testing.assert_array_equal(item["exact"][2 * 4 + 1], pair.exact[:, :][:, :, 4, 1])
    np.testing.assert_array_equal(item["noisy"][2 * 8], pair.noisy[:, :][:, :, 8, 0])
    assert item["gyro"] == (pair.facts["gyro"] != "none")
    assert item["linear"] == (pair.facts["encoding"] == "linear")


def test_a_patch_is_a_part_of_everything_alike(pool):
    pair = pair_at(pool, PHYSICAL, 0, 5, **SIZE)

    part, whole = sample(pair, np.random.default_rng(1), patch=16), sample(pair)

    rng = np.random.default_rng(1)
    top, left = int(rng.integers(25)), int(rng.integers(41))
    for name in ("sharp", "blurred", "exact", "noisy"):
        assert torch.equal(part[name], whole[name][:, top : top + 16, left : left + 16])


@pytest.mark.parametrize("patch", [0, 41])
def test_a_patch_that_does_not_fit_is_refused(pool, patch):
    with pytest.raises(ValueError, match="56 x 40"):
        sample(pair_at(pool, PHYSICAL, 0, 0, **SIZE), np.random.default_rng(0), patch=patch)


def test_pairs_made_on_the_fly_are_those_of_the_seed_and_go_on_where_they_are_told(pool):
    stream = PairStream(pool, PHYSICAL, seed=7, **SIZE)
    later = PairStream(pool, PHYSICAL, seed=7, start=3, **SIZE)

    first, again, rest = (list(islice(s, k)) for s, k in ((stream, 5), (stream, 5), (later, 2)))

    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert torch.equal(first[0]["sharp"], sample(pair_at(pool, PHYSICAL, 7, 0, **SIZE))["sharp"])
    for a, b in zip(first[3:], rest, strict=True):
        assert torch.equal(a["blurred"], b["blurred"])


def test_ranks_share_the_pairs_among_them(pool):
    alone = keys(islice(PairStream(pool, PHYSICAL, seed=1, **SIZE), 6))

    together = [islice(PairStream(pool, PHYSICAL, seed=1, rank=r, ranks=2, **SIZE), 3) for r in range(2)]

    assert keys(together[0]) + keys(together[1]) == alone


def test_batches_come_out_of_a_loader_with_workers(pool):
    stream = PairStream(pool, PHYSICAL, seed=2, patch=24, **SIZE)
    loader = DataLoader(
        stream, batch_size=3, num_workers=1, collate_fn=collate, multiprocessing_context="spawn"
    )

    batch = next(iter(loader))

    assert batch["sharp"].shape == (3, 3, 24, 24)
    assert batch["noisy"].shape == (3, 18, 24, 24)
    assert torch.equal(batch["blurred"][1], list(islice(stream, 2))[1]["blurred"])


@pytest.mark.parametrize("buffer", [1, 4, 100])
def test_each_epoch_of_a_data_set_has_every_pair_once(pool, shards, buffer):
    everything = keys(sample(pair_at(pool, PHYSICAL, 0, k, **SIZE)) for k in range(18))

    stream = iter(ShardStream(shards, seed=0, buffer=buffer))
    epochs = [[next(stream) for _ in range(18)] for _ in range(2)]

    assert keys(epochs[0]) == keys(epochs[1]) == everything
    assert any(not torch.equal(a["sharp"], b["sharp"]) for a, b in zip(*epochs, strict=True))


def test_pairs_of_some_gyros_are_passed_over(pool, shards):
    kept = [
        pair
        for pair in (pair_at(pool, PHYSICAL, 0, k, **SIZE) for k in range(18))
        if pair.facts["gyro"] != "refined"
    ]

    stream = ShardStream(shards, seed=0, without=("refined",))

    assert 0 < len(kept) < 18
    assert keys(islice(stream, len(kept))) == keys(map(sample, kept))


def test_ranks_share_the_shards_of_a_data_set(pool, shards):
    everything = keys(sample(pair_at(pool, PHYSICAL, 0, k, **SIZE)) for k in range(18))

    # Four shards of 5, 5, 5 and 3 pairs: two for each rank.
    streams = [iter(ShardStream(shards, seed=0, rank=r, ranks=2)) for r in range(2)]
    counts = [10, 8]
    found = [keys(islice(s, k)) for s, k in zip(streams, counts, strict=True)]
    if sum((found[0] & found[1]).values()):  # the shard of 3 pairs fell to the first rank
        streams = [iter(ShardStream(shards, seed=0, rank=r, ranks=2)) for r in range(2)]
        found = [keys(islice(s, k)) for s, k in zip(streams, counts[::-1], strict=True)]

    assert found[0] + found[1] == everything


def test_a_folder_without_shards_and_too_many_workers_are_refused(tmp_path, shards):
    with pytest.raises(DeepGyroError, match="deepgyro synth"):
        ShardStream(tmp_path, seed=0)
    with pytest.raises(DeepGyroError, match="fewer workers"):
        next(iter(ShardStream(shards, seed=0, rank=4, ranks=5)))
