"""Codes of a high dynamic range."""

import numpy as np
import pytest

from deepgyro.frames import HLG_TRANSFER, PQ_TRANSFER, apply_srgb_changes, hdr_to_srgb


def pixel(share):
    return np.full((1, 1, 3), round(share * 65535), np.uint16)


@pytest.mark.parametrize(
    ("transfer", "code", "light"),
    [
        (PQ_TRANSFER, 0.508078, 0.1),
        (PQ_TRANSFER, 0.751827, 1.0),
        (PQ_TRANSFER, 0.9, 1.0),
        (HLG_TRANSFER, 0.5, 1 / 12),
        (HLG_TRANSFER, 1.0, 1.0),
    ],
)
def test_codes_stand_for_the_light_of_the_standard(transfer, code, light):
    srgb = 1.055 * light ** (1 / 2.4) - 0.055

    assert hdr_to_srgb(pixel(code), transfer)[0, 0, 0] / 65535 == pytest.approx(srgb, abs=1e-4)


@pytest.mark.parametrize("transfer", [PQ_TRANSFER, HLG_TRANSFER])
def test_only_what_was_changed_gets_another_code(transfer):
    codes = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    before = hdr_to_srgb(codes, transfer)
    after = before.copy()
    after[5] = before[5] // 2 + 9000

    changed = apply_srgb_changes(codes, before, after, transfer)

    kept = np.arange(20) != 5
    np.testing.assert_array_equal(changed[kept], codes[kept])
    moved = before[5] < 65535
    np.testing.assert_allclose(
        hdr_to_srgb(changed, transfer)[5][moved].astype(int), after[5][moved], atol=40
    )  # of 65535
