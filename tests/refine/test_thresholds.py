"""What happens on either side of a threshold."""

import numpy as np
import pytest

from deepgyro import deblur_picture, refine_field
from deepgyro.blurfield import paths_from_vectors
from deepgyro.refine import refinement
from deepgyro.refine.model import TERM_COUNT, CorrectedField, FieldModel

from .test_statistic import blurred, everywhere, photo  # noqa: F401


@pytest.fixture
def confident(monkeypatch):
    """Return a function that sets the confidence of every fit."""

    def set_confidence(value):
        monkeypatch.setattr(refinement, "_fit_confidence", lambda *_: value)

    return set_confidence


def test_a_correction_is_accepted_from_a_confidence_of_0_7_on(photo, confident):  # noqa: F811
    prior = paths_from_vectors(everywhere(18, 6))
    image = blurred(photo, everywhere(16, 6))

    confident(0.69)
    refused = refine_field(image, prior)
    confident(0.71)
    accepted = refine_field(image, prior)

    assert refused.field is prior
    assert refused.note == "the picture does not confirm the gyro: its blur is used uncorrected"
    assert isinstance(accepted.field, CorrectedField)


def test_without_gyro_a_picture_is_deblurred_from_a_confidence_of_0_7_on(photo, confident):  # noqa: F811
    image = blurred(photo, everywhere(16, 6))

    confident(0.69)
    refused = deblur_picture(image, None, method="fastgyro")
    confident(0.71)
    accepted = deblur_picture(image, None, method="fastgyro")

    assert str(refused.skipped).startswith("no blur is certain in the picture")
    assert (refused.confidence, accepted.confidence) == (0.69, 0.71)
    assert accepted.skipped is None


def test_blur_is_taken_out_from_0_7_px_on(photo):  # noqa: F811
    shorter, longer = (
        deblur_picture(photo, everywhere(length, 0), method="richardson-lucy", refine=False)
        for length in (0.69, 0.71)
    )

    assert shorter.skipped == "no blur to take out"
    assert longer.skipped is None
    assert (longer.image != photo).any()


def test_the_result_fades_in_from_paths_of_0_3_px_to_those_of_1_3_px(photo):  # noqa: F811
    lengths = np.linspace(0, 2.0, photo.shape[1], dtype=np.float32)
    field = np.stack([np.tile(lengths, (len(photo), 1)), np.zeros(photo.shape[:2], np.float32)], -1)
    changed = [
        np.abs(
            deblur_picture(photo, field, method="richardson-lucy", refine=False, **options).image.astype(int)
            - photo
        ).max((0, 2))
        for options in ({}, {"fade_start": 0.3}, {"fade_start": 1.5})
    ]

    np.testing.assert_array_equal(changed[0], changed[1])
    assert changed[0][lengths < 0.3].max() == 0
    assert changed[0][(lengths > 0.5) & (lengths < 1.0)].max() > 0
    assert changed[2][lengths < 1.5].max() == 0


def test_added_terms_turn_about_the_middle_of_the_picture():
    theta = np.zeros(TERM_COUNT)
    theta[3] = 5.0  # roll, px at half a diagonal from the centre
    model = FieldModel(np.zeros((9, 16, 2), np.float32), 270, 480)

    vectors = model.vectors(theta)

    np.testing.assert_allclose(vectors, -vectors[::-1, ::-1], atol=1e-5)  # px
    assert np.abs(vectors).max() > 3
