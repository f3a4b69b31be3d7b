"""From a photo to a file: whole or not at all, with its metadata and a record of what was done."""

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from deepgyro.errors import DeepGyroError
from deepgyro.files import write_atomically
from deepgyro.frames.exif import EXIF_PREFIX, shrink_exif, try_read_describing_tags
from deepgyro.frames.photo import Photo
from deepgyro.frames.xmp import add_record_to_xmp

logger = logging.getLogger(__name__)

_FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_MAX_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383}  # px: libjpeg's JPEG_MAX_DIMENSION, WEBP_MAX_DIMENSION
_JPEG_SEGMENT_BYTES = 65_533  # bytes
_JPEG_XMP_BYTES = _JPEG_SEGMENT_BYTES - 29


def write_photo(
    path: str | os.PathLike[str], photo: Photo, *, record: dict[str, Any], overwrite: bool = False
) -> None:
    """Write a photo in the format of the file's suffix, with its metadata and a record.

    JPEG and WebP (both at quality 95, JPEG with full colour resolution) get 8 bits, PNG and TIFF (without
    loss) the pixels' own. JPEG drops alpha. The file appears whole or not at all.

    Parameters
    ----------
    path
        .jpg, .jpeg, .png, .tif, .tiff or .webp.
    photo
        Pixels and metadata; `dataclasses.replace(photo, pixels=sharp)` puts new pixels in.
    record
        What was done, as JSON can hold it; `read_record` gives it back.
    overwrite
        Replace a file of that name.

    Raises
    ------
    DeepGyroError
        If the file exists, its format is not written or cannot hold the picture, or the disk is full.
    """
    path = Path(path)
    format = _choose_format(path, photo)
    packet = add_record_to_xmp(record, photo.xmp)

    def encode(fp: BinaryIO) -> None:
        if format in ("PNG", "TIFF"):
            channels, icc = _channels_to_store(photo, photo.pixels, photo.alpha)
            write = _write_png if format == "PNG" else _write_tiff
            write(fp, channels, photo.exif, icc, packet)
        elif format == "JPEG":
            _write_jpeg(fp, photo, packet, record)
        else:
            _write_webp(fp, photo, packet)

    write_atomically(path, encode, overwrite=overwrite)


def to_eight_bits(values: ndarray) -> UInt8[ndarray, "..."]:
    """Round 16 bits to 8 (``round(v / 257)``); 8 bits are returned as they are."""
    if values.dtype == np.uint8:
        return values
    rounded = values >> 1  # in place, within 16 bits: (v - (v + 128) // 256 + 128) // 256
    rounded += 64
    rounded >>= 7
    np.subtract(values, rounded, out=rounded)
    rounded += 128
    rounded >>= 8
    return rounded.astype(np.uint8)


def format_from_suffix(path: Path) -> str:
    """Return the format that a file's suffix names.

    Raises
    ------
    DeepGyroError
        If it names none that is written.
    """
    suffix = path.suffix.lower()
    if suffix in (".heic", ".heif"):
        raise DeepGyroError(f"{path}: HEIC is read but not written; name the output .jpg or .png")
    if suffix not in _FORMAT_OF_SUFFIX:
        raise DeepGyroError(f"{path}: the suffix {suffix!r} names no format; use .jpg, .png, .tif or .webp")
    return _FORMAT_OF_SUFFIX[suffix]


def _choose_format(path: Path, photo: Photo) -> str:
    format = format_from_suffix(path)
    height, width = photo.pixels.shape[:2]
    if max(height, width) > _MAX_SIDE_PX.get(format, max(height, width)):
        raise DeepGyroError(
            f"{path}: {width} x {height} px, but {path.suffix} holds {_MAX_SIDE_PX[format]} px a side; "
            "name the output .png or .tif"
        )
    return format


def _channels_to_store(photo: Photo, pixels: ndarray, alpha: ndarray | None) -> tuple[ndarray, bytes | None]:
    """Return gray, RGB or RGBA to be stored, and the ICC profile if it is one for these channels."""
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    elif photo.gray:
        total = pixels.sum(axis=2, dtype=np.uint32)
        total += 1
        total //= 3
        return total.astype(pixels.dtype), photo.icc
    return pixels, _matching_icc_profile(photo)


