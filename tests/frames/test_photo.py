import logging
import struct
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deepgyro.errors import DeepGyroError
from deepgyro.frames import MAX_PIXELS, Photo, read_photo, read_record, write_photo
from deepgyro.frames.metadata import read_orientation, rotate_to_stored, rotate_upright
from deepgyro.frames.pixels import to_eight_bits

HEIC = Path(__file__).parents[1] / "data" / "tiny.heic"
RECORD = {"version": "0.1.0", "note": 'a <b> & "c" ü', "input_sha256": "00ff", "blur_px": 12.5}
SUFFIXES = (".jpg", ".png", ".tif", ".webp")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def smooth_pixels(dtype: type, height: int = 48, width: int = 80) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x / width, y / height, (x + y) / (height + width)], axis=2)
    return np.round(rgb * np.iinfo(dtype).max).astype(dtype)


def noise(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def exif_block(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[271], exif[274], exif[305] = "Maker", orientation, "Camera 1.0"
    exif.get_ifd(34665)[33434] = 0.02  # exposure time, s
    exif.get_ifd(34853)[1] = "N"
    return exif.tobytes()


@cache
def icc_profile() -> bytes:
    """One profile for all that ask: each new one carries the second in which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo_of(pixels: np.ndarray, **metadata) -> Photo:
    return Photo(pixels, "PNG", Path("in.png"), **metadata)


def png16(values: np.ndarray, colour_type: int, before: bytes = b"", after: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pixels + after + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_photo_comes_back_with_its_exif_its_profile_its_xmp_and_its_record(tmp_path, suffix, dtype):
    out = tmp_path / f"out{suffix}"
    photo = photo_of(smooth_pixels(dtype), exif=exif_block(), icc=icc_profile(), xmp=XMP)

    write_photo(out, photo, record=RECORD)

    back = read_photo(out)
    exif = Image.Exif()
    exif.load(back.exif)
    kept_depth = suffix in (".png", ".tif")
    assert back.pixels.dtype == (dtype if kept_depth else np.uint8)
    np.testing.assert_allclose(
        back.pixels / np.iinfo(back.pixels.dtype).max,
        photo.pixels / np.iinfo(dtype).max,
        atol=0 if kept_depth else 8 / 255,
    )
    assert (exif[271], exif[274], exif[305]) == ("Maker", 6, "Camera 1.0")
    assert exif.get_ifd(34665)[33434] == pytest.approx(0.02)
    assert exif.get_ifd(34853)[1] == "N"
    assert back.icc == icc_profile()
    assert b'xmp:Rating="4"' in back.xmp
    assert read_record(out) == RECORD


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "gray"])
def test_png_and_tiff_keep_every_bit(tmp_path, suffix, dtype, kind):
    out = tmp_path / f"out{suffix}"
    pixels = noise(dtype, 130, 37, 3)
    alpha = noise(dtype, 130, 37) if kind == "rgba" else None
    if kind == "gray":
        pixels = np.repeat(pixels[..., :1], 3, axis=2)

    write_photo(out, photo_of(pixels, alpha=alpha, gray=kind == "gray"), record={})

    back = read_photo(out)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == dtype
    assert back.gray == (kind == "gray")
    if alpha is None:
        assert back.alpha is None
    else:
        np.testing.assert_array_equal(back.alpha, alpha)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_other_programs_read_the_same_sixteen_bits(tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    pixels = noise(np.uint16, 20, 30, 3)

    write_photo(out, photo_of(pixels, icc=icc_profile()), record=RECORD)

    np.testing.assert_array_equal(cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., ::-1], pixels)
    with Image.open(out) as image:
        assert image.info["icc_profile"] == icc_profile()
        np.testing.assert_allclose(np.asarray(image), pixels >> 8, atol=1)


def test_a_tiff_as_written_by_another_program_is_read(tmp_path):
    path = tmp_path / "in.tif"
    pixels = noise(np.uint16, 20, 30, 3)
    cv2.imwrite(str(path), pixels[..., ::-1])

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_and_orientation_stay_as_stored(tmp_path, orientation, suffix, dtype):
    out = tmp_path / f"out{suffix}"
    pixels = smooth_pixels(dtype)

    write_photo(out, photo_of(pixels, exif=exif_block(orientation)), record={})

    back = read_photo(out)
    assert read_orientation(back.exif) == orientation
    assert back.pixels.shape == pixels.shape
    np.testing.assert_allclose(to_eight_bits(back.pixels).astype(int), to_eight_bits(pixels), atol=8)


def test_a_turned_palette_tiff_is_read_as_stored(tmp_path):
    path = tmp_path / "in.tif"
    indices = noise(np.uint8, 6, 9)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(bytes(noise(np.uint8, 256, 3).ravel()))
    image.save(path, exif=exif_block(6))

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.pixels, noise(np.uint8, 256, 3)[indices])
    assert read_orientation(photo.exif) == 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_storing_undoes_the_turn_of_a_viewer(orientation):
    pixels = np.arange(6).reshape(2, 3)

    turned = rotate_upright(pixels, orientation)

    np.testing.assert_array_equal(rotate_to_stored(turned, orientation), pixels)


@pytest.mark.parametrize("boxes", range(8))
def test_heic_pixels_are_as_stored_whatever_turn_the_container_asks_for(tmp_path, boxes):
    data = bytearray(HEIC.read_bytes())
    data[data.index(b"irot") + 4] = boxes & 3
    data[data.index(b"imir") + 4] = boxes >> 2
    path = tmp_path / "photo.HEIC"
    path.write_bytes(data)

    photo = read_photo(path)

    corners = photo.pixels[[4, 4, 12, 12], [8, 24, 8, 24]].astype(int)
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert photo.format == "HEIF"
    assert photo.pixels.shape == (16, 32, 3)
    np.testing.assert_allclose(corners, expected, atol=12)
    with Image.open(_jpeg_of(tmp_path, photo)) as viewed:
        assert (viewed.getexif()[274] >= 5) == bool(boxes & 1)
        assert viewed.getexif()[271] == "deepgyro"


def _jpeg_of(folder: Path, photo: Photo) -> Path:
    out = folder / "out.jpg"
    write_photo(out, photo, record={})
    return out


EIGHT_BIT_KINDS = [
    *((mode, suffix) for mode in ("1", "L", "LA", "P", "RGB", "RGBA") for suffix in (".png", ".tif")),
    ("PA", ".tif"),
]


@pytest.mark.parametrize(("mode", "suffix"), EIGHT_BIT_KINDS)
def test_each_kind_of_eight_bit_file_is_read_as_rgb(tmp_path, mode, suffix):
    path = tmp_path / f"in{suffix}"
    image = Image.fromarray(noise(np.uint8, 40, 30, 4)).convert("RGB").convert("L" if mode == "LA" else "RGB")
    image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    image.save(path)

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert photo.gray == (mode in ("1", "L"))
    assert (photo.alpha is not None) == (mode in ("LA", "PA", "RGBA"))
    assert photo.pixels.flags.writeable


def test_sixteen_bit_gray_with_alpha_keeps_its_alpha(tmp_path):
    path = tmp_path / "in.png"
    values = noise(np.uint16, 7, 5, 2)
    path.write_bytes(png16(values, 4))

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.pixels, np.repeat(values[..., :1], 3, axis=2))
    np.testing.assert_array_equal(photo.alpha, values[..., 1])


def test_exif_after_the_pixels_of_a_sixteen_bit_png_is_found(tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(png16(noise(np.uint16, 4, 12), 0, after=chunk(b"eXIf", exif_block(8)[6:])))

    photo = read_photo(path)

    assert read_orientation(photo.exif) == 8


def test_transparency_without_alpha_channel_becomes_alpha(tmp_path):
    path = tmp_path / "in.png"
    Image.fromarray(np.array([[0, 200]], np.uint8)).save(path, transparency=200)

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.alpha, [[255, 0]])


def test_webp_keeps_alpha_and_jpeg_says_that_it_does_not(tmp_path, caplog):
    photo = photo_of(smooth_pixels(np.uint8), alpha=noise(np.uint8, 48, 80))

    write_photo(tmp_path / "out.webp", photo, record={})
    write_photo(tmp_path / "out.jpg", photo, record={})

    np.testing.assert_array_equal(read_photo(tmp_path / "out.webp").alpha, photo.alpha)
    assert read_photo(tmp_path / "out.jpg").alpha is None
    assert "alpha" in caplog.text


def test_sixteen_bits_are_rounded_to_eight():
    values = np.arange(65536, dtype=np.uint16)

    rounded = to_eight_bits(values)

    np.testing.assert_array_equal(rounded, np.round(values / 257))


def test_a_gray_photo_with_new_pixels_is_written_gray_with_its_profile(tmp_path):
    photo = photo_of(noise(np.uint8, 8, 9, 3), gray=True, icc=b"a profile for gray")

    write_photo(tmp_path / "out.png", photo, record={})

    back = read_photo(tmp_path / "out.png")
    assert back.icc == b"a profile for gray"
    np.testing.assert_allclose(back.pixels[..., 0], photo.pixels.mean(axis=2), atol=0.5)


def test_a_second_record_replaces_the_first(tmp_path):
    first, second = tmp_path / "1.jpg", tmp_path / "2.png"
    write_photo(first, photo_of(smooth_pixels(np.uint8), xmp=XMP), record={"n": 1})

    write_photo(second, read_photo(first), record={"n": 2})

    packet = read_photo(second).xmp
    assert read_record(second) == {"n": 2}
    assert packet.count(b"deepgyro:record>") == 2
    assert b'xmp:Rating="4"' in packet


def test_a_record_is_found_after_another_program_made_it_an_attribute(tmp_path):
    packet = XMP.replace(b'xmp:Rating="4"', b'xmp:Rating="4" deepgyro:record="{&quot;n&quot;: 3}"')
    path = tmp_path / "in.webp"
    Image.new("RGB", (4, 4)).save(path, xmp=packet)

    before = read_record(path)
    write_photo(tmp_path / "out.tif", read_photo(path), record={"n": 4})

    assert before == {"n": 3}
    assert read_record(tmp_path / "out.tif") == {"n": 4}
    assert b"&quot;n&quot;: 3" not in read_photo(tmp_path / "out.tif").xmp


def test_an_xmp_packet_that_is_none_is_kept_and_reported(tmp_path, caplog):
    out = tmp_path / "out.png"

    write_photo(out, photo_of(smooth_pixels(np.uint8), xmp=b"\xff no xml"), record=RECORD)

    assert read_photo(out).xmp.startswith(b"\xff no xml")
    assert read_record(out) == RECORD
    assert "XMP" in caplog.text


def test_a_picture_of_another_program_has_no_record(tmp_path):
    path = tmp_path / "in.jpg"
    Image.new("RGB", (4, 4)).save(path, xmp=XMP)

    assert read_record(path) is None
    assert read_record(HEIC) is None


def test_metadata_that_jpeg_cannot_hold_is_cut_with_a_warning(tmp_path, caplog):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 3
    exif.get_ifd(34665).update({37500: b"x" * 70_000, 33434: 0.02})
    photo = photo_of(smooth_pixels(np.uint8), exif=exif.tobytes(), xmp=XMP + b" " * 70_000)

    write_photo(tmp_path / "out.jpg", photo, record=RECORD)

    back = Image.Exif()
    back.load(read_photo(tmp_path / "out.jpg").exif)
    assert (back[271], back[274]) == ("Maker", 3)
    assert back.get_ifd(34665)[33434] == pytest.approx(0.02)
    assert read_record(tmp_path / "out.jpg") == RECORD
    assert "maker's note" in caplog.text
    assert "XMP" in caplog.text


def test_unreadable_exif_is_no_obstacle(tmp_path, caplog):
    photo = photo_of(smooth_pixels(np.uint8), exif=b"Exif\0\0rubbish")

    for suffix in SUFFIXES:
        write_photo(tmp_path / f"out{suffix}", photo, record=RECORD)

        assert read_record(tmp_path / f"out{suffix}") == RECORD


def test_the_second_picture_of_a_phones_jpeg_is_passed_over(tmp_path, caplog):
    path = tmp_path / "in.jpg"
    first = Image.fromarray(smooth_pixels(np.uint8))
    first.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))], exif=exif_block())

    photo = read_photo(path)

    assert photo.format == "JPEG"
    assert photo.pixels.shape == (48, 80, 3)
    assert read_orientation(photo.exif) == 6


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_of_several_pictures_the_first_is_read_with_a_warning(tmp_path, suffix, caplog):
    path = tmp_path / f"in{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    first, second = (Image.new("RGB", (6, 4), colour) for colour in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second], **options)

    photo = read_photo(path)

    np.testing.assert_array_equal(photo.pixels[0, 0], [255, 0, 0])
    assert "2 pictures" in caplog.text


def _file(name: str, content: bytes = b""):
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _cut(name: str, share: float, dtype: type = np.uint8):
    def make(folder: Path) -> Path:
        write_photo(folder / name, photo_of(noise(dtype, 64, 64, 3)), record={})
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * share)])
        return folder / name

    return make


def _saved(name: str, image: Image.Image, **options):
    def make(folder: Path) -> Path:
        image.save(folder / name, **options)
        return folder / name

    return make


def _changed_png16(folder: Path) -> Path:
    data = bytearray(png16(noise(np.uint16, 16, 48), 0))
    data[len(data) // 2] ^= 1
    return _file("in.png", bytes(data))(folder)


def _planar_tiff16(folder: Path) -> Path:
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259], tags[262] = 4, 4, (16, 16, 16), 1, 2
    tags[273], tags[277], tags[278], tags[279], tags[284] = (0, 32, 64), 3, 4, (32, 32, 32), 2
    with open(folder / "in.tif", "wb") as fp:
        tags.save(fp)
        fp.write(bytes(96))
    return folder / "in.tif"


BAD = {
    "missing": (lambda folder: folder / "in.jpg", "no such file"),
    "folder": (lambda folder: folder, "is a folder"),
    "empty": (_file("in.jpg"), "is empty"),
    "text": (_file("in.jpg", b"timestamp,exposure\n1,2\n"), "no JPEG, PNG, TIFF, WebP or HEIC"),
    "only a JPEG's first bytes": (_file("in.jpg", b"\xff\xd8\xff\xe0"), "damaged or cut off"),
    "only a PNG's first bytes": (_file("in.png", b"\x89PNG\r\n\x1a\n"), "damaged or cut off"),
    "only a TIFF's first bytes": (_file("in.tif", b"II*\0\x08\0\0\0"), "damaged or cut off"),
    "only a WebP's first bytes": (_file("in.webp", b"RIFF\x10\0\0\0WEBPVP8 "), "damaged or cut off"),
    "JPEG cut": (_cut("in.jpg", 0.6), "damaged or cut off"),
    "JPEG cut near its end": (_cut("in.jpg", 0.97), "damaged or cut off"),
    "8-bit PNG cut": (_cut("in.png", 0.6), "damaged or cut off"),
    "16-bit PNG cut": (_cut("in.png", 0.6, np.uint16), "inside a chunk"),
    "16-bit PNG cut near its end": (_cut("in.png", 0.999, np.uint16), "damaged or cut off"),
    "16-bit PNG changed": (_changed_png16, "checksum"),
    "8-bit TIFF cut": (_cut("in.tif", 0.6), "before its pixels do"),
    "16-bit TIFF cut": (_cut("in.tif", 0.9, np.uint16), "before its pixels do"),
    "WebP cut": (_cut("in.webp", 0.6), "damaged or cut off"),
    "huge WebP": (
        _file("in.webp", b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\x7f\xff\x0f" + bytes(9)),
        "too large for WebP",
    ),
    "HEIC cut": (_file("in.heic", HEIC.read_bytes()[:-50]), "damaged or cut off"),
    "CMYK JPEG": (_saved("in.jpg", Image.new("CMYK", (8, 8))), "is CMYK"),
    "TIFF of floats": (_saved("in.tif", Image.new("F", (8, 8))), "32 bits"),
    "16-bit TIFF in planes": (_planar_tiff16, "planar 2"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path, case):
    make, reason = BAD[case]
    path = make(tmp_path)

    with pytest.raises(DeepGyroError) as caught:
        read_photo(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message


def test_a_header_that_asks_for_too_many_pixels_is_refused_before_decoding(tmp_path):
    data = bytearray(png16(np.zeros((1, 3)), 0))
    data[16:24] = struct.pack(">II", 50_000, 50_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path = _file("in.png", bytes(data))(tmp_path)

    with pytest.raises(DeepGyroError, match="50000 x 50000 px, over the limit of 250 Mpx"):
        read_photo(path)


def test_a_200_megapixel_photo_is_no_bomb_and_pillows_limit_stays(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "in.jpg"
    Image.new("L", (16_000, 12_500)).save(path, quality=10)

    record = read_record(path)

    assert record is None
    assert before * 2 < 16_000 * 12_500 < MAX_PIXELS
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.slow
def test_200_megapixels_are_read(tmp_path):
    path = tmp_path / "in.jpg"
    Image.new("L", (16_000, 12_500)).save(path, quality=10)

    photo = read_photo(path)

    assert photo.pixels.shape == (12_500, 16_000, 3)


def test_an_existing_file_is_left_alone_without_overwrite(tmp_path):
    out = tmp_path / "out.jpg"
    out.write_bytes(b"precious")

    with pytest.raises(DeepGyroError, match=r"out\.jpg exists: give --overwrite or another --out"):
        write_photo(out, photo_of(smooth_pixels(np.uint8)), record={})

    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_appears_while_writing_is_left_alone(tmp_path, monkeypatch):
    out = tmp_path / "out.png"
    encode = cv2.imencode

    def slow_encode(*args):
        out.write_bytes(b"of somebody else")
        return encode(*args)

    monkeypatch.setattr(cv2, "imencode", slow_encode)

    with pytest.raises(DeepGyroError, match="exists"):
        write_photo(out, photo_of(smooth_pixels(np.uint8)), record={})

    assert out.read_bytes() == b"of somebody else"
    assert list(tmp_path.iterdir()) == [out]


def test_overwrite_replaces_even_the_photo_itself(tmp_path):
    path = tmp_path / "photo.png"
    write_photo(path, photo_of(smooth_pixels(np.uint8)), record={"n": 1})
    photo = read_photo(path)

    write_photo(path, replace(photo, pixels=255 - photo.pixels), record={"n": 2}, overwrite=True)

    np.testing.assert_array_equal(read_photo(path).pixels, 255 - photo.pixels)
    assert list(tmp_path.iterdir()) == [path]


def test_without_hard_links_a_file_is_written_all_the_same(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)

    write_photo(tmp_path / "out.png", photo_of(smooth_pixels(np.uint8)), record={})

    assert read_photo(tmp_path / "out.png").format == "PNG"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_neither_part_nor_loss(tmp_path, monkeypatch, suffix, overwrite):
    out = tmp_path / f"out{suffix}"
    if overwrite:
        out.write_bytes(b"precious")
    real_open = open

    def open_on_full_disk(name, mode="r", **options):
        if "x" not in mode:
            return real_open(name, mode, **options)
        Path(name).write_bytes(b"begun")
        return real_open("/dev/full", "wb")

    monkeypatch.setattr("deepgyro.files.open", open_on_full_disk, raising=False)

    with pytest.raises(DeepGyroError, match=f"out{suffix}: not written, the disk is full"):
        write_photo(out, photo_of(noise(np.uint8, 400, 400, 3)), record={}, overwrite=overwrite)

    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([b"precious"] if overwrite else [])


def test_a_failure_that_is_no_files_fault_leaves_no_part(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "imencode", fail)

    with pytest.raises(KeyboardInterrupt):
        write_photo(tmp_path / "out.png", photo_of(smooth_pixels(np.uint8)), record={})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "width", "reason"),
    [
        ("out.heic", 8, "HEIC is read but not written; name the output .jpg or .png"),
        ("out.bmp", 8, "names no format"),
        ("out", 8, "names no format"),
        ("out.webp", 16_384, "holds 16383 px a side"),
        ("out.jpg", 65_501, "holds 65500 px a side"),
        ("nowhere/out.jpg", 8, "does not exist; make it first"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path, name, width, reason):
    with pytest.raises(DeepGyroError) as caught:
        write_photo(tmp_path / name, photo_of(np.zeros((1, width, 3), np.uint8)), record={})

    assert str(tmp_path / name) in str(caught.value)
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_alpha_of_another_depth_is_the_callers_mistake():
    with pytest.raises(ValueError, match="alpha is uint16"):
        photo_of(np.zeros((4, 5, 3), np.uint8), alpha=np.zeros((4, 5), np.uint16))


def test_real_photos_are_read_quietly(shared, caplog):
    caplog.set_level(logging.WARNING)

    photo = read_photo(shared / "real/iphone_office/rgb/000008.jpg")

    assert photo.pixels.shape == (1440, 1920, 3)
    assert caplog.text == ""
