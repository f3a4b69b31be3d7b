"""Compiled loops of image formation (`image`)."""

import numpy as np

from ...compiling import kernel

f32, u64 = np.float32, np.uint64
U16_SUM_STD = f32(65536 * (8 / 12) ** 0.5)
"""Standard deviation of the sum of eight numbers uniform from 0 to 65535."""


@kernel(inline="always")
def _splitmix64(counter):
    """Return 64 random bits for a counter: SplitMix64 (Steele et al., OOPSLA 2014)."""
    z = counter * u64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
    return z ^ (z >> u64(31))


@kernel(inline="always")
def _sum_u16_parts(bits):
    """Return the sum of the four 16-bit numbers in 64 bits."""
    low = u64(0xFFFF)
    return np.int64((bits & low) + (bits >> u64(16) & low) + (bits >> u64(32) & low) + (bits >> u64(48)))


@kernel
def decode_with_highlights(scene, plain, factor, out):
    """Fill out with the light of encoded pixels, ``plain[value] * factor[least channel]``.

    scene: (h, w, 3) uint8. plain, factor: 256 float32. out: (h, w, 3) float32.
    """
    for r in range(scene.shape[0]):
        for c in range(scene.shape[1]):
            red, green, blue = scene[r, c, 0], scene[r, c, 1], scene[r, c, 2]
            gain = factor[min(red, green, blue)]
            out[r, c, 0] = plain[red] * gain
            out[r, c, 1] = plain[green] * gain
            out[r, c, 2] = plain[blue] * gain


@kernel(fastmath={"contract"})
def encode_srgb_with_noise(light, key, shot, read, encoded, out):
    """Fill out with the encoded values of light plus noise of variance ``shot * light + read``, clipped.

    The noise is nearly normal: the sum of eight uniform numbers, within 4.9 standard deviations (kurtosis
    2.85), in half the time of `Generator.standard_normal`, which was a tenth of a pair's.

    light: flat float32. key: names the noise; 64 bits. encoded: the value of every 65535th of light.
    """
    a = f32(shot)
    b = f32(read)
    for i in range(len(light)):
        counter = key + u64(2) * u64(i)
        total = _sum_u16_parts(_splitmix64(counter)) + _sum_u16_parts(_splitmix64(counter + u64(1)))
        noise = (f32(total) - f32(4 * 65535)) / U16_SUM_STD
        value = light[i]
        value += np.sqrt(a * max(value, f32(0)) + b) * noise
        out[i] = encoded[np.int32(min(max(value, f32(0)), f32(1)) * f32(65535) + f32(0.5))]
