"""EXIF: how a stored picture is turned for viewing, and the tags that move from file to file."""

import logging
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

ORIENTATION_TAG = 274
EXIF_PREFIX = b"Exif\0\0"
_EXIF_IFD_TAG, _GPS_IFD_TAG, _INTEROP_IFD_TAG, _MAKER_NOTE_TAG = 34665, 34853, 40965, 37500
# What IFD 0 says about the photo; its other tags (sizes, offsets) describe the file it was in.
_DESCRIBING_TAGS = (270, 271, 272, ORIENTATION_TAG, 282, 283, 296, 305, 306, 315, 316, 18246, 33432)
_EXIF_WRITE_ERRORS = (ValueError, TypeError, AttributeError, KeyError, OSError, SyntaxError, struct.error)


def rotate_upright(pixels: ndarray, orientation: int) -> ndarray:
    """Return a view of stored pixels as a viewer shows them, for an EXIF orientation of 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def rotate_to_stored(pixels: ndarray, orientation: int) -> ndarray:
    """Undo `rotate_upright`; a view."""
    return rotate_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def orientation_from_corners(corners: ndarray) -> int:
    """Return the EXIF orientation that turns ``[[0, 1], [2, 3]]`` to the given corners."""
    stored = np.arange(4).reshape(2, 2)
    return next(o for o in range(1, 9) if np.array_equal(rotate_upright(stored, o), corners))


def read_orientation(exif: bytes | None) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or no valid one."""
    value = _load_exif(exif).get(ORIENTATION_TAG, 1) if exif else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def set_orientation(exif: bytes | None, orientation: int) -> bytes | None:
    """Return the block with this orientation; the very same block where it says so already."""
    if read_orientation(exif) == orientation:
        return exif
    try:
        tags = _load_exif(exif or b"")
        tags[ORIENTATION_TAG] = orientation
        return tags.tobytes()
    except _EXIF_WRITE_ERRORS as error:
        logger.warning("the EXIF block cannot be changed (%s); only its orientation is kept", error)
        return _dump_exif({ORIENTATION_TAG: orientation})


def read_describing_tags(exif: "Image.Exif") -> dict[int, Any]:
    """Return the tags that describe the photo and not its file; EXIF and GPS parts are dicts of tags."""
    tags: dict[int, Any] = {tag: exif[tag] for tag in _DESCRIBING_TAGS if tag in exif}
    for part in (_EXIF_IFD_TAG, _GPS_IFD_TAG):
        inner = {tag: value for tag, value in exif.get_ifd(part).items() if tag != _INTEROP_IFD_TAG}
        if inner:
            tags[part] = inner
    return tags


def try_read_describing_tags(exif: bytes | None) -> dict[int, Any]:
    """Return `read_describing_tags` of a block; none where it cannot be read."""
    if not exif:
        return {}
    try:
        return read_describing_tags(_load_exif(exif))
    except _EXIF_WRITE_ERRORS as error:
        logger.warning("the EXIF block cannot be read (%s); only its orientation is kept", error)
        return {ORIENTATION_TAG: read_orientation(exif)}


def exif_from_tags(tags: dict[int, Any]) -> bytes | None:
    """Return the EXIF block of `read_describing_tags`; None where there are none."""
    if not tags:
        return None
    try:
        return _dump_exif(tags)
    except _EXIF_WRITE_ERRORS as error:
        logger.warning("some EXIF tags cannot be written (%s); only the orientation is kept", error)
        return _dump_exif({ORIENTATION_TAG: tags.get(ORIENTATION_TAG, 1)})


def shrink_exif(exif: bytes | None, limit: int) -> bytes | None:
    """Return the block, cut to a number of bytes: the maker's note and the preview go first."""
    if exif is None or len(exif) <= limit:
        return exif
    tags = try_read_describing_tags(exif)
    tags.get(_EXIF_IFD_TAG, {}).pop(_MAKER_NOTE_TAG, None)
    smaller = exif_from_tags(tags)
    if smaller is not None and len(smaller) <= limit:
        logger.warning("EXIF is %d bytes, %d fit: maker's note and preview are left out", len(exif), limit)
        return smaller
    logger.warning("EXIF is %d bytes, %d fit: only the orientation is kept", len(exif), limit)
    return _dump_exif({ORIENTATION_TAG: read_orientation(exif)})


def _load_exif(exif: bytes) -> "Image.Exif":
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(exif)
    except _EXIF_WRITE_ERRORS as error:
        logger.warning("the EXIF block cannot be read: %s", error)
        return Image.Exif()
    return tags


def _dump_exif(tags: dict[int, Any]) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    for tag, value in tags.items():
        if isinstance(value, dict):
            exif.get_ifd(tag).update(value)
        else:
            exif[tag] = value
    return exif.tobytes()
