import numpy as np

from deepgyro.blur import BlurOperator
from deepgyro.lab.synthesis import blur_photo, simulate_camera_shake


def test_camera_shake_has_its_strength_and_frequencies_up_to_12_hz():
    log = simulate_camera_shake(np.random.default_rng(0), duration=20.0, strength=0.6)

    spectrum = np.abs(np.fft.rfft(log.omega, axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(log.t), 1 / log.rate)
    np.testing.assert_allclose(np.sqrt((log.omega**2).mean(0)), 0.6, rtol=1e-6)
    assert spectrum[frequency > 13].sum() < 0.01 * spectrum.sum()


def test_the_same_generator_gives_the_same_shake():
    logs = [simulate_camera_shake(np.random.default_rng(7), duration=1.0) for _ in range(2)]

    np.testing.assert_array_equal(logs[0].omega, logs[1].omega)


def test_a_blurred_photo_is_the_blur_with_noise_that_grows_with_the_light():
    light = np.full((100, 100, 3), 0.04, np.float32)
    light[:, 50:] = 0.81
    field = np.zeros((100, 100, 2, 2), np.float32)
    field[..., 1, 1] = 6

    photo = blur_photo(light, field, np.random.default_rng(0), noise=0.01)

    noise = photo - BlurOperator(field)(light)
    np.testing.assert_allclose(noise[:, :45].std(), 0.002, rtol=0.05)
    np.testing.assert_allclose(noise[:, 55:].std(), 0.009, rtol=0.05)
    assert 0 <= photo.min() <= photo.max() <= 1
