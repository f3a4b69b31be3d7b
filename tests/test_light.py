import numpy as np
import pytest

from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range

# IEC 61966-2-1: V = 12.92 L up to L = 0.0031308 (V = 0.04045), V = 1.055 L^(1 / 2.4) - 0.055 above.
PAIRS = [
    (0.0, 0.0),
    (0.02, 0.02 / 12.92),
    (0.04045, 0.0031308),
    (0.25, ((0.25 + 0.055) / 1.055) ** 2.4),
    (0.5, 0.21404114),
    (0.73535698, 0.5),
    (1.0, 1.0),
]


@pytest.mark.parametrize(("encoded", "light"), PAIRS)
def test_srgb_is_that_of_the_standard(encoded, light):
    assert srgb_to_linear(np.full((1, 1, 3), encoded, np.float32)) == pytest.approx(light, abs=2e-7)
    assert linear_to_srgb(np.full((1, 1, 3), light, np.float32)) == pytest.approx(encoded, abs=2e-6)


def test_the_two_pieces_of_srgb_meet_at_the_standards_threshold():
    below, above = (np.full((1, 1, 3), 0.04045 + step, np.float32) for step in (-1e-5, 1e-5))

    assert srgb_to_linear(below)[0, 0, 0] == pytest.approx((0.04045 - 1e-5) / 12.92, rel=1e-6)
    assert srgb_to_linear(above)[0, 0, 0] == pytest.approx(((0.04046 + 0.055) / 1.055) ** 2.4, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numbers_of_pictures_come_back(dtype):
    image = np.arange(0, np.iinfo(dtype).max + 1, 85 if dtype == np.uint8 else 257, dtype)
    image = np.repeat(image[:, None, None], 3, 2)

    np.testing.assert_array_equal(from_unit_range(to_unit_range(image), np.dtype(dtype)), image)
