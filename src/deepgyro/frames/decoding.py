"""Read photos: 8 and 16 bits, pixels as stored."""

import logging
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy import ndarray

from ..errors import DeepGyroError
from ..files import unreadable_file_error
from .heif import read_heif, read_heif_xmp
from .metadata import exif_from_tags, photo_tags, read_orientation, read_record_from_xmp, rotate_to_stored
from .photo import Photo, check_photo_size, photo_from_channels

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from PIL.TiffImagePlugin import TiffImageFile

logger = logging.getLogger(__name__)

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "WEBP": rb"RIFF....WEBP",
    "HEIF": rb"....ftyp(?:heic|heix|heim|heis|hevc|hevx|mif1|msf1)",
}
# What the decoders raise for damaged files.
_DAMAGED_FILE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip
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
    with _open_photo(path) as (fp, format):
        return read_heif(path) if format == "HEIF" else _read_with_pillow(fp, path, format, quiet=quiet)


def read_record(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the record that `write_photo` put into a file, None if it did not write it.

    Raises
    ------
    DeepGyroError
        If the file is missing or no picture.
    """
    path = Path(path)
    with _open_photo(path) as (fp, format):
        return read_record_from_xmp(
            read_heif_xmp(path) if format == "HEIF" else _read_xmp(_read_header(fp, format))
        )


@contextmanager
def _open_photo(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Open a photo's file and detect its format; turn what decoders raise into a DeepGyroError."""
    try:
        fp = open(path, "rb")  # noqa: SIM115  closed below
        head = fp.read(16)
    except OSError as error:
        raise unreadable_file_error(path, error) from error
    with fp:
        if not head:
            raise DeepGyroError(f"{path}: is empty (0 bytes); copy it again")
        formats = [f for f, signature in _SIGNATURES.items() if re.match(signature, head, re.DOTALL)]
        if not formats:
            raise DeepGyroError(
                f"{path}: is no JPEG, PNG, TIFF, WebP or HEIC picture; convert it to one of them"
            )
        fp.seek(0)
        try:
            yield fp, formats[0]
        except _DAMAGED_FILE_ERRORS as error:
            what = " ".join(str(error).split()) or type(error).__name__
            raise DeepGyroError(
                f"{path}: the {formats[0]} file is damaged or cut off ({what}); copy or export it again"
            ) from error


def _read_header(fp: BinaryIO, format: str) -> "ImageFile":
    # The plugins and not Image.open: its limit on pixels (89 Mpx: a warning, 179 Mpx: an error) is a global
    # that is not ours to change, and the second picture of a phone's JPEG (gain map) would count as a page.
    from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    plugins: dict[str, type[ImageFile]] = {
        "JPEG": JpegImagePlugin.JpegImageFile, "PNG": PngImagePlugin.PngImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile, "WEBP": WebPImagePlugin.WebPImageFile,
    }  # fmt: skip
    try:
        return plugins[format](fp)
    except Image.DecompressionBombError as error:  # WebP's plugin cannot avoid the limit
        raise DeepGyroError(
            f"{fp.name}: too large for WebP (over 178 Mpx); save it as JPEG or PNG"
        ) from error


def _read_with_pillow(fp: BinaryIO, path: Path, format: str, *, quiet: bool) -> Photo:
    """Read header and metadata with Pillow, and the pixels with what decodes them right."""
    from PIL.TiffImagePlugin import TiffImageFile

    image = _read_header(fp, format)
    check_photo_size(path, *image.size)
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and not quiet:
        logger.warning("%s holds %d pictures; only the first is read", path, pictures)
    exif = None
    if isinstance(image, TiffImageFile):
        exif = exif_from_tags(photo_tags(image.getexif()))
        channels = rotate_to_stored(_decode_tiff(fp, path, image), read_orientation(exif))
    elif format == "PNG" and _read_png_depth(fp) == 16:
        data = path.read_bytes()
        exif = _check_png(data).get(b"eXIf")  # it may follow the pixels, where Pillow has not looked yet
        channels = _decode_with_opencv(data)  # Pillow halves the 16 bits
    else:
        channels = _decode_with_pillow(path, image)
    exif, icc = exif or image.info.get("exif"), image.info.get("icc_profile")
    return photo_from_channels(channels, format=format, source=path, exif=exif, icc=icc, xmp=_read_xmp(image))


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
    elif image.mode in ("1", "P", "RGBX"):
        picture = image.convert("L" if image.mode == "1" else "RGB")
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


def _check_png(data: bytes) -> dict[bytes, bytes]:
    """Return a PNG's chunks but its pixels; raise ValueError where it is cut off or changed.

    OpenCV would write to stderr then.
    """
    view, at, kind = memoryview(data), 8, b""
    chunks = {}
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError(f"it ends after {len(data)} bytes, before its end mark")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            raise ValueError(f"it ends after {len(data)} bytes, inside a chunk")
        if zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"wrong checksum at byte {end}")
        if kind != b"IDAT":
            chunks[kind] = bytes(view[at + 8 : end])
        at = end + 4
    return chunks


def _decode_tiff(fp: BinaryIO, path: Path, image: "TiffImageFile") -> ndarray:
    """Decode with OpenCV where it is right, else with Pillow; both turn the pixels for viewing."""
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
                return _decode_with_pillow(path, image)
            except Image.DecompressionBombError as error:
                raise DeepGyroError(
                    f"{path}: too large for this kind of TIFF; save it as plain RGB"
                ) from error
    return _decode_with_opencv(path.read_bytes())
