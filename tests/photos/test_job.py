"""Photos in files: what is made of each, what is left alone, what goes on past a bad one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from deepgyro.blurfield import write_field
from deepgyro.errors import DeepGyroError
from deepgyro.files import file_sha256
from deepgyro.frames import read_photo, read_record
from deepgyro.photos import Failure, PhotoReport, deblur_photos, find_photos, output_paths
from deepgyro.recording import FieldSource
from deepgyro.refine.corrector import CORRECTOR_WEIGHTS
from deepgyro.restore import weights_path

HEIC = Path(__file__).parents[1] / "data" / "tiny.heic"
HEIGHT, WIDTH = 48, 64
CAMERA = (
    f"width: {WIDTH}\nheight: {HEIGHT}\nK: [60, 60, 31.5, 23.5]\nreadout_time: 0.01\n"
    "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
)


def write_picture(path, seed=0, **options):
    small = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), np.uint8)
    Image.fromarray(np.kron(small, np.ones((4, 4, 1), np.uint8))).save(path, **options)
    return path


def write_log(path, rate=2.0, start=10.0, rows=50):
    lines = [f"{start + 0.01 * i:.4f},0.3,{rate},0.1\n" for i in range(rows)]  # 10.00 to 10.49 s
    path.write_text("t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n" + "".join(lines))
    return path


def write_table(path, *rows, header="file,t,exposure"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def source(tmp_path):
    """Return a log from 10.00 to 10.49 s, its camera, and one exposure that it covers."""
    (tmp_path / "camera.yaml").write_text(CAMERA)
    log = write_log(tmp_path / "imu.csv")
    return FieldSource(gyro=log, camera=tmp_path / "camera.yaml", time=10.1, exposure=0.04)


def with_table(source, table):
    return FieldSource(gyro=source.gyro, camera=source.camera, frames=table)


def together(photos, source):
    """Return a source in which several photos were taken at the one time of `source`."""
    if source.time is None or len(photos) == 1:
        return source
    table = photos[0].parent.parent / f"{photos[0].parent.name}.csv"
    rows = "".join(f"{photo},{source.time},{source.exposure}\n" for photo in photos)
    table.write_text("file,t,exposure\n" + rows)
    return FieldSource(gyro=source.gyro, camera=source.camera, frames=table, gyro_columns=source.gyro_columns)


def run(photos, out, source, **options):
    return list(deblur_photos(photos, out, together(photos, source), **options))


def stamp(path):
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, file_sha256(path)


def test_a_photo_is_deblurred_and_the_file_says_how(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "out", source)

    out = tmp_path / "out" / "a.png"
    record = read_record(out)
    assert isinstance(report, PhotoReport)
    assert (report.file, report.out, report.method) == (str(photo), str(out), "deepgyro")
    assert report.note == ""
    assert 0 < report.blur_median_px <= report.blur_max_px
    assert report.blur_median_px == pytest.approx(60 * 2 * 0.04, rel=0.1)  # f omega exposure, px
    assert (read_photo(out).pixels != read_photo(photo).pixels).any()
    assert record["photo"] == file_sha256(photo)
    assert record["settings"]["method"] == "deepgyro"
    assert record["settings"]["t"] == 10.1
    assert record["report"]["blur_median_px"] == report.blur_median_px


def test_the_result_may_be_named_and_have_another_format(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "new" / "sharp.tif", source)

    assert report.out == str(tmp_path / "new" / "sharp.tif")
    assert read_photo(tmp_path / "new" / "sharp.tif").format == "TIFF"


def test_nothing_but_the_results_is_left_in_the_folder(tmp_path, source):
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.jpg")]
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")

    run([*photos, tmp_path / "bad.png"], tmp_path / "out", source)

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg"]


def test_sixteen_bits_stay_sixteen_bits(tmp_path, source):
    import cv2

    values = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values)

    (report,) = run([tmp_path / "a.png"], tmp_path / "out", source)

    assert report.method == "deepgyro"
    assert read_photo(tmp_path / "out" / "a.png").pixels.dtype == np.uint16


def test_orientation_profile_and_exif_are_kept_and_pixels_stay_as_stored(tmp_path, source):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = write_picture(tmp_path / "a.jpg", exif=exif.tobytes(), icc_profile=profile, quality=95)

    (report,) = run([photo], tmp_path / "out", source)

    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert report.method == "deepgyro"
        assert image.size == (WIDTH, HEIGHT)
        assert (image.getexif()[271], image.getexif()[274]) == ("Maker", 6)
        assert image.info["icc_profile"] == profile


def test_a_second_run_writes_nothing_again(tmp_path, source):
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.jpg")]
    first = run(photos[:1], tmp_path / "out", source)  # cut off after one of two
    before = stamp(tmp_path / "out" / "a.png")

    second = run(photos, tmp_path / "out", source)
    third = run(photos, tmp_path / "out", source)

    assert stamp(tmp_path / "out" / "a.png") == before
    assert [report.note for report in first] == [""]
    assert [report.note for report in second] == ["was there already", ""]
    assert [report.note for report in third] == ["was there already"] * 2
    assert third[0].blur_median_px == first[0].blur_median_px
    assert third[0].method == "deepgyro"


@pytest.mark.parametrize("change", ["method", "time", "log", "camera", "photo", "columns"])
def test_a_result_of_other_settings_is_a_failure_and_is_left_alone(tmp_path, source, change):
    photo = write_picture(tmp_path / "a.png")
    run([photo], tmp_path / "out", source)
    before = stamp(tmp_path / "out" / "a.png")
    options = {}
    if change == "method":
        options["method"] = "fastgyro"
    elif change == "time":
        source = FieldSource(gyro=source.gyro, camera=source.camera, time=10.2, exposure=0.04)
    elif change == "log":
        write_log(source.gyro, rate=1.0)
    elif change == "camera":
        source.camera.write_text(CAMERA.replace("0.01", "0.02"))
    elif change == "photo":
        write_picture(photo, seed=1)
    else:
        columns = "t[s],wy[rad/s],wx[rad/s],wz[rad/s]"
        source = FieldSource(
            gyro=source.gyro, camera=source.camera, time=10.1, exposure=0.04, gyro_columns=columns
        )

    (failure,) = run([photo], tmp_path / "out", source, **options)

    assert isinstance(failure, Failure)
    assert failure.file == str(photo)
    assert "exists" in failure.error
    assert "--overwrite" in failure.error
    assert stamp(tmp_path / "out" / "a.png") == before


def test_weights_of_a_file_take_the_place_of_those_in_the_package(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    mine = tmp_path / "mine.onnx"
    shutil.copyfile(weights_path("deepgyro-fast"), mine)

    run([photo], tmp_path / "usual", source)
    run([photo], tmp_path / "mine", source, weights=mine)
    run([photo], tmp_path / "fast", source, method="deepgyro-fast")

    usual, own, fast = (read_photo(tmp_path / name / "a.png").pixels for name in ("usual", "mine", "fast"))
    assert (own == fast).all()
    assert (own != usual).any()
    (again,) = deblur_photos([photo], tmp_path / "usual", source, weights=mine)
    assert isinstance(again, Failure)  # made with other weights


def test_weights_of_another_kind_of_network_are_refused(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")

    with pytest.raises(DeepGyroError, match="of another kind of network"):
        run([photo], tmp_path / "out", source, weights=CORRECTOR_WEIGHTS)
    with pytest.raises(ValueError, match="--weights are those of a network, which fastgyro is not"):
        run([photo], tmp_path / "out", source, method="fastgyro", weights=CORRECTOR_WEIGHTS)


def test_overwrite_makes_a_result_again(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    run([photo], tmp_path / "out", source)
    before = stamp(tmp_path / "out" / "a.png")

    (report,) = run([photo], tmp_path / "out", source, method="fastgyro", overwrite=True)

    assert report.method == "fastgyro"
    assert stamp(tmp_path / "out" / "a.png") != before
    assert read_record(tmp_path / "out" / "a.png")["settings"]["method"] == "fastgyro"


@pytest.mark.parametrize("content", [b"holiday", b""])
def test_another_programs_file_is_a_failure_and_is_left_alone(tmp_path, source, content):
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(content)

    failure, report = run(photos, tmp_path / "out", source)

    assert "exists" in failure.error
    assert (tmp_path / "out" / "a.png").read_bytes() == content
    assert isinstance(report, PhotoReport)


def test_another_programs_picture_is_a_failure_and_is_left_alone(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    other = write_picture(tmp_path / "out" / "a.png", seed=5)
    before = stamp(other)

    (failure,) = run([photo], tmp_path / "out", source)

    assert "exists" in failure.error
    assert stamp(other) == before


def test_a_copy_of_the_photo_in_the_place_of_its_result_is_not_replaced(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "backup").mkdir()
    shutil.copy(photo, tmp_path / "backup")
    before = stamp(tmp_path / "backup" / "a.png")

    (failure,) = run([photo], tmp_path / "backup", source)

    assert "exists" in failure.error
    assert stamp(tmp_path / "backup" / "a.png") == before


def test_a_picture_that_runs_with_the_shutter_is_written_as_it_came(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "camera.yaml").write_text(CAMERA.replace("readout_time: 0.01", "readout_time: 0.9"))
    t = np.arange(10, 12, 0.01)
    rows = "".join(f"{s:.2f},1.0,0,0\n" for s in t)  # rad/s; 48 rows in 0.9 s at f = 60 px
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")

    (report,) = run([photo], tmp_path / "out", source)

    assert "as fast as the shutter" in str(report.skipped)
    assert file_sha256(tmp_path / "out" / "a.png") == file_sha256(photo)


def test_a_bad_photo_is_listed_and_the_others_are_made(tmp_path, source):
    good = [write_picture(tmp_path / name) for name in ("a.png", "c.png")]
    cut = tmp_path / "b.png"
    cut.write_bytes(write_picture(cut, seed=3).read_bytes()[:150])
    missing = tmp_path / "d.png"

    results = run([good[0], cut, missing, good[1]], tmp_path / "out", source)

    assert [type(result) for result in results] == [PhotoReport, Failure, Failure, PhotoReport]
    assert results[1].file == str(cut)
    assert "damaged or cut off" in results[1].error
    assert results[2].file == str(missing)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_motion_that_turns_pixels_behind_the_camera_is_one_photos_failure(tmp_path, source):
    source.camera.write_text(CAMERA.replace("0.01", "0"))
    lines = [f"{10 + 0.01 * i:.4f},0,{2 if i < 25 else 95},0\n" for i in range(50)]  # deg/s in the end?
    source.gyro.write_text("t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n" + "".join(lines))
    table = write_table(tmp_path / "t.csv", "a.png,10.35,0.05", "b.png,10.1,0.05")
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]

    failure, report = run(photos, tmp_path / "out", with_table(source, table))

    assert isinstance(failure, Failure)
    assert "behind the camera" in failure.error
    assert isinstance(report, PhotoReport)


def test_a_failure_of_the_field_names_the_photo(tmp_path, source):
    photo = tmp_path / "crop.png"
    Image.fromarray(np.zeros((60, WIDTH, 3), np.uint8)).save(photo)

    (failure,) = run([photo], tmp_path / "out", source)

    assert "crop.png" in failure.error
    assert "64 x 60" in failure.error


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_photo_without_gyro_is_copied_byte_for_byte(tmp_path, suffix):
    photo = write_picture(tmp_path / f"a{suffix}")

    (report,) = run([photo], tmp_path / "out", FieldSource())

    assert report.skipped is not None
    assert "no gyro" in report.skipped
    assert (tmp_path / "out" / photo.name).read_bytes() == photo.read_bytes()


def test_a_photo_that_was_copied_is_left_alone_by_a_second_run(tmp_path):
    photo = write_picture(tmp_path / "a.png")
    run([photo], tmp_path / "out", FieldSource())
    before = stamp(tmp_path / "out" / "a.png")

    (report,) = run([photo], tmp_path / "out", FieldSource())

    assert isinstance(report, PhotoReport)
    assert stamp(tmp_path / "out" / "a.png") == before


def test_a_photo_without_gyro_gets_the_format_that_is_asked_for(tmp_path):
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "a.tif", FieldSource())

    assert report.skipped is not None
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, read_photo(photo).pixels)


def test_a_still_camera_leaves_the_photo_as_it_came_and_says_so(tmp_path, source):
    source.gyro.write_text("t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n10,0,0,0\n10.4,0,0,0\n")
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "out", source)

    assert (report.skipped is not None, report.blur_max_px) == (True, 0)
    assert report.skipped == "no blur to take out"
    assert (tmp_path / "out" / "a.png").read_bytes() == photo.read_bytes()


def test_a_field_too_large_leaves_the_photo_as_it_came_and_says_so(tmp_path, source):
    write_log(source.gyro, rate=15.0)
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "out", source)

    assert report.skipped is not None
    assert "too large" in report.skipped
    assert report.blur_median_px > HEIGHT / 2
    assert (tmp_path / "out" / "a.png").read_bytes() == photo.read_bytes()


def test_a_photo_that_the_log_does_not_cover_is_noted_and_the_others_are_deblurred(tmp_path, source):
    table = write_table(
        tmp_path / "t.csv",
        "before.png,1,0.04",
        "in.png,10.2,0.04",
        "part.png,10.46,0.04",
        "cut.png,10.445,0.04",
    )
    photos = [write_picture(tmp_path / f"{name}.png") for name in ("before", "in", "part", "cut", "unnamed")]

    reports = run(photos, tmp_path / "out", with_table(source, table))

    assert [report.skipped is None for report in reports] == [False, True, False, False, False]
    assert reports[1].note == ""
    for i in (0, 2, 3):  # before the log; past its end; its last rows past the end
        assert "does not cover" in reports[i].skipped
        assert Path(reports[i].out).read_bytes() == photos[i].read_bytes()
    assert "not in the table" in reports[4].skipped


def test_a_log_that_covers_none_of_the_photos_is_refused(tmp_path, source):
    table = write_table(tmp_path / "t.csv", "a.png,86410,0.04", "b.png,86411,0.04")
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]

    with pytest.raises(DeepGyroError, match="covers none of the photos"):
        run(photos, tmp_path / "out", with_table(source, table))

    assert not (tmp_path / "out").exists()


def test_a_single_photo_that_the_log_does_not_cover_is_taken_for_one_without_gyro(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    table = write_table(tmp_path / "t.csv", "a.png,86410,0.04")

    (report,) = run([photo], tmp_path / "out", with_table(source, table))

    assert report.skipped is not None
    assert "the gyro log does not cover its exposure" in report.skipped


@pytest.mark.parametrize("estimate", [None, "exposure", "offset"])
def test_a_photo_of_another_shape_is_one_failure(tmp_path, source, estimate, monkeypatch):
    likeliest = "deepgyro.recording.estimation._most_likely_value"  # these pictures say nothing
    monkeypatch.setattr(likeliest, lambda costs, values, near: (values[len(values) // 2], 1.0))
    photos = [write_picture(tmp_path / f"{name}.png") for name in "abc"]
    Image.open(photos[1]).transpose(Image.Transpose.ROTATE_90).save(photos[1])
    told = together(photos, source)
    if estimate:
        told = replace(told, estimate=estimate)

    reports = list(deblur_photos(photos, tmp_path / "out", told))

    assert [isinstance(report, Failure) for report in reports] == [False, True, False]
    assert reports[1].error.startswith(str(photos[1]))


def test_a_table_that_names_none_of_the_photos_is_refused_and_says_so(tmp_path, source):
    table = write_table(tmp_path / "t.csv", "other.png,10.1,0.04")
    photo = write_picture(tmp_path / "a.png")

    with pytest.raises(DeepGyroError, match=r"t\.csv.*none of the photos") as caught:
        run([photo], tmp_path / "out", with_table(source, table))

    assert "nan" not in str(caught.value)


def test_times_in_mid_exposure_mean_the_same_exposure(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    # Row 0 starts at 10.1 s; the middle is half an exposure and half a readout later.
    table = write_table(
        tmp_path / "t.csv", f"a.png,{10.1 + 0.02 + 0.005},0.04", header="file,t_mid_s,exposure"
    )
    run([photo], tmp_path / "start", source)

    (report,) = run([photo], tmp_path / "middle", with_table(source, table))

    assert report.method == "deepgyro"
    np.testing.assert_array_equal(
        read_photo(tmp_path / "middle" / "a.png").pixels, read_photo(tmp_path / "start" / "a.png").pixels
    )


def test_a_heic_photo_becomes_a_jpeg_and_is_not_made_twice(tmp_path):
    height, width = read_photo(HEIC).pixels.shape[:2]
    field = np.zeros((height, width, 2, 2), np.float32)
    field[:, :, 1, 0] = min(5, 0.4 * height)
    with open(tmp_path / "field.npz", "wb") as file:
        write_field(file, field, t=0.0, exposure=0.01)
    source = FieldSource(field=(tmp_path / "field.npz",))

    (first,) = run([HEIC], tmp_path / "out", source)
    (second,) = run([HEIC], tmp_path / "out", source)

    assert first.out == str(tmp_path / "out" / "tiny.jpg")
    assert first.method == "deepgyro"
    assert read_photo(tmp_path / "out" / "tiny.jpg").format == "JPEG"
    assert read_photo(tmp_path / "out" / "tiny.jpg").pixels.shape == (height, width, 3)
    assert second.note == "was there already"


def test_a_heic_photo_without_gyro_becomes_a_jpeg_too(tmp_path):
    (first,) = run([HEIC], tmp_path / "out", FieldSource())
    (second,) = run([HEIC], tmp_path / "out", FieldSource())

    assert first.skipped
    assert second.skipped
    assert second.note == "was there already"
    assert read_photo(tmp_path / "out" / "tiny.jpg").format == "JPEG"


def field_file(path, shift, height=HEIGHT, width=WIDTH):
    with open(path, "wb") as file:
        write_field(
            file, np.full((height, width, 2, 2), [[0, 0], [shift, 1]], np.float32), t=0.0, exposure=0.1
        )
    return path


def test_a_field_file_deblurs_a_photo_of_its_size(tmp_path):
    photo = write_picture(tmp_path / "a.png")
    source = FieldSource(field=(field_file(tmp_path / "f.npz", 6.0),))

    (report,) = run([photo], tmp_path / "out", source)

    assert report.method == "deepgyro"
    assert report.blur_median_px == pytest.approx(np.hypot(6, 1), abs=0.01)


def test_a_field_of_another_size_is_a_failure_that_names_both(tmp_path):
    photo = write_picture(tmp_path / "a.png")
    source = FieldSource(field=(field_file(tmp_path / "f.npz", 6.0, height=50),))

    (failure,) = run([photo], tmp_path / "out", source)

    assert "64 x 50" in failure.error
    assert "64 x 48" in failure.error


def gray_pair(tmp_path, x):
    paths = tmp_path / "x" / "0001.png", tmp_path / "y" / "0001.png"
    for path, value in zip(paths, (x, -2), strict=True):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((HEIGHT, WIDTH), 128 + value, np.uint8)).save(path)
    return paths


def test_the_original_programs_pair_deblurs_a_photo(tmp_path):
    photo = write_picture(tmp_path / "a.png")

    (report,) = run([photo], tmp_path / "out", FieldSource(field=gray_pair(tmp_path, 7)))

    assert report.method == "deepgyro"
    assert report.blur_median_px == pytest.approx(np.hypot(7, 2), abs=0.01)


def test_a_changed_picture_of_a_pair_is_noticed_though_both_have_one_name(tmp_path):
    photo = write_picture(tmp_path / "a.png")
    run([photo], tmp_path / "out", FieldSource(field=gray_pair(tmp_path, 7)))

    (failure,) = run([photo], tmp_path / "out", FieldSource(field=gray_pair(tmp_path, 4)))

    assert isinstance(failure, Failure)
    assert "exists" in failure.error


def test_progress_is_told_for_each_photo(tmp_path, source):
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]
    shares = []

    run(photos, tmp_path / "out", source, progress=shares.append)

    assert shares.count(pytest.approx(1)) == 2


def test_results_come_one_by_one(tmp_path, source):
    photos = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]

    results = deblur_photos(photos, tmp_path / "out", together(photos, source))
    next(results)

    assert (tmp_path / "out" / "a.png").exists()
    assert not (tmp_path / "out" / "b.png").exists()


def test_an_output_folder_that_cannot_be_made_is_a_failure_that_says_so(tmp_path, source):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "file").write_text("in the way")

    (failure,) = run([photo], tmp_path / "file" / "sub", source)

    assert "--out" in failure.error
    assert "Errno" not in failure.error


def test_results_are_named_as_their_photos(tmp_path):
    photos = [Path("x/a.jpg"), Path("y/b.HEIC"), Path("c.TIFF")]

    paths = output_paths(photos, tmp_path / "out")

    assert [paths[photo].name for photo in photos] == ["a.jpg", "b.jpg", "c.TIFF"]
    assert {path.parent for path in paths.values()} == {tmp_path / "out"}


def test_a_single_result_may_be_named(tmp_path):
    paths = output_paths([Path("a.jpg")], tmp_path / "sharp.PNG")

    assert paths == {Path("a.jpg"): tmp_path / "sharp.PNG"}


def test_a_folder_may_be_named_like_a_picture(tmp_path):
    (tmp_path / "out.png").mkdir()

    paths = output_paths([Path("a.jpg"), Path("b.jpg")], tmp_path / "out.png")

    assert paths[Path("b.jpg")] == tmp_path / "out.png" / "b.jpg"


@pytest.mark.parametrize(
    ("photos", "message"), [(["x/a.jpg", "y/a.jpg"], "both"), (["a.heic", "a.jpg"], "both")]
)
def test_two_results_of_one_name_are_refused(tmp_path, photos, message):
    with pytest.raises(ValueError, match=message):
        output_paths([Path(photo) for photo in photos], tmp_path / "out")


def test_two_photos_to_one_picture_are_refused(tmp_path):
    with pytest.raises(ValueError, match="2 photos"):
        output_paths([Path("a.jpg"), Path("b.jpg")], tmp_path / "out.jpg")


@pytest.mark.parametrize("out", ["", "a.png", "link.png"])
def test_a_photo_is_never_replaced_by_its_result(tmp_path, out):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(photo)

    with pytest.raises(ValueError, match="would replace the photo"):
        output_paths([photo], tmp_path / out)


def test_a_suffix_of_no_format_is_refused_and_makes_no_folder(tmp_path):
    with pytest.raises((ValueError, DeepGyroError), match=r"\.gif"):
        output_paths([Path("a.jpg")], tmp_path / "sharp.gif")


def test_photos_in_a_folder_are_found_in_natural_order(tmp_path):
    for name in ("frame10.png", "frame2.JPG", "frame1.heic", "notes.txt", "._x", "frame3.tiff"):
        (tmp_path / name).touch()
    (tmp_path / "deep.png").mkdir()

    photos = find_photos([tmp_path])

    assert [photo.name for photo in photos] == ["frame1.heic", "frame2.JPG", "frame3.tiff", "frame10.png"]


def test_photos_that_are_named_keep_their_order_and_come_once(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()

    photos = find_photos([tmp_path / "b.png", tmp_path, tmp_path / "b.png", Path("missing.png")])

    assert photos == [tmp_path / "b.png", tmp_path / "a.png", Path("missing.png")]


def test_a_folder_without_photos_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()

    with pytest.raises(DeepGyroError, match="no photo in this folder"):
        find_photos([tmp_path])


LOG, CAM, TABLE = Path("imu.csv"), Path("camera.yaml"), Path("frames.csv")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gyro": LOG, "camera": CAM, "frames": TABLE},
        {"gyro": LOG, "camera": CAM, "time": 0.0, "exposure": 0.01},
        {"gyro": LOG, "camera": CAM, "frames": TABLE, "gyro_columns": "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"},
        {"field": (Path("f.npz"),)},
    ],
)
def test_a_source_that_says_enough_is_taken(options):
    assert FieldSource(**options).gyro == options.get("gyro")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gyro": LOG}, "--gyro and --camera"),
        ({"camera": CAM}, "--gyro and --camera"),
        ({"frames": TABLE}, "need --gyro"),
        ({"time": 1.0, "exposure": 0.1}, "need --gyro"),
        ({"gyro_columns": "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"}, "--gyro"),
        ({"gyro": LOG, "camera": CAM}, "--frames"),
        ({"gyro": LOG, "camera": CAM, "time": 1.0}, "--exposure"),
        ({"gyro": LOG, "camera": CAM, "exposure": 0.1}, "--time"),
        ({"gyro": LOG, "camera": CAM, "frames": TABLE, "time": 1.0}, "leave out --time"),
        ({"field": (Path("f.npz"),), "gyro": LOG, "camera": CAM}, "leave out --gyro"),
        ({"field": (Path("f.npz"),), "time": 1.0, "exposure": 0.1}, "--time"),
        ({"gyro": LOG, "camera": CAM, "time": 1.0, "exposure": -0.1}, "exposure"),
        ({"gyro": LOG, "camera": CAM, "time": 1.0, "exposure": 0.0}, "exposure"),
        ({"gyro": LOG, "camera": CAM, "time": 1.0, "exposure": float("nan")}, "exposure"),
        ({"gyro": LOG, "camera": CAM, "time": float("nan"), "exposure": 0.1}, "time"),
    ],
)
def test_a_source_that_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FieldSource(**options)
