"""From a file to a photo: 8 and 16 bits, pixels as stored."""

import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy import ndarray

from deepgyro.errors import DeepGyroError
from deepgyro.files import unreadable_file_error
from deepgyro.frames.exif import (
    EXIF_PREFIX,
    exif_from_tags,
    read_describing_tags,
    read_orientation,
    rotate_to_stored,
)
from deepgyro.frames.heif import HEIF_BRANDS, read_heif, read_heif_xmp
from deepgyro.frames.photo import Photo, check_photo_size, photo_from_channels
from deepgyro.frames.xmp import read_record_from_xmp

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from PIL.TiffImagePlugin import TiffImageFile

logger = logging.getLogger(__name__)

# What the decoders raise for damaged files.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError)
_DAMAGED_FILE_ERRORS = (*_DECODING_ERRORS, struct.error, zlib.error)
_COPY_BAND_ROWS = 256  # rows copied at a time


def read_photo(path: str | os.PathLike[str], *, quiet: bool = False) -> Photo:
    """Read a JPEG, PNG, TIFF, WebP or HEIC photo, as stored, with its metadata.

    Of a file with several pictures the first is read, and a warning logged unless `quiet`.

    Raises
    ------
    DeepGyroError
        If the file is missing, empty, cut off, no picture, too large, or in colours other than RGB or gray.
    """
    path = Path(path)
    format = _detect_format(path)
    try:
        if format == "HEIF":
            return read_heif(path)
        with open(path, "rb") as fp:
            return _read_photo_file(fp, path, format, quiet=quiet)
    except _DAMAGED_FILE_ERRORS as error:
        raise _damaged_file_error(path, format, error) from error


