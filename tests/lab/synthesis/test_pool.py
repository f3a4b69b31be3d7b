"""Finding and checking photos and logs, and the pair of a seed and an index."""

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deepgyro.errors import DeepGyroError
from deepgyro.frames import Photo, read_photo, to_eight_bits
from deepgyro.frames import write_photo as write_recorded
from deepgyro.lab.synthesis import PHYSICAL_PRESET, PRESETS, make_pair_at, open_pool, pack_pair

SIZE = {"height": 64, "width": 80}
COLUMNS = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"


@pytest.fixture
def folder(tmp_path, write):
    """A photo and a log that can be used, alone in their folders."""
    for name in ("photos", "logs"):
        (tmp_path / name).mkdir()
    write.photo(tmp_path / "photos/good.png")
    write.log(tmp_path / "logs/good.csv")
    return tmp_path


@pytest.fixture
def opened(folder):
    """Open the folder's pool; return it with the lines about what was left out."""

    def opened(**options):
        lines = []
        pool = open_pool([folder / "photos"], [folder / "logs"], **SIZE, on_bad=lines.append, **options)
        return pool, lines

    return opened


def names(materials):
    return [material.name for material in materials]


# ---- finding


def test_folders_are_searched_to_the_bottom_and_read_in_natural_order(folder, opened, write):
    (folder / "photos/sub/.thumbnails").mkdir(parents=True)
    for name in ("img10.JPG", "img9.jpg", "sub/deep.png", "sub/.thumbnails/x.png", "._img9.jpg"):
        write.photo(folder / "photos" / name)
    (folder / "photos/notes.txt").write_text("no photo, and not taken for one")
    (folder / "logs/2").mkdir()
    write.log(folder / "logs/2/gyro.csv")

    pool, lines = opened()

    assert names(pool.photos) == ["good.png", "img9.jpg", "img10.JPG", "sub/deep.png"]
    assert names(pool.logs) == ["2/gyro.csv", "good.csv"]
    assert lines == []


def test_order_and_names_do_not_depend_on_where_files_lie_or_who_was_named_first(folder, write):
    for seed, name in enumerate(("b", "a"), start=1):
        (folder / name).mkdir()
        write.photo(folder / name / "same.png", seed)
        write.log(folder / name / "gyro.csv", seed)
    a, b, moved = folder / "a", folder / "b", folder / "moved"
    shutil.copytree(a, moved)

    pools = [
        open_pool([first, second / "same.png"], [second / "gyro.csv", first / "gyro.csv"], **SIZE)
        for first, second in ((a, b), (b, a), (b, moved))
    ]

    assert names(pools[0].photos) == ["same.png", "same.png (2)"]
    assert names(pools[0].logs) == ["gyro.csv", "gyro.csv (2)"]
    contents = [[(m.name, m.sha256) for m in (*pool.photos, *pool.logs)] for pool in pools]
    assert contents[0] == contents[1] == contents[2]


def test_a_photo_named_twice_is_in_the_pool_once(folder):
    photo = folder / "photos/good.png"

    pool = open_pool([photo, folder / "photos", photo], [folder / "logs/good.csv"], **SIZE)

    assert names(pool.photos) == ["good.png"]


def test_a_photo_with_several_names_gets_the_shortest_whoever_was_named_first(folder, write):
    (folder / "photos/x").mkdir()
    write.photo(folder / "photos/x/a.png", seed=1)
    paths = [folder / "photos", folder / "photos/x", folder / "photos/x/a.png", folder]

    for named in (paths[:3], paths[2::-1], paths, paths[::-1]):
        pool = open_pool(named, [folder / "logs"], **SIZE)
        assert names(pool.photos) == ["a.png", "good.png"]


def test_links_are_followed_once(folder, opened, write):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    write.photo(elsewhere / "far.png", seed=1)
    (elsewhere / "back").symlink_to(folder / "photos")
    (folder / "photos/album").symlink_to(elsewhere)
    (folder / "photos/again").symlink_to(folder / "photos")
    (folder / "photos/z").mkdir()
    write.photo(folder / "photos/z/deep.png", seed=2)
    (folder / "photos/a").symlink_to(folder / "photos/z")
    (folder / "photos/the_same_photo.png").symlink_to(folder / "photos/good.png")

    pool, lines = opened()

    assert names(pool.photos) == ["album/far.png", "good.png", "z/deep.png"]
    assert lines == []


