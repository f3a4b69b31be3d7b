"""HEIC: pictures as stored, with the turn that the container asks for put into EXIF.

The decoder turns the pixels as the container's ``irot`` and ``imir`` boxes say, and leaves EXIF's orientation
as it is, though it is no more than a note there. A gyro's axes belong to the stored pixels, so the turn is
undone here and becomes the orientation: other formats have no such boxes.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import DeepGyroError
from .metadata import EXIF_PREFIX, orientation_from_corners, rotate_to_stored, set_orientation
from .photo import Photo, check_photo_size, photo_from_channels


def read_heif(path: Path) -> Photo:
    """Read a HEIC photo's primary picture; 10 and 12 bits become 16."""
    import pi_heif

    data = path.read_bytes()
    image = pi_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = image[image.primary_index]
    check_photo_size(path, *image.size)
    orientation = read_container_orientation(data)
    del data
    channels = _decode_channels(path, image)
    exif = image.info.get("exif")
    if exif and not exif.startswith(EXIF_PREFIX):
        exif = EXIF_PREFIX + exif
    return photo_from_channels(
        rotate_to_stored(channels, orientation),
        format="HEIF",
        source=path,
        exif=set_orientation(exif, orientation),
        icc=image.info.get("icc_profile"),
        xmp=image.info.get("xmp"),
    )


def read_heif_xmp(path: Path) -> bytes | None:
    """Return a HEIC photo's XMP packet without decoding its pixels."""
    import pi_heif

    xmp: bytes | None = pi_heif.open_heif(path).info.get("xmp")
    return xmp


def read_container_orientation(data: bytes) -> int:
    """Return the EXIF orientation that turns the stored primary picture as the container's boxes do."""
    corners = np.arange(4).reshape(2, 2)
    try:
        for kind, content in _read_primary_properties(memoryview(data)):
            if kind == b"irot":
                corners = np.rot90(corners, content[0] & 3)  # quarter turns, anticlockwise
            elif kind == b"imir":
                corners = corners[:, ::-1] if content[0] & 1 else corners[::-1]
    except (struct.error, IndexError, KeyError, StopIteration) as error:
        raise ValueError("its boxes are damaged") from error
    return orientation_from_corners(corners)


def _decode_channels(path: Path, image: Any) -> ndarray:
    channels = np.asarray(image)
    mode, _, depth = image.mode.partition(";")
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise DeepGyroError(f"{path}: the HEIC picture is {mode}; RGB or gray is needed, save it as such")
    if mode == "LA":
        channels = channels[..., [0, 0, 0, 1]]
    bits = int(depth or 8)
    if 8 < bits < 16:
        # The upper bits repeated below, so that white becomes 65535.
        return (channels << (16 - bits)) | (channels >> (2 * bits - 16))
    return channels


def _iterate_boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + size if size else len(data)
        if end < start:
            raise ValueError("its boxes are damaged")
        yield kind, data[start:end]
        at = end


def _read_primary_properties(data: memoryview) -> list[tuple[bytes, memoryview]]:
    """Return the primary item's properties, in the order in which they apply."""
    meta = dict(_iterate_boxes(dict(_iterate_boxes(data))[b"meta"][4:]))
    pitm = meta[b"pitm"]
    (primary,) = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)
    iprp = list(_iterate_boxes(meta[b"iprp"]))
    properties = next(list(_iterate_boxes(content)) for kind, content in iprp if kind == b"ipco")
    indices = [i for kind, content in iprp if kind == b"ipma" for i in _item_associations(content, primary)]
    return [properties[i - 1] for i in indices if i]


def _item_associations(ipma: memoryview, item: int) -> list[int]:
    wide_item, wide_index = bool(ipma[0]), bool(ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    at, indices = 8, []
    for _ in range(count):
        this, associated = struct.unpack_from(">IB" if wide_item else ">HB", ipma, at)
        at += 5 if wide_item else 3
        for _ in range(associated):
            # The top bit says that a reader must know the property.
            (index,) = struct.unpack_from(">H" if wide_index else ">B", ipma, at)
            at += 2 if wide_index else 1
            if this == item:
                indices.append(index & (0x7FFF if wide_index else 0x7F))
    return indices
