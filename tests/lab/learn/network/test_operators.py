from contextlib import nullcontext
from importlib.resources import files

import numpy as np
import pytest
import torch

from deepgyro.blur import BlurOperator
from deepgyro.blur.differences import PathDifferences
from deepgyro.frames import read_photo
from deepgyro.lab.learn.network import operators
from deepgyro.lab.learn.network.operators import CompiledOperators, TorchOperators, stage_operators
from deepgyro.lab.learn.network.stages import DeepGyro, NetworkConfig
from deepgyro.restore import inputs

FRACTIONS, STEPS = (-1.5, -0.5, 0.5, 1.5), (0.1,)
ENCODED, LIGHT = torch.zeros(2), torch.ones(2)


def photos(height=96, width=128):
    """Two parts of a photo, 0 to 1."""
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        pixels = read_photo(file.name).pixels.astype(np.float32) / 255
    parts = [pixels[top : top + height, top : top + width] for top in (60, 180)]
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).contiguous()


def noise(height=96, width=128):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def curved(length, n=2, height=96, width=128):
    """Paths of about `length` px in two directions that turn across the picture; bent, for n > 2."""
    down, across = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    angle = torch.stack([0.4 + 0.3 * across - 0.2 * down, 2.1 - 0.2 * across + 0.3 * down])
    channels = []
    for t in torch.linspace(-0.5, 0.5, n):
        along, beside = length * t, length * (t * t - 0.25)
        channels += [along * angle.cos() - beside * angle.sin(), along * angle.sin() + beside * angle.cos()]
    return torch.stack(channels, 1)


def both(paths, linear=ENCODED):
    return tuple(form(paths, linear, FRACTIONS, STEPS) for form in (CompiledOperators, TorchOperators))


def test_on_a_cpu_each_picture_gets_its_own_compiled_operators():
    paths, pictures = curved(12, 3), photos()
    operator = CompiledOperators(paths, torch.tensor([1.0, 0.0]), FRACTIONS, STEPS)

    maps, differences, blurred = (operator.maps(), operator.differences(pictures), operator.reblur(pictures))

    for k, (path, picture) in enumerate(zip(paths, pictures.numpy(), strict=True)):
        field = path.view(3, 2, 96, 128).permute(2, 3, 0, 1).numpy().copy()
        ends = inputs.path_ends(field)
        A = BlurOperator(field)
        arguments = picture if k else inputs.to_light(picture)
        again = A.part_of_planes(arguments, top=0, left=0)
        np.testing.assert_array_equal(maps[k], inputs.path_maps(ends))
        np.testing.assert_array_equal(
            differences[k], PathDifferences(ends, FRACTIONS, STEPS)(picture).reshape(-1, 96, 128)
        )
        np.testing.assert_array_equal(blurred[k], again if k else inputs.to_encoded(again))


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("length", [1, 4, 12, 30, 100, 300])
def test_the_sampled_blur_is_near_the_exact_one(length, n):
    exact, sampled = both(curved(length, n))

    for pictures, mean, most in ((photos(), 3e-4, 5e-3), (noise(), 3e-3, 3e-2)):
        error = (sampled.reblur(pictures) - exact.reblur(pictures)).abs()

        assert error.mean() < mean
        assert error.max() < most


def test_twice_the_samples_take_the_blur_nearer():
    paths, pictures = curved(30), photos()
    exact = CompiledOperators(paths, ENCODED, FRACTIONS, STEPS).reblur(pictures)
    samples = operators.path_sample_count(paths)

    once, twice = (
        (operators.blur_along_paths(pictures, paths, k) - exact).abs().mean() for k in (samples, 2 * samples)
    )

    assert twice < 0.5 * once


def test_a_path_of_no_length_leaves_the_picture():
    blurred = TorchOperators(torch.zeros(2, 18, 96, 128), ENCODED, FRACTIONS, STEPS).reblur(photos())

    torch.testing.assert_close(blurred, photos(), atol=5e-5, rtol=0)


def test_the_speed_counts():
    """Three quarters of the way in the first half of the time."""
    vertices = torch.tensor([-8.0, 0.0, 4.0, 0.0, 8.0, 0.0])
    paths = vertices.view(1, 6, 1, 1).expand(2, 6, 24, 64).contiguous()
    exact, sampled = both(paths)
    step = torch.zeros(2, 3, 24, 64)
    step[..., 32:] = 1

    found = sampled.reblur(step)

    torch.testing.assert_close(found, exact.reblur(step), atol=0.02, rtol=0)
    # It sees 44 to 32 in the first half of the time, 32 to 28 in the second; white begins between 31 and 32.
    assert found[0, 0, 12, 36] == pytest.approx(0.5 + 0.5 * 0.5 / 4, abs=0.01)


def test_the_number_of_samples_follows_the_longest_path_within_bounds():
    def each(length, n):
        return operators.path_sample_count(curved(1, n) * length)

    assert each(50.5, 2) == 51  # straight: one a px
    assert each(0.0, 2) == operators.MIN_PATH_SAMPLES
    assert each(2000.0, 2) == operators.MAX_PATH_SAMPLES
    assert 8 * each(0.0, 9) == operators.MIN_PATH_SAMPLES
    assert 8 * each(2000.0, 9) == operators.MAX_PATH_SAMPLES
    assert each(2000.0, 400) == 1


