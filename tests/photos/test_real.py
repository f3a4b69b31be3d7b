"""The real recordings, made smaller: every photo is written, and sharper where it can be."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepgyro.blur import BlurOperator
from deepgyro.blurfield import blur_field, read_field_pair
from deepgyro.camera import read_camera
from deepgyro.light import srgb_to_linear
from deepgyro.photos import PhotoReport, deblur_photos, find_photos
from deepgyro.recording import FieldSource
from deepgyro.telemetry import read_gyro

EXAMPLES = Path(__file__).parents[2] / "examples"


def shrunk(folder, out, width, most=None):
    """Write the photos of a folder at a smaller width; return them."""
    out.mkdir()
    for path in find_photos([folder])[:most]:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        height = round(image.shape[0] * width / image.shape[1])
        cv2.imwrite(str(out / path.name), cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return find_photos([out])


def deblurred(photos, out, source):
    reports = list(deblur_photos(photos, out, source))
    assert all(isinstance(report, PhotoReport) for report in reports), reports
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in photos)
    return reports


def gradient_energy(path):
    """Return the strength of edges, noise smoothed away before."""
    image = cv2.GaussianBlur(cv2.imread(str(path)).astype(float), (0, 0), 1.5)
    return (np.diff(image, axis=0) ** 2).mean() + (np.diff(image, axis=1) ** 2).mean()


def assert_sharper(photos, out, reports):
    for photo, report in zip(photos, reports, strict=True):
        if report.skipped is None and report.blur_median_px > 4:
            assert gradient_energy(out / photo.name) > 1.1 * gradient_energy(photo), photo


def test_the_shield_burst(shared, tmp_path):
    folder = shared / "real/shield_burst"
    photos = shrunk(folder / "images", tmp_path / "in", 480)
    source = FieldSource(
        gyro=folder / "imu/imu.txt", camera=EXAMPLES / "shield.yaml", frames=folder / "images/images.txt"
    )

    reports = deblurred(photos, tmp_path / "out", source)

    assert all(report.method == "deepgyro" for report in reports)
    for report in (reports[0], reports[6]):  # the log begins too late and ends too early
        assert "does not cover" in report.note
        assert "estimated from the picture" in report.note
    assert all(25 < report.blur_median_px < 42 for report in reports)
    assert_sharper(photos, tmp_path / "out", reports)


def test_the_mars_frames(shared, tmp_path):
    folder = shared / "real/mars"
    photos = shrunk(folder / "video_frames", tmp_path / "in", 270)
    source = FieldSource(
        gyro=folder / "gyro_accel.csv", camera=EXAMPLES / "mars.yaml", frames=folder / "movie_metadata.csv"
    )

    reports = deblurred(photos, tmp_path / "out", source)

    assert all(report.skipped for report in reports[:2])
    assert all(report.skipped is None for report in reports[2:])
    assert_sharper(photos, tmp_path / "out", reports)


@pytest.mark.parametrize("name", ["iphone_office", "iphone_billiards"])
def test_the_iphone_frames_whose_table_has_mid_exposure_times(shared, tmp_path, name):
    folder = shared / "real" / name
    photos = shrunk(folder / "rgb", tmp_path / "in", 480, most=12)
    source = FieldSource(
        gyro=folder / "imu.csv", camera=EXAMPLES / f"{name}.yaml", frames=folder / "frames.csv"
    )

    reports = deblurred(photos, tmp_path / "out", source)

    with open(folder / "frames.csv", newline="") as file:
        expected = {row["file"].split("/")[-1]: row for row in csv.DictReader(file)}
    for photo, report in zip(photos, reports, strict=True):  # at a quarter of the size, and over the picture
        centre = float(expected[photo.name]["expected_centre_blur_px"]) / 4
        assert report.blur_median_px == pytest.approx(centre, rel=0.6, abs=2.0), photo  # px


@pytest.mark.parametrize("name", ["bridge", "church", "entrance", "office", "tower"])
def test_the_crops_of_figure_8_with_the_authors_fields(shared, tmp_path, name):
    folder = shared / "real/shield_crops"
    photo = folder / "blurred" / f"{name}.png"
    source = FieldSource(field=(folder / "blurx" / f"{name}.png", folder / "blury" / f"{name}.png"))

    reports = deblurred([photo], tmp_path / "out", source)

    assert reports[0].method == "deepgyro"
    assert_sharper([photo], tmp_path / "out", reports)


def test_the_deblurred_crop_blurred_again_is_the_photo(shared, tmp_path):
    folder = shared / "real/shield_crops"
    files = (folder / "blurx/tower.png", folder / "blury/tower.png")
    photo = folder / "blurred/tower.png"

    deblurred([photo], tmp_path / "out", FieldSource(field=files))

    before, after = (
        srgb_to_linear(cv2.imread(str(path)).astype(np.float32) / 255)
        for path in (photo, tmp_path / "out/tower.png")
    )
    A = BlurOperator(read_field_pair(*files))
    inside = (slice(60, -60), slice(60, -60))
    error, nothing_done = (np.abs(A(picture) - before)[inside].mean() for picture in (after, before))
    assert error < 0.015  # of white
    assert error < 0.9 * nothing_done


def test_the_streaks_of_the_mars_door_knob_follow_the_field(shared):
    """The knob's highlight in frame 8 is a streak; its direction, from the picture's own second moments."""
    folder = shared / "real/mars"
    image = cv2.imread(
        str(folder / "video_frames/frame8.jpg"), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    )
    with open(folder / "movie_metadata.csv", newline="") as file:
        t = int(list(csv.reader(file))[9][0]) / 1e9
    knob = image[528:578, 212:246].astype(float)  # its left highlight
    weight = (knob > 245).astype(float)
    y, x = np.mgrid[: knob.shape[0], : knob.shape[1]]
    dx, dy = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    covariance = np.cov(np.stack([dx.ravel(), dy.ravel()]), aweights=weight.ravel())
    streak = np.linalg.eigh(covariance)[1][:, -1]

    field = blur_field(
        read_gyro(folder / "gyro_accel.csv"), read_camera(EXAMPLES / "mars.yaml"), t=t, exposure=0.24
    )

    path = field[552, 229, -1] - field[552, 229, 0]
    cosine = abs(streak @ path) / np.linalg.norm(path)
    assert cosine > np.cos(np.radians(15))
