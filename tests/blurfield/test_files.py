import io

import numpy as np
import pytest

from deepgyro.blurfield import (
    blur_field,
    motion_field,
    paths_from_vectors,
    read_field,
    read_field_pair,
    write_field,
    write_field_pair,
)
from deepgyro.camera import read_camera
from deepgyro.errors import DeepGyroError
from deepgyro.telemetry import read_gyro


def written(field, **options):
    file = io.BytesIO()
    write_field(file, field, **options)
    return file.getvalue()


def test_a_field_comes_back_as_it_was_written(tmp_path):
    field = np.random.default_rng(0).normal(0, 9, (130, 40, 5, 2)).astype(np.float32)

    (tmp_path / "f.npz").write_bytes(written(field, t=12.5, exposure=0.02))

    np.testing.assert_array_equal(read_field(tmp_path / "f.npz"), field)
    with np.load(tmp_path / "f.npz") as file:
        assert (file["t"], file["exposure"], file["width"], file["height"]) == (12.5, 0.02, 40, 130)


def test_a_large_field_stays_on_disk_and_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("deepgyro.blurfield.files.MAX_IN_MEMORY_BYTES", 0)
    field = np.random.default_rng(0).normal(0, 9, (130, 40, 5, 2)).astype(np.float32)
    (tmp_path / "f.npz").write_bytes(written(field, t=12.5, exposure=0.02))

    read = read_field(tmp_path / "f.npz")

    assert isinstance(read, np.memmap)
    np.testing.assert_array_equal(read, field)


def test_the_original_programs_pictures_come_back_folded_and_rounded(tmp_path):
    vectors = np.array([[[3.4, -2.6], [-7.0, 5.0], [100.0, 0.0]]])
    x, y = tmp_path / "x.png", tmp_path / "y.png"

    with x.open("wb") as x_file, y.open("wb") as y_file:
        write_field_pair(x_file, y_file, paths_from_vectors(vectors))
    field = read_field_pair(x, y)

    np.testing.assert_array_equal(field[..., 1, :] - field[..., 0, :], [[[3, -3], [7, -5], [100, 0]]])
    np.testing.assert_array_equal(field[..., 1, :], -field[..., 0, :])


def test_a_blur_that_does_not_fit_into_8_bits_is_refused_instead_of_wrapped():
    with pytest.raises(ValueError, match="does not fit into 8 bits"):
        write_field_pair(io.BytesIO(), io.BytesIO(), paths_from_vectors(np.array([[[128.0, -3.0]]])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a field file"),
        (b"junk that is no zip", "not a field file"),
        (lambda: written(np.zeros((4, 4, 3), np.float32), t=0.0, exposure=1.0), r"float32 \(4, 4, 3\)"),
        (lambda: written(np.full((4, 4, 2, 2), np.nan, np.float32), t=0.0, exposure=1.0), "not finite"),
    ],
)
def test_bad_field_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "bad.npz"
    path.write_bytes(content if isinstance(content, bytes) else content())

    with pytest.raises(DeepGyroError, match=message) as caught:
        read_field(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def authors_vectors(shared, number):
    folder = shared / "real/shield_burst/authors_field"
    field = read_field_pair(folder / f"blurx_000{number}.png", folder / f"blury_000{number}.png")
    return field[..., 1, :] - field[..., 0, :]


def shield(shared, number):
    folder = shared / "real/shield_burst"
    log = read_gyro(folder / "imu/imu.txt")
    camera = read_camera(__file__.replace("tests/blurfield/test_files.py", "examples/shield.yaml"))
    t, exposure = (
        int(word) / 1e9 for word in (folder / "images/images.txt").read_text().split()[2 * number - 2 :][:2]
    )
    return log, camera, {"t": t, "exposure": exposure, "height": 540, "width": 960, "n": 2}


def differences(ours, theirs):
    return np.minimum(np.linalg.norm(ours - theirs, axis=-1), np.linalg.norm(ours + theirs, axis=-1))


def test_the_field_of_the_authors_photo_4_agrees_with_their_own_program(shared):
    log, camera, options = shield(shared, 4)

    field = blur_field(log, camera, **options, reference="start")

    off = differences(field[..., 1, :] - field[..., 0, :], authors_vectors(shared, 4))
    assert np.median(off) < 0.5  # px; theirs is rounded to whole px
    assert off.max() < 1.0


def test_about_mid_exposure_the_same_points_move_as_in_the_authors_field(shared):
    log, camera, options = shield(shared, 4)
    theirs = authors_vectors(shared, 4)

    whole = motion_field(log, camera, **options, reference="row")
    field = whole[20:-20, 60:-60]  # paths start up to 40 px away

    y, x = np.mgrid[20:520, 60:900]
    start = np.rint(np.stack([x, y], -1) + field[..., 0, :]).astype(int)
    off = differences(field[..., 1, :] - field[..., 0, :], theirs[start[..., 1].clip(0, 539), start[..., 0]])
    assert np.median(off) < 1.0
    assert off[40:-40].max() < 2.5
