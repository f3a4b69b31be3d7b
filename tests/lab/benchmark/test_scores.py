import numpy as np
import pytest
from scipy import ndimage

from deepgyro.lab.benchmark.scores import blur_effect, psnr, reblur_error, ssim_volume


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
    assert ssim_volume(sharp, other) == pytest.approx(ssim[3:-3, 3:-3].mean(), abs=1e-5)
    assert psnr(sharp, other) == pytest.approx(-10 * np.log10(((x - y) ** 2).mean()), abs=1e-4)  # dB


def test_psnr_of_eight_bits_is_that_of_their_share_of_white():
    sharp = np.full((4, 5, 3), 100, np.uint8)
    other = sharp.copy()
    other[0, 0, 0] = 151  # off by a fifth of white in one of 60 values

    assert psnr(sharp, other) == pytest.approx(10 * np.log10(60 / 0.2**2), abs=1e-4)  # dB


def test_the_blur_effect_agrees_with_a_hand_calculation():
    image = np.round(255 * picture(40, 50)).astype(np.uint8)

    gray = image @ np.array([0.2125, 0.7154, 0.0721]) / 255
    effects = []
    for axis in (0, 1):
        sharp, smooth = (
            np.abs(ndimage.sobel(each, axis)) / 4 for each in (gray, ndimage.uniform_filter1d(gray, 11, axis))
        )
        inside = (slice(2, -1), slice(2, -1))
        lost = np.maximum(sharp - smooth, 0)[inside].sum()
        effects.append(1 - lost / sharp[inside].sum())
    assert blur_effect(image) == pytest.approx(max(effects), abs=1e-6)


def test_the_reblur_error_is_that_of_the_mean_along_the_path_in_linear_light():
    stripes = np.zeros((12, 30, 3), np.uint8)
    stripes[:, 15:] = 255
    field = np.zeros((12, 30, 2, 2), np.float32)
    field[..., 0, 0], field[..., 1, 0] = -0.5, 0.5
    # The columns beside the edge get an eighth of their neighbour's light: a path of 1 px, bilinear between.
    blurred = stripes.copy()
    eighth, rest = (1.055 * light ** (1 / 2.4) - 0.055 for light in (1 / 8, 7 / 8))
    off = 255 * eighth + 255 * (1 - rest)

    assert reblur_error(stripes, blurred, field) == pytest.approx(off / 30, abs=1e-3)  # of 255
