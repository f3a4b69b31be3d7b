from itertools import count

import h5py
import numpy as np
import pytest
import torch

from deepgyro.errors import DeepGyroError
from deepgyro.lab.learn.arithmetic import count_multiply_adds
from deepgyro.lab.learn.baselines.paper import PaperUNet, load_keras

CONVOLUTIONS = 23


@pytest.mark.parametrize("inputs", [3, 5])
def test_the_network_has_the_published_size(inputs):
    with torch.device("meta"):
        network = PaperUNet(inputs)

    assert sum(p.numel() for p in network.parameters()) == pytest.approx(31.03e6, abs=0.005e6)


@pytest.mark.parametrize(("height", "width", "published"), [(256, 256, 48.3), (272, 480, 96.1)])
def test_the_network_costs_what_was_published(height, width, published):
    with torch.device("meta"):
        network, picture = PaperUNet(), torch.zeros(1, 5, height, width)

    assert count_multiply_adds(network, picture) == pytest.approx(published, abs=0.1)  # 10^9


def test_a_picture_costs_the_same_in_a_batch_as_alone():
    with torch.device("meta"):
        network = PaperUNet(width=4)
        one, three = torch.zeros(1, 5, 32, 32), torch.zeros(3, 5, 32, 32)

    assert count_multiply_adds(network, three) == pytest.approx(3 * count_multiply_adds(network, one))


@pytest.mark.parametrize(("inputs", "width", "h", "w"), [(5, 2, 16, 16), (3, 5, 32, 80), (4, 1, 48, 16)])
def test_any_width_and_any_multiple_of_the_size_will_do(inputs, width, h, w):
    network = PaperUNet(inputs, width)

    sharp = network(torch.rand(2, inputs, h, w))

    assert network.multiple == 16
    assert sharp.shape == (2, 3, h, w)


def keras_model(inputs=5, width=2, seed=0):
    """Return names of layers, each with its weights by name, as Keras lists them; random values."""
    rng = np.random.default_rng(seed)
    numbers, upwards = count(1), count(1)
    layers = [("input_1", {}), ("concatenate_1", {})]

    def add(name, shape, fan_in, biases):
        kernel = rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        bias = rng.normal(0, 0.2, biases).astype(np.float32)
        layers.append((name, {f"{name}/kernel:0": kernel, f"{name}/bias:0": bias}))

    def convolve(a, b, size=3):
        add(f"conv2d_{next(numbers)}", (size, size, a, b), size * size * a, b)

    widths = [width * 2**k for k in range(5)]
    for k, (a, b) in enumerate(zip([inputs, *widths], widths, strict=False)):
        convolve(a, b)
        convolve(b, b)
        if k < 4:
            layers.append((f"max_pooling2d_{k + 1}", {}))
    for k, b in enumerate(reversed(widths[:-1])):
        add(f"conv2d_transpose_{next(upwards)}", (2, 2, b, 2 * b), 2 * b, b)
        layers.append((f"concatenate_{k + 2}", {}))
        convolve(2 * b, b)
        convolve(b, b)
    convolve(width, 3, size=1)
    return layers


def write_keras(path, layers, *, whole=False, backend=b"tensorflow"):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        group.attrs["layer_names"] = [name.encode() for name, _ in layers]
        group.attrs["backend"] = backend
        group.attrs["keras_version"] = b"2.2.4"
        for name, weights in layers:
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [key.encode() for key in weights]
            for key, array in weights.items():
                layer.create_dataset(key, data=array)
    return path


def by_hand(layers, picture):
    """Return what Keras's model makes of a picture (h, w, inputs)."""
    convolutions = iter([list(weights.values()) for _, weights in layers if weights])

    def convolve(x):
        kernel, bias = next(convolutions)
        edge = len(kernel) // 2
        padded = np.pad(x, ((edge, edge), (edge, edge), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (0, 1))
        return np.einsum("hwiab,abio->hwo", windows, kernel.astype(float)) + bias

    def twice(x):
        return np.maximum(convolve(np.maximum(convolve(x), 0)), 0)

    def pooled(x):
        return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))

    def enlarged(x):
        kernel, bias = next(convolutions)
        out = np.empty((2 * x.shape[0], 2 * x.shape[1], len(bias)))
        for row in range(2):
            for column in range(2):
                out[row::2, column::2] = x @ kernel[row, column].T + bias
        return out

    maps = [twice(picture)]
    for _ in range(4):
        maps.append(twice(pooled(maps[-1])))
    x = maps.pop()
    while maps:
        x = twice(np.concatenate([enlarged(x), maps.pop()], axis=-1))
    return convolve(x)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("inputs", [3, 5])
def test_weights_of_keras_give_what_keras_computes(tmp_path, inputs, whole):
    layers = keras_model(inputs)
    network = PaperUNet(inputs, width=2)
    picture = np.random.default_rng(1).random((32, 48, inputs))

    load_keras(network, write_keras(tmp_path / "weights.hdf5", layers, whole=whole))

    with torch.no_grad():
        sharp = network(torch.from_numpy(picture).float().permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    expected = by_hand(layers, picture)
    assert expected.std() > 0.1
    np.testing.assert_allclose(sharp, expected, atol=1e-4)


@pytest.mark.parametrize(("inputs", "width"), [(3, 2), (5, 4)])
def test_weights_of_another_network_are_refused(tmp_path, inputs, width):
    path = write_keras(tmp_path / "other.hdf5", keras_model(inputs, width))

    with pytest.raises(DeepGyroError) as error:
        load_keras(PaperUNet(5, 2), path)

    message = str(error.value)
    assert message.startswith(
        f"{path}: conv2d_1/kernel:0 is (3, 3, {inputs}, {width}); (3, 3, 5, 2) is needed"
    )
    assert "5 inputs and width 2" in message
    assert "\n" not in message


def test_a_refused_file_changes_nothing(tmp_path):
    network = PaperUNet(width=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layers = keras_model()
    layers[-1][1]["conv2d_19/bias:0"] = np.zeros(4, np.float32)

    with pytest.raises(DeepGyroError, match=r"conv2d_19/bias:0 is \(4,\); \(3,\) is needed"):
        load_keras(network, write_keras(tmp_path / "last.hdf5", layers))

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_missing_layers_are_counted(tmp_path):
    path = write_keras(tmp_path / "short.hdf5", keras_model()[:-1])

    with pytest.raises(
        DeepGyroError, match=rf"short.hdf5: {2 * CONVOLUTIONS - 2} arrays of weights; {2 * CONVOLUTIONS} are"
    ):
        load_keras(PaperUNet(width=2), path)


def test_a_file_of_mirrored_kernels_is_refused(tmp_path):
    path = write_keras(tmp_path / "theano.hdf5", keras_model(), backend=b"theano")

    with pytest.raises(DeepGyroError, match=r"theano\.hdf5: written with Theano"):
        load_keras(PaperUNet(width=2), path)


def test_what_is_no_file_of_keras_is_refused_in_one_line(tmp_path):
    (tmp_path / "junk.hdf5").write_bytes(b"junk")
    h5py.File(tmp_path / "empty.hdf5", "w").close()
    with h5py.File(write_keras(tmp_path / "hole.hdf5", keras_model()), "a") as file:
        del file["conv2d_3"]

    for name in ("junk.hdf5", "empty.hdf5", "hole.hdf5", "absent.hdf5"):
        with pytest.raises(DeepGyroError, match=rf"{name}: no weights as Keras 2 saves them") as error:
            load_keras(PaperUNet(width=2), tmp_path / name)
        assert "\n" not in str(error.value)
