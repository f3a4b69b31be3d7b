"""A blur that rises slowly over a static scene: what is done fades in, so that nothing flickers."""

import numpy as np

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import paths_from_vectors
from deepgyro.deblurring import deblur_picture
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear
from deepgyro.video import SKIP_BELOW_PX

HEIGHT, WIDTH, FRAMES = 96, 128, 24


def test_frames_change_at_most_twice_as_much_as_before_while_the_blur_rises():
    rng = np.random.default_rng(0)
    scene = np.kron(rng.uniform(0.05, 0.9, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.float32)
    light = srgb_to_linear(scene)
    before, after, methods = [], [], set()
    for length in np.linspace(0.05, 3.5, FRAMES):  # px
        field = paths_from_vectors(np.full((HEIGHT, WIDTH, 2), length / np.sqrt(2), np.float32))
        noisy = linear_to_srgb(BlurOperator(field)(light)) + rng.normal(0, 0.004, scene.shape).astype(
            np.float32
        )
        frame = from_unit_range(noisy, np.dtype(np.uint8))
        result = deblur_picture(frame, field, refine=False, fade_start=SKIP_BELOW_PX)
        methods.add(result.skipped)
        before.append(frame.astype(int))
        after.append(result.image.astype(int))

    changes = [np.abs(np.diff(np.stack(frames), axis=0)).mean(axis=(1, 2, 3)) for frames in (before, after)]

    assert methods == {None, "no blur to take out"}
    assert (changes[1] / changes[0]).max() < 2
