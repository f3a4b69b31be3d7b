import numpy as np
import pytest
from scipy import ndimage

from deepgyro.benchmark.scores import psnr, similarity


def picture(height, width):
    noise = np.random.default_rng(0).random((height, width, 3))
    return ndimage.gaussian_filter(noise, (2, 3, 0)).astype(np.float32)


def test_psnr_and_ssim_agree_with_a_hand_calculation():
    sharp, noise = picture(40, 50), np.random.default_rng(1).normal(0, 0.05, (40, 50, 3))
    other = (sharp + noise).astype(np.float32)

    x, y = sharp.astype(float), other.astype(float)
    mean = lambda z: ndimage.uniform_filter(z, 7, mode="reflect")  # noqa: E731
    of_sample = 7**3 / (7**3 - 1)
    vx, vy = of_sample * (mean(x * x) - mean(x) ** 2), of_sample * (mean(y * y) - mean(y) ** 2)
    cov = of_sample * (mean(x * y) - mean(x) * mean(y))
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * mean(x) * mean(y) + c1) * (2 * cov + c2) / (mean(x) ** 2 + mean(y) ** 2 + c1) / (vx + vy + c2)
    assert similarity(sharp, other) == pytest.approx(ssim[3:-3, 3:-3].mean(), abs=1e-5)
    assert psnr(sharp, other) == pytest.approx(-10 * np.log10(((x - y) ** 2).mean()), abs=1e-4)  # dB


def test_psnr_of_eight_bits_is_that_of_their_share_of_white():
    sharp = np.full((4, 5, 3), 100, np.uint8)
    other = sharp.copy()
    other[0, 0, 0] = 151  # off by a fifth of white in one of 60 values

    assert psnr(sharp, other) == pytest.approx(10 * np.log10(60 / 0.2**2), abs=1e-4)  # dB