def test_progress_ends_at_the_whole(folder, opened):
    shares = []

    opened(progress=shares.append)

    assert shares == [0.5, 1.0]


# ---- what is left out


def cut(path, write):
    write.photo(path)
    path.write_bytes(path.read_bytes()[:900])


def picture(path, write):
    write.photo(path)


def rows(path, count):
    path.write_text(COLUMNS + "\n" + "".join(f"{0.01 * i:.2f},0.1,0.2,0.3\n" for i in range(count)))


BAD_PHOTOS = {
    "empty": (lambda path, _: path.write_bytes(b""), "is empty (0 bytes)"),
    "cut off": (cut, "damaged or cut off"),
    "text": (lambda path, _: path.write_text("dear diary"), "is no JPEG, PNG, TIFF, WebP or HEIC picture"),
    "CMYK": (lambda path, _: Image.new("CMYK", (128, 96)).save(path, "JPEG"), "the picture is CMYK"),
    "not as high as a pair": (lambda path, write: write.photo(path, height=60), "128 x 60 px, smaller"),
    "not as wide as a pair": (lambda path, write: write.photo(path, width=76), "76 x 96 px, smaller"),
}


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(("make", "fragment"), BAD_PHOTOS.values(), ids=BAD_PHOTOS)
def test_a_photo_that_cannot_be_used_is_left_out_with_one_line(folder, opened, write, make, fragment, suffix):
    bad = folder / f"photos/bad.{suffix}"
    make(bad, write)

    pool, lines = opened()

    assert names(pool.photos) == ["good.png"]
    (line,) = lines
    assert line.startswith(f"left out: {bad}: ")
    assert fragment in line


def test_a_folder_that_cannot_be_read_is_left_out_with_one_line(folder, opened, monkeypatch):
    closed, scandir = folder / "photos/closed", os.scandir
    closed.mkdir()

    def refuse(path):  # root, who may run the tests, is never refused
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    pool, lines = opened()

    assert names(pool.photos) == ["good.png"]
    assert lines == [f"left out: {closed}: the folder cannot be read (Permission denied)"]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_preview_is_no_photo_but_other_pictures_of_ours_are(folder, opened, suffix):
    photo = read_photo(folder / "photos/good.png")
    look, ours = folder / f"photos/look.{suffix}", folder / f"photos/ours.{suffix}"
    for path, record in ((look, {"preview": look.name}), (ours, {"method": "richardson-lucy"})):
        write_recorded(path, Photo(photo.pixels, "PNG", path), record=record)

    pool, lines = opened()

    assert names(pool.photos) == ["good.png", ours.name]
    assert lines == [f"left out: {look}: is a preview of a data set"]


def test_it_is_warned_of_several_pictures_in_a_file_only_while_it_is_checked(folder, opened, caplog):
    pages = [Image.new("RGB", (128, 96), colour) for colour in ("red", "blue")]
    pages[0].save(folder / "photos/good.png", "TIFF", save_all=True, append_images=pages[1:])

    pool, _ = opened()
    pool.photos[0].read_pixels()

    (warning,) = caplog.messages
    assert "good.png holds 2 pictures; only the first is read" in warning


def test_many_small_photos_are_counted(folder, opened, write):
    for i in range(4):
        write.photo(folder / f"photos/small{i}.png", height=60)

    pool, lines = opened()

    assert names(pool.photos) == ["good.png"]
    assert lines == [
        "left out: 4 of 5 photos are smaller than 80 x 64 px, the size of a pair (photos are never enlarged)"
    ]


BAD_LOGS = {
    "empty": (lambda path, _: path.write_bytes(b""), "the file is empty"),
    "a picture": (picture, "no gyro data"),
    "prose": (lambda path, _: path.write_text("dear diary\n" * 9), "no numbers"),
    "short": (lambda path, _: rows(path, 20), "it lasts 0.190 s; 0.2 s or more are needed"),
    "one sample": (lambda path, _: rows(path, 1), "at least 2 are needed"),
    "no header": (lambda path, write: write.log(path, header="a hand"), "4 columns and no header"),
}


@pytest.mark.parametrize(("make", "fragment"), BAD_LOGS.values(), ids=BAD_LOGS)
def test_a_log_that_cannot_be_used_is_left_out_with_one_line(folder, opened, write, make, fragment):
    bad = folder / ("logs/bad.png" if make is picture else "logs/bad.txt")
    make(bad, write)

    pool, lines = opened()

    assert names(pool.logs) == ["good.csv"]
    (line,) = lines
    assert line.startswith(f"left out: {bad}")
    assert fragment in line