def read_record(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what `write_photo` recorded in a file, None if it did not write it.

    Raises
    ------
    DeepGyroError
        If the file is missing or no picture.
    """
    path = Path(path)
    format = _detect_format(path)
    try:
        if format == "HEIF":
            return read_record_from_xmp(read_heif_xmp(path))
        with open(path, "rb") as fp:
            return read_record_from_xmp(_read_xmp(_read_header(fp, format)))
    except _DAMAGED_FILE_ERRORS as error:
        raise _damaged_file_error(path, format, error) from error


def _damaged_file_error(path: Path, format: str, error: BaseException) -> DeepGyroError:
    what = " ".join(str(error).split()) or type(error).__name__
    return DeepGyroError(f"{path}: the {format} file is damaged or cut off ({what}); copy or export it again")


def _detect_format(path: Path) -> str:
    try:
        with open(path, "rb") as fp:
            head = fp.read(16)
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    if not head:
        raise DeepGyroError(f"{path}: is empty (0 bytes); copy it again")
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return "HEIF"
    raise DeepGyroError(f"{path}: is no JPEG, PNG, TIFF, WebP or HEIC picture; convert it to one of them")


def _read_header(fp: BinaryIO, format: str) -> "ImageFile":
    # The plugins and not Image.open: its limit on pixels (89 Mpx: a warning, 179 Mpx: an error) is a global
    # that is not ours to change, and the second picture of a phone's JPEG (gain map) would count as a page.
    from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    if format == "JPEG":
        return JpegImagePlugin.JpegImageFile(fp)
    if format == "PNG":
        return PngImagePlugin.PngImageFile(fp)
    if format == "TIFF":
        return TiffImagePlugin.TiffImageFile(fp)
    try:
        return WebPImagePlugin.WebPImageFile(fp)
    except Image.DecompressionBombError as error:  # here the limit cannot be gone around
        raise DeepGyroError(
            f"{fp.name}: too large for WebP (over 178 Mpx); save it as JPEG or PNG"
        ) from error


def _read_photo_file(fp: BinaryIO, path: Path, format: str, *, quiet: bool) -> Photo:
    from PIL.TiffImagePlugin import TiffImageFile

    image = _read_header(fp, format)
    check_photo_size(path, *image.size)
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and not quiet:
        logger.warning("%s holds %d pictures; only the first is read", path, pictures)
    exif = None
    if isinstance(image, TiffImageFile):
        exif = exif_from_tags(read_describing_tags(image.getexif()))
        channels = _decode_tiff(fp, path, image, read_orientation(exif))
    elif format == "PNG" and _read_png_depth(fp) == 16:
        channels, exif = _decode_png16(path)
    else:
        channels = _decode_with_pillow(path, image)
    block = exif or image.info.get("exif") or None
    if block and not block.startswith(EXIF_PREFIX):
        block = EXIF_PREFIX + block
    icc = image.info.get("icc_profile") or None
    return photo_from_channels(
        channels, format=format, source=path, exif=block, icc=icc, xmp=_read_xmp(image)
    )


def _read_xmp(image: "ImageFile") -> bytes | None:
    xmp = image.info.get("xmp")
    return xmp.encode() if isinstance(xmp, str) else xmp or None


def _decode_with_pillow(path: Path, image: "ImageFile") -> ndarray:
    """Decode 8 bits a channel; copied in bands, since the whole at once would be held three times."""
    from PIL import Image

    image.load()
    picture: Image.Image = image
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise DeepGyroError(
            f"{path}: the picture is {image.mode}; save it as RGB or gray with 8 or 16 bits a channel"
        )
    if image.mode in ("LA", "PA") or "transparency" in image.info:
        picture = image.convert("RGBA")
    elif image.mode == "1":
        picture = image.convert("L")
    elif image.mode in ("P", "RGBX"):
        picture = image.convert("RGB")
    width, height = picture.size
    depth = len(picture.getbands())
    channels = np.empty((height, width) if depth == 1 else (height, width, depth), np.uint8)
    for top in range(0, height, _COPY_BAND_ROWS):
        bottom = min(top + _COPY_BAND_ROWS, height)
        channels[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return channels


def _decode_with_opencv(data: bytes) -> ndarray:
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError("it cannot be decoded") from error
    if image is None:
        raise ValueError("it cannot be decoded")
    if image.ndim == 3:
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        cv2.cvtColor(image, code, dst=image)
    return image


def _read_png_depth(fp: BinaryIO) -> int:
    fp.seek(24)
    return fp.read(1)[0]


def _decode_png16(path: Path) -> tuple[ndarray, bytes | None]:
    """Decode 16 bits with OpenCV (Pillow halves them); return the EXIF too, which may follow the pixels."""
    data = path.read_bytes()
    chunks = dict(
        _iterate_png_chunks(data)
    )  # a cut or changed file ends here, before OpenCV writes to stderr
    channels = _decode_with_opencv(data)
    exif = chunks.get(b"eXIf")
    return channels, EXIF_PREFIX + bytes(exif) if exif else None


def _iterate_png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at, kind = memoryview(data), 8, b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError(f"it ends after {len(data)} bytes, before its end mark")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            raise ValueError(f"it ends after {len(data)} bytes, inside a chunk")
        if zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"wrong checksum at byte {end}")
        yield kind, view[at + 8 : end]
        at = end + 4


def _decode_tiff(fp: BinaryIO, path: Path, image: "TiffImageFile", orientation: int) -> ndarray:
    """Decode with OpenCV where it is right, else with Pillow; both turn the pixels, which is undone here."""
    from PIL import Image

    tags = image.tag_v2
    bits, samples = tags.get(258, (1,)), tags.get(277, 1)
    straight = tags.get(262) in (1, 2) and tags.get(284, 1) == 1 and set(tags.get(339, (1,))) == {1}
    size = os.fstat(fp.fileno()).st_size
    for start, count in ((273, 279), (324, 325)):  # strips, tiles
        if any(o + n > size for o, n in zip(tags.get(start, ()), tags.get(count, ()), strict=False)):
            raise ValueError(f"it ends after {size} bytes, before its pixels do")
    if set(bits) == {16}:
        # OpenCV muddles separate planes and drops the alpha of gray.
        if not straight or samples not in (1, 3, 4):
            raise DeepGyroError(
                f"{path}: a 16-bit TIFF with {samples} channels, photometric {tags.get(262)}, planar "
                f"{tags.get(284, 1)} is not read; save it as plain 16-bit RGB or PNG"
            )
    elif max(bits) > 8:
        raise DeepGyroError(f"{path}: the TIFF has {max(bits)} bits a channel; save it with 8 or 16")
    elif not straight or set(bits) != {8} or samples not in (1, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                channels = _decode_with_pillow(path, image)
            except Image.DecompressionBombError as error:
                raise DeepGyroError(
                    f"{path}: too large for this kind of TIFF; save it as plain RGB"
                ) from error
        return rotate_to_stored(channels, orientation)
    return rotate_to_stored(_decode_with_opencv(path.read_bytes()), orientation)