def test_parts_of_the_samples_give_what_all_at_once_do(monkeypatch):
    paths, pictures = curved(30, 3), photos()
    whole = operators.blur_along_paths(pictures, paths, 20)

    for chunk in (1, 7 * 2 * 96 * 128):
        monkeypatch.setattr(operators, "CHUNK_VALUES", chunk)
        torch.testing.assert_close(operators.blur_along_paths(pictures, paths, 20), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("length", [0, 3, 30, 300])
def test_differences_agree(length, n):
    compiled, twin = both(curved(length, n))

    for pictures in (photos(), noise()):
        found = twin.differences(pictures)

        assert found.shape == (2, 3 * len(FRACTIONS) * len(STEPS), 96, 128)
        torch.testing.assert_close(found, compiled.differences(pictures), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(5, 3), (1, 1), (33, 47)])
def test_pictures_may_be_small_and_odd(height, width):
    compiled, twin = both(curved(9, height=height, width=width))
    pictures = noise(height, width)

    torch.testing.assert_close(twin.differences(pictures), compiled.differences(pictures), atol=1e-4, rtol=0)
    torch.testing.assert_close(twin.reblur(pictures), compiled.reblur(pictures), atol=2e-2, rtol=0)


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("length", [0, 1e-3, 3, 300])
def test_maps_agree(length, n):
    compiled, twin = both(curved(length, n))

    torch.testing.assert_close(twin.maps(), compiled.maps(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["to_light", "to_encoded"])
def test_light_agrees(name):
    values = 1.2 * noise() - 0.1
    values[0, 0, 0, :2] = torch.tensor([0.0, 1.0])

    found = getattr(operators, name)(values)

    expected = np.stack([getattr(inputs, name)(value) for value in values.numpy()])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_each_picture_of_a_batch_is_blurred_in_its_own_values():
    linear = torch.tensor([1.0, 0.0])
    compiled, twin = both(curved(30), linear)
    light, encoded = (TorchOperators(curved(30), same, FRACTIONS, STEPS) for same in (LIGHT, ENCODED))

    found = twin.reblur(photos())

    assert torch.equal(found[0], light.reblur(photos())[0])
    assert torch.equal(found[1], encoded.reblur(photos())[1])
    assert (found[0] - encoded.reblur(photos())[0]).abs().max() > 0.05
    # In the dark, an error of light is one of up to 12.92 times as much of the encoded value.
    error = (found - compiled.reblur(photos())).abs()
    assert error.mean() < 3e-4
    assert error.max() < 1e-2


def test_mixed_precision_changes_nothing():
    paths, pictures = curved(100, 9), photos()

    def found():
        _, twin = both(paths, LIGHT)
        return twin.maps(), twin.differences(pictures), twin.reblur(pictures)

    plain = found()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = found()

    for one, other in zip(plain, mixed, strict=True):
        assert other.dtype == torch.float32
        assert torch.equal(one, other)


@pytest.mark.parametrize("form", [CompiledOperators, TorchOperators])
def test_no_gradient_flows_through(form):
    pictures = photos().requires_grad_()
    operator = form(curved(9), LIGHT, FRACTIONS, STEPS)

    for result in (operator.maps(), operator.differences(pictures), operator.reblur(pictures)):
        assert not result.requires_grad


def test_the_device_chooses_the_form(monkeypatch):
    """Torch's meta device stands for any: it computes nothing, but refuses tensors of other devices."""
    monkeypatch.setattr(operators, "path_sample_count", lambda _: 40)  # there are no numbers to count
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # not known there
    network = DeepGyro(NetworkConfig(stages=2, widths=(8, 8), blocks=(1, 1)))
    arguments = photos(), curved(9), torch.ones(2), LIGHT

    guesses = network.to("meta")(*(value.to("meta") for value in arguments))

    assert [guess.device.type for guess in guesses] == ["meta", "meta"]
    assert isinstance(
        stage_operators(arguments[1].to("meta"), LIGHT.to("meta"), FRACTIONS, STEPS), TorchOperators
    )
    assert isinstance(stage_operators(arguments[1], LIGHT, FRACTIONS, STEPS), CompiledOperators)


@pytest.mark.parametrize("n", [2, 9])
def test_a_network_gives_the_same_with_both(n):
    torch.manual_seed(0)
    config = NetworkConfig(stages=3, widths=(16, 16), blocks=(1, 1))
    compiled, twin = DeepGyro(config), DeepGyro(config, TorchOperators)
    for stage in compiled.stages:
        torch.nn.init.normal_(stage.tail.weight, 0, 0.02)
    twin.load_state_dict(compiled.state_dict())
    arguments = photos(), curved(30, n), torch.ones(2), torch.tensor([0.0, 1.0])

    with torch.no_grad():
        pairs = zip(compiled(*arguments), twin(*arguments), strict=True)

    for one, other in pairs:
        assert (one - arguments[0]).abs().mean() > 0.04  # what the stages have changed
        assert (one - other).abs().mean() < 3e-4
        torch.testing.assert_close(other, one, atol=3e-3, rtol=0)  # the blur's own error is up to 5e-3
