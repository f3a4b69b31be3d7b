"""The paper's U-Net, and the weights that its authors released.

[1] Mustaniemi et al., Gyroscope-Aided Motion Deblurring with Deep Networks, WACV 2019, fig. 3.
[2] Their program, github.com/jannemus/DeepGyro: models.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from ....errors import DeepGyroError


@dataclass(frozen=True)
class UNetConfig:
    """The paper's network."""

    inputs: int = 5
    """5: DeepGyro, which sees the blur vector; 3: DeepBlind, which does not."""
    width: int = 64
    """Channels at the picture's size."""

    def __post_init__(self) -> None:
        if self.inputs not in (3, 5) or self.width < 1:
            raise ValueError(
                f"inputs {self.inputs}, width {self.width}: 3 or 5 inputs and a width over 0 are needed"
            )


class PaperUNet(nn.Module):
    """The network of [1], fig. 3: a plain U-Net without normalisation, and no way around it for the picture.

    Five inputs R, G, B, U, V: DeepGyro (`deepgyro-paper`); three, R, G, B: DeepBlind (`deepblind-paper`).
    """

    def __init__(self, inputs: int = 5, width: int = 64) -> None:
        """Make one of `width` channels at the picture's size, and twice as many at each of four halvings."""
        super().__init__()
        self.inputs, self.width = inputs, width
        widths = [width * 2**k for k in range(5)]
        self.down = nn.ModuleList(_double_conv(a, b) for a, b in pairwise([inputs, *widths]))
        self.up = nn.ModuleList(Up(w) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, 3, 1)
        for parameter in self.parameters():  # as Keras, the authors' library, begins
            (nn.init.xavier_uniform_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be multiples of this, px."""
        return int(2 ** len(self.up))

    def forward(self, x: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the sharp picture, encoded as the one given, 0 to 1 (not clipped)."""
        maps: list[Tensor] = []
        for level in self.down:
            x = level(torch.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        for up, encoded in zip(self.up, reversed(maps[:-1]), strict=True):
            x = up(x, encoded)
        sharp: Tensor = self.last(x)
        return sharp


class Up(nn.Module):
    """One level up: twice the size and half the channels, joined with what the encoder had there."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.larger = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.after = _double_conv(2 * width, width)

    def forward(
        self, x: Float[Tensor, "b deep h w"], encoded: Float[Tensor, "b c 2*h 2*w"]
    ) -> Float[Tensor, "b c 2*h 2*w"]:
        """Return what is made of both; the decoder's channels come before the encoder's, as in [2]."""
        out: Tensor = self.after(torch.cat([self.larger(x), encoded], 1))
        return out


def _double_conv(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )


def load_keras(network: PaperUNet, path: Path) -> None:
    """Load weights that Keras has saved of the same network, such as the authors' DeepGyro.hdf5 [2].

    Those expect encoded values of 0 to 1, and of each component of the blur vector ``(px + 128) / 255``,
    in whole px and folded to v <= 0: the 8-bit pairs of the original program, divided by 255. That the
    decoder's channels come before the encoder's is read off [2], as is the order of the layers.

    Parameters
    ----------
    network
        Its weights are replaced; left as they are after an error.
    path
        HDF5, of `model.save_weights` or `model.save`; channels last.

    Raises
    ------
    DeepGyroError
        If it is no such file, or one of another network.
    """
    state = network.state_dict()  # in the order of the layers, as Keras has it: kernel, bias, kernel, bias
    weights = _keras_weights(path)
    if len(weights) != len(state):
        raise DeepGyroError(
            f"{path}: {len(weights)} arrays of weights; {len(state)} are needed, "
            f"kernel and bias of {len(state) // 2} convolutions: is it another network's file?"
        )
    for (key, old), (name, array) in zip(state.items(), weights, strict=True):
        needed = tuple((old.permute(2, 3, 1, 0) if old.ndim == 4 else old).shape)
        if array.shape != needed:
            raise DeepGyroError(
                f"{path}: {name} is {array.shape}; {needed} is needed by a network of {network.inputs} "
                f"inputs and width {network.width}: make the network with the file's"
            )
        # (h, w, in, out) to (out, in, h, w); transposed convolutions: (h, w, out, in) to (in, out, h, w)
        state[key] = torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
    network.load_state_dict(state)


def _keras_weights(path: Path) -> list[tuple[str, ndarray]]:
    """Return names and arrays in the model's order."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            if np.asarray(group.attrs.get("backend", "")).astype(str) == "theano":
                raise DeepGyroError(
                    f"{path}: written with Theano, which mirrors kernels; TensorFlow is needed"
                )
            return [
                (str(name), group[layer][name][()])
                for layer in group.attrs["layer_names"].astype(str)
                for name in group[layer].attrs["weight_names"].astype(str)
            ]
    except (OSError, KeyError) as error:
        raise DeepGyroError(
            f"{path}: no weights as Keras 2 saves them in HDF5 ({' '.join(str(error).split())})"
        ) from error
