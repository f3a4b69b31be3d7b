"""How good a picture is: against the sharp one, against the blurred one, and by itself."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import Field
from ...errors import require_extra
from ...light import Pixels, linear_to_srgb, srgb_to_linear, to_unit_range


def psnr(sharp: Pixels, restored: Pixels) -> float:
    """Return the peak signal-to-noise ratio over all pixels and channels, dB; the peak is white."""
    from skimage.metrics import peak_signal_noise_ratio

    reference = to_unit_range(sharp).astype(np.float64)
    return float(peak_signal_noise_ratio(reference, to_unit_range(restored), data_range=1))


def ssim_volume(sharp: Float32[ndarray, "h w 3"], restored: Float32[ndarray, "h w 3"]) -> float:
    """Return the SSIM of two pictures taken as volumes of height x width x 3.

    scikit-image's own settings (uniform window of side 7, sample covariance, K1 = 0.01, K2 = 0.03), range 1;
    the window goes over rows, columns *and channels*, which are mirrored at their ends to make it fit. Of the
    definitions tried it is the one that gives the paper's blurred column (docs/experiments/metrics.md).
    """
    from skimage.metrics import structural_similarity

    across = ((0, 0), (0, 0), (3, 3))  # scikit-image leaves these out of the mean again
    volumes = (np.pad(picture, across, "symmetric") for picture in (sharp, restored))
    return float(structural_similarity(*volumes, win_size=7, data_range=1))


def blur_effect(image: UInt8[ndarray, "h w 3"]) -> float:
    """Return scikit-image's `blur_effect` of a picture's grey values: 0 is sharp, 1 as blurred as can be.

    How little the gradients change when the picture is smoothed once more, over 11 px along the rows or the
    columns, whichever is worse (Crete et al. 2007). It needs no reference, and takes noise for sharpness.
    """
    from skimage.color import rgb2gray
    from skimage.measure import blur_effect as of_gray

    return float(of_gray(rgb2gray(image), h_size=11))


def reblur_error(restored: UInt8[ndarray, "h w 3"], blurred: UInt8[ndarray, "h w 3"], field: Field) -> float:
    """Return the mean of ``|A(restored) - blurred|``, of 255: blurred in linear light, compared encoded."""
    light = srgb_to_linear(to_unit_range(restored))
    again = linear_to_srgb(BlurOperator(field[:, :])(light)).clip(0, 1)
    return 255 * float(np.abs(again - to_unit_range(blurred)).mean(dtype=np.float64))


def require_bench_extra(*packages: str) -> None:
    """Refuse to begin where a package of the extra `bench` is missing.

    Raises
    ------
    DeepGyroError
        If one is.
    """
    with require_extra("bench"):
        for package in packages:
            import_module(package)