def test_the_option_columns_is_for_logs_that_do_not_name_them(folder, opened, write):
    write.log(folder / "logs/bare.csv", header="a hand")
    rows(folder / "logs/named.csv", 30)
    text = (folder / "logs/named.csv").read_text()
    (folder / "logs/named.csv").write_text(text.replace("wx", "?").replace("wz", "wx").replace("?", "wz"))

    pool, lines = opened(gyro_columns=COLUMNS)

    bare, good, named = pool.logs
    assert lines == []
    assert [log.columns for log in pool.logs] == [COLUMNS, None, None]
    np.testing.assert_allclose(bare.log.omega, good.log.omega)
    np.testing.assert_allclose(named.log.omega[0], [0.3, 0.2, 0.1])


@pytest.mark.parametrize("columns", ["x,y", "", "t,wx,wy,wz"])
def test_a_bad_option_columns_is_refused_even_if_every_log_names_its_own(opened, columns):
    with pytest.raises(ValueError, match=f"columns='{columns}'"):
        opened(gyro_columns=columns)


def test_without_any_photo_or_log_there_is_no_pool(folder):
    photos, logs, empty = folder / "photos", folder / "logs", folder / "empty"
    empty.mkdir()
    rows(folder / "short.csv", 9)

    for arguments, fragment in {
        ((), (logs,)): "nothing named: no photo there",
        ((empty,), (logs,)): "empty: no photo there; name photos, or folders of them",
        ((photos,), (empty,)): "empty: no log there",
        ((folder / "fotos",), (logs,)): "fotos: no such file or folder",
        ((photos,), (folder / "imu.csv",)): "imu.csv: no such file or folder",
        ((folder / "short.csv",), (logs,)): "none of the photos (1) can be used, see above why; name others",
        (
            (photos,),
            (folder / "short.csv",),
        ): "none of the gyro logs (1) can be used, see above why; name others",
    }.items():
        with pytest.raises(DeepGyroError) as error:
            open_pool(*arguments, **SIZE, on_bad=lambda line: None)
        assert fragment in str(error.value)


# ---- pixels


def test_a_photo_of_16_bits_is_rounded_to_8(folder, opened):
    deep = np.random.default_rng(0).integers(0, 65536, (96, 128, 3), np.uint16)
    cv2.imwrite(str(folder / "photos/deep.png"), deep)

    pool, _ = opened()

    np.testing.assert_array_equal(pool.photos[0].read_pixels(), to_eight_bits(deep[..., ::-1].copy()))


def test_pixels_are_as_stored_whatever_the_orientation(folder, opened):
    pixels = read_photo(folder / "photos/good.png").pixels
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "photos/turned.jpg", quality=95, exif=exif)

    pool, _ = opened()

    turned = pool.photos[1].read_pixels()
    np.testing.assert_array_equal(turned, read_photo(folder / "photos/turned.jpg").pixels)
    assert turned.shape == pixels.shape


@pytest.mark.parametrize("change", [lambda photo, _: photo.unlink(), picture], ids=["removed", "replaced"])
def test_a_photo_that_changed_since_it_was_checked_is_refused(folder, opened, write, change):
    photo = folder / "photos/good.png"
    write.photo(photo, seed=1)
    pool, _ = opened()

    change(photo, write)

    with pytest.raises(DeepGyroError, match=r"good.png: (cannot be read any more|has changed)"):
        make_pair_at(pool, PHYSICAL_PRESET, 0, 0, **SIZE)


# ---- pairs


@pytest.mark.parametrize("preset", PRESETS)
def test_seed_and_index_name_a_pair(material, preset):
    def files(seed, index):
        return pack_pair(make_pair_at(material.pool, PRESETS[preset], seed, index, **SIZE))

    assert files(3, 5) == files(3, 5)
    assert files(3, 5)["sharp.png"] != files(3, 6)["sharp.png"]
    assert files(3, 5)["sharp.png"] != files(4, 5)["sharp.png"]


def test_a_pair_says_what_it_was_made_of(material):
    pair = make_pair_at(material.pool, PHYSICAL_PRESET, 0, 7, **SIZE)

    assert pair.sharp.shape == pair.blurred.shape == (64, 80, 3)
    assert pair.metadata["index"] == 7
    assert pair.metadata["photo"] in names(material.pool.photos)
    assert pair.metadata["log"] in names(material.pool.logs)
