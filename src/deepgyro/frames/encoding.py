"""From a photo to a file: whole or not at all, with its metadata and a record of what was done."""

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from ..errors import DeepGyroError
from ..files import write_atomically
from .metadata import EXIF_PREFIX, add_record_to_xmp, photo_tags, shrink_exif
from .photo import Photo
from .pixels import to_eight_bits

logger = logging.getLogger(__name__)

_FORMAT_OF_SUFFIX = {
    **{".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"},
    **{".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"},
}
_MAX_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383}  # px: libjpeg's JPEG_MAX_DIMENSION, WEBP_MAX_DIMENSION
_JPEG_SEGMENT_BYTES = 65_533  # bytes
_JPEG_XMP_BYTES = _JPEG_SEGMENT_BYTES - 29
_TIFF_STRIP_ROWS = 64


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
    format = format_from_suffix(path)
    height, width = photo.pixels.shape[:2]
    if max(height, width) > _MAX_SIDE_PX.get(format, max(height, width)):
        raise DeepGyroError(
            f"{path}: {width} x {height} px, but {path.suffix} holds {_MAX_SIDE_PX[format]} px a side; "
            "name the output .png or .tif"
        )
    packet = add_record_to_xmp(record, photo.xmp)

    def encode(fp: BinaryIO) -> None:
        if format == "PNG":
            _write_png(fp, photo, packet)
        elif format == "TIFF":
            _write_tiff(fp, photo, packet)
        else:
            _write_with_pillow(fp, photo, format, packet, record)

    write_atomically(path, encode, overwrite=overwrite)


def format_from_suffix(path: Path) -> str:
    """Return the format that a file's suffix names; raise DeepGyroError for one that is not written."""
    suffix = path.suffix.lower()
    if suffix in (".heic", ".heif"):
        raise DeepGyroError(f"{path}: HEIC is read but not written; name the output .jpg or .png")
    if suffix not in _FORMAT_OF_SUFFIX:
        raise DeepGyroError(f"{path}: the suffix {suffix!r} names no format; use .jpg, .png, .tif or .webp")
    return _FORMAT_OF_SUFFIX[suffix]


def _channels_to_store(photo: Photo, format: str) -> tuple[ndarray, bytes | None]:
    """Return gray, RGB or RGBA as the format holds it, and the ICC profile if it fits these channels."""
    pixels, alpha = photo.pixels, photo.alpha
    if format == "JPEG" and alpha is not None:
        logger.warning("%s: its alpha channel is left out, JPEG holds none", photo.source)
        alpha = None
    if format in ("JPEG", "WEBP"):
        pixels = to_eight_bits(pixels)
        alpha = None if alpha is None else to_eight_bits(alpha)
    if photo.gray and alpha is None and format != "WEBP":
        total = pixels.sum(axis=2, dtype=np.uint32)
        total += 1
        total //= 3
        return total.astype(pixels.dtype), photo.icc
    icc = photo.icc
    if photo.gray and icc is not None:
        logger.warning("%s: its profile for gray is left out, the output has colour channels", photo.source)
        icc = None
    return pixels if alpha is None else np.dstack([pixels, alpha]), icc


def _write_with_pillow(
    fp: BinaryIO, photo: Photo, format: str, packet: bytes, record: dict[str, Any]
) -> None:
    from PIL import Image

    channels, icc = _channels_to_store(photo, format)
    exif = photo.exif
    if format == "JPEG":
        exif = shrink_exif(exif, _JPEG_SEGMENT_BYTES)
        if len(packet) > _JPEG_XMP_BYTES:
            logger.warning(
                "%s: its XMP is left out: %d bytes, JPEG holds %d", photo.source, len(packet), _JPEG_XMP_BYTES
            )
            packet = add_record_to_xmp(record)
    options = {"subsampling": 0} if format == "JPEG" else {"exact": True}
    Image.fromarray(channels).save(
        fp, format, quality=95, exif=exif or b"", icc_profile=icc, xmp=packet, **options
    )


def _write_png(fp: BinaryIO, photo: Photo, packet: bytes) -> None:
    # OpenCV encodes 16 bits, which Pillow does not; its writer of metadata came only with 4.13 and 5.0.
    import cv2

    channels, icc = _channels_to_store(photo, "PNG")
    if channels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if channels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        channels = cv2.cvtColor(channels, code)
    encoded = cv2.imencode(".png", channels, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].data
    header = 33  # bytes: signature and IHDR
    fp.write(encoded[:header])
    if icc:
        fp.write(_make_png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if photo.exif:
        fp.write(_make_png_chunk(b"eXIf", photo.exif.removeprefix(EXIF_PREFIX)))
    fp.write(_make_png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    fp.write(encoded[header:])


def _make_png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def _write_tiff(fp: BinaryIO, photo: Photo, packet: bytes) -> None:
    """Write it uncompressed, tags by Pillow: it has no 16-bit RGB, and OpenCV no metadata."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2
    from PIL.TiffTags import BYTE, LONG

    channels, icc = _channels_to_store(photo, "TIFF")
    height, width = channels.shape[:2]
    depth = channels.shape[2] if channels.ndim == 3 else 1
    row_bytes = width * depth * channels.itemsize
    starts = range(0, height, _TIFF_STRIP_ROWS)
    tags = ImageFileDirectory_v2()
    tags.tagtype.update({273: LONG, 279: LONG, 700: BYTE})
    for tag, value in {
        **photo_tags(photo.exif),
        256: width,
        257: height,
        258: (8 * channels.itemsize,) * depth,
        259: 1,  # not compressed
        262: 1 if depth == 1 else 2,  # gray, where 0 is black; RGB
        273: tuple(start * row_bytes for start in starts),  # from the tags' end; Pillow adds their length
        277: depth,
        278: _TIFF_STRIP_ROWS,
        279: tuple(min(_TIFF_STRIP_ROWS, height - start) * row_bytes for start in starts),
        284: 1,  # channels side by side
        **({338: 2} if depth == 4 else {}),  # alpha, not multiplied in
        **({34675: icc} if icc else {}),
        700: packet,
    }.items():
        tags[tag] = value
    tags.save(fp)
    fp.write(np.ascontiguousarray(channels, channels.dtype.newbyteorder("<")).data)
