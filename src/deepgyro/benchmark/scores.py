"""How good a picture is: PSNR and SSIM against the sharp one, of scikit-image."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..errors import DeepGyroError
from ..light import Pixels, to_unit


def psnr(sharp: Pixels, restored: Pixels) -> float:
    """Return the peak signal-to-noise ratio over all pixels and channels, dB; the peak is white."""
    from skimage.metrics import peak_signal_noise_ratio

    reference = to_unit(sharp).astype(np.float64)
    return float(peak_signal_noise_ratio(reference, to_unit(restored), data_range=1))


def similarity(sharp: Float32[ndarray, "h w 3"], restored: Float32[ndarray, "h w 3"]) -> float:
    """Return the SSIM of two pictures taken as volumes of height x width x 3.

    scikit-image's own settings (uniform window of side 7, sample covariance, K1 = 0.01, K2 = 0.03), range 1;
    the window goes over rows, columns *and channels*, which are mirrored at their ends to make it fit. Of the
    definitions tried it is the one that gives the paper's blurred column (docs/experiments.md).
    """
    from skimage.metrics import structural_similarity

    across = ((0, 0), (0, 0), (3, 3))  # scikit-image leaves these out of the mean again
    volumes = (np.pad(picture, across, "symmetric") for picture in (sharp, restored))
    return float(structural_similarity(*volumes, win_size=7, data_range=1))


def need_extra(*packages: str) -> None:
    """Refuse to begin where a package of the extra `bench` is missing.

    Raises
    ------
    DeepGyroError
        If one is.
    """
    names = {"skimage": "scikit-image"}
    for package in packages:
        if not find_spec(package):
            raise DeepGyroError(f"{names.get(package, package)} is missing: pip install 'deepgyro[bench]'")
