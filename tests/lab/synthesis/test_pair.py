from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import path_lengths
from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis import PAPER_PRESET, PHYSICAL_PRESET, simulate_camera_shake, with_encoded_share
from deepgyro.lab.synthesis.motion import draw_camera
from deepgyro.lab.synthesis.pair import draw_lazy_pair, render_pair
from deepgyro.light import linear_to_srgb, srgb_to_linear

HEIGHT, WIDTH = 60, 96


@pytest.fixture(scope="module")
def log():
    return simulate_camera_shake(np.random.default_rng(0), duration=5.0, strength=1.0)


@pytest.fixture(scope="module")
def photo():
    """A picture with edges, smooth parts and texture."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:100, :150]
    smooth = 120 + 90 * np.sin(x / 17)[..., None] * np.cos(y / 11)[..., None]
    edges = 70 * ((x // 20 + y // 15) % 2)[..., None]
    return (
        (smooth * [1, 0.9, 0.8] + edges - 35 + rng.normal(0, 12, (100, 150, 3))).clip(0, 255).astype(np.uint8)
    )


def draw(photo, log, config, seed=0, *, other_log=None):
    rng = np.random.default_rng(seed)
    camera = draw_camera(rng, config.camera, height=HEIGHT, width=WIDTH)
    scene = draw_lazy_pair(photo, log, camera, rng, config, other_log=other_log or log)
    return render_pair(scene, config.image)


def with_parts(**parts):
    """Return the physical preset with some numbers of its parts changed."""
    changed = {name: replace(getattr(PHYSICAL_PRESET, name), **numbers) for name, numbers in parts.items()}
    return replace(PHYSICAL_PRESET, **changed)


CLEAN = {"encoded": 0.0, "jpeg": 0.0, "highlights": 0.0, "shot": (0.0, 0.0), "read": (0.0, 0.0)}
PLAIN = {"translation": 0.0, "patches": 0.0, "still": 0.0, "straight": 0.0}


@pytest.mark.parametrize("config", [PHYSICAL_PRESET, PAPER_PRESET], ids=["physical", "paper"])
def test_the_same_generator_draws_the_same_pair(photo, log, config):
    for seed in range(4):
        first, second = (draw(photo, log, config, seed) for _ in range(2))

        np.testing.assert_array_equal(first.sharp, second.sharp)
        np.testing.assert_array_equal(first.blurred, second.blurred)
        np.testing.assert_array_equal(first.exact[:, :], second.exact[:, :])
        np.testing.assert_array_equal(first.prior.nodes, second.prior.nodes)
        assert (first.metadata, first.jpeg) == (second.metadata, second.jpeg)


def test_pairs_differ_from_one_another(photo, log):
    pairs = [draw(photo, log, PHYSICAL_PRESET, seed) for seed in range(6)]

    assert len({pair.sharp.tobytes() for pair in pairs}) == 6
    assert len({pair.exact.grid.nodes.tobytes() for pair in pairs}) >= 5


@pytest.mark.parametrize("seed", range(4))
def test_the_blurred_picture_is_the_mean_of_200_photos_warped_along_the_path(photo, log, seed):
    config = with_parts(motion={"still": 0.0, "blur_power": 0.7, "blur": 40.0, "patches": 0.5}, image=CLEAN)
    pair = draw(photo, log, replace(config, image=replace(config.image, surroundings=False)), seed)
    field = pair.exact[:, :]
    light = srgb_to_linear(pair.sharp.astype(np.float32) / 255)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    total = np.zeros(light.shape)
    for k in range(8):
        for s in (np.arange(25) + 0.5) / 25:
            path = (1 - s) * field[:, :, k] + s * field[:, :, k + 1]
            where = [ys - path[..., 1], xs - path[..., 0]]
            for c in range(3):
                total[..., c] += map_coordinates(light[..., c].astype(float), where, order=1, mode="nearest")
    mean = total / 200

    assert pair.metadata["blur_px"] > 1
    np.testing.assert_allclose(BlurOperator(field)(light), mean, atol=1 / 255)
    # ... and what the camera makes of it: its encoded value, to 1 of 255
    np.testing.assert_allclose(pair.blurred, 255 * linear_to_srgb(mean.astype(np.float32)), atol=1)


def test_energy_is_kept():
    light = np.zeros((60, 80, 3), np.float32)
    light[28:33, 35:42] = [0.9, 0.5, 4.0]
    path = np.cumsum(np.random.default_rng(2).normal(0, 1.5, (9, 2)), axis=0)
    field = np.broadcast_to(path - path.mean(0), (60, 80, 9, 2)).astype(np.float32)

    np.testing.assert_allclose(BlurOperator(field)(light).sum((0, 1)), light.sum((0, 1)), rtol=1e-5)


@pytest.mark.parametrize("highlights", [0.0, 1.0])
def test_a_camera_at_rest_returns_the_photo_bit_for_bit(photo, log, highlights):
    config = with_parts(motion={"still": 1.0}, image=CLEAN | {"highlights": highlights, "scale": 0.0})

    pair = draw(photo, log, config)

    np.testing.assert_array_equal(pair.blurred, pair.sharp)
    assert not pair.exact[:, :].any()
    if not highlights:  # a window of the photo, or of its mirror image
        windows = np.lib.stride_tricks.sliding_window_view(photo, (HEIGHT, WIDTH, 3))[:, :, 0]
        mirrored = np.lib.stride_tricks.sliding_window_view(photo[:, ::-1], (HEIGHT, WIDTH, 3))[:, :, 0]
        assert any((w == pair.sharp).all((2, 3, 4)).any() for w in (windows, mirrored))


def test_highlights_that_were_brighter_than_white_leave_brighter_streaks(log):
    photo = np.full((100, 150, 3), 20, np.uint8)
    photo[::10, ::10] = 255  # lamps
    still = {**PLAIN, "blur": 12.0, "blur_power": 0.0}

    dim, bright = (
        draw(photo, log, with_parts(motion=still, image={**CLEAN, "highlights": share, "scale": 0.0}), 3)
        for share in (0.0, 1.0)
    )

    assert bright.blurred.astype(float).mean() > dim.blurred.astype(float).mean() + 5
    np.testing.assert_array_equal(bright.sharp, dim.sharp)


@pytest.mark.parametrize("blur", [3.0, 15.0, 40.0])
def test_the_mean_blur_is_the_one_that_was_drawn(photo, log, blur):
    config = with_parts(motion={**PLAIN, "blur": blur, "blur_power": 0.0})

    lengths = [draw(photo, log, config, seed).metadata["blur_px"] for seed in range(8)]

    np.testing.assert_allclose(lengths, blur, rtol=0.12)


def test_a_clip_of_light_and_noise_hardly_moves_the_mean(photo, log):
    quiet = with_parts(motion=PLAIN, image=CLEAN)
    noisy = with_parts(motion=PLAIN, image={**CLEAN, "shot": (0.03, 0.03), "read": (0.006, 0.006)})

    a, b = (draw(photo, log, config, 5).blurred.astype(float) for config in (quiet, noisy))

    assert 2 < np.std(a - b) < 12  # of 255
    assert abs(np.mean(a - b)) < 1


def test_the_papers_pairs_have_noise_of_30_db_and_straight_paths(photo, log):
    config = replace(PAPER_PRESET, image=replace(PAPER_PRESET.image, jpeg=0.0))

    pair = draw(photo, log, config, 2)

    assert pair.metadata["encoding"] == "encoded"
    assert pair.exact.shape == (HEIGHT, WIDTH, 2, 2)
    clean = BlurOperator(pair.exact[:, :])(pair.sharp.astype(np.float32) / 255)
    error = pair.blurred / 255 - clean
    assert 10 * np.log10((clean**2).mean() / (error**2).mean()) == pytest.approx(30, abs=0.5)


def test_no_path_of_the_paper_is_longer_than_100_px(photo):
    wild = simulate_camera_shake(np.random.default_rng(3), duration=5.0, strength=12.0)

    pairs = [draw(photo, wild, PAPER_PRESET, seed) for seed in range(6)]

    longest = [path_lengths(pair.exact[:, :]).max() for pair in pairs]
    assert 80 < max(longest) < 101


def shares(**wanted):
    return {"exact": 0.0, "refined": 0.0, "none": 0.0, "wrong": 0.0} | wanted


def test_an_exact_gyro_sees_the_turning_and_nothing_else(photo, log):
    turning = {**PLAIN, "blur": 20.0, "blur_power": 0.0}
    moving = turning | {"translation": 1.0, "speed": 0.3, "depth": (0.3, 0.5)}

    alone = draw(photo, log, with_parts(motion=turning, gyro=shares(exact=1.0)), 1)
    moved = draw(photo, log, with_parts(motion=moving, gyro=shares(exact=1.0)), 1)

    np.testing.assert_array_equal(alone.prior.nodes, alone.exact.grid.nodes)
    assert alone.metadata["error_px"] == 0
    assert moved.metadata["error_px"] > 1
    np.testing.assert_array_equal(moved.prior.nodes, alone.prior.nodes)


def test_without_gyro_the_field_is_zero_and_says_so(photo, log):
    pair = draw(photo, log, with_parts(gyro=shares(none=1.0)))

    assert pair.metadata["gyro"] == "none"
    assert not pair.prior.nodes.any()


def test_a_wrong_gyro_has_nothing_to_do_with_the_picture(photo, log):
    motion = {**PLAIN, "blur": 20.0, "blur_power": 0.0}
    other = simulate_camera_shake(np.random.default_rng(9), duration=3.0)
    config = with_parts(motion=motion, gyro=shares(wrong=1.0))

    errors = [draw(photo, log, config, seed, other_log=other).metadata["error_px"] for seed in range(8)]

    assert np.median(errors) > 10


def test_refined_fields_are_wrong_by_some_per_cent_and_half_a_pixel(photo, log):
    config = with_parts(motion={**PLAIN, "blur": 20.0, "blur_power": 0.0}, gyro=shares(refined=1.0))

    errors = [draw(photo, log, config, seed).metadata["error_px"] for seed in range(40)]

    # 0.6 px a component alone: 0.75 px on average; 3 % of 20 px on top
    assert 0.6 < np.mean(errors) < 1.4
    assert max(errors) < 4


def test_raw_gyros_are_wrong_by_tens_of_per_cent_in_both_directions(photo, log):
    config = with_parts(motion={**PLAIN, "blur": 20.0, "blur_power": 0.0}, gyro=shares(biased=0.0))

    pairs = [draw(photo, log, config, seed) for seed in range(40)]

    ratio = [path_lengths(p.prior[:, :]).mean() / p.metadata["blur_px"] for p in pairs]
    assert 0.8 < np.mean(ratio) < 1.2
    assert 0.1 < np.std(ratio) < 0.4
    assert 2 < np.mean([p.metadata["error_px"] for p in pairs]) < 12


def test_the_field_bias_of_the_papers_tables_is_a_multiple_of_5_and_3_px(photo, log):
    # Nothing else is wrong with this gyro.
    perfect = {
        "offset": 0.0,
        "offset_tail": (0.0, 0.0),
        "scale": 0.0,
        "bias": 0.0,
        "noise_density": (0.0, 0.0),
    }
    perfect |= {"full_scales": (), "misalignment": 0.0, "readout": 0.0, "focal": 0.0, "missing": 0.0}
    config = with_parts(motion=PLAIN, gyro=shares(biased=1.0) | perfect)

    pair = draw(photo, log, config, 4)

    off = pair.prior.nodes - pair.exact.grid.nodes
    vector = (off[..., -1, :] - off[..., 0, :]).reshape(-1, 2)
    np.testing.assert_allclose(vector, np.broadcast_to(vector[0], vector.shape), atol=1e-3)
    times = np.abs(vector[0]) / [5, 3]
    assert times[0] == pytest.approx(times[1], abs=1e-3)
    assert round(times[0]) in (1, 2, 3)


def test_a_mismatched_gyro_over_a_sharp_picture_occurs(photo, log):
    config = with_parts(motion={"still": 1.0}, gyro=shares(wrong=1.0), image=CLEAN)

    pairs = [draw(photo, log, config, seed) for seed in range(5)]

    assert all((p.sharp == p.blurred).all() for p in pairs)
    assert max(p.metadata["error_px"] for p in pairs) > 5


def test_regions_that_move_by_themselves_are_in_the_exact_field_only(photo, log):
    motion = {"still": 0.0, "straight": 0.0, "translation": 0.0, "patches": 1.0}
    pair = draw(photo, log, with_parts(motion=motion, gyro=shares(exact=1.0)), 6)

    off = np.abs(pair.exact[:, :] - pair.prior[:, :]).max((2, 3))

    assert 0 < (off > 0).mean() < 0.8
    lengths = [np.hypot(patch["u"], patch["v"]) for patch in pair.metadata["patches"]]
    assert off.max() <= sum(lengths) / 2 + 1e-3


def test_what_lies_beside_the_picture_moves_into_it(log):
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:, ::2] = 255  # nothing but its surroundings can tell one window from another
    motion = {**PLAIN, "blur": 30.0, "blur_power": 0.0}
    config = with_parts(motion=motion, image=CLEAN | {"scale": 0.0})
    inside = replace(config, image=replace(config.image, surroundings=False))

    with_border, without = draw(photo, log, config, 1), draw(photo, log, inside, 1)

    centre = (slice(25, 35), slice(40, 56))
    np.testing.assert_array_equal(with_border.blurred[centre], without.blurred[centre])
    assert (with_border.blurred != without.blurred).any()


def test_a_photo_smaller_than_the_pair_is_never_enlarged(log):
    with pytest.raises(ValueError, match="at least 96 x 60"):
        draw(np.zeros((59, 200, 3), np.uint8), log, PHYSICAL_PRESET)


def test_a_log_shorter_than_an_exposure_says_so(photo):
    short = simulate_camera_shake(np.random.default_rng(0), duration=0.1)

    with pytest.raises(DeepGyroError, match="give a longer log"):
        draw(photo, short, PHYSICAL_PRESET)


def test_metadata_can_be_written_as_json(photo, log):
    import json

    for seed in range(10):
        metadata = draw(photo, log, PHYSICAL_PRESET, seed).metadata
        assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


def test_straight_pairs_have_straight_prior_fields_too(photo, log):
    motion = PLAIN | {"straight": 1.0, "blur": 40.0, "blur_power": 0.0}

    pairs = [draw(photo, log, with_parts(motion=motion, gyro=shares()), seed) for seed in range(4)]

    for pair in pairs:
        for nodes in (pair.exact.grid.nodes, pair.prior.nodes):
            steps = np.diff(nodes, axis=2)
            np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :, :1], steps.shape), atol=1e-4)
        assert pair.metadata["straight"]


def test_a_quarter_of_the_paths_is_straight_and_the_rest_curved(photo, log):
    config = with_parts(image={"encoded": 0.0})

    straight = [draw(photo, log, config, seed).metadata["straight"] for seed in range(120)]

    assert 0.13 < np.mean(straight) < 0.37


def test_pairs_blurred_in_encoded_values_are_not_compressed(photo, log):
    config = with_encoded_share(with_parts(image={"jpeg": 1.0}), 1.0)

    pairs = [draw(photo, log, config, seed) for seed in range(3)]

    assert {(pair.metadata["encoding"], pair.metadata["straight"], pair.jpeg) for pair in pairs} == {
        ("encoded", True, None)
    }


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(ValueError, match="0 to 1"):
        with_encoded_share(PHYSICAL_PRESET, share)
