import json
import shutil

import numpy as np
import pytest
from PIL import Image

from deepgyro.camera import Camera
from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.benchmark import bench_features
from deepgyro.lab.benchmark.bursts import count_verified_matches, match_burst_pairs, read_burst_pairs
from deepgyro.lab.benchmark.contenders import return_unchanged
from deepgyro.lab.benchmark.datafolder import PLANAR_SCENES
from deepgyro.lab.benchmark.features import read_homography
from deepgyro.lab.benchmark.recordings import RealPhoto, read_real_photos
from deepgyro.lab.benchmark.regions import detect_sift_regions

KEYS = ["scene", "method", "repeatability", "correct_matches", "matching_score"]
SMALL = {"count": 1, "bursts": (), "methods": ("unblurred", "blurred")}


@pytest.fixture(scope="module")
def data(held, make, tmp_path_factory):
    """The validation logs, and four scenes of two pictures, the second shifted by (6, -3) px."""
    folder = tmp_path_factory.mktemp("features")
    shutil.copytree(held / "gyro", folder / "gyro")
    for seed, scene in enumerate(PLANAR_SCENES):
        place = folder / "eval/oxford_affine" / scene
        place.mkdir(parents=True)
        picture = make.picture(153, 226, seed)
        Image.fromarray(picture[:150, 6:]).save(place / "img1.png")
        Image.fromarray(picture[3:, :220]).save(place / "img2.png")
        (place / "H1to2p").write_text("1 0 6\n0 1 -3\n0 0 1\n")
    return folder


@pytest.fixture(scope="module")
def done():
    """The shares that the progress was told."""
    return []


@pytest.fixture(scope="module")
def report(data, done):
    return bench_features(data, **SMALL, progress=done.append)


def test_rows_are_flat_and_have_the_keys_other_programs_expect(report):
    assert report.bench == "features"
    assert all(list(row) == KEYS for row in report.rows)
    assert [(row["scene"], row["method"]) for row in report.rows] == [
        (scene, method) for scene in PLANAR_SCENES for method in ("unblurred", "blurred")
    ]


def test_regions_of_the_unblurred_pictures_agree_and_blur_takes_most_of_them(report):
    score = {(row["scene"], row["method"]): row["matching_score"] for row in report.rows}

    for scene in PLANAR_SCENES:
        assert score[scene, "unblurred"] > 0.6
        assert score[scene, "blurred"] < 0.5 * score[scene, "unblurred"]


def test_the_same_seed_gives_the_same_figures_and_another_one_others(data, report):
    again, other = (bench_features(data, **SMALL, seed=seed).rows for seed in (1, 2))

    assert again == report.rows
    assert other != report.rows


def test_progress_goes_up_to_one(report, done):
    assert done == sorted(done)
    assert done[-1] == 1


def test_the_photos_of_a_burst_are_matched_before_and_after(make, tmp_path):
    picture = make.picture(200, 300, 5)
    K = np.array([[300.0, 0, 139.5], [0, 300.0, 99.5], [0, 0, 1]])
    photos = []
    for k in range(3):
        Image.fromarray(picture[:, 10 * k : 280 + 10 * k]).save(tmp_path / f"{k}.png")
        still = np.zeros((200, 280, 2, 2), np.float32)
        photos.append(RealPhoto(tmp_path / f"{k}.png", still, Camera(280, 200, K), t=0.03 * k))
    done = []

    rows = match_burst_pairs(
        "pan", [(photos[0], photos[1]), (photos[1], photos[2])], {"blurred": return_unchanged}, done.append
    )

    assert [row["scene"] for row in rows] == ["pan, homography", "pan, essential"]
    assert all(row["repeatability"] is None and row["matching_score"] > 0.6 for row in rows)
    assert done[-1] == 1


def test_matches_of_unlike_pictures_are_not_verified(make):
    first, second = (detect_sift_regions(make.picture(200, 300, seed), 300) for seed in (1, 2))

    correct, score = count_verified_matches(first, second)

    assert correct < 15
    assert score < 0.05
    assert count_verified_matches(first[np.zeros(len(first), bool)], second) == (0, 0.0)


def test_a_homography_file_of_eight_numbers_is_refused(tmp_path):
    (tmp_path / "H1to2p").write_text("1 0 0\n0 1 0\n0 0\n")

    with pytest.raises(DeepGyroError, match="3 x 3"):
        read_homography(tmp_path / "H1to2p")


def test_the_command_prints_one_json_object(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_features", lambda *_, **__: report)

    code = main(["bench", "features", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == list(report.rows)


def test_the_command_prints_a_table(capsys, monkeypatch, report):
    monkeypatch.setattr("deepgyro.lab.benchmark.bench_features", lambda *_, **__: report)

    assert main(["bench", "features", "--method", "fastgyro"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == KEYS


def test_what_is_missing_is_said_in_one_line(capsys, held):
    code = main(["bench", "features", "--data", str(held)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"error: {held / 'eval/oxford_affine/graf/img1.png'} is missing")


def test_no_pair_at_all_is_refused(capsys, data):
    assert main(["bench", "features", "--data", str(data), "--count", "0"]) == 2
    assert "--count is 0" in capsys.readouterr().err


def test_the_real_recordings_are_read(shared):
    photos = read_real_photos(shared, "shield_burst", 240)

    assert [photo.path.name for photo in photos] == [f"{k:04d}.jpg" for k in range(2, 7)]
    assert photos[0].read_pixels().shape == (135, 240, 3)
    assert 13 < photos[0].blur_px < 17  # px; an eighth of the size
    assert len(read_burst_pairs(shared, "iphone_office", 3)) == 3