def _matching_icc_profile(photo: Photo) -> bytes | None:
    if photo.gray and photo.icc is not None:
        logger.warning("%s: its profile for gray is left out, the output has colour channels", photo.source)
        return None
    return photo.icc


def _write_jpeg(fp: BinaryIO, photo: Photo, packet: bytes, record: dict[str, Any]) -> None:
    from PIL import Image

    if photo.alpha is not None:
        logger.warning("%s: its alpha channel is left out, JPEG holds none", photo.source)
    if len(packet) > _JPEG_XMP_BYTES:
        logger.warning(
            "%s: its XMP (%d bytes) is left out, JPEG holds %d", photo.source, len(packet), _JPEG_XMP_BYTES
        )
        packet = add_record_to_xmp(record)
    channels, icc = _channels_to_store(photo, to_eight_bits(photo.pixels), None)
    Image.fromarray(channels).save(
        fp,
        "JPEG",
        quality=95,
        subsampling=0,
        exif=shrink_exif(photo.exif, _JPEG_SEGMENT_BYTES) or b"",
        icc_profile=icc,
        xmp=packet,
    )


def _write_webp(fp: BinaryIO, photo: Photo, packet: bytes) -> None:
    from PIL import Image

    pixels = to_eight_bits(photo.pixels)
    if photo.alpha is not None:
        pixels = np.dstack([pixels, to_eight_bits(photo.alpha)])
    Image.fromarray(pixels).save(
        fp,
        "WEBP",
        quality=95,
        exact=True,
        exif=photo.exif or b"",
        icc_profile=_matching_icc_profile(photo),
        xmp=packet,
    )


def _write_png(fp: BinaryIO, channels: ndarray, exif: bytes | None, icc: bytes | None, packet: bytes) -> None:
    # OpenCV encodes 16 bits, which Pillow does not; its writer of metadata came only with 4.13 and 5.0.
    import cv2

    if channels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if channels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        channels = cv2.cvtColor(channels, code)
    encoded = cv2.imencode(".png", channels, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].data
    header = 33  # bytes: signature and IHDR
    fp.write(encoded[:header])
    if icc:
        fp.write(_make_png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if exif:
        fp.write(_make_png_chunk(b"eXIf", exif.removeprefix(EXIF_PREFIX)))
    fp.write(_make_png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    fp.write(encoded[header:])


def _make_png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def _write_tiff(
    fp: BinaryIO, channels: ndarray, exif: bytes | None, icc: bytes | None, packet: bytes
) -> None:
    """Write it uncompressed, tags by Pillow: it has no 16-bit RGB, and OpenCV no metadata."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2
    from PIL.TiffTags import BYTE, LONG

    height, width = channels.shape[:2]
    depth = channels.shape[2] if channels.ndim == 3 else 1
    rows = 64  # a strip
    row_bytes = width * depth * channels.itemsize
    starts = range(0, height, rows)
    tags = ImageFileDirectory_v2()
    for tag, value in try_read_describing_tags(exif).items():
        tags[tag] = value
    tags[256], tags[257] = width, height
    tags[258] = (8 * channels.itemsize,) * depth
    tags[259] = 1  # not compressed
    tags[262] = 1 if depth == 1 else 2  # gray, where 0 is black; RGB
    tags[277] = depth
    tags[278] = rows
    for tag, values in (
        (273, [start * row_bytes for start in starts]),  # from the end of the tags; Pillow adds their length
        (279, [min(rows, height - start) * row_bytes for start in starts]),
    ):
        tags.tagtype[tag] = LONG
        tags[tag] = tuple(values)
    tags[284] = 1  # channels side by side
    if depth == 4:
        tags[338] = 2  # alpha, not multiplied in
    if icc:
        tags[34675] = icc
    tags.tagtype[700] = BYTE
    tags[700] = packet
    tags.save(fp)
    little_endian = np.ascontiguousarray(channels, channels.dtype.newbyteorder("<"))
    fp.write(little_endian.data)
